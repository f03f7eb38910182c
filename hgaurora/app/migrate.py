# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The part that a deploy and a revert by downgrade share: from the ledger's first row of it to its last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from ..core import render
from ..core.blocking import OLD, Obstacles, obstacle_lines, obstacles_json
from ..core.errors import HgAuroraError, Interrupted
from ..core.graph import heads
from ..core.model import Kind, Outcome, Script
from ..core.plan import to_json
from ..core.repeatable import Repeatable
from ..core.steps import Plan
from ..execute import Run, verify, walk
from ..ports import MigrationSession, NewDeployment
from ..watch import Watch
from . import copies, schema
from .assess import change_request
from .context import Context, Target
from .delivery import deliver
from .report import StepReport

#: the event of a deployment that ended with an error and goes on: a migration stands half done
STOPPED = "deployment-stopped"


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
        # the deployment has not ended, so its row has no place for why it stopped
        why = {"error": context.ui.clean(error.message), "hint": context.ui.clean(error.hint)}
        try:
            target.database.event(deployment, STOPPED, why)
        except HgAuroraError as more:
            error.hint += f"; status will not show this, the ledger did not take it: {more.message}"
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
