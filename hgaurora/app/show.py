# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``status`` and ``snapshots``: commands that change nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..core import render
from ..core.blocking import OLD, InvalidIndex, invalid_json, invalid_lines
from ..core.errors import HgAuroraError, InputError, PolicyError, StateError
from ..core.graph import heads
from ..core.model import Deployment, Direction, Kind, Outcome, State
from .assess import Assessment, assess
from .context import Context, Target
from .migrate import STOPPED
from .restore import stands


@dataclass(frozen=True)
class Restoring:
    """A restore that was begun and is not finished; the database may be closed."""

    environment: str
    deployment: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Unplanned:
    """What the database says, where no deploy can be planned from it, and why not."""

    state: State
    why: HgAuroraError


#: what can be seen of an environment
Seen = Assessment | Unplanned | Restoring | HgAuroraError


def status(context: Context, options: Mapping[str, Any]) -> int:
    """Where each environment is, what is pending, and what an interrupted deploy will do next.

    :returns: 0; where an environment could not be looked at, or no deploy can be planned from what is there, the exit
        code of the first such error.
    """
    if options.get("follow"):
        return _follow(context, options["follow"])
    if options.get("env"):
        context.guess(options["env"])
    chosen = [options["env"]] if options.get("env") else context.names()
    found: list[tuple[Target, Seen]]
    if options.get("env"):
        found = [(target := context.target(name), _look(context, target)) for name in chosen]
    else:
        found = []
        for name in chosen:
            target = context.target(name)
            try:
                found.append((target, _look(context, target)))
            except HgAuroraError as error:
                found.append((target, error))
    whys = (seen.why if isinstance(seen, Unplanned) else seen for _, seen in found)
    unseen = next((why.exit_code for why in whys if isinstance(why, HgAuroraError)), 0)
    if context.json:
        context.ui.write(json.dumps([_status_json(target, seen) for target, seen in found]))
        return unseen
    if options.get("env") and not isinstance(found[0][1], HgAuroraError):
        for line in _one(context, found[0][0], found[0][1]):
            context.ui.write(line)
        return unseen
    rows: list[tuple[str, ...]] = [("environment", "changeset", "branch", "since", "pending")]
    rows.extend(_row(target, seen) for target, seen in found)
    for line in render.table(rows):
        context.ui.write(line)
    for target, seen in found:
        for line in _remarks(context, target, seen):
            context.ui.write(line)
    return unseen


def _look(context: Context, target: Target) -> Assessment | Unplanned | Restoring:
    """A full assessment; or the state alone, with the reason why nothing can be planned; or a restore cut off."""
    restoring = target.control.restoring()
    if restoring is not None:
        return Restoring(target.name, restoring["deployment"], tuple(stands(context, target, restoring)))
    try:
        return assess(context, target, None)
    except (InputError, PolicyError, StateError) as why:
        return Unplanned(target.state(), why)


def _row(target: Target, seen: Seen) -> tuple[str, ...]:
    if isinstance(seen, HgAuroraError):
        return (target.name, "not known", "", "", render.cut(seen.message, 40))
    if isinstance(seen, Restoring):
        return (target.name, "being restored", "", "", f"not known ({seen.deployment} stopped half way)")
    state = seen.state
    if state.ledger is None:
        return (target.name, "none", "", "", _pending(seen))
    branch = state.branch or ""
    node = state.node[:12] if state.node else "none"
    return (target.name, node, branch, render.utc(state.since) if state.since else "", _pending(seen))


def _pending(seen: Assessment | Unplanned) -> str:
    if not isinstance(seen, Assessment):
        return "not known, see below"
    downs = [s.name for s in seen.plan.runs if s.direction is Direction.DOWN]
    ups = [s.name for s in seen.plan.runs if s.direction is Direction.UP]
    if not ups and not downs:
        return "none"
    parts = []
    if downs:
        parts.append(f"{len(downs)} down: {_short(downs)}")
    if ups:
        parts.append(f"{len(ups)}: {_short(ups)}" if not downs else f"{len(ups)} up: {_short(ups)}")
    return "; ".join(parts)


