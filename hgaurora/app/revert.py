# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``revert``: take deploys back, by downgrade with the recorded scripts or by restoring a snapshot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core import render
from ..core.errors import Declined, HgAuroraError, InputError, StateError
from ..core.model import Applied, Changeset, Deployment, Finding, Kind, Outcome, Repeated, Snapshot, State, Way
from ..core.plan import plan_revert, to_json
from ..core.policy import finding_json, room
from ..core.state import check_state
from ..core.steps import Plan, TakeSnapshot
from ..execute import Preview, walk
from . import restore, schema
from .context import Context, Target
from .delivery import deliver
from .lock import locked, moved, wait
from .migrate import run_migrations
from .report import Silent
from .session import child


@dataclass(frozen=True)
class Goal:
    """An earlier point of an environment's history, and what going back to it takes back."""

    changeset: Changeset | None
    applied: Mapping[str, Applied]
    reverts: tuple[str, ...]
    snapshot: Snapshot | None = None
    repeated: Mapping[str, Repeated] = field(default_factory=dict)


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Revert one environment."""
    started = context.clock.monotonic()
    target = context.target(options["env"], acting=not options.get("dry_run"))
    restoring = target.control.restoring()
    if restoring is not None:
        result = restore.go_on(context, target, restoring, options, started)
    else:
        result = _revert(context, target, options, started)
    if context.json:
        context.ui.write(json.dumps([result]))
    return 0


def _revert(context: Context, target: Target, options: Mapping[str, Any], started: float) -> dict[str, Any]:
    if options.get("abort"):
        raise StateError(
            f"{target.name} is not being restored: there is nothing to abort",
            state="nothing was done",
            hint=f"{context.ui.front}status {target.name} shows where it is",
        )
    state = target.state()
    check_state(state, target.version_table, target.name, quote=target.quote)
    if state.ledger is None:
        raise StateError(
            f"nothing was ever deployed to {target.name}",
            state="nothing was done",
            hint=f"{context.ui.front}deploy {target.name} makes a first deploy",
        )
    if state.lock is not None:
        running = state.open
        if running is None or not _takes_up(running, options) or options.get("dry_run"):
            raise locked(context, target, 0.0)
        if (done := _awaited(context, target, running, options)) is not None:
            return done
        state = target.state()
    interrupted = state.open
    resumes = interrupted.id if interrupted is not None and _takes_up(interrupted, options) else None
    if options.get("resume") and resumes is None:
        raise StateError(
            f"no revert of {target.name} was interrupted: there is nothing to go on with",
            state="nothing was done",
            hint=f"{context.ui.front}status {target.name} shows where it is",
        )
    if interrupted is not None and resumes is not None:
        goal = _interrupted_goal(context, target, interrupted)
        way = interrupted.way or Way.DOWNGRADE
    else:
        goal = _goal(context, target, state, options)
        way = _way(options, goal)
    if way is Way.RESTORE and target.aurora is not None:
        raise target.aurora.no_restore(goal.snapshot.id if goal.snapshot else None)
    if way is Way.RESTORE:
        if goal.snapshot is None and not goal.reverts and _there(state, goal):
            return _already(context, target, state, goal)
        return restore.begin(context, target, state, goal, options, started, resumes=resumes)
    contents = target.database.scripts(
        [one.raw for one in (*state.applied.values(), *state.repeated.values(), *goal.repeated.values())]
    )
    made, added = schema.added(target, goal.reverts) if state.repeated else ({}, {})
    gone = [contents[one.raw] for path, one in state.repeated.items() if path not in goal.repeated]
    again = [
        contents[one.raw]
        for path, one in goal.repeated.items()
        if path not in state.repeated or state.repeated[path].raw != one.raw
    ]
    try:
        plan = plan_revert(
            target.name,
            state,
            wanted=goal.applied,
            target=goal.changeset,
            contents=contents,
            snapshot=target.settings.snapshot,
            reverts=goal.reverts,
            resumes=resumes,
            repeated=goal.repeated,
            stood=schema.stood(
                target, goal.reverts, gone, again, [one for one, path in made.items() if path not in goal.repeated]
            ),
            added=added,
            engine=target.engine,
            schema=target.settings.schema,
        )
    except StateError as error:
        if target.aurora is not None and (error.data.get("irreversible") or error.data.get("half")):
            error.hint = "go forward with a new migration"
            if goal.snapshot is not None:
                error.hint += f"; or restore {goal.snapshot.id} into a new cluster by AWS's own means"
        elif error.data.get("irreversible") and goal.snapshot is None:
            error.hint = "there is no snapshot from before it either: go forward with a new migration"
        elif error.data.get("half") and goal.snapshot is None and error.hint:
            error.hint = error.hint.partition("; or go back by restore")[0]
        raise
    if plan.empty and _there(state, goal):
        return _already(context, target, state, goal)
    show(context, target, plan, goal)
    watch = schema.watch(target, half=bool(state.half), trusting=True)
    schema.say_drift(context, target, watch)
    if options.get("dry_run"):
        return _dry_run(context, target, plan)
    confirm(context, target, options, f"run {way.value}")
    supersede = interrupted.id if interrupted is not None and resumes is None else None
    with child(target, plan, None, goal.applied) as session:
        if session.lock():
            again = target.database.state()
            if again.epoch != state.epoch:
                raise moved(context, target, "was asked for", f"revert {target.name} -n shows the plan")
            return run_migrations(
                context, target, plan, session, watch, scripts=[], supersede=supersede, started=started
            )
    # somebody was quicker
    running = target.state().open
    if running is None or not _takes_up(running, options):
        raise locked(context, target, 0.0)
    return _awaited(context, target, running, options) or _revert(context, target, options, started)


def _awaited(
    context: Context, target: Target, running: Deployment, options: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Wait for a revert that this one would go on with: another one of the same; or one that was killed, and its server
    session, which still runs a statement, outlives it.

    :returns: None where it was cut off, or where ``--to`` says what is left to do.
    :raises LockHeld: it does not end, or did something else.
    """
    wait(context, target)
    state = target.state()
    if state.lock is not None:
        raise locked(context, target, 0.0)
    if options.get("to") or (state.open is not None and state.open.id == running.id):
        return None
    # the newest deploy is another one now
    if _there(state, goal := _interrupted_goal(context, target, running)):
        return _already(context, target, state, goal, by=running.id)
    raise moved(context, target, "waited", f"status {target.name} shows it")


