# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Revert by restore: a snapshot's copy takes over the name of the live database. Survives being killed anywhere."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core import render
from ..core.errors import HgAuroraError, LockHeld, StateError
from ..core.graph import heads
from ..core.model import Kind, Snapshot, State, Way
from ..core.plan import plan_from, to_json
from ..core.steps import Plan, Restore
from ..execute import Preview, RunRestore, walk
from . import schema
from .context import Context, Target
from .delivery import deliver
from .lock import locked, moved
from .migrate import finished, new_deployment
from .report import Silent, StepReport

if TYPE_CHECKING:
    from .revert import Goal

ACTIONS = ("copy", "check", "carry", "close", "swap", "verify")


def begin(
    context: Context,
    target: Target,
    state: State,
    goal: Goal,
    options: Mapping[str, Any],
    started: float,
    *,
    resumes: str | None = None,
) -> dict[str, Any]:
    """A restore from its start.

    :param resumes: one that was interrupted before there was a copy; its id is kept.
    """
    from .revert import confirm

    snapshot = goal.snapshot
    if snapshot is None:
        raise StateError(
            f"{target.name} has no snapshot from before {', '.join(goal.reverts) or 'that point'}",
            state="nothing was done",
            hint=f"{context.ui.front}snapshots {target.name} lists them; --to takes one",
        )
    plan = _plan(context, target, state, snapshot, goal.reverts)
    _show(context, target, plan, snapshot)
    if options.get("dry_run"):
        walk(plan, Preview(), Silent(), context.clock)
        if not context.json:
            context.ui.write(render.unchanged(plan))
        return {"environment": target.name, "state": "planned", "dry_run": True, "plan": to_json(plan)}
    age = render.duration((context.clock.now() - snapshot.created).total_seconds()).replace(" ", "")
    confirm(context, target, options, "restore", word=f"{target.name} {age}")
    with alone(target):
        if not target.database.acquire():
            raise locked(context, target, 0.0)
        again = target.database.state()
        if again.epoch != state.epoch:
            raise moved(context, target, "was asked for", f"revert {target.name} -n shows the plan")
        deployment, _ = target.database.begin(
            new_deployment(context, target, plan),
            base_epoch=plan.base_epoch,
            scripts=[],
            resume=resumes,
            supersede=state.open.id if state.open and resumes is None else None,
        )
        target.control.restore_copy(snapshot.id, deployment=deployment.id)
        return _walk(context, target, plan, deployment.id, started)


def _plan(context: Context, target: Target, state: State, snapshot: Snapshot, reverts: tuple[str, ...]) -> Plan:
    from .revert import changeset_of

    return plan_from(
        target.name,
        state,
        kind=Kind.REVERT,
        way=Way.RESTORE,
        heads_after=snapshot.heads,
        target=changeset_of(context, snapshot.node, snapshot.tags.get("branch")),
        steps=tuple(Restore(action=action, snapshot=snapshot.id) for action in ACTIONS),
        reverts=reverts,
    )


def _show(context: Context, target: Target, plan: Plan, snapshot: Snapshot) -> None:
    if context.json:
        return
    for line in render.plan_header(plan, target.where()):
        context.ui.write(line)
    age = render.duration((context.clock.now() - snapshot.created).total_seconds())
    context.ui.write(f"lost  all that was written since {render.with_local(snapshot.created)}, {age}")
    for line in render.plan_lines(plan):
        context.ui.write(line)


@contextmanager
def alone(target: Target) -> Iterator[None]:
    """One restore of an environment at a time on this machine, also while no database can hold the lock.

    :raises LockHeld: another one runs.
    """
    target.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (target.folder / "restore.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeld(
                f"another restore of {target.name} runs on this machine",
                state="this run changed nothing",
                hint="wait for it",
            ) from None
        yield


def go_on(
    context: Context, target: Target, restoring: Mapping[str, str], options: Mapping[str, Any], started: float
) -> dict[str, Any]:
    """A restore that was begun and not finished: go on with it, abandon it, or say where it stands."""
    from .revert import confirm

    done = restoring["done"]
    first = ACTIONS.index(done) + 1 if done in ACTIONS else 0
    swapped = first > ACTIONS.index("swap")
    if not context.json:
        for line in stands(context, target, restoring):
            context.ui.status(line)
    if options.get("dry_run"):
        return {"environment": target.name, "state": "restoring", "deploy": restoring["deployment"], "done": done}
    with alone(target):
        if options.get("abort"):
            return _abandon(context, target, restoring, swapped=swapped)
        if not options.get("resume"):
            confirm(context, target, options, "go on with the restore")
        return _resume(context, target, restoring, first, started)


