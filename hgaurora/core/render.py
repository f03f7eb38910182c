# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Values to lines of text: pure, ASCII, at most 80 columns where nothing may be cut.

Nodes, names and numbers are never cut; only free text is, with ``...``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from .model import Changeset, Deployment, Direction, Finding, Kind, Outcome, Snapshot, StepRow, Way
from .steps import Migrate, Plan, Repeat, Restore, Step, TakeSnapshot

WIDTH = 80


def duration(seconds: float) -> str:
    """Seconds as people say them: ``0.4s``, ``38s``, ``2m 51s``, ``12h 31m``, ``3d 4h``.

    >>> [duration(s) for s in (0.04, 9.96, 59.6, 171, 45060, 273600)]
    ['0.0s', '10s', '1m 0s', '2m 51s', '12h 31m', '3d 4h']
    """
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h {whole % 3600 // 60}m"
    return f"{whole // 86400}d {whole % 86400 // 3600}h"


def utc(when: datetime) -> str:
    """ISO 8601 to the minute, with Z."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def with_local(when: datetime) -> str:
    """UTC with the local time beside it, where that is another: ``2026-11-19T13:40Z (14:40 local)``."""
    local = when.astimezone()
    return f"{utc(when)} ({local.strftime('%H:%M')} local)" if local.utcoffset() else utc(when)


def iso(when: datetime | None) -> str | None:
    """ISO 8601 to the second, for JSON."""
    return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def place(node: str | None, branch: str | None) -> str:
    """``5b8e21d07c93 (stable)``, or ``no changeset``: no deploy came to its end, or a snapshot was taken inside of
    one."""
    if node is None:
        return "no changeset"
    return f"{node[:12]} ({branch})" if branch else node[:12]


def names(heads: Sequence[str]) -> str:
    """``heads 0007``, ``heads 0007, 0009`` or ``no heads``."""
    return f"heads {', '.join(heads)}" if heads else "no heads"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """``1 migration``, ``1,204 migrations``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def stand(number: int, singular: str) -> str:
    """``1 statement of it stands``, ``2 statements of it stand``."""
    return f"{count(number, singular)} of it stand{'s' if number == 1 else ''}"


def cut(text: str, width: int) -> str:
    """Free text, cut with ``...`` where it is longer."""
    return text if len(text) <= width else text[: max(0, width - 3)] + "..."


def right(left: str, end: str, width: int = WIDTH) -> str:
    """``end`` flush right on the line of ``left`` (two spaces at least)."""
    return left + " " * max(2, width - len(left) - len(end)) + end


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Left-aligned columns, two spaces apart; the last one ragged."""
    lines = [tuple(row) for row in rows]
    if not lines:
        return []
    widths = [max(len(row[i]) for row in lines) for i in range(len(lines[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in lines]


def folded(rows: Iterable[Sequence[str]]) -> list[str]:
    """The same; where that is too wide, each first cell, a name that may not be cut, has a line of its own before the
    others."""
    given = [tuple(row) for row in rows]
    lines = table(given)
    if all(len(line) <= WIDTH for line in lines):
        return lines
    rest = table(row[1:] for row in given)
    return [line for row, end in zip(given, rest, strict=True) for line in (row[0], f"  {end}")]


def step_what(step: Step, environment: str) -> str:
    """What a step works on: the migration's name, or what is snapshotted."""
    match step:
        case Migrate() | Repeat():
            return step.name
        case TakeSnapshot():
            return environment
        case Restore():
            return {
                "copy": f"{step.snapshot} beside the live database",
                "check": "the copy holds what the snapshot recorded",
                "close": f"{environment} to writers",
                "carry": "younger ledger rows into the copy",
                "swap": f"the copy takes over the name of {environment}",
                "verify": "ledger and version table",
            }[step.action]


def step_note(step: Step) -> str:
    """What is said beside a step in a plan: its message, or what it may lose."""
    match step:
        case Migrate() if step.verb == "down":
            return "may lose data: " + "; ".join(step.loses) if step.loses else "loses nothing that its script shows"
        case Migrate() | Repeat():
            return step.message
        case Restore(action="swap"):
            return "loses what was written since the snapshot; the old database is kept"
        case _:
            return "loses nothing"


def plan_header(plan: Plan, where: str) -> list[str]:
    """The lines that say where the environment is and where it goes."""
    goal = place(plan.target.node, plan.target.branch) if plan.target else place(None, None)
    author = f", {cut(_person(plan.target.author), 24)}" if plan.target and plan.target.author else ""
    pad = max(len(plan.environment), 4)
    begun = place(plan.base_node, plan.base_branch)
    return [
        f"{plan.environment.ljust(pad)}  {where}",
        f"{'from'.ljust(pad)}  {begun}, {names(plan.heads_before)}",
        f"{'to'.ljust(pad)}  {goal}, {names(plan.heads_after)}{author}",
    ]


def _person(author: str) -> str:
    return author.split("<", 1)[0].strip() or author


def plan_lines(plan: Plan) -> list[str]:
    """One line a step, numbered, as they will run; what takes a repeatable file back, in full below them: it may drop
    what was there before the file."""
    rows = [("step", "what", "", "note")]
    for number, step in enumerate(plan.steps, 1):
        rows.append((str(number), step.verb, step_what(step, plan.environment), step_note(step)))
    lines = [cut(line, WIDTH) if len(line) > WIDTH else line for line in table(rows)]
    for step in plan.repeats:
        if step.direction is Direction.DOWN and step.sql:
            lines += [f"{step.name} is taken back by", *_sent(step.sql)]
        if step.instead:
            lines += [f"{step.name} begins, where it cannot replace what is there, with", *_sent(step.instead)]
        if step.drops:
            lines += [f"{step.name} ends with", *_sent(step.drops)]
    return lines


def _sent(sql: str) -> list[str]:
    return [f"  {' '.join(one.split())}" for one in sql.split(";\n")]


def unchanged(plan: Plan) -> str:
    """The last line of a dry run."""
    if not plan.steps:
        return "nothing was changed; without -n nothing runs"
    if len(plan.steps) == 1:
        return "nothing was changed; without -n this step runs"
    return f"nothing was changed; without -n these {count(len(plan.steps), 'step')} run, in this order"


def plan_summary(plan: Plan) -> str:
    """``plan     3 migrations, a snapshot before each``."""
    ups = sum(1 for s in plan.migrations if s.verb == "run")
    downs = len(plan.migrations) - ups
    snapshots = sum(1 for s in plan.steps if isinstance(s, TakeSnapshot))
    parts = []
    if downs:
        parts.append(f"{count(downs, 'migration')} down")
    if ups:
        parts.append(count(ups, "migration") + (" up" if downs else ""))
    if plan.repeats:
        parts.append(count(len(plan.repeats), "repeatable file"))
    if snapshots and snapshots == len(plan.migrations) and not plan.repeats:
        parts.append("a snapshot before each")
    elif snapshots:
        parts.append(count(snapshots, "snapshot"))
    elif plan.steps:
        parts.append("no snapshot")
    return ", ".join(parts)


def step_line(number: int, total: int, verb: str, what: str, note: str, seconds: float, *, widest: int = 0) -> str:
    """One finished step, such as ``2/6 run       0005_customer_email   added ...   0.8s``.

    :param widest: columns for ``what``, so that the notes of a run stand under each other.
    """
    counter = f"{number:{len(str(total))}}/{total}"
    took = duration(seconds)
    left = f"{counter} {verb.ljust(8)}  {what}"
    if note:
        left = left.ljust(len(left) - len(what) + widest)
        room = WIDTH - len(left) - len(took) - 4
        if room >= 8:
            left = f"{left}  {cut(note, room)}"
    return right(left, took)


def at_line(environment: str, node: str | None, branch: str | None, heads: Sequence[str], tail: str = "") -> str:
    """``staging is now at 9d6ac3e8f051 (default), heads 0007     staging-87, 8m 31s``."""
    left = f"{environment} is now at {place(node, branch)}, {names(heads)}"
    return right(left, tail) if tail else left


def findings(found: Iterable[Finding]) -> list[str]:
    """Each finding with what it is about and how to mend it."""
    lines: list[str] = []
    for finding in found:
        lines.append(f"{finding.severity} {finding.rule}: {finding.message}")
        lines.extend(f"  {line}" for line in finding.detail)
        if finding.mend:
            lines.append(f"  mend: {finding.mend}")
    return lines


def log_lines(
    rows: Sequence[tuple[Deployment, Sequence[StepRow]]],
    *,
    verbose: bool = False,
    said: Mapping[tuple[str, ...], Sequence[str]] | None = None,
) -> list[str]:
    """The timeline, newest first: a line for each deployment and one for what it ran.

    :param said: with ``verbose``: lines about the schema, by (deployment, revision, direction) of a step, and by
        (deployment, cause) of what was found beside them.
    """
    known = said or {}
    head = [("deploy", "when", "who", "what", "result")]
    body = []
    for deployment, _ in rows:
        verb = deployment.kind.value
        begun = _short(deployment.from_node)
        what = f"{verb} {begun} to {_short(deployment.node)}"
        who = cut(_person(deployment.user), 12)
        body.append((deployment.id, utc(deployment.started), who, what, result(deployment)))
    lines = table(head + body)
    out = lines[:1]
    for line, (deployment, steps) in zip(lines[1:], rows, strict=True):
        out.append(line)
        detail = _log_detail(deployment, steps)
        if detail:
            out.append("  " + cut(detail, WIDTH - 2))
        if deployment.error:
            out.append("  " + cut(deployment.error, WIDTH - 2))
        if verbose:
            for (of, *rest), lines_of in known.items():
                if of == deployment.id and len(rest) == 1:
                    out.append(f"    {rest[0]}")
                    out += [f"      {one}" for one in lines_of]
            for step in steps:
                took = duration((step.ended - step.started).total_seconds())
                verb = "run" if step.direction.value == "up" else "down"
                stem = step.path.rsplit("/", 1)[-1].removesuffix(".py")
                out.append(right(f"    {verb.ljust(5)} {stem}  {cut(step.message, 30)}", took))
                key = (step.deployment, step.revision, step.direction.value)
                out += [f"      {one}" for one in known.get(key, ())]
    return out


def _short(node: str | None) -> str:
    return node[:12] if node else "none"


def result(deployment: Deployment) -> str:
    """One word for how a deployment ended."""
    return {
        Outcome.RUNNING: "open",
        Outcome.OK: "ok",
        Outcome.FAILED: "failed",
        Outcome.SUPERSEDED: "left half way",
    }[deployment.outcome]


def _log_detail(deployment: Deployment, steps: Sequence[StepRow]) -> str:
    parts = []
    if deployment.kind is Kind.REVERT:
        way = deployment.way.value if deployment.way else "revert"
        parts.append(f"{way}, reverts {', '.join(deployment.reverts)}" if deployment.reverts else way)
    if deployment.change_request:
        parts.append(deployment.change_request)
    if deployment.way is not Way.RESTORE:
        none = "no migrations" if deployment.outcome in (Outcome.OK, Outcome.SUPERSEDED) else "no migration is done"
        parts.append(_stems(steps) or none)
    return "; ".join(parts)


def _stems(steps: Sequence[StepRow]) -> str:
    stems = [s.path.rsplit("/", 1)[-1].removesuffix(".py") for s in steps]
    if len(stems) > 4:
        return f"{stems[0]}, {stems[1]} and {len(stems) - 2} more up to {stems[-1]}"
    return ", ".join(stems)


def snapshot_lines(snapshots: Sequence[Snapshot]) -> list[str]:
    """A table of snapshots, newest first; without sizes where none is known, as on Aurora. A cluster's have long names:
    see :func:`folded`."""
    rows = [("snapshot", "taken", "state", "size", "changeset", "heads", "before")]
    for snapshot in snapshots:
        rows.append(
            (
                snapshot.id,
                utc(snapshot.created),
                snapshot.state,
                size(snapshot.bytes),
                _short(snapshot.node),
                cut(", ".join(snapshot.heads), 12) or "none",
                snapshot.before or "",
            )
        )
    if all(snapshot.bytes is None for snapshot in snapshots):
        return folded([(*row[:3], *row[4:]) for row in rows])
    return folded(rows)


def size(number: int | None) -> str:
    """Bytes as ``39 MB``."""
    if number is None:
        return "not known"
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if number >= factor:
            return f"{number / factor:.0f} {unit}" if number >= 10 * factor else f"{number / factor:.1f} {unit}"
    return f"{number} B"


def changeset_json(changeset: Changeset | None) -> dict[str, object] | None:
    """A changeset's stable fields."""
    if changeset is None:
        return None
    return {
        "node": changeset.node,
        "branch": changeset.branch,
        "phase": changeset.phase,
        "author": changeset.author,
        "description": changeset.summary,
    }


def deployment_json(deployment: Deployment) -> dict[str, object]:
    """A deployment's stable fields."""
    return {
        "deploy": deployment.id,
        "kind": deployment.kind.value,
        "way": deployment.way.value if deployment.way else None,
        "result": deployment.outcome.value,
        "from": deployment.from_node,
        "node": deployment.node or None,
        "branch": deployment.branch or None,
        "author": deployment.author,
        "change_request": deployment.change_request,
        "user": deployment.user,
        "host": deployment.host,
        "heads_before": list(deployment.heads_before),
        "heads_after": None if deployment.heads_after is None else list(deployment.heads_after),
        "started": iso(deployment.started),
        "ended": iso(deployment.ended),
        "reverts": list(deployment.reverts),
        "error": deployment.error,
    }


def snapshot_json(snapshot: Snapshot) -> dict[str, object]:
    """A snapshot's stable fields."""
    return {
        "snapshot": snapshot.id,
        "environment": snapshot.environment,
        "state": snapshot.state,
        "created": iso(snapshot.created),
        "bytes": snapshot.bytes,
        "deploy": snapshot.deployment,
        "node": snapshot.node,
        "heads": list(snapshot.heads),
        "before": snapshot.before,
    }