def _dry_run(context: Context, target: Target, plan: Plan) -> dict[str, Any]:
    """The walk with an actor that only looks, and what may go otherwise."""
    notes = _room(target, plan)
    walk(plan, Preview(), Silent(), context.clock)
    if not context.json:
        for line in render.findings(notes):
            context.ui.write(line)
        context.ui.write(render.unchanged(plan))
    return {
        "environment": target.name,
        "state": "planned",
        "dry_run": True,
        "plan": to_json(plan),
        "findings": [finding_json(one) for one in notes],
    }


def _room(target: Target, plan: Plan) -> list[Finding]:
    """Whether there is room for the snapshot of a revert. Only a dry run asks: a revert is not held up by it. One that
    is taken up may have its snapshot already."""
    takes = any(isinstance(step, TakeSnapshot) for step in plan.steps)
    if target.aurora is None or not takes or plan.resumes is not None:
        return []
    try:
        quota = target.aurora.quota()
    except HgAuroraError as error:
        return [Finding(rule=room.RULE, severity="note", message=f"it is not known: {error.message}", mend=error.hint)]
    return room.for_revert(quota)


def _way(options: Mapping[str, Any], goal: Goal) -> Way:
    if options.get("way"):
        return Way(str(options["way"]))
    return Way.RESTORE if goal.snapshot is not None and options.get("to") == goal.snapshot.id else Way.DOWNGRADE


def _takes_up(interrupted: Deployment, options: Mapping[str, Any]) -> bool:
    """True where this run goes on with an interrupted revert: it is not told to do it in another way."""
    return interrupted.kind is Kind.REVERT and options.get("way") in (None, interrupted.way)


def _there(state: State, goal: Goal) -> bool:
    """True where an environment is at its goal, and nothing is open."""
    return state.open is None and state.node == (goal.changeset.node if goal.changeset else None)


def _already(context: Context, target: Target, state: State, goal: Goal, *, by: str | None = None) -> dict[str, Any]:
    """Nothing to do.

    :param by: the revert that was waited for, and did it.
    """
    if state.undelivered:
        deliver(context, target)
    if not context.json:
        place = render.place(state.node, state.branch)
        context.ui.write(f"{target.name} is at {place}: nothing to do{f', done by {by}' if by else ''}")
    return {"environment": target.name, "state": "reverted", "changed": False, "node": state.node, "steps": []}