def stands(context: Context, target: Target, restoring: Mapping[str, str]) -> list[str]:
    """Where a restore stopped, and how it goes on."""
    done = restoring["done"]
    first = ACTIONS.index(done) + 1 if done in ACTIONS else 0
    abort = "" if first > ACTIONS.index("swap") else f"; --abort reopens {target.name}"
    return [
        f"{target.name} is being reverted: {restoring['deployment']} by restore stopped at step "
        f"{first + 1} of {len(ACTIONS)}",
        f"  done     {', '.join(ACTIONS[:first]) or 'nothing'}",
        f"  open     {', '.join(ACTIONS[first:])}",
        f"({context.ui.front}revert {target.name} --resume goes on{abort})",
    ]


def _resume(
    context: Context, target: Target, restoring: Mapping[str, str], first: int, started: float
) -> dict[str, Any]:
    deployment = restoring["deployment"]
    snapshot = next((one for one in target.snapshots() if one.id == restoring["snapshot"]), None)
    if snapshot is None:
        raise StateError(
            f"snapshot {restoring['snapshot']} is gone; {deployment} can not go on",
            state=f"{target.name} waits as it is",
            hint=f"{context.ui.front}revert {target.name} --abort reopens {target.name}",
        )
    state = State(read=context.clock.now())
    if first <= ACTIONS.index("close"):
        state = _held(context, target, deployment)
    plan = _plan(context, target, state, snapshot, ())
    return _walk(context, target, plan, deployment, started, done=first)


def _held(context: Context, target: Target, deployment: str) -> State:
    """Take the lock on the live database again; it must still be in the middle of this restore."""
    if not target.database.acquire():
        raise locked(context, target, 0.0)
    state = target.database.state()
    if state.open is None or state.open.id != deployment:
        raise StateError(
            f"{target.name} went on after {deployment} was begun: the copy is not of its last state",
            state=f"{target.name} serves and was not touched",
            hint=f"{context.ui.front}revert {target.name} --abort removes the copy",
        )
    return state


def _abandon(context: Context, target: Target, restoring: Mapping[str, str], *, swapped: bool) -> dict[str, Any]:
    """Reopen the live database and forget the copy."""
    deployment = restoring["deployment"]
    if swapped:
        raise StateError(
            f"{deployment} can not be abandoned: the snapshot serves as {target.name} already",
            state=f"{target.name} only has to be looked at",
            hint=f"{context.ui.front}revert {target.name} --resume ends it",
        )
    target.control.restore_open(deployment=deployment)
    if not target.database.acquire():
        raise locked(context, target, 0.0)
    state = target.database.state()
    if state.open is not None and state.open.id == deployment:
        target.database.finish(
            deployment,
            epoch=state.epoch or "",
            ok=False,
            heads_after=heads(state.applied),
            target=None,
            error="abandoned by revert --abort",
        )
    target.control.restore_done(deployment=deployment)
    deliver(context, target)
    if not context.json:
        now = render.at_line(target.name, state.node, state.branch, heads(state.applied), deployment)
        context.ui.write(now)
    return {"environment": target.name, "state": "abandoned", "deploy": deployment, "node": state.node}


def _walk(
    context: Context, target: Target, plan: Plan, deployment: str, started: float, *, done: int = 0
) -> dict[str, Any]:
    report = StepReport(context, plan)
    actor = RunRestore(
        plan=plan,
        deployment=deployment,
        control=target.control,
        open_live=target.reconnected,
        open_copy=lambda connection: context.adapters.database(connection, target.name),
        ignore=target.settings.ignore,
        on_difference=partial(schema.say_restored, context, target),
        _live=target.database if done <= ACTIONS.index("close") else None,
    )
    try:
        walk(plan, actor, report, context.clock, skip=done)
    except HgAuroraError as error:
        report.over()
        _stopped(context, target, deployment, error)
        raise
    finally:
        actor.disconnect()
    report.over()
    target.reconnected()
    deliver(context, target)
    return finished(context, target, plan, deployment, report, started)


def _stopped(context: Context, target: Target, deployment: str, error: HgAuroraError) -> None:
    """Say where a restore stopped, and how it goes on."""
    restoring = target.control.restoring()
    done = restoring["done"] if restoring else "verify"
    if error.state is None or done in ("close", "swap"):
        serves = "serves the snapshot" if done == "swap" else "is closed" if done == "close" else "serves, untouched"
        error.state = f"{target.name} {serves}; {deployment} has done: {done or 'nothing'}"
    error.hint = f"{context.ui.front}revert {target.name} --resume goes on" + (
        "" if done == "swap" else f"; --abort reopens {target.name}"
    )
