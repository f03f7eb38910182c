# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from hgaurora.core.errors import InputError, StateError
from hgaurora.core.graph import Graph
from hgaurora.core.model import Direction, Repeated, State
from hgaurora.core.plan import plan_deploy, plan_revert, to_json
from hgaurora.core.repeatable import Repeatable, read, statements, undo
from hgaurora.core.steps import Plan, Repeat, TakeSnapshot

from .strategies import script_source
from .test_plan_property import NOW, applied_of, changeset, state_of

VIEW = b"create or replace view v as select 1 as one;\n"
CHANGED = b"create or replace view v as select 2 as one;\n"
GRANT = b"grant select on v to app;\n-- down\nrevoke select on v from app;\n"
GRAPH = Graph.parse({"versions/a_it.py": script_source("a"), "versions/b_it.py": script_source("b", ("a",))})


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("select 1; select 2", ["select 1", "select 2"]),
        ("-- a; b\nselect ';' /* ; */ from t; ", ["select ';' /* ; */ from t"]),
        ("select E'it\\';', ';'", ["select E'it\\';', ';'"]),
        ("select '\\' as a; select 'x'", ["select '\\' as a", "select 'x'"]),
        ("/* a /* b; */ c; */ select 1; select 2", ["select 1", "select 2"]),
        (
            "create function f() returns int language sql as $x$ select 1; $x$; select 2",
            ["create function f() returns int language sql as $x$ select 1; $x$", "select 2"],
        ),
        (
            "create trigger t before insert on o for each row begin if new.a then set new.b = 1; end if; end; select 1",
            [
                "create trigger t before insert on o for each row begin if new.a then set new.b = 1; end if; end",
                "select 1",
            ],
        ),
        (
            "create procedure p() begin while 1 do set @a = case when 1 then 2 end; end while; end; select 1",
            ["create procedure p() begin while 1 do set @a = case when 1 then 2 end; end while; end", "select 1"],
        ),
        ("begin; select 1; commit", ["begin", "select 1", "commit"]),
        (" ;; -- nothing\n ; ", []),
    ],
)
def test_statements(text: str, found: list[str]) -> None:
    assert list(statements(text)) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('select "a;b", `c;d`', ['select "a;b", `c;d`']),
        ("select 'it''s;', '\\';'", ["select 'it''s;', '\\';'"]),
        ("# a; b\nselect 1; # c\nselect 2", ["select 1", "select 2"]),
        ("select 1--1; select 2 -- x", ["select 1--1", "select 2 -- x"]),
    ],
)
def test_statements_of_mysql(text: str, found: list[str]) -> None:
    assert list(statements(text, "mysql")) == found


@pytest.mark.parametrize(
    ("text", "back"),
    [
        ("create view s.v as select 1", ("DROP VIEW IF EXISTS s.v",)),
        ("create or replace recursive view v(n) as select 1", ("DROP VIEW IF EXISTS v",)),
        ('create materialized view "a v" as select 1', ('DROP MATERIALIZED VIEW IF EXISTS "a v"',)),
        ("drop view if exists v; create view v as select 1; comment on view v is 'x'", ("DROP VIEW IF EXISTS v",)),
        ("create function f(a int) returns int language sql as $$ select 1 $$", ("DROP FUNCTION IF EXISTS f(a int)",)),
        ("create or replace procedure p() language sql as ''", ("DROP PROCEDURE IF EXISTS p()",)),
        (
            "create function f(a int default g(1, 2), b numeric(3, 1) = 2, out c text) language sql as ''",
            ("DROP FUNCTION IF EXISTS f(a int , b numeric(3, 1) , out c text)",),
        ),
        (
            "create trigger t after insert or update of a on s.o for each row execute function f()",
            ("DROP TRIGGER IF EXISTS t ON s.o",),
        ),
        ("create trigger t before insert on o for each row set new.a = 1", ("DROP TRIGGER IF EXISTS t",)),
        (
            "create or replace definer=`a`@`%` sql security invoker view v as select 1",
            ("DROP VIEW IF EXISTS v",),
        ),
        (
            "create view v as select 1; grant select, insert on v to app, b with grant option",
            ("REVOKE select, insert on v FROM app, b", "DROP VIEW IF EXISTS v"),
        ),
        ("update t set a = 1", None),
        ("create view v as select 1; insert into t values (1)", None),
        ("insert into t values (1)\n-- down\ndelete from t; select 1", ("delete from t", "select 1")),
        ("insert into t values (1)\n--Down \n", ()),
    ],
)
def test_undo(text: str, back: tuple[str, ...] | None) -> None:
    assert undo(text.encode()) == back


