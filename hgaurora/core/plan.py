# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From where a database is to where it is wanted, as a list of steps. Pure: state in, plan out.

The applied set is what the ledger records, never the ancestors of the heads in the target's graph. What is applied and
the same in the target stays, and so does nothing that stands on something that does not stay. The rest goes
down with the scripts it came up with, and then everything that the target wants and does not have comes up.
Repeatable files that are gone are taken back before all that, because they may stand on what goes; those that are new
or changed run after it.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import Enum

from .additions import Key, drops
from .errors import StateError
from .graph import Graph, heads, topological
from .identity import NORMAL_VERSION
from .losses import UNKNOWN, losses
from .model import Applied, Changeset, Direction, Finding, Kind, Repeated, Script, State, Way
from .policy.verdict import refusal
from .repeatable import Repeatable, Stood, undo, undo_to
from .state import check_state
from .steps import Migrate, Plan, Repeat, Step, TakeSnapshot

__all__ = ["check_state", "heads", "plan_deploy", "plan_from", "plan_revert", "to_json"]


def plan_deploy(
    environment: str,
    state: State,
    graph: Graph,
    target: Changeset,
    *,
    snapshot: str,
    multiple_heads: bool = False,
    resumes: str | None = None,
    recorded: Mapping[str, bytes] | None = None,
    repeatables: Mapping[str, Repeatable] | None = None,
    restorable: bool = True,
    engine: str = "postgresql",
) -> Plan:
    """The steps that bring an environment to the migrations of a changeset.

    :param snapshot: ``each`` migration has one before it, one before the ``deploy``, or ``none``.
    :param resumes: id of the interrupted deployment that this one takes up.
    :param recorded: contents of recorded scripts by raw hash, for diffs and for what a downgrade loses; of repeatable
        files that are gone they have to be there.
    :param repeatables: the repeatable files of the target, by path.
    :param restorable: a revert can restore a snapshot of the environment; for the hint.
    :param engine: whose SQL the repeatable files are.
    :raises PolicyError: the target has more than one head.
    :raises StateError: a migration that can not be downgraded would have to be, or one that stopped half way
        would be left so.
    """
    if len(graph.heads) > 1 and not multiple_heads:
        raise refusal(environment, [_two_heads(environment, graph, state)])
    contents = {script.raw: script.content for script in graph.scripts.values()} | dict(recorded or {})
    down, up = _moves(state.applied, graph.scripts)
    migrations = [_down(state.applied[revision], contents) for revision in down]
    migrations += [_up(graph.scripts[revision], target.node) for revision in up]
    coming = {path: _Coming(one.raw, one.sql, target.node, recorded=False) for path, one in (repeatables or {}).items()}
    steps = _repeated(environment, state, _with_versions(state.applied, migrations), coming, contents, engine)
    _check(environment, state, steps, "take a changeset that keeps {names} as it ran, or ", restorable=restorable)
    return plan_from(
        environment,
        state,
        kind=Kind.DEPLOY,
        heads_after=graph.heads,
        target=target,
        steps=_with_snapshots(steps, snapshot),
        notes=tuple(_notes(state.applied, graph, target, contents)),
        resumes=resumes,
    )


def plan_revert(
    environment: str,
    state: State,
    *,
    wanted: Mapping[str, Applied],
    target: Changeset | None,
    snapshot: str,
    contents: Mapping[str, bytes] | None = None,
    reverts: Sequence[str] = (),
    resumes: str | None = None,
    repeated: Mapping[str, Repeated] | None = None,
    stood: Stood | None = None,
    added: Mapping[Key, str] | None = None,
    engine: str = "postgresql",
    schema: str = "public",
) -> Plan:
    """The steps that bring an environment back to what was applied at an earlier point, by downgrade.

    Every script is a recorded one. There is one snapshot at most, before all: a revert has to be fast.

    :param wanted: the applied set as of that point, by revision.
    :param target: the changeset the environment was at; None: an empty database.
    :param contents: contents of the recorded scripts by raw hash, for what each downgrade loses; of repeatable files
        in force then or now they have to be there.
    :param repeated: the repeatable files in force as of that point, by path.
    :param stood: views, routines and triggers that were there then, of those that files create which came later.
    :param added: what runs of repeatable files added since, and the path of each one's file.
    :param reverts: ids of the deployments that are taken back.
    :param schema: where names without one go, on PostgreSQL.
    :param engine: as :func:`plan_deploy`.
    :raises StateError: as :func:`plan_deploy`.
    """
    down, up = _moves(state.applied, wanted)
    migrations = [_down(state.applied[revision], contents or {}) for revision in down]
    migrations += [_up(wanted[revision], wanted[revision].node) for revision in up]
    coming = {
        path: _Coming(one.raw, _sql(path, one.raw, contents or {}), one.node, recorded=True)
        for path, one in (repeated or {}).items()
    }
    moves = _with_versions(state.applied, migrations)
    steps = _repeated(environment, state, moves, coming, contents or {}, engine, stood or {}, schema, added or {})
    _check(environment, state, steps)
    return plan_from(
        environment,
        state,
        kind=Kind.REVERT,
        way=Way.DOWNGRADE,
        heads_after=heads(wanted),
        target=target,
        steps=_with_snapshots(steps, "none" if snapshot == "none" else "deploy"),
        reverts=tuple(reverts),
        resumes=resumes,
    )


