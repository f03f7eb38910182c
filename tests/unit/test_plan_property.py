# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Moving between any two changesets: each step is possible when its turn comes, and the end is the target."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings

from hgaurora.core.graph import Graph, heads
from hgaurora.core.identity import NORMAL_VERSION
from hgaurora.core.model import Applied, Changeset, Direction, Script, State
from hgaurora.core.plan import plan_deploy, plan_revert, same
from hgaurora.core.steps import Plan

from .strategies import History, histories, mutated, random_history, sources, walks

NOW = datetime(2026, 11, 19, tzinfo=UTC)


def changeset(number: int) -> Changeset:
    return Changeset(node=f"{number:040x}", branch="default", phase="public", author="ana", description="x")


def graph_of(history: History) -> Graph:
    return Graph.parse(sources(history))


def applied_of(script: Script, node: str, deployment: str) -> Applied:
    return Applied(
        revision=script.revision,
        parents=script.parents,
        depends_on=script.depends_on,
        branch_labels=script.branch_labels,
        path=script.path,
        message=script.message,
        raw=script.raw,
        normal=script.normal,
        normal_version=NORMAL_VERSION,
        irreversible=script.irreversible,
        node=node,
        deployment=deployment,
    )


def state_of(applied: dict[str, Applied]) -> State:
    return State(read=NOW, ledger=1, environment="dev", epoch="e", applied=applied, versions=heads(applied))


def walk(plan: Plan, applied: dict[str, Applied], deployment: str) -> dict[str, Applied]:
    """Run a plan as a database would, and refuse what a database could not do."""
    now = dict(applied)
    for step in plan.migrations:
        if step.direction is Direction.DOWN:
            assert step.recorded
            assert step.raw == now[step.revision].raw
            assert step.revision in heads(now)
            del now[step.revision]
        else:
            assert step.revision not in now
            assert now.keys() >= {*step.parents, *step.depends_on}
            now[step.revision] = Applied(
                revision=step.revision,
                parents=step.parents,
                depends_on=step.depends_on,
                branch_labels=step.branch_labels,
                path=step.path,
                message=step.message,
                raw=step.raw,
                normal=step.normal,
                normal_version=NORMAL_VERSION,
                irreversible=step.irreversible,
                node=step.node,
                deployment=deployment,
            )
        assert step.versions == heads(now), "the version table is what no other applied revision needs"
    return now


def untouched(applied: dict[str, Applied], graph: Graph) -> set[str]:
    """What is the same in both, with all that it stands on."""
    found = set()
    for revision in applied:
        waiting, lineage = [revision], set()
        while waiting:
            one = waiting.pop()
            if one not in lineage:
                lineage.add(one)
                waiting.extend(applied[one].needs)
        if all(one in graph.scripts and same(applied[one], graph.scripts[one]) for one in lineage):
            found.add(revision)
    return found


@settings(max_examples=300, deadline=None)
@given(walks())
def test_between_any_two_changesets(changesets: list[History]) -> None:
    go(changesets)


@pytest.mark.parametrize("seed", range(60))
def test_between_larger_ones(seed: int) -> None:
    rng = random.Random(seed)
    changesets = [random_history(rng, 30)]
    changesets += [mutated(rng, changesets[-1]) for _ in range(3)]
    go(changesets)


def go(changesets: list[History]) -> None:
    """Deploy one changeset after the other, then revert to each point in turn."""
    applied: dict[str, Applied] = {}
    points = [applied]
    for number, history in enumerate(changesets, 1):
        graph = graph_of(history)
        plan = plan_deploy("dev", state_of(applied), graph, changeset(number), snapshot="each", multiple_heads=True)
        down = {step.revision for step in plan.migrations if step.direction is Direction.DOWN}
        assert down.isdisjoint(untouched(applied, graph))
        assert [step.before for step in plan.steps[::2]] == [step.revision for step in plan.steps[1::2]]  # type: ignore[union-attr]
        applied = walk(plan, applied, f"dev-{number}")
        assert applied.keys() == graph.scripts.keys()
        assert all(same(applied[one], graph.scripts[one]) for one in applied)
        assert plan.heads_after == heads(applied) == graph.heads
        again = plan_deploy("dev", state_of(applied), graph, changeset(number), snapshot="each", multiple_heads=True)
        assert again.empty
        points.append(applied)
    for point in reversed(points):
        plan = plan_revert("dev", state_of(applied), wanted=point, target=None, snapshot="each")
        assert all(step.recorded for step in plan.migrations)
        applied = walk(plan, applied, "dev-r")
        assert applied.keys() == point.keys()
        assert all(same(applied[one], point[one]) for one in applied)


@settings(max_examples=150, deadline=None)
@given(histories())
def test_order_of_a_graph(history: History) -> None:
    graph = graph_of(history)
    order = graph.topological()
    assert sorted(order) == sorted(history)
    place = {revision: index for index, revision in enumerate(order)}
    for script in graph.scripts.values():
        assert all(place[need] < place[script.revision] for need in script.needs)
        assert graph.ancestors(script.revision) <= set(order[: place[script.revision]])
    backwards = Graph.build(reversed(list(graph.scripts.values())))
    assert backwards.topological() == order
    assert backwards.heads == graph.heads
