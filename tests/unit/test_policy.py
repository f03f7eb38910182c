# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from hgaurora.core.gates import Alarm, BlueGreen, ClusterFacts, Member, Quota
from hgaurora.core.graph import Graph
from hgaurora.core.model import Changeset, Finding
from hgaurora.core.plan import plan_deploy
from hgaurora.core.policy import RULES, PolicyContext, judge, refusal
from hgaurora.core.settings import Environment
from hgaurora.core.steps import Plan
from hgaurora.core.window import parse_window

from .strategies import script_source
from .test_plan import FILES, GRAPH, ran
from .test_plan_property import changeset, state_of

NOW = datetime(2026, 11, 19, 13, 0, tzinfo=UTC)  # a Thursday
PROD = Environment(name="prod", protected=True, deploys="branch(stable) and public()")
DEV = Environment(name="dev")


def plan_to(files: Mapping[str, bytes], *, fresh: bool = False) -> Plan:
    state = state_of({} if fresh else ran())
    return plan_deploy("prod", state, Graph.parse(files), changeset(2), snapshot="none")


SAME = plan_to(FILES)
FIRST = plan_to(FILES, fresh=True)
EDITED = plan_to(FILES | {"versions/c_it.py": script_source("c", ("b",), (), "op.x()")})
MERGED = {"versions/c_it.py": script_source("c", ("a",)), "versions/d_it.py": script_source("d", ("b", "c"))}
MOVED = plan_to(FILES | MERGED)
BACK = plan_to({"versions/a_it.py": FILES["versions/a_it.py"]})


def context(plan: Plan = SAME, environment: Environment = PROD, **more: object) -> PolicyContext:
    return replace(PolicyContext(plan=plan, target=changeset(2), environment=environment, now=NOW), **more)  # type: ignore[arg-type]


def said(one: PolicyContext) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in judge(one)]


def the(one: PolicyContext) -> Finding:
    (finding,) = judge(one)
    return finding


def other(**fields: object) -> Changeset:
    return replace(changeset(2), **fields)  # type: ignore[arg-type]


