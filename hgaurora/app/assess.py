# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where an environment is and what a deploy would do: one logic for ``status``, ``deploy`` and its dry run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..core.errors import InputError, StateError
from ..core.gates import ClusterFacts
from ..core.graph import Graph, heads
from ..core.model import Applied, Changeset, Deployment, Finding, Kind, LockHolder, Outcome, State
from ..core.paths import relative
from ..core.plan import plan_deploy, plan_from
from ..core.policy import PolicyContext, Ran, judge, refusal
from ..core.repeatable import Repeatable, read
from ..core.state import check_state
from ..core.steps import Plan, TakeSnapshot
from ..execute import snapshot_id
from .context import Context, Target


@dataclass(frozen=True)
class Sources:
    """The migrations of one changeset, as files and as a graph, and its repeatable files."""

    files: Mapping[str, bytes]  # relative to the migrations folder
    code: Mapping[str, bytes]  # application code of ``paths``, by repository path
    graph: Graph
    repeatables: Mapping[str, Repeatable] = field(default_factory=dict)


@dataclass(frozen=True)
class Assessment:
    """What a deploy of ``target`` would find and do. ``sources`` is None where they did not have to be read."""

    state: State
    target: Changeset
    plan: Plan
    sources: Sources | None
    #: a deployment that was begun and is not finished, and that nobody is running
    interrupted: Deployment | None
    holder: LockHolder | None

    @property
    def done(self) -> bool:
        """Nothing to run, nothing to record."""
        return self.plan.empty and self.state.node == self.target.node and self.interrupted is None


def read_files(context: Context, target: Target, node: str) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """As of a changeset: the migrations folder (paths relative to it), and the code its migrations import."""
    folder = target.project.migrations
    paths = ["" if path == "." else path for path in target.project.paths]
    found = context.history.files(node, [folder, *paths])
    files = {relative(path, folder): content for path, content in found.items() if path.startswith(folder + "/")}
    code = {path: content for path, content in found.items() if any(_below(path, one) for one in paths)}
    return files, code


def read_sources(context: Context, target: Target, node: str, applied: Mapping[str, Applied]) -> Sources:
    """The migrations of a changeset.

    :param applied: what the ledger records; the same bytes are not parsed again.
    """
    files, code = read_files(context, target, node)
    try:
        return Sources(files, code, Graph.parse(files, target.project.version_locations, applied), read(files))
    except InputError as error:
        _rooted(error, target)
        raise


def _rooted(error: InputError, target: Target) -> None:
    """Files that an error names, by their path in the repository; and what state things are in."""
    folder = target.project.migrations
    files = error.data.get("files")
    for name in {error.data.get("file"), *(files if isinstance(files, list | tuple) else ())} - {None}:
        error.message = error.message.replace(str(name), f"{folder}/{name}")
        error.hint = error.hint.replace(str(name), f"{folder}/{name}") if error.hint else None
    error.state = error.state or f"{target.name} was not touched"


def not_restoring(context: Context, target: Target) -> None:
    """Look for a restore that was cut off.

    :raises StateError: a restore of the environment was begun and is not finished.
    """
    restoring = target.control.restoring()
    if restoring is not None:
        raise StateError(
            f"{target.name} is being restored: {restoring['deployment']} stopped after "
            f"{restoring['done'] or 'its start'}",
            state="this run did nothing",
            hint=f"{context.ui.front}revert {target.name} --resume goes on; --abort leaves {target.name} as it was",
            data={"deploy": restoring["deployment"], "done": restoring["done"]},
        )