def plan_from(
    environment: str,
    state: State,
    *,
    kind: Kind,
    way: Way | None = None,
    heads_after: tuple[str, ...],
    target: Changeset | None,
    steps: tuple[Step, ...] = (),
    notes: tuple[Finding, ...] = (),
    reverts: tuple[str, ...] = (),
    resumes: str | None = None,
) -> Plan:
    """A plan that is bound to a state; the rest as :class:`Plan` has it."""
    return Plan(
        environment=environment,
        kind=kind,
        way=way,
        base_epoch=state.epoch,
        base_versions=state.versions or (),
        base_node=state.node,
        base_branch=state.branch,
        heads_before=heads(state.applied),
        heads_after=heads_after,
        target=target,
        steps=steps,
        notes=notes,
        reverts=reverts,
        resumes=resumes,
    )


def to_json(plan: Plan) -> dict[str, object]:
    """The plan with stable field names; JSON-serialisable, and what the ledger keeps of it."""
    target = plan.target
    return {
        "environment": plan.environment,
        "kind": plan.kind.value,
        "way": plan.way.value if plan.way else None,
        "from": {
            "node": plan.base_node,
            "branch": plan.base_branch,
            "heads": list(plan.heads_before),
            "epoch": plan.base_epoch,
            "versions": list(plan.base_versions),
        },
        "to": {
            "node": target.node if target else None,
            "branch": target.branch if target else None,
            "heads": list(plan.heads_after),
        },
        "steps": [{"verb": step.verb, **_plain(asdict(step), but="sql")} for step in plan.steps],
        "notes": [_plain(asdict(note)) for note in plan.notes],
        "reverts": list(plan.reverts),
        "resumes": plan.resumes,
    }


def _plain(fields: Mapping[str, object], *, but: str = "") -> dict[str, object]:
    plain: dict[str, object] = {}
    for name, value in fields.items():
        if name == but:
            continue
        if isinstance(value, Enum):
            value = value.value
        plain[name] = list(value) if isinstance(value, tuple) else value
    return plain


def same(applied: Applied, wanted: Script | Applied) -> bool:
    """True where a script need not run again: same place in the graph, and the same program."""
    if {*applied.parents} != {*wanted.parents} or {*applied.depends_on} != {*wanted.depends_on}:
        return False
    version = wanted.normal_version if isinstance(wanted, Applied) else NORMAL_VERSION
    return applied.raw == wanted.raw or (applied.normal_version == version and applied.normal == wanted.normal)


def _moves(
    applied: Mapping[str, Applied], wanted: Mapping[str, Script] | Mapping[str, Applied]
) -> tuple[list[str], list[str]]:
    """What goes down and what comes up, each in order."""
    order = topological(applied)
    keep: set[str] = set()
    for revision in order:
        other = wanted.get(revision)
        if other is not None and same(applied[revision], other) and keep.issuperset(other.needs):
            keep.add(revision)
    return (
        [revision for revision in reversed(order) if revision not in keep],
        [revision for revision in topological(wanted) if revision not in keep],
    )


def _up(script: Script | Applied, node: str) -> Migrate:
    return _migrate(script, Direction.UP, node, recorded=isinstance(script, Applied), loses=())


def _down(script: Applied, contents: Mapping[str, bytes]) -> Migrate:
    content = contents.get(script.raw)
    loses = losses(content) if content is not None else (UNKNOWN,)
    return _migrate(script, Direction.DOWN, script.node, recorded=True, loses=loses)


def _migrate(
    script: Script | Applied, direction: Direction, node: str, *, recorded: bool, loses: tuple[str, ...]
) -> Migrate:
    return Migrate(
        revision=script.revision,
        direction=direction,
        path=script.path,
        message=script.message,
        raw=script.raw,
        normal=script.normal,
        parents=script.parents,
        depends_on=script.depends_on,
        branch_labels=script.branch_labels,
        irreversible=script.irreversible,
        recorded=recorded,
        node=node,
        loses=loses,
    )