def _short(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _remarks(context: Context, target: Target, seen: Seen) -> list[str]:
    if isinstance(seen, HgAuroraError):
        return [_about(target, seen.message), *([f"({seen.hint})"] if seen.hint else [])]
    if isinstance(seen, Restoring):
        return list(seen.lines)
    state = seen.state
    lines = []
    if state.lock is not None and state.open is not None:
        lines.append(f"{state.open.id} is on its way to {render.place(state.open.node, state.open.branch)}")
        lines.append(f"({context.ui.front}status --follow {state.open.id})")
    elif state.open is not None:
        lines.append(f"{target.name}: {state.open.id} stopped half way ({context.ui.front}status {target.name})")
    elif failed := _failed(state):
        lines.append(f"{target.name}: {failed}")
    if isinstance(seen, Unplanned):
        lines += [_about(target, seen.why.message), *([f"({seen.why.hint})"] if seen.why.hint else [])]
    if state.undelivered:
        lines.append(f"{target.name}: {render.count(state.undelivered, 'event')} not yet in the journal")
    return lines


def _one(context: Context, target: Target, seen: Assessment | Unplanned | Restoring) -> list[str]:
    """One environment in full."""
    if isinstance(seen, Restoring):
        return list(seen.lines)
    state = seen.state
    if state.open is not None:
        return _open(context, target, seen, state.open)
    if state.ledger is None:
        lines = [f"{target.name} holds nothing of hgaurora yet"]
    else:
        by = f", by {state.deployed_by}" if state.deployed_by else ""
        since = f" since {render.with_local(state.since)}" if state.since else ""
        lines = [f"{target.name} is at {render.place(state.node, state.branch)}{since}{by}"]
        lines.append(f"  heads    {', '.join(heads(state.applied)) or 'none'}")
    if failed := _failed(state):
        lines.append(f"  last     {failed}")
    lines.append(f"  pending  {_pending(seen)}")
    if isinstance(seen, Unplanned):
        lines += _why(seen)
    if isinstance(seen, Assessment) and seen.plan.runs:
        if context.verbose:
            lines.extend(f"  {line}" for line in render.plan_lines(seen.plan))
        lines.append(f"({context.ui.front}deploy {target.name} -n shows the plan)")
    if state.undelivered:
        lines.append(f"  journal  {render.count(state.undelivered, 'event')} not yet delivered")
    return lines + [f"  note     {line}" for line in invalid_lines(_invalid(target))]


def _invalid(target: Target) -> tuple[InvalidIndex, ...]:
    """Indexes that were left invalid; a local environment that was never made has none."""
    return target.database.obstacles(OLD).invalid if target.control.exists() else ()


def _about(target: Target, message: str) -> str:
    return message if message.startswith(f"{target.name}:") else f"{target.name}: {message}"


def _failed(state: State) -> str | None:
    """The newest deployment, where it failed: its migrations before the failure may stand."""
    last = state.last
    if last is None or last.outcome is not Outcome.FAILED:
        return None
    return (
        f"{last.id} to {render.place(last.node or None, last.branch)} failed: {last.error or 'no reason was recorded'}"
    )


def _why(seen: Unplanned) -> list[str]:
    """Why nothing can be planned, as an error would say it."""
    return [f"not known: {seen.why.message}", *([f"({seen.why.hint})"] if seen.why.hint else [])]


def _open(context: Context, target: Target, seen: Assessment | Unplanned, deployment: Deployment) -> list[str]:
    """A deployment that is running, or that was interrupted."""
    front, state = context.ui.front, seen.state
    goal = render.place(deployment.node or None, deployment.branch)
    running = state.lock is not None
    verb = "on its way" if running else "half way"
    lines = [
        f"{target.name} is {verb} to {goal}: {deployment.kind.value} {deployment.id}"
        + (" is running" if running else " stopped"),
    ]
    age = render.duration((state.read - deployment.started).total_seconds())
    lock = f"lock is held by pid {state.lock.pid}" if state.lock else "lock is free"
    lines.append(
        f"  since   {render.with_local(deployment.started)}, {age} ago; {deployment.user} on {deployment.host}; {lock}"
    )
    lines.append(
        f"  from    {render.place(deployment.from_node, deployment.from_branch)}, "
        f"{render.names(deployment.heads_before)}"
    )
    done = target.database.steps([deployment.id])
    names = ", ".join(step.path.rsplit("/", 1)[-1].removesuffix(".py") for step in done)
    lines.append(f"  done    {names or 'no migration'}")
    lines += [f"  note    {line}" for line in invalid_lines(_invalid(target))]
    if running:
        lines.append(f"({front}status --follow {deployment.id})")
        return lines
    first = seen.plan.runs[0] if isinstance(seen, Assessment) and seen.plan.runs else None
    if deployment.kind is Kind.REVERT:
        lines.append(f"({front}revert {target.name} goes on; {front}deploy {target.name} goes forward from here)")
        return lines
    if first is not None:
        half = state.half.get((first.revision, first.direction.value), 0)
        sent = render.stand(half, "statement") if half else "not one statement of it stands"
        lines.append(f"  open    {first.name}: {sent}")
        lines.append(f"  next    takes up at {first.name}" + (" after the statements that stand" if half else ""))
    if why := _stopped(target, deployment):
        return [*lines, f"  error   {why['error']}", f"({why['hint']})"]
    more = ", or asks what only a person can tell" if state.half else f"; {front}revert {target.name} takes it back"
    lines.append(f"({front}deploy {target.name} goes on{more})")
    return lines


def _stopped(target: Target, deployment: Deployment) -> dict[str, str] | None:
    """What stopped a deployment half way, with the hint there was then; None: it was killed, or nothing tells."""
    events = target.database.events(deployment=deployment.id)
    last = next((one for one in reversed(events) if one["kind"] in (STOPPED, "deployment-resumed")), None)
    return cast("dict[str, str]", last["payload"]) if last and last["kind"] == STOPPED else None


def _status_json(target: Target, seen: Seen) -> dict[str, Any]:
    if isinstance(seen, HgAuroraError):
        return {**seen.as_json(), "environment": target.name, "state": "not known"}
    if isinstance(seen, Restoring):
        return {"environment": target.name, "state": "restoring", "interrupted": seen.deployment}
    state = seen.state
    interrupted = state.open.id if state.open and state.lock is None else None
    kind = "none" if state.ledger is None else "running" if state.lock else "interrupted" if interrupted else "deployed"
    pending = None
    if isinstance(seen, Assessment):
        pending = [
            {"migration": s.name, "revision": s.revision, "direction": s.direction.value, "node": s.node}
            for s in seen.plan.runs
        ]
    return {
        "environment": target.name,
        "state": kind,
        "deploy": state.deployed_by,
        "node": state.node,
        "branch": state.branch,
        "heads": list(heads(state.applied)),
        "since": render.iso(state.since),
        "drift": None,  # not looked at: ``drift`` does
        "pending": pending,
        "running": state.open.id if state.open and state.lock else None,
        "interrupted": interrupted,
        "stopped": _stopped(target, state.open) if state.open and interrupted else None,
        "failed": state.last.id if state.last and _failed(state) else None,
        "problem": seen.why.message if isinstance(seen, Unplanned) else None,
        "journal_waiting": state.undelivered,
        "invalid_indexes": invalid_json(_invalid(target)),
        "read": render.iso(state.read),
    }


def _follow(context: Context, ident: str) -> int:
    """Print what a deployment does until it ends; the exit code is 0 where it ended well."""
    name = ident.rpartition("-")[0]
    if name not in context.names():
        raise InputError(
            f"{ident!r} is no id of a deploy",
            state="nothing was done",
            hint=f"ids look like {next(iter(context.names()), 'prod')}-42; {context.ui.front}log lists them",
        )
    target = context.target(name)
    begun = target.control.exists() and target.state().ledger is not None
    seen = 0
    while True:
        deployments = target.database.deployments() if begun else []
        deployment = next((one for one in deployments if one.id == ident), None)
        if deployment is None:
            raise InputError(
                f"{name} has no deploy {ident}", state="nothing was done", hint=f"{context.ui.front}log {name}"
            )
        steps = target.database.steps([ident])
        for step in steps[seen:]:
            stem = step.path.rsplit("/", 1)[-1].removesuffix(".py")
            verb = "run" if step.direction.value == "up" else "down"
            took = render.duration((step.ended - step.started).total_seconds())
            if not context.json:
                context.ui.write(render.right(f"{verb.ljust(8)}  {stem}", took))
        seen = len(steps)
        if deployment.outcome.value != "running":
            break
        if target.database.holder() is None and target.control.restoring() is None:
            raise StateError(
                f"{ident} stopped half way: nobody runs it",
                state=render.stand(seen, "migration"),
                hint=f"{context.ui.front}status {name} says what the next run will do",
            )
        context.clock.sleep(0.5)
    if context.json:
        context.ui.write(json.dumps([render.deployment_json(deployment)]))
    else:
        after = deployment.heads_after or ()
        context.ui.write(f"{ident} ended: {render.result(deployment)}, {render.names(after)}")
    return 0 if deployment.outcome.value == "ok" else 1