def in_force(deployments: list[Deployment]) -> list[Deployment]:
    """The deploys whose work stands, oldest first: each one that was not taken back by a later revert.

    :param deployments: newest first, as the ledger gives them.
    """
    standing: list[Deployment] = []
    for deployment in reversed(deployments):
        if deployment.kind is Kind.DEPLOY:
            standing.append(deployment)
        elif deployment.outcome is Outcome.OK:
            standing = [one for one in standing if one.id not in deployment.reverts]
    return standing


def _goal(context: Context, target: Target, state: State, options: Mapping[str, Any]) -> Goal:
    """Which earlier point ``--to`` names; without it, the one before the newest deploy that stands."""
    to = options.get("to") or "previous"
    deployments = target.database.deployments()
    standing = in_force(deployments)
    if not standing:
        raise StateError(
            f"no deploy stands on {target.name}: there is nothing to take back",
            state="nothing was done",
            hint=f"{context.ui.front}log {target.name} shows its history",
        )
    if to == "previous":
        return _before(context, target, standing, _newest_that_moved(target, standing))
    by_id = {one.id: index for index, one in enumerate(standing) if one.outcome is Outcome.OK}
    if to in by_id:
        return _after(context, target, standing, by_id[to])
    if (named := next((one for one in deployments if one.id == to), None)) is not None:
        raise InputError(
            f"{to} {_no_state(named, deployments)}: there is no state of it to go back to",
            state="nothing was done",
            hint=f"{context.ui.front}log {target.name} shows which deploys are ok",
        )
    snapshots = {one.id: one for one in target.snapshots()}
    if to in snapshots:
        return _at_snapshot(context, target, standing, snapshots[to])
    node = _node(context, to, standing)
    at = [index for index, one in enumerate(standing) if one.node == node and one.outcome is Outcome.OK]
    if at:
        return _after(context, target, standing, at[-1])
    start = [index for index, one in enumerate(standing) if one.from_node == node]
    if start:
        return _before(context, target, standing, start[0])
    raise InputError(
        f"{node[:12]} was never deployed to {target.name}, so there is no state of it to go back to",
        state="nothing was done",
        hint=f"{context.ui.front}log {target.name} shows what was; {context.ui.front}deploy {target.name} -r "
        f"{node[:12]} goes to its migrations",
    )


def _no_state(named: Deployment, deployments: list[Deployment]) -> str:
    """Why nothing can go back to what a deployment left."""
    if named.kind is not Kind.DEPLOY:
        return f"is {'an adoption' if named.kind is Kind.ADOPT else 'a revert'}"
    by = next((one.id for one in deployments if named.id in one.reverts and one.outcome is Outcome.OK), None)
    if by is not None:
        return f"was taken back by {by}"
    return "failed" if named.outcome is Outcome.FAILED else "did not end"


def _newest_that_moved(target: Target, standing: list[Deployment]) -> int:
    """The newest deploy that there is anything of to take back: one that failed at its first migration left nothing."""
    ended = [one.id for one in standing if one.outcome in (Outcome.FAILED, Outcome.SUPERSEDED)]
    idle = set(ended) - {step.deployment for step in target.database.steps(ended)}
    return max((index for index, one in enumerate(standing) if one.id not in idle), default=len(standing) - 1)


def _node(context: Context, to: str, standing: list[Deployment]) -> str:
    """The full node ``--to`` means: by hg, or by the ledger where hg does not know it (stripped, or another clone)."""
    try:
        return context.history.changeset(to).node
    except InputError as error:
        nodes = {n for one in standing for n in (one.node, one.from_node) if n and n.startswith(to)}
        if len(to) >= 6 and len(nodes) == 1:
            return nodes.pop()
        raise InputError(
            f"{to!r} is no changeset, deploy or snapshot that {standing[-1].id.rsplit('-', 1)[0]} knows",
            state="nothing was done",
            hint="--to takes REV, a deploy such as "
            f"{standing[-1].id}, a snapshot, or previous; {context.ui.front}log shows the deploys",
        ) from error


def changeset_of(context: Context, node: str | None, branch: str | None) -> Changeset | None:
    """A changeset as hg knows it; as the ledger recorded it where hg does not (any more)."""
    if not node:
        return None
    if context.history.known(node):
        return context.history.changeset(node)
    return Changeset(node=node, branch=branch or "", phase="", author="", description="")