def _with_versions(applied: Mapping[str, Applied], migrations: Sequence[Migrate]) -> list[Migrate]:
    """Each migration with what the version table says after it.

    Not left to Alembic: where a dependency is also an ancestor of a parent, its own bookkeeping (1.20,
    ``HeadMaintainer``) leaves rows of revisions that are no heads, and fails on them later.
    """
    needed = Counter(need for one in applied.values() for need in one.needs)
    tops = set(heads(applied))
    out = []
    for step in migrations:
        needs = step.parents + tuple(need for need in step.depends_on if need not in step.parents)
        if step.direction is Direction.UP:
            needed.update(needs)
            tops.difference_update(needs)
            tops.add(step.revision)
        else:
            needed.subtract(needs)
            tops.discard(step.revision)
            tops.update(need for need in needs if not needed[need])
        out.append(replace(step, versions=tuple(sorted(tops))))
    return out


@dataclass(frozen=True)
class _Coming:
    """A repeatable file as it is to be in force."""

    raw: str
    sql: str
    node: str
    recorded: bool


def _repeated(
    environment: str,
    state: State,
    migrations: Sequence[Migrate],
    coming: Mapping[str, _Coming],
    contents: Mapping[str, bytes],
    engine: str,
    stood: Stood | None = None,
    schema: str = "",
    added: Mapping[Key, str] | None = None,
) -> list[Migrate | Repeat]:
    """The migrations, with the repeatable files that go in front of them and those that run behind them.

    :raises StateError: nothing says how one that is gone is taken back.
    """
    before = tuple(sorted(state.versions or ()))
    after = next((one.versions for one in reversed(migrations) if one.versions is not None), before)
    down = []
    for path in sorted(set(state.repeated) - set(coming), reverse=True):
        was = state.repeated[path]
        dropped = undo(contents[was.raw], engine)
        back = undo_to(contents[was.raw], stood or {}, engine=engine, schema=schema)
        if dropped is not None and back is None:
            raise StateError(
                f"{path} replaced what was there before it, and nothing says how that was made",
                state=f"{environment} is as it was: this run changed nothing",
                hint="go back by restore, or deploy a changeset in which the file holds what was there before",
                data={"environment": environment, "file": path},
            )
        if dropped is None or back is None:
            raise StateError(
                f"{path} would have to be taken back, and nothing says how",
                state=f"{environment} is as it was: this run changed nothing",
                hint=f"keep it, with a line -- down and the statements that take it back; it ran in {was.deployment}",
                data={"environment": environment, "file": path},
            )
        down.append(
            Repeat(
                path=path,
                direction=Direction.DOWN,
                raw=was.raw,
                sql=";\n".join(back),
                instead=";\n".join(dropped) if back != dropped and engine == "postgresql" else "",
                recorded=True,
                node=was.node,
                versions=before,
                message=f"in force since {was.deployment}",
            )
        )
    more = {key: path for key, path in (added or {}).items() if path in coming}
    up = [
        Repeat(
            path=path,
            direction=Direction.UP,
            raw=one.raw,
            sql=one.sql,
            recorded=one.recorded,
            node=one.node,
            versions=after,
            message=f"changed since {state.repeated[path].deployment}" if path in state.repeated else "new",
            instead=_instead(state.repeated.get(path), contents, engine) if one.recorded else "",
        )
        for path, one in sorted(coming.items())
        if path not in state.repeated or state.repeated[path].raw != one.raw or path in more.values()
    ]
    if more:
        # behind all of them: until then another file may use it
        up[-1] = replace(up[-1], drops=";\n".join(drops(engine, more)))
    return [*down, *migrations, *up]


def _instead(was: Repeated | None, contents: Mapping[str, bytes], engine: str) -> str:
    """What takes a file back that an earlier one comes in place of; only PostgreSQL replaces less than it creates."""
    if was is None or was.raw not in contents or engine != "postgresql":
        return ""
    return ";\n".join(undo(contents[was.raw], engine) or ())


def _sql(path: str, raw: str, contents: Mapping[str, bytes]) -> str:
    return Repeatable(path=path, raw=raw, content=contents[raw]).sql


def _with_snapshots(steps: Sequence[Migrate | Repeat], snapshot: str) -> tuple[Step, ...]:
    """With ``each``: one before each migration, and one before each row of repeatable files."""
    if not steps or snapshot == "none":
        return tuple(steps)
    if snapshot == "deploy":
        return (TakeSnapshot(before=None), *steps)
    out: list[Step] = []
    for one in steps:
        if isinstance(one, Migrate) or not (out and isinstance(out[-1], Repeat)):
            out.append(TakeSnapshot(before=one.revision))
        out.append(one)
    return tuple(out)


