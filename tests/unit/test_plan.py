# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import json
from dataclasses import replace

import pytest

from hgaurora.core.errors import PolicyError, StateError
from hgaurora.core.graph import Graph
from hgaurora.core.losses import UNKNOWN, losses
from hgaurora.core.model import Applied, Direction, State
from hgaurora.core.plan import check_state, plan_deploy, plan_revert, to_json
from hgaurora.core.policy import Refusal, finding_json
from hgaurora.core.steps import Plan, TakeSnapshot

from .strategies import script_source
from .test_plan_property import NOW, applied_of, changeset, state_of

FILES = {
    "versions/a_it.py": script_source("a"),
    "versions/b_it.py": script_source("b", ("a",), (), "op.create_table('t')", "op.drop_table('t')"),
    "versions/c_it.py": script_source("c", ("b",)),
}
GRAPH = Graph.parse(FILES)
CONTENTS = {one.raw: one.content for one in GRAPH.scripts.values()}


def ran(graph: Graph = GRAPH) -> dict[str, Applied]:
    return {one.revision: applied_of(one, "1" * 40, "dev-1") for one in graph.scripts.values()}


def deploy(graph: Graph, state: State, snapshot: str = "none", multiple_heads: bool = False) -> Plan:
    return plan_deploy(
        "dev", state, graph, changeset(2), snapshot=snapshot, multiple_heads=multiple_heads, recorded=CONTENTS
    )


def moves(plan: Plan) -> list[str]:
    return [("+" if one.direction is Direction.UP else "-") + one.revision for one in plan.migrations]


def test_first_deploy_and_snapshots() -> None:
    empty = State(read=NOW)
    each = deploy(GRAPH, empty, "each")
    assert moves(each) == ["+a", "+b", "+c"]
    assert [type(step) is TakeSnapshot for step in each.steps] == [True, False] * 3
    assert deploy(GRAPH, empty, "deploy").steps[0] == TakeSnapshot(before=None)
    assert len(deploy(GRAPH, empty, "deploy").steps) == 4
    assert len(deploy(GRAPH, empty, "none").steps) == 3
    assert deploy(GRAPH, state_of(ran()), "each").empty


def test_reformatted_stays_edited_goes_down_and_up() -> None:
    pretty = Graph.parse(FILES | {"versions/b_it.py": FILES["versions/b_it.py"].replace(b"'t'", b'"t"')})
    plan = deploy(pretty, state_of(ran()))
    assert plan.empty
    assert [note.rule for note in plan.notes] == ["reformatted-script"]
    edited = Graph.parse(FILES | {"versions/b_it.py": FILES["versions/b_it.py"].replace(b"'t'", b"'u'")})
    plan = deploy(edited, state_of(ran()))
    assert moves(plan) == ["-c", "-b", "+b", "+c"]
    assert [one.recorded for one in plan.migrations] == [True, True, False, False]
    assert plan.migrations[1].loses == ("drops table t",)
    assert plan.migrations[1].node == "1" * 40
    (note,) = plan.notes
    assert note.rule == "edited-script"
    assert "-    op.create_table('t')" in note.detail
    assert note.data["line"] == 15


def test_another_normalisation_compares_bytes() -> None:
    older = {name: replace(one, normal_version="0") for name, one in ran().items()}
    assert deploy(GRAPH, state_of(older)).empty
    pretty = Graph.parse(FILES | {"versions/c_it.py": FILES["versions/c_it.py"] + b"\n"})
    assert moves(deploy(pretty, state_of(older))) == ["-c", "+c"]


def test_reparented_below_an_applied_one() -> None:
    """Bare Alembic skips the new revision in silence."""
    moved = Graph.parse(
        FILES | {"versions/n_it.py": script_source("n", ("a",)), "versions/b_it.py": script_source("b", ("n",))}
    )
    plan = deploy(moved, state_of(ran()))
    assert moves(plan) == ["-c", "-b", "+n", "+b", "+c"]
    assert plan.notes[0].rule == "reparented-script"
    assert "came after a" in plan.notes[0].detail[0]