def test_registry() -> None:
    assert all(rule.doc for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert said(context()) == []
    assert said(context(FIRST)) == []


@pytest.mark.parametrize(
    ("plan", "rule"), [(EDITED, "edited-script"), (MOVED, "reparented-script"), (BACK, "goes-back")]
)
def test_what_ran_is_changed(plan: Plan, rule: str) -> None:
    assert said(context(plan)) == [(rule, "error")]
    assert said(context(plan, reapply=True)) == [(rule, "warning")]
    assert said(context(plan, DEV)) == ([(rule, "error")] if rule == "edited-script" else [])
    assert "error" not in dict(said(context(plan, DEV, reapply=True))).values()


def test_words_of_what_ran() -> None:
    edited, back = the(context(EDITED)), the(context(BACK))
    assert "versions/c_it.py ran in dev-1" in edited.message
    assert "put the change into a new migration" in str(edited.mend)
    assert "2 migrations" in back.message
    assert "hgaurora revert prod" in str(back.mend)


def test_phase() -> None:
    assert said(context(in_deploys=True)) == []
    assert said(context(in_deploys=False)) == [("phase", "error")]
    assert said(context(environment=DEV, in_deploys=False)) == [("phase", "warning")]
    draft = the(context(in_deploys=False, target=other(phase="draft")))
    assert draft.mend == f"publish it: hg phase --public -r {changeset(2).short}"
    assert "branch(stable)" in str(the(context(in_deploys=False)).mend)
    assert said(context(target=other(phase="secret"))) == [("phase", "error")]


def test_obsolete() -> None:
    assert said(context(target=other(obsolete=True))) == [("obsolete", "error")]
    assert said(context(environment=DEV, target=other(obsolete=True))) == [("obsolete", "warning")]


def test_change_request() -> None:
    wants = replace(DEV, change_request_required=True)
    assert said(context(environment=wants)) == [("change-request", "error")]
    assert said(context(environment=wants, change_request="OPS-412")) == []


def test_window() -> None:
    narrow = replace(DEV, window=parse_window("Mon-Wed 08:00-16:00 Europe/Paris"))
    assert said(context(environment=narrow)) == []
    closed = context(FIRST, narrow)
    assert said(closed) == [("window", "error")]
    assert the(closed).mend == "wait until 2026-11-23T07:00Z"
    assert said(replace(closed, now=NOW - timedelta(days=1))) == []


def test_after() -> None:
    prod = replace(PROD, after=("staging",), soak=7200.0)
    pairs = {(one.revision, one.raw) for one in GRAPH.scripts.values()}
    first = context(FIRST, prod)
    assert said(context(SAME, prod)) == []
    assert "staging has not run the same a_it and 2 more" in the(first).message
    soaked = replace(first, after={"staging": (pairs, NOW - timedelta(hours=2))})
    assert said(soaked) == []
    young = replace(first, after={"staging": (pairs, NOW - timedelta(minutes=18))})
    assert the(young).message == "staging ran these scripts 18m ago, prod wants 2h 0m (soak)"
    assert the(young).mend == "deploy again in 1h 42m"
    unlike = replace(first, after={"staging": ({("a", "x"), *(p for p in pairs if p[0] != "a")}, NOW)})
    assert the(unlike).data["migrations"] == ["a_it"]


def test_refusal_lists_everything() -> None:
    findings = judge(context(EDITED, replace(PROD, change_request_required=True), target=other(obsolete=True)))
    error = refusal("prod", findings)
    assert error.message == "prod: 3 rules refuse: edited-script, obsolete, change-request"
    assert [one["rule"] for one in error.data["findings"]] == [one.rule for one in findings]  # type: ignore[attr-defined]


# before a deploy to a cluster

CLUSTER = Environment(name="prod", cluster="shop-prod", region="eu-west-1", alarms=("errors", "all"), replica_lag=1.0)
WELL = ClusterFacts(
    cluster="shop-prod",
    status="available",
    members=(Member(id="w", writer=True, status="available"), Member(id="r", writer=False, status="available")),
    alarms=(Alarm(name="errors", state="OK"), Alarm(name="all", state="OK")),
    lag={"r": 0.02, "shop-prod": 0.02},
    quota=Quota(used=1, most=100),
    blue_green=(BlueGreen(id="bgd-0", name="old", status="SWITCHOVER_COMPLETED"),),
    pending=("BackupRetentionPeriod",),
)
EACH = plan_deploy(
    "prod", state_of({}), Graph.parse(FILES), changeset(2), snapshot="each"
)  # as many snapshots as migrations
N = len(FILES)


def gates(facts: ClusterFacts, plan: Plan = EACH, environment: Environment = CLUSTER, **more: object) -> list[Finding]:
    return judge(context(plan, environment, cluster=facts, **more))


def test_a_cluster_that_is_well_is_deployed_to() -> None:
    assert gates(WELL) == []
    assert gates(replace(WELL, status="backing-up")) == []


@pytest.mark.parametrize(
    ("change", "rule", "said"),
    [
        ({"status": "failing-over"}, "cluster", "a failover is in progress"),
        ({"status": "stopped"}, "cluster", "shop-prod is stopped"),
        ({"status": "upgrading"}, "cluster", "shop-prod is upgrading"),
        ({"members": (Member(id="r", writer=False, status="available"),)}, "cluster", "has no writer now"),
        ({"members": (Member(id="w", writer=True, status="rebooting"),)}, "cluster", "w, is rebooting"),
        ({"members": (Member(id="w", writer=True, status=None),)}, "cluster", "w, is not there"),
        ({"pending": ("EngineVersion",)}, "pending", "changes that wait, and may restart it: EngineVersion"),
        ({"pending": ("SomethingNew",)}, "pending", "SomethingNew"),
        ({"members": (Member(id="w", writer=True, status="available", pending=("DBInstanceClass",)),)}, "pending",
         "w has changes that wait"),
        ({"blue_green": (BlueGreen(id="bgd-1", name="next", status="AVAILABLE"),)}, "blue-green",
         "next, which is AVAILABLE"),
        ({"alarms": (Alarm(name="errors", state="OK"),)}, "alarms", "there is no alarm all in eu-west-1"),
        ({"alarms": (Alarm(name="errors", state="OK"), Alarm(name="all", state="ALARM", reason="5 > 1"))}, "alarms",
         "alarm all is ALARM: 5 > 1"),
        ({"alarms": (Alarm(name="all", state="OK"), Alarm(name="errors", state="INSUFFICIENT_DATA"))}, "alarms",
         "has not enough data"),
        ({"lag": {"r": 1.5}}, "replica-lag", "r is 1.5s behind the writer, prod wants 1s at most"),
        ({"lag": {"shop-prod": 0.1}}, "replica-lag", "how far r is behind is not known"),
        ({"lag": None}, "replica-lag", "how far r is behind is not known"),
        ({"quota": Quota(used=100, most=100)}, "snapshot-quota", f"takes {N} snapshots, and there is room for 0"),
        ({"quota": Quota(used=101 - N, most=100)}, "snapshot-quota", f"there is room for {N - 1}"),
        ({"quota": None}, "snapshot-quota", f"takes {N} snapshots, and whether there is room is not known"),
    ],
)  # fmt: skip
def test_what_a_cluster_refuses(change: dict[str, object], rule: str, said: str) -> None:
    (finding,) = gates(replace(WELL, **change))  # type: ignore[arg-type]
    assert (finding.rule, finding.severity) == (rule, "error")
    assert said in finding.message
    assert finding.mend


def test_a_reader_that_is_not_there_does_not_lag() -> None:
    assert gates(replace(WELL, members=WELL.members[:1], lag=None)) == []


def test_a_snapshot_that_an_interrupted_run_made_needs_no_room() -> None:
    full = replace(WELL, quota=Quota(used=101 - N, most=100))
    assert [one.rule for one in gates(full)] == ["snapshot-quota"]
    assert gates(full, snapshots_there=1) == []
    assert gates(replace(WELL, quota=None), snapshots_there=N) == []


def test_what_runs_nothing_asks_nothing_of_a_cluster() -> None:
    assert gates(replace(WELL, status="stopped", alarms=()), SAME) == []
    assert said(context(EACH, replace(CLUSTER, deploys=None))) == []
