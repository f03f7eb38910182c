# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``deploy``: bring an environment to the migrations of a changeset."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from ..core import render
from ..core.blocking import OLD, Obstacles, obstacle_lines, obstacles_json
from ..core.errors import HgAuroraError, InputError, Interrupted, LockHeld, PolicyError
from ..core.graph import heads
from ..core.model import Finding, Kind, Outcome, Script
from ..core.plan import to_json
from ..core.policy import finding_json
from ..core.repeatable import Repeatable
from ..core.steps import Plan
from ..execute import Preview, Run, verify, walk
from ..ports import MigrationSession, NewDeployment
from ..watch import Watch
from . import copies, schema
from .assess import Assessment, Sources, assess, change_request, judged
from .context import Context, Target
from .delivery import deliver, prove
from .report import Silent, StepReport
from .session import child

#: how often a plan is made anew because the database moved between planning and locking
REPLANS = 20


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Deploy to one environment, or to every one whose ``deploys`` holds the changeset."""
    results = []
    for target in _targets(context, options):
        try:
            results.append(_deploy(context, target, options))
        except HgAuroraError as error:
            error.data.setdefault("environment", target.name)
            if results:
                error.data["done"] = results
            raise
    if context.json:
        context.ui.write(json.dumps(results))
    return 0


def _targets(context: Context, options: Mapping[str, Any]) -> list[Target]:
    acting = not options.get("dry_run")
    if options.get("env"):
        context.guess(options["env"])
        return [context.target(options["env"], acting=acting)]
    node = context.history.changeset(options.get("rev") or ".").node
    names = [
        name
        for name in context.names()
        if (revset := context.settings.environments[name].deploys) and context.history.contains(revset, node)
    ]
    if not names:
        raise InputError(
            f"no environment's deploys holds {node[:12]}",
            state="nothing was done",
            hint=f"name the environment, such as {context.ui.front}deploy {next(iter(context.names()), 'dev')}",
        )
    return [context.target(name, acting=acting) for name in names]


def _deploy(context: Context, target: Target, options: Mapping[str, Any]) -> dict[str, Any]:
    started = context.clock.monotonic()
    found = assess(context, target, options.get("rev"), diffs=True)
    shown: Plan | None = None
    if options.get("dry_run"):
        return _dry_run(context, target, found, options)
    for _ in range(REPLANS):
        if found.holder is not None and not found.done:
            found = _wait(context, target, found, options, started)
        if found.done and not options.get("accept_drift"):
            return _nothing(context, target, found, started)
        notes = judged(context, target, found, reapply=bool(options.get("reapply")))
        if shown is None or shown.steps != found.plan.steps:
            _show(context, target, found.plan, notes, again=shown is not None)
            shown = found.plan
        result = _locked(context, target, found, options, started)
        if result is not None:
            return result
        found = assess(context, target, options.get("rev"), diffs=True)
    raise LockHeld(
        f"{target.name} moved {REPLANS} times between planning and locking",
        state="this run changed nothing",
        hint=f"{context.ui.front}log {target.name} shows who deploys",
    )


def _show(
    context: Context, target: Target, plan: Plan, notes: list[Finding], *, again: bool = False, steps: bool = False
) -> None:
    if context.json:
        return
    if again:
        context.ui.status(f"{target.name} was changed by another run meanwhile; the plan is now")
    for line in render.plan_header(plan, target.where()):
        context.ui.write(line)
    context.ui.write(
        f"plan{' ' * (max(len(plan.environment), 4) - 4)}  {render.plan_summary(plan) or 'nothing to run'}"
    )
    if plan.resumes:
        context.ui.write(f"takes up {plan.resumes}, which was interrupted")
    if plan.steps and (steps or context.verbose or any(step.verb == "down" for step in plan.steps)):
        for line in render.plan_lines(plan):
            context.ui.write(line)
    for line in render.findings([*plan.notes, *notes] if context.verbose else notes):
        context.ui.status(line)


def _dry_run(context: Context, target: Target, found: Assessment, options: Mapping[str, Any]) -> dict[str, Any]:
    """Print the plan: the walk of a real run, with an actor that only looks."""
    refused: PolicyError | None = None
    notes: list[Finding] = []
    try:
        notes = judged(context, target, found, reapply=bool(options.get("reapply")))
    except PolicyError as error:
        refused = error
    if not context.json:
        _show(context, target, found.plan, [], steps=True)
        walk(found.plan, Preview(), Silent(), context.clock)
        for line in render.findings([*found.plan.notes, *notes]):
            context.ui.write(line)
        context.ui.write(render.unchanged(found.plan))
    if refused is not None:
        raise refused
    if target.control.exists() and found.state.ledger is not None and found.holder is None:
        watch = schema.watch(target, half=bool(found.state.half))
        # a deploy that has nothing to do does not look, so it does not stop either
        accept = found.done or bool(options.get("accept_drift"))
        schema.stop_on_drift(context, target, watch, accept=accept, dry_run=True)
    return {
        "environment": target.name,
        "state": "planned",
        "node": found.target.node,
        "branch": found.target.branch,
        "dry_run": True,
        "plan": to_json(found.plan),
        "findings": [finding_json(f) for f in notes],
    }


def _nothing(
    context: Context, target: Target, found: Assessment, started: float, waited: bool = False
) -> dict[str, Any]:
    took = context.clock.monotonic() - started
    if found.state.undelivered:
        deliver(context, target)
    if not context.json:
        by = f", done by {found.state.deployed_by} (waited {render.duration(took)})" if waited else ""
        context.ui.write(
            f"{target.name} is at {render.place(found.target.node, found.target.branch)}: nothing to do{by}"
        )
    return {
        "environment": target.name,
        "state": "deployed",
        "changed": False,
        "deploy": found.state.deployed_by,
        "node": found.target.node,
        "branch": found.target.branch,
        "heads": list(heads(found.state.applied)),
        "steps": [],
    }


def _wait(
    context: Context, target: Target, found: Assessment, options: Mapping[str, Any], started: float
) -> Assessment:
    """Poll until nobody holds the lock; then look again.

    :raises LockHeld: after ``lock-wait`` seconds.
    """
    limit = target.settings.lock_wait
    begun = context.clock.monotonic()
    said = False
    while (holder := target.database.holder()) is not None:
        waited = context.clock.monotonic() - begun
        if waited >= limit:
            raise locked(context, target, waited)
        if not said:
            context.ui.status(f"    waiting   {target.name} is locked by {holder.application} (pid {holder.pid})")
            said = True
        context.ui.progress(target.name, item=f"waiting for {holder.application}", position=None, total=None)
        context.clock.sleep(random.uniform(0.1, 0.4))
    again = assess(context, target, options.get("rev"), diffs=True)
    if again.done and again.holder is None and not context.json:
        took = render.duration(context.clock.monotonic() - started)
        context.ui.status(f"    waited    {took}, the work was done by {again.state.deployed_by}")
    return again


def locked(context: Context, target: Target, waited: float) -> LockHeld:
    """The error of a lock that somebody else holds: who, since when, doing what."""
    state = target.database.state()
    held = state.open
    if held is not None:
        who = f"{held.id}: {held.user} on {held.host}, pid {held.pid}, since {render.utc(held.started)}"
    elif state.lock is not None:
        who = f"{state.lock.application}, server process {state.lock.pid}"
    else:
        who = "a run that has just ended"
    return LockHeld(
        f"{target.name} is locked by {who}; waited {render.duration(waited)}",
        state="this run changed nothing",
        hint=f"{context.ui.front}status --follow {held.id}" if held else f"{context.ui.front}status {target.name}",
        data={"deploy": held.id if held else None},
    )


def _locked(
    context: Context, target: Target, found: Assessment, options: Mapping[str, Any], started: float
) -> dict[str, Any] | None:
    """Take the lock, look again, run. None: the lock was taken or the base moved; plan anew."""
    plan = found.plan
    if plan.empty:
        return _record(context, target, found, options, started)
    with child(target, plan, found.sources) as session:
        # while the child starts; what is seen before the lock counts only if nobody had it since the plan was made
        watch = schema.watch(target, trusting=True)
        if not session.lock():
            return None
        again = target.database.state()
        if (again.epoch, set(again.versions or ())) != (plan.base_epoch, set(plan.base_versions)):
            return None
        watch.half = bool(again.half)
        schema.stop_on_drift(context, target, watch, accept=bool(options.get("accept_drift")))
        prove(context, target)
        return _run(context, target, found, session, watch, started)


def new_deployment(context: Context, target: Target, plan: Plan) -> NewDeployment:
    """What the ledger is told when a deployment begins."""
    return NewDeployment(
        environment=target.name,
        kind=plan.kind,
        way=plan.way,
        target=plan.target,
        change_request=change_request(target, plan.target) if plan.target else None,
        from_node=plan.base_node,
        from_branch=plan.base_branch,
        heads_before=plan.heads_before,
        user=context.who(),
        pusher=None,
        host=context.host,
        pid=os.getpid(),
        tool_version=context.version,
        reverts=plan.reverts,
        plan=to_json(plan),
    )


def _run(
    context: Context, target: Target, found: Assessment, session: MigrationSession, watch: Watch, started: float
) -> dict[str, Any]:
    supersede = None
    if found.interrupted is not None and found.interrupted.id != found.plan.resumes:
        supersede = found.interrupted.id
    scripts = _used(found.plan, found.sources)
    return run_migrations(
        context,
        target,
        found.plan,
        session,
        watch,
        scripts=scripts,
        supersede=supersede,
        started=started,
    )


def _used(plan: Plan, sources: Sources | None) -> list[Script | Repeatable]:
    if sources is None:
        return []
    graph, repeatables = sources.graph, sources.repeatables
    scripts = [graph.scripts[step.revision] for step in plan.migrations if not step.recorded]
    return [*scripts, *(repeatables[step.path] for step in plan.repeats if not step.recorded)]


def run_migrations(
    context: Context,
    target: Target,
    plan: Plan,
    session: MigrationSession,
    watch: Watch,
    *,
    scripts: list[Script | Repeatable],
    supersede: str | None,
    started: float,
) -> dict[str, Any]:
    """Begin, walk, verify, finish: the part that a deploy and a revert by downgrade share.

    Under the lock, which ``session`` holds.
    """
    deployment, epoch = target.database.begin(
        new_deployment(context, target, plan),
        base_epoch=plan.base_epoch,
        scripts=scripts,
        resume=plan.resumes,
        supersede=supersede,
    )
    session.begin(deployment=deployment.id, epoch=epoch)
    report = StepReport(context, plan, lock_timeout=target.settings.lock_timeout)
    found = _preflight(context, target)
    actor = Run(
        plan=plan,
        deployment=deployment.id,
        database=target.database,
        control=target.control,
        session=session,
        clock=context.clock,
        tags=tags(context, target, plan, deployment.id),
        schema=watch,
        epoch=epoch,
        said=partial(schema.brief, default=target.settings.schema),
        beside=partial(schema.say_beside, context, target),
        tries=target.settings.lock_tries,
        watch=lambda: context.adapters.watch(target.database.connection, target.name),
        engine=target.database.connection.engine,
        on_wait=report.waiting,
        progress=report.going,
        spare_empty=target.settings.is_cluster,
        marks=target.settings.is_cluster and target.settings.snapshot == "deploy",
        unheld=plan.kind is Kind.REVERT,
        meanwhile=partial(_meanwhile, context, target, watch, deployment.id, epoch),
    )
    try:
        schema.settle(context, target, watch, deployment.id, epoch)
        walk(plan, actor, report, context.clock)
        verify(plan, target.database)
        schema.last_look(context, target, watch, deployment.id, epoch)
    except HgAuroraError as error:
        report.over()
        error.data.setdefault("obstacles", obstacles_json(found))
        _failed(context, target, plan, deployment.id, epoch, error)
        raise
    finally:
        actor.close()
    report.over()
    target.database.finish(
        deployment.id, epoch=epoch, ok=True, heads_after=plan.heads_after, target=plan.target, error=None
    )
    deliver(context, target)
    copies.copy_new(context, target, deployment.id)
    compared = schema.compare_before(context, target, watch, plan.reverts) if plan.kind is Kind.REVERT else None
    done = finished(context, target, plan, deployment.id, report, started, compared)
    return done | {"obstacles": obstacles_json(found)}


def _meanwhile(context: Context, target: Target, watch: Watch, deployment: str, epoch: str) -> None:
    """While RDS makes a snapshot, which takes minutes: what is waiting is delivered, and the schema is looked at once
    more, so that what somebody changed beside this run is seen before the next migration."""
    if target.settings.is_cluster:
        deliver(context, target)
        schema.last_look(context, target, watch, deployment, epoch)


def _preflight(context: Context, target: Target) -> Obstacles:
    """Who stands in the way before anything is waited for; under the lock, before the first snapshot. Notes only: a
    transaction may end before its table is needed."""
    found = target.database.obstacles(OLD)
    for line in obstacle_lines(found):
        context.ui.status(line)
    return found


def tags(context: Context, target: Target, plan: Plan, deployment: str) -> dict[str, str]:
    """What a snapshot is tagged with."""
    found = {
        "environment": target.name,
        "deployment": deployment,
        "node": plan.base_node or "",
        "branch": plan.base_branch or "",
        "tool-version": context.version,
    }
    if target.settings.is_cluster:
        found |= {
            "environments": ",".join(target.together),
            "database": target.settings.database or "",
            "ledger": target.database.state().uuid or "",
            "change-request": (change_request(target, plan.target) if plan.target else None) or "",
        }
    return found


def _failed(context: Context, target: Target, plan: Plan, deployment: str, epoch: str, error: HgAuroraError) -> None:
    """Look where the database is now, record the failure, and put the state into the error."""
    state = target.database.state()
    now = heads(state.applied)
    committed = len(target.database.steps([deployment]))
    if state.half:
        # a migration stands half done behind an autocommit block: it stays open, the next run takes it up
        names = ", ".join(sorted(revision for revision, _ in state.half))
        # the child knows which of the journal's rows are no more than intents
        stand = error.data.get("stands") or render.stand(sum(state.half.values()), "statement")
        error.state = f"{target.name} is between heads: {names} ran in part, {stand}"
        if since := error.data.get("since"):
            error.hint = "; ".join(filter(None, (error.hint, _back(context, target, str(since)))))
        error.hint = error.hint or f"mend the migration, then {context.ui.front}deploy {target.name} goes on after them"
    elif isinstance(error, Interrupted):
        error.state = (
            f"{target.name} is at {render.names(now)}, {render.count(committed, 'migration')} of {deployment} done"
        )
        error.hint = f"the same command again goes on; {context.ui.front}status {target.name} shows where it stands"
    else:
        target.database.finish(
            deployment,
            epoch=epoch,
            ok=False,
            heads_after=now,
            target=plan.target,
            error=context.ui.clean(error.message),
        )
        stands = f"{render.count(committed, 'migration')} of {deployment} stand{'s' if committed == 1 else ''}"
        said = f"{stands}, the failed one left nothing" if committed else f"nothing of {deployment} was done"
        error.state = f"{target.name} is at {render.names(now)}; {said}"
        if committed and error.hint is None:
            error.hint = (
                f"mend it and deploy again, or {context.ui.front}revert {target.name} takes "
                f"{'it' if committed == 1 else 'them'} back"
            )
    error.data.setdefault("deploy", deployment)
    deliver(context, target)


def _back(context: Context, target: Target, since: str) -> str:
    """The way back to before a migration that stands half done, for a hint.

    :param since: when it began, by the server's clock, which is the ledger's: a later snapshot holds a part of it.
    """
    begun = datetime.fromisoformat(since)
    taken = [
        event["payload"]["snapshot"]  # type: ignore[index]
        for event in target.database.events(kind="snapshot-available")
        if datetime.fromisoformat(str(event["at"])) < begun
    ]
    try:
        kept = {one.id for one in target.snapshots() if one.state == "available"}
    except HgAuroraError as error:
        return f"which snapshots there are is not known: {error.message}"
    found = [one for one in taken if one in kept][-1:]
    if not found:
        return "there is no snapshot from before it"
    if target.aurora is not None:
        return f"snapshot {found[0]} in RDS is from before it"
    return f"{context.ui.front}revert {target.name} --way restore --to {found[0]} goes back to before it"


def _record(
    context: Context, target: Target, found: Assessment, options: Mapping[str, Any], started: float
) -> dict[str, Any] | None:
    """A changeset without new migrations: only the ledger moves. No child is needed."""
    if not target.database.acquire():
        return None
    try:
        again = target.database.state()
        if again.epoch != found.plan.base_epoch:
            return None
        watch = schema.watch(target)
        if found.done and not watch.drift().changes:
            return _nothing(context, target, found, started)
        schema.stop_on_drift(context, target, watch, accept=bool(options.get("accept_drift")))
        prove(context, target)
        interrupted = found.interrupted.id if found.interrupted else None
        deployment, epoch = target.database.begin(
            new_deployment(context, target, found.plan),
            base_epoch=found.plan.base_epoch,
            scripts=[],
            resume=found.plan.resumes,
            supersede=interrupted if interrupted != found.plan.resumes else None,
        )
        schema.settle(context, target, watch, deployment.id, epoch)
        target.database.finish(
            deployment.id, epoch=epoch, ok=True, heads_after=found.plan.heads_after, target=found.target
        )
        deliver(context, target)
    finally:
        target.database.close()
    return finished(context, target, found.plan, deployment.id, StepReport(context, found.plan), started)


def finished(
    context: Context,
    target: Target,
    plan: Plan,
    deployment: str,
    report: StepReport,
    started: float,
    compared: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The last line, and the JSON object.

    :param compared: how the schema stands to the one that a revert goes back to.
    """
    took = context.clock.monotonic() - started
    node = plan.target.node if plan.target else None
    branch = plan.target.branch if plan.target else None
    if not context.json:
        tail = f"{deployment}, {render.duration(took)}"
        context.ui.write(render.at_line(target.name, node, branch, plan.heads_after, tail))
    return {
        "environment": target.name,
        "state": "deployed" if plan.kind is Kind.DEPLOY else "reverted",
        "changed": True,
        "result": Outcome.OK.value,
        "deploy": deployment,
        "way": plan.way.value if plan.way else None,
        "node": node,
        "branch": branch,
        "heads": list(plan.heads_after),
        "steps": report.steps,
        "reverts": list(plan.reverts),
        "schema": compared,
        "seconds": round(took, 3),
    }