def _check(
    environment: str,
    state: State,
    steps: Sequence[Migrate | Repeat],
    instead: str = "",
    *,
    restorable: bool = True,
) -> None:
    """Refuse before anything starts what could not be finished."""
    migrations = [one for one in steps if isinstance(one, Migrate)]
    restore = f"go back by restore: hgaurora revert {environment} --way restore"
    if not restorable:
        restore = f"restore one of hgaurora snapshots {environment} into a new cluster by AWS's own means"
    untouched = f"{environment} is as it was: this run changed nothing"
    stuck = [one for one in migrations if one.direction is Direction.DOWN and one.irreversible]
    if stuck:
        names = ", ".join(one.name for one in stuck)
        raise StateError(
            f"{names} would have to go down, and can not: there is no downgrade",
            state=untouched,
            hint=instead.format(names=names) + restore,
            data={"environment": environment, "irreversible": [one.revision for one in stuck]},
        )
    planned = {(one.revision, one.direction.value) for one in steps}
    left = sorted(set(state.half) - planned)
    if left:
        revision, direction = left[0]
        same_again = f"hgaurora deploy {environment}" + (f" -r {state.open.node[:12]}" if state.open else "")
        stands = f"{state.half[left[0]]} of its statements are in force"
        if not state.half[left[0]]:
            stands = "what its last statement left is not known to be gone"
        raise StateError(
            f"{revision} stopped half way {direction}: {stands}",
            state=untouched,
            hint=f"finish it: {same_again}; or {restore}",
            data={"environment": environment, "half": [[*one] for one in left]},
        )


def _two_heads(environment: str, graph: Graph, state: State) -> Finding:
    scripts = [graph.scripts[revision] for revision in graph.heads]
    width = max(len(script.name) for script in scripts)
    lines = []
    for script in scripts:
        ran = state.applied.get(script.revision)
        lines.append(f"{script.name:{width}}  {f'ran in {ran.deployment}' if ran else 'new'}")
    common = frozenset.intersection(*(graph.ancestors(revision) for revision in graph.heads))
    fork = [graph.scripts[revision].name for revision in heads({one: graph.scripts[one] for one in common})]
    word = "both" if len(scripts) == 2 else "all"
    lines.append(f"{word} come after {', '.join(fork)}" if fork else f"{word} begin a history of their own")
    return Finding(
        rule="two-heads",
        severity="error",
        message=f"{environment} could not tell which of these comes first",
        mend="give one the other as its down_revision, or add a migration that merges them (alembic merge heads)",
        detail=tuple(lines),
        data={"heads": list(graph.heads), "after": fork},
    )


def _notes(
    applied: Mapping[str, Applied], graph: Graph, target: Changeset, contents: Mapping[str, bytes]
) -> Iterator[Finding]:
    """How the scripts of the target differ from what ran."""
    for revision in topological(applied):
        ran, now = applied[revision], graph.scripts.get(revision)
        data: dict[str, object] = {"revision": revision, "deployment": ran.deployment, "ran": ran.raw}
        if now is None:
            text = f"{ran.path} ran in {ran.deployment} and is not in {target.short}: it goes down"
            yield Finding(rule="removed-script", severity="note", message=text, data=data | {"file": ran.path})
            continue
        data |= {"file": now.path, "now": now.raw}
        if not same(ran, now):
            was = contents.get(ran.raw)
            diff, data["line"] = _diff(was, now.content, ran, now) if was is not None else ((), None)
            moved = {*ran.needs} != {*now.needs} or {*ran.parents} != {*now.parents}
            what = "stands elsewhere in the graph" if moved else "is another script"
            detail = (f"came after {_after(ran)}, {target.short} has it after {_after(now)}",) if moved else ()
            yield Finding(
                rule="reparented-script" if moved else "edited-script",
                severity="note",
                message=f"{now.path} ran in {ran.deployment} and {what} in {target.short}",
                detail=detail + diff,
                data=data,
            )
        elif ran.raw != now.raw:
            text = f"{now.path} was reformatted since it ran in {ran.deployment}; it does not run again"
            yield Finding(rule="reformatted-script", severity="note", message=text, data=data)


def _after(script: Script | Applied) -> str:
    return ", ".join(script.needs) or "nothing"


def _diff(was: bytes, now: bytes, ran: Applied, script: Script) -> tuple[tuple[str, ...], int | None]:
    """The unified diff, and the first line of the new text that differs (from 1)."""
    old, new = (text.decode(errors="backslashreplace").splitlines() for text in (was, now))
    matcher = difflib.SequenceMatcher(a=old, b=new, autojunk=False)
    line = next((start + 1 for tag, _, _, start, _ in matcher.get_opcodes() if tag != "equal"), None)
    lines = difflib.unified_diff(old, new, f"{ran.path} ({ran.deployment})", script.path, lineterm="")
    return tuple(lines), line