def assess(context: Context, target: Target, rev: str | None, *, diffs: bool = False) -> Assessment:
    """Read the state, and plan a deploy.

    :param diffs: True where the contents of edited scripts are to be compared, for the findings.
    :raises StateError: the version table and the ledger do not agree.
    """
    wanted = context.wanted(target, rev)
    not_restoring(context, target)
    state = target.state()
    if state.half and state.lock is None:
        # of a run that took the lock between the looks, or has ended meanwhile; what is left after that, was stopped
        state = target.state()
    check_state(state, target.version_table, target.name, quote=target.quote)
    interrupted = state.open if state.lock is None else None
    resumes = interrupted.id if _takes_up(interrupted, wanted) and interrupted else None
    if state.node == wanted.node and not state.half and interrupted is None and _ended_well(state):
        nothing = plan_from(target.name, state, kind=Kind.DEPLOY, heads_after=heads(state.applied), target=wanted)
        return Assessment(state, wanted, nothing, None, None, state.lock)
    sources = read_sources(context, target, wanted.node, state.applied)
    if not sources.graph.scripts and not _has_folder(target, sources):
        places = " or ".join(f"{target.project.migrations}/{one}/" for one in target.project.version_locations)
        raise InputError(
            f"{wanted.short} ({wanted.branch}) has no {places}",
            state=f"{target.name} was not touched",
            hint="correct migrations in hgaurora.toml, or deploy a changeset that has the folder",
        )
    if not sources.graph.scripts and state.applied:
        raise InputError(
            f"{wanted.short} ({wanted.branch}) has no migrations in {target.project.migrations}/",
            state=f"{target.name} has {len(state.applied)} applied and was not touched",
            hint=f"{context.ui.front}revert {target.name} takes migrations back",
        )
    recorded: Mapping[str, bytes] = {}
    if diffs and _differ(state.applied, sources.graph):
        recorded = target.database.scripts([one.raw for one in state.applied.values()])
    if gone := [one.raw for path, one in state.repeated.items() if path not in sources.repeatables]:
        recorded = {**recorded, **target.database.scripts(gone)}
    plan = plan_deploy(
        target.name,
        # what is half done under somebody's lock is on its way; who deploys waits, and plans anew
        replace(state, half={}) if state.lock is not None else state,
        sources.graph,
        wanted,
        snapshot=target.settings.snapshot,
        multiple_heads=target.project.multiple_heads,
        resumes=resumes,
        recorded=recorded,
        repeatables=sources.repeatables,
        restorable=not target.settings.is_cluster,
        engine=target.engine,
    )
    return Assessment(state, wanted, plan, sources, interrupted, state.lock)


def _below(path: str, folder: str) -> bool:
    return not folder or path.startswith(folder.rstrip("/") + "/")


def _ended_well(state: State) -> bool:
    """False where more or less than the changeset's migrations may be applied: the newest deployment failed, or was an
    adoption."""
    last = state.last
    return last is None or (last.outcome is not Outcome.FAILED and last.kind is not Kind.ADOPT)


def _has_folder(target: Target, sources: Sources) -> bool:
    folders = target.project.version_locations
    return any(path.startswith(folder + "/") for path in sources.files for folder in folders)


def _takes_up(interrupted: Deployment | None, wanted: Changeset) -> bool:
    return interrupted is not None and interrupted.kind is Kind.DEPLOY and interrupted.node == wanted.node


def _differ(applied: Mapping[str, Applied], graph: Graph) -> bool:
    """True where something applied is not byte for byte in the graph: then something may go down."""
    return any(
        one.revision not in graph.scripts or graph.scripts[one.revision].raw != one.raw for one in applied.values()
    )


def judged(context: Context, target: Target, found: Assessment, *, reapply: bool) -> list[Finding]:
    """Every finding of the deploy rules; errors among them refuse.

    :raises Refusal: at least one is an error.
    """
    settings = target.settings
    in_deploys = None
    if settings.deploys is not None:
        in_deploys = context.history.contains(settings.deploys, found.target.node)
    findings = judge(
        PolicyContext(
            plan=found.plan,
            target=found.target,
            environment=settings,
            now=context.clock.now(),
            reapply=reapply,
            in_deploys=in_deploys,
            change_request=change_request(target, found.target),
            after={name: ran_in(context.target(name)) for name in settings.after},
            cluster=_cluster(target, found.plan),
            snapshots_there=_begun(target, found.plan),
        )
    )
    if any(finding.severity == "error" for finding in findings):
        raise refusal(target.name, findings)
    return findings


def _cluster(target: Target, plan: Plan) -> ClusterFacts | None:
    """What AWS says of the cluster; not asked for a deploy that runs nothing."""
    if target.aurora is None or plan.empty:
        return None
    return target.aurora.facts(snapshots=sum(isinstance(step, TakeSnapshot) for step in plan.steps))


def _begun(target: Target, plan: Plan) -> int:
    """How many of the plan's snapshots the interrupted run that it takes up has made: its next one, or none."""
    first = next((step for step in plan.steps if isinstance(step, TakeSnapshot)), None)
    if target.aurora is None or plan.resumes is None or first is None:
        return 0
    name, begun = snapshot_id(target.database, target.aurora, plan.resumes, first.before)
    return int(begun and any(one.id == name for one in target.snapshots()))


def ran_in(other: Target) -> Ran:
    """What is applied in another environment as (revision, raw hash), and since when."""
    state = other.state()
    ran = {(one.revision, one.raw) for one in state.applied.values()}
    return ran | {(one.path, one.raw) for one in state.repeated.values()}, state.since


def change_request(target: Target, changeset: Changeset) -> str | None:
    """The change request that a changeset's description names."""
    pattern = target.project.change_request
    match = re.search(pattern, changeset.description) if pattern else None
    return match.group(0) if match else None