def test_a_label_that_moved() -> None:
    """The script that depends on it is byte for byte the same, and stands elsewhere."""
    user = {"versions/z_it.py": script_source("z", (), ("orders",))}
    before = Graph.parse(user | {"versions/a_it.py": script_source("a", labels=("orders",))})
    after = {"versions/a_it.py": script_source("a"), "versions/b_it.py": script_source("b", ("a",), labels=("orders",))}
    plan = deploy(Graph.parse(user | after), state_of(ran(before)))
    assert moves(plan) == ["-z", "-a", "+a", "+b", "+z"]
    alone = {"a": ran(Graph.parse(after))["a"], "z": ran(before)["z"]}
    plan = deploy(Graph.parse(user | after), state_of(alone))
    assert moves(plan) == ["-z", "+b", "+z"]
    assert [note.rule for note in plan.notes] == ["reparented-script"]


def test_removed() -> None:
    plan = deploy(Graph.parse({"versions/a_it.py": FILES["versions/a_it.py"]}), state_of(ran()))
    assert moves(plan) == ["-c", "-b"]
    assert [note.rule for note in plan.notes] == ["removed-script"] * 2
    assert plan.heads_after == ("a",)


def test_no_way_down() -> None:
    stuck = ran() | {"b": replace(ran()["b"], irreversible=True)}
    with pytest.raises(StateError) as caught:
        deploy(Graph.parse({"versions/a_it.py": FILES["versions/a_it.py"]}), state_of(stuck))
    assert caught.value.data["irreversible"] == ["b"]
    assert "keeps b_it as it ran" in str(caught.value.hint)
    assert "--way restore" in str(caught.value.hint)
    with pytest.raises(StateError):
        plan_revert("dev", state_of(stuck), wanted={}, target=None, snapshot="none")
    assert deploy(GRAPH, state_of(stuck)).empty


def test_two_heads() -> None:
    forked = Graph.parse(FILES | {"versions/d_it.py": script_source("d", ("b",))})
    with pytest.raises(PolicyError) as caught:
        deploy(forked, state_of(ran()))
    assert isinstance(caught.value, Refusal)
    (finding,) = [finding_json(one) for one in caught.value.findings]
    assert finding["rule"] == "two-heads"
    assert finding["detail"] == ["c_it  ran in dev-1", "d_it  new", "both come after b_it"]
    assert moves(deploy(forked, state_of(ran()), multiple_heads=True)) == ["+d"]


def test_half_done_steps_are_finished_first() -> None:
    half = replace(state_of({}), half={("b", "up"): 2})
    assert moves(deploy(GRAPH, half)) == ["+a", "+b", "+c"]
    with pytest.raises(StateError, match="b stopped half way up: 2 of its statements"):
        deploy(Graph.parse({"versions/a_it.py": FILES["versions/a_it.py"]}), half)


def test_revert() -> None:
    wanted = {"a": ran()["a"], "x": replace(ran()["b"], revision="x", node="9" * 40)}
    plan = plan_revert(
        "dev", state_of(ran()), wanted=wanted, target=None, snapshot="each", contents=CONTENTS, reverts=("dev-1",)
    )
    assert isinstance(plan.steps[0], TakeSnapshot)
    assert moves(plan) == ["-c", "-b", "+x"]
    assert all(one.recorded for one in plan.migrations)
    assert (plan.migrations[2].node, plan.reverts, plan.heads_after) == ("9" * 40, ("dev-1",), ("x",))
    assert plan_revert("dev", state_of(ran()), wanted=ran(), target=None, snapshot="each").empty
    unread = plan_revert("dev", state_of(ran()), wanted={}, target=None, snapshot="none")
    assert unread.migrations[0].loses == (UNKNOWN,)


