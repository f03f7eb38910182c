# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``deploy``: bring an environment to the migrations of a changeset."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core import render
from ..core.errors import DriftError, HgAuroraError, InputError, LockHeld, PolicyError
from ..core.graph import heads
from ..core.model import Finding, Script
from ..core.plan import to_json
from ..core.policy import finding_json
from ..core.repeatable import Repeatable
from ..core.steps import Plan
from ..execute import Preview, walk
from ..ports import MigrationSession
from ..watch import Watch
from . import schema
from .assess import Assessment, Sources, assess, judged
from .context import Context, Target
from .delivery import deliver, prove
from .lock import wait
from .migrate import finished, new_deployment, run_migrations
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
    refused: PolicyError | DriftError | None = None
    notes: list[Finding] = []
    if not context.json:
        _show(context, target, found.plan, [], steps=True)
        walk(found.plan, Preview(), Silent(), context.clock)
    try:
        notes = judged(context, target, found, reapply=bool(options.get("reapply")))
        if target.control.exists() and found.state.ledger is not None and found.holder is None:
            watch = schema.watch(target, half=bool(found.state.half))
            # a deploy that has nothing to do does not look, so it does not stop either
            accept = found.done or bool(options.get("accept_drift"))
            schema.stop_on_drift(context, target, watch, accept=accept, dry_run=True)
    except (PolicyError, DriftError) as error:
        refused = error
    if not context.json:
        for line in render.findings([*found.plan.notes, *notes]):
            context.ui.write(line)
        if refused is None:
            context.ui.write(render.unchanged(found.plan))
    if refused is not None:
        raise refused
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
    """Wait until nobody holds the lock; then look again.

    :raises LockHeld: after ``lock-wait`` seconds.
    """
    wait(context, target)
    again = assess(context, target, options.get("rev"), diffs=True)
    if again.done and again.holder is None and not context.json:
        took = render.duration(context.clock.monotonic() - started)
        context.ui.status(f"    waited    {took}, the work was done by {again.state.deployed_by}")
    return again


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


def _run(
    context: Context, target: Target, found: Assessment, session: MigrationSession, watch: Watch, started: float
) -> dict[str, Any]:
    supersede = None
    if found.interrupted is not None and found.interrupted.id != found.plan.resumes:
        supersede = found.interrupted.id
    scripts = _used(found.plan, found.sources)
    done = run_migrations(
        context,
        target,
        found.plan,
        session,
        watch,
        scripts=scripts,
        supersede=supersede,
        started=started,
    )
    if found.sources is not None:
        ran = {one.path for one in found.plan.repeats}
        files = [one for path, one in found.sources.repeatables.items() if path not in ran]
        schema.say_orphans(context, target, done, files)
    return done


def _used(plan: Plan, sources: Sources | None) -> list[Script | Repeatable]:
    if sources is None:
        return []
    graph, repeatables = sources.graph, sources.repeatables
    scripts = [graph.scripts[step.revision] for step in plan.migrations if not step.recorded]
    return [*scripts, *(repeatables[step.path] for step in plan.repeats if not step.recorded)]


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
