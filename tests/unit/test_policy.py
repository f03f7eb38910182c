# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

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