def test_undo_on_mysql() -> None:
    """One of a name."""
    assert undo(b"# of the shop\ncreate function f(a int) returns int return 1", "mysql") == (
        "DROP FUNCTION IF EXISTS f",
    )


def test_read() -> None:
    files = {"repeatable/b.sql": VIEW, "repeatable/a/x.sql": GRANT, "repeatable/readme": b"", "versions/c.sql": VIEW}
    found = read(files)
    assert list(found) == ["repeatable/a/x.sql", "repeatable/b.sql"]
    assert found["repeatable/a/x.sql"].sql == "grant select on v to app;\n"
    assert found["repeatable/b.sql"].name == "b.sql"
    with pytest.raises(InputError, match=r"repeatable/x.sql:2: this is not UTF-8"):
        read({"repeatable/x.sql": b"select 1;\n\xff"})
    with pytest.raises(InputError, match="holds no statement"):
        read({"repeatable/x.sql": b"-- later\n-- down\ndrop view v"})


def files(**contents: bytes) -> dict[str, Repeatable]:
    return read({f"repeatable/{name}.sql": content for name, content in contents.items()})


def ran(found: Mapping[str, Repeatable], deployment: str = "dev-1") -> dict[str, Repeated]:
    return {path: Repeated(path=path, raw=one.raw, node="1" * 40, deployment=deployment) for path, one in found.items()}


CONTENTS = {one.raw: one.content for one in files(v=VIEW, w=CHANGED, g=GRANT, x=b"select 1").values()}


def deploy(state: State, found: Mapping[str, Repeatable], snapshot: str = "none") -> Plan:
    return plan_deploy("dev", state, GRAPH, changeset(2), snapshot=snapshot, repeatables=found, recorded=CONTENTS)


def shown(plan: Plan) -> list[str]:
    return [
        "snapshot" if isinstance(step, TakeSnapshot) else f"{step.verb} {step.name}"  # type: ignore[union-attr]
        for step in plan.steps
    ]


def test_new_ones_run_after_the_versioned_ones_with_one_snapshot() -> None:
    plan = deploy(State(read=NOW), files(v=VIEW, g=GRANT), "each")
    assert shown(plan) == [
        "snapshot", "run a_it", "snapshot", "run b_it", "snapshot", "repeat g.sql", "repeat v.sql"
    ]  # fmt: skip
    assert plan.steps[4] == TakeSnapshot(before="repeatable/g.sql")
    last = plan.repeats[-1]
    assert (last.versions, last.message, last.recorded) == (("b",), "new", False)
    assert "sql" not in str(to_json(plan)["steps"]).replace("v.sql", "").replace("g.sql", "")


def at_b(found: Mapping[str, Repeatable]) -> State:
    applied = {one.revision: applied_of(one, "1" * 40, "dev-1") for one in GRAPH.scripts.values()}
    return replace(state_of(applied), repeated=ran(found))


def test_only_what_changed_runs_again() -> None:
    assert deploy(at_b(files(v=VIEW, g=GRANT)), files(v=VIEW, g=GRANT)).empty
    plan = deploy(at_b(files(v=VIEW, g=GRANT)), files(v=CHANGED, g=GRANT), "each")
    assert shown(plan) == ["snapshot", "repeat v.sql"]
    assert plan.repeats[0].message == "changed since dev-1"


def test_one_that_is_gone_is_taken_back_before_all() -> None:
    state = replace(at_b(files(v=VIEW, g=GRANT)), applied={}, versions=(), recorded=())
    plan = deploy(state, {})
    assert shown(plan) == ["undo v.sql", "undo g.sql", "run a_it", "run b_it"]
    first = plan.steps[0]
    assert isinstance(first, Repeat)
    assert (first.sql, first.recorded, first.node) == ("DROP VIEW IF EXISTS v", True, "1" * 40)
    assert (first.versions, first.direction) == ((), Direction.DOWN)


def test_one_that_cannot_be_taken_back_is_refused() -> None:
    with pytest.raises(StateError, match=r"repeatable/x\.sql would have to be taken back") as caught:
        deploy(at_b(files(x=b"select 1")), {})
    assert "-- down" in str(caught.value.hint)


def test_a_revert_brings_back_the_text_that_was_in_force() -> None:
    now = at_b(files(v=CHANGED, g=GRANT))
    plan = plan_revert(
        "dev",
        now,
        wanted=now.applied,
        target=changeset(1),
        snapshot="each",
        contents=CONTENTS,
        repeated=ran(files(v=VIEW), "dev-0"),
    )
    assert shown(plan) == ["snapshot", "undo g.sql", "repeat v.sql"]
    assert [(one.recorded, one.sql) for one in plan.repeats] == [
        (True, "revoke select on v from app"),
        (True, VIEW.decode()),
    ]