def _before(context: Context, target: Target, standing: list[Deployment], index: int) -> Goal:
    first = standing[index]
    return Goal(
        changeset=changeset_of(context, first.from_node, first.from_branch),
        applied=target.database.applied_as_of(first.id, inclusive=False),
        reverts=tuple(one.id for one in standing[index:]),
        snapshot=_first_snapshot(target, first.id),
        repeated=target.database.repeated_as_of(first.id, inclusive=False),
    )


def _after(context: Context, target: Target, standing: list[Deployment], index: int) -> Goal:
    last = standing[index]
    later = standing[index + 1 :]
    return Goal(
        changeset=changeset_of(context, last.node, last.branch),
        applied=target.database.applied_as_of(last.id, inclusive=True),
        reverts=tuple(one.id for one in later),
        snapshot=_first_snapshot(target, later[0].id) if later else None,
        repeated=target.database.repeated_as_of(last.id, inclusive=True),
    )


def _first_snapshot(target: Target, deployment: str) -> Snapshot | None:
    of_it = [one for one in target.snapshots() if one.deployment == deployment and one.state == "available"]
    return min(of_it, key=lambda one: one.created, default=None)


def _at_snapshot(context: Context, target: Target, standing: list[Deployment], snapshot: Snapshot) -> Goal:
    index = next((i for i, one in enumerate(standing) if one.id == snapshot.deployment), None)
    branch = snapshot.tags.get("branch")
    return Goal(
        changeset=changeset_of(context, snapshot.node, branch),
        applied={},
        reverts=tuple(one.id for one in standing[index:]) if index is not None else (),
        snapshot=snapshot,
    )


def _interrupted_goal(context: Context, target: Target, interrupted: Deployment) -> Goal:
    """Where an interrupted revert was going: what it takes back says it."""
    if interrupted.way is Way.RESTORE:
        # cut off before there was a copy: its plan names the snapshot
        steps: Any = interrupted.plan["steps"]
        return Goal(
            changeset=changeset_of(context, interrupted.node, interrupted.branch),
            applied={},
            reverts=interrupted.reverts,
            snapshot=next((one for one in target.snapshots() if one.id == steps[0]["snapshot"]), None),
        )
    deployments = target.database.deployments()
    standing = in_force([one for one in deployments if one.number < interrupted.number])
    oldest = next((one.id for one in standing if one.id in interrupted.reverts), None)
    index = next((i for i, one in enumerate(standing) if one.id == oldest), len(standing) - 1)
    return _before(context, target, standing, index)


def show(context: Context, target: Target, plan: Plan, goal: Goal) -> None:
    """Where it is, what is taken back, what each step can lose, and the other way."""
    if context.json:
        return
    for line in render.plan_header(plan, target.where()):
        context.ui.write(line)
    pad = max(len(plan.environment), 4)
    context.ui.write(f"{'back'.ljust(pad)}  {', '.join(plan.reverts) or 'nothing'}, by downgrade")
    if goal.snapshot is not None and target.aurora is None:
        written = render.with_local(goal.snapshot.created)
        context.ui.write(f"{'or'.ljust(pad)}  --way restore: {goal.snapshot.id}, loses all written since {written}")
    if plan.resumes:
        context.ui.write(f"takes up {plan.resumes}, which was interrupted")
    for line in render.plan_lines(plan):
        context.ui.write(line)


def confirm(
    context: Context,
    target: Target,
    options: Mapping[str, Any],
    what: str,
    word: str | None = None,
    *,
    always: bool = False,
) -> None:
    """A protected environment is reverted only by somebody who types its name, or by ``--yes``.

    :param always: protected or not.
    :raises Declined: something else was typed.
    :raises InputError: nobody can be asked.
    """
    if options.get("yes") or not (target.settings.protected or always):
        return
    word = word or target.name
    answer = context.ui.prompt(f"type {word} to {what}, anything else to leave {target.name} as it is:")
    if answer is None:
        raise InputError(
            f"{target.name} is protected and nobody can be asked here" if not always else "nobody can be asked here",
            state="nothing was done",
            hint="--yes goes on without asking",
        )
    if answer.strip() != word:
        raise Declined(f"{target.name} is left as it is", state="nothing was done", hint=None)