def test_to_json() -> None:
    edited = Graph.parse(FILES | {"versions/b_it.py": script_source("b", ("a",), (), "op.x()")})
    found = json.loads(json.dumps(to_json(deploy(edited, state_of(ran()), "each"))))
    assert found["to"]["heads"] == ["c"]
    assert [step["verb"] for step in found["steps"]][:3] == ["snapshot", "down", "snapshot"]
    assert found["steps"][1]["direction"] == "down"
    assert found["notes"][0]["rule"] == "edited-script"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("op.drop_table('t')", ("drops table t",)),
        ("op.drop_column('t', 'c')\nop.drop_column('t', column_name='d')", ("drops column t.c", "drops column t.d")),
        ("with op.batch_alter_table('t') as b:\n    b.drop_column('c')", ("drops column t.c",)),
        ("op.execute('x')\nop.execute('y')", ("may change data (SQL)",)),
        ("op.alter_column('t', 'c', type_=sa.Integer())", ("changes the type of t.c",)),
        ("op.alter_column('t', 'c', nullable=True)\nop.drop_index('i')", ()),
        ("op.drop_table(NAME)", ("drops table ?",)),
    ],
)
def test_losses(body: str, words: tuple[str, ...]) -> None:
    assert losses(script_source("a", (), (), "op.drop_table('not this one')", body)) == words


def test_losses_of_helpers() -> None:
    source = b"def downgrade(): gone()\ndef gone():\n    op.drop_table('t')\n    downgrade()\n"
    assert losses(source) == ("drops table t",)
    assert losses(b"(") == (UNKNOWN,)


TABLE = "public.alembic_version"


def test_states_that_agree() -> None:
    check_state(State(read=NOW), TABLE)
    check_state(State(read=NOW, versions=()), TABLE, "dev")
    check_state(replace(state_of(ran()), recorded=("c",)), TABLE, "dev")
    check_state(State(read=NOW, ledger=1, environment="dev"), TABLE, "dev")


@pytest.mark.parametrize(
    ("versions", "recorded", "statement"),
    [
        (("0006",), ("0007",), f"UPDATE {TABLE} SET version_num = '0007' WHERE version_num = '0006';"),
        ((), ("a", "b"), f"INSERT INTO {TABLE} (version_num) VALUES ('a'), ('b');"),
        (("a", "b'"), ("a",), f"DELETE FROM {TABLE} WHERE version_num IN ('b''');"),
        (("a", "a"), ("a",), f"DELETE FROM {TABLE}; INSERT INTO {TABLE} (version_num) VALUES ('a');"),
        (("a",), (), f"DELETE FROM {TABLE} WHERE version_num IN ('a');"),
    ],
)
def test_hand_edited(versions: tuple[str, ...], recorded: tuple[str, ...], statement: str) -> None:
    state = replace(state_of(ran()), versions=versions, recorded=recorded)
    with pytest.raises(StateError) as caught:
        check_state(state, TABLE)
    assert caught.value.hint is not None
    assert caught.value.hint.endswith(f", set it back: {statement}")


def test_other_disagreements() -> None:
    gone = replace(state_of(ran()), versions=None, recorded=("c",))
    with pytest.raises(StateError, match="is not there") as caught:
        check_state(gone, 'Mine."x"')
    assert 'CREATE TABLE "Mine"."""x"""' in str(caught.value.hint)
    with pytest.raises(StateError, match="there is no ledger"):
        check_state(State(read=NOW, versions=("a",)), TABLE)
    with pytest.raises(StateError, match="holds the ledger of dev"):
        check_state(state_of(ran()), TABLE, "prod")
    with pytest.raises(StateError, match="of dev takes no writes: it is a reader"):
        check_state(replace(state_of(ran()), reader=True), TABLE)


def test_the_hint_speaks_the_engines_sql() -> None:
    with pytest.raises(StateError) as caught:
        check_state(replace(state_of(ran()), versions=("x",), recorded=("c",)), "my shop.alembic_version", quote="`")
    assert caught.value.hint is not None
    assert "UPDATE `my shop`.alembic_version SET version_num = 'c' WHERE" in caught.value.hint
