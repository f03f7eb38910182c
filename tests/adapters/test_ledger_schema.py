# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the ledger keeps of schemas: its second version, deltas, and the schema as of any point."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hgaurora.core.errors import StateError
from hgaurora.core.model import Direction
from hgaurora.core.schema.form import fingerprints, parts
from hgaurora.core.schema.kinds import KINDS
from hgaurora.core.schema.model import Part, Schema
from hgaurora.core.schema.record import Cause, DeltaRow
from tests.adapters.migrating import Bench, bench, chain, migrate, new

#: a database that hgaurora deployed to and reverted when its ledger had version 1, as pg_dump wrote it
V1 = Path(__file__).with_name("ledger_v1.sql")


@pytest.fixture(params=["postgresql", "mysql"])
def dev(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = bench(request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database"))
    yield made
    made.database.close()


@pytest.fixture
def pg(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    yield made
    made.database.close()


@pytest.fixture
def old(pg: Bench) -> Bench:
    pg.query(V1.read_text("utf-8"))
    return pg


def _table(name: str, *columns: str) -> Part:
    """The part of a table."""

    def usual(kind: str, **values: object) -> tuple:
        return tuple(values.get(field.name, field.usual) for field in KINDS[kind].fields)

    objects = {
        "table": {("public", name): usual("table", columns=columns)},
        "column": {("public", name, one): usual("column", type="integer") for one in columns},
    }
    (part,) = parts(Schema("postgresql", "18", objects)).values()
    return part


def _record(
    dev: Bench,
    changed: dict[str, Part | None],
    now: dict[str, Part],
    epoch: str | None = None,
    *,
    deployment: str = "dev-1",
) -> None:
    """Record that parts changed, so that the schema is ``now``."""
    found = dev.database.recorded()
    known = found.parts if found else {}
    dev.database.record_delta(
        DeltaRow(
            cause=Cause.DRIFT if found else Cause.ADOPTED,
            parts=changed,
            before={id: known[id].full if id in known else None for id in changed},
            changes=[],
            fingerprints=fingerprints("postgresql", "18", now),
        ),
        deployment=deployment,
        epoch=epoch,
    )


def test_an_older_ledger_is_read_as_it_is(old: Bench) -> None:
    state = old.database.state()
    assert (state.ledger, list(state.applied), state.deployed_by) == (1, ["0001", "0002"], "dev-4")
    assert old.database.recorded() is None
    assert old.database.state().ledger == 1


def test_an_older_ledger_migrates_itself_when_a_deployment_begins(old: Bench) -> None:
    scripts = chain('op.execute("CREATE TABLE t1 (n int)")')
    before = old.database.events()
    with old.child(scripts) as session:
        begun, epoch = old.begin(session, scripts)
        assert begun.id == "dev-5"
        result = session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    old.database.finish(begun.id, epoch=epoch, ok=True, heads_after=["r1"], target=None)
    assert old.database.state().ledger == 3
    events = old.database.events()
    assert events[: len(before)] == before
    assert [one["kind"] for one in events[len(before) :]] == [
        "ledger-upgraded", "deployment-started", "step", "deployment-finished",
    ]  # fmt: skip
    assert events[len(before)]["payload"] == {"from": 1, "to": 3}
    assert old.query("SELECT id, kind, adopted, touched IS NULL FROM hgaurora.step ORDER BY id") == [
        *((seq, "migration", False, True) for seq in (3, 6, 9, 12)), (result.seq, "migration", False, False),
    ]  # fmt: skip
    assert old.database.verify() == []


def test_a_deployment_that_cannot_begin_upgrades_nothing(old: Bench) -> None:
    assert old.database.acquire()
    with pytest.raises(StateError, match="changed by another run"):
        old.database.begin(new(), base_epoch="0" * 8 + "-0000-0000-0000-" + "0" * 12, scripts=[])
    assert old.database.state().ledger == 1
    assert old.query("SELECT to_regclass('hgaurora.part')") == [(None,)]


def test_a_step_says_what_it_touched(pg: Bench) -> None:
    pg.query("CREATE TABLE there (n int); CREATE TABLE other (n int)")
    (oid,) = pg.query("SELECT 'there'::regclass::oid::int")[0]
    (result,) = pg.deploy(chain('op.execute("ALTER TABLE there ADD m int; UPDATE other SET n = 1")'))
    touched = result.touched
    assert touched is not None
    assert touched["tags"] == ["ALTER TABLE", "INSERT", "UPDATE"]
    assert touched["relations"] == [oid]

    assert json.loads(pg.query("SELECT touched FROM hgaurora.step")[0][0]) == touched


def test_a_commit_on_the_way_may_have_touched_anything(pg: Bench) -> None:
    body = "with op.get_context().autocommit_block():\n    op.execute('CREATE TABLE t (n int)')"
    (result,) = pg.deploy(chain(body))
    assert result.touched is not None
    assert result.touched["tags"] == ["*"]


def test_deltas_are_recorded_and_folded(dev: Bench) -> None:
    dev.deploy(chain("pass"))
    epoch = dev.database.state().epoch
    a, b, wider = _table("a", "n"), _table("b", "n"), _table("a", "n", "m")
    _record(dev, {a.id: a, b.id: b}, {a.id: a, b.id: b}, epoch)
    first = dev.database.tip()
    _record(dev, {a.id: wider, b.id: None}, {a.id: wider}, epoch)
    found = dev.database.recorded()
    assert found is not None
    assert found.parts == {a.id: (wider.structure, wider.text, wider.full)}
    assert found.fingerprints == fingerprints("postgresql", "18", {a.id: wider})
    assert found.pending == ()
    assert dev.database.contents([a.full, wider.full, "0" * 64]) == {a.full: a.content, wider.full: wider.content}
    then = dev.database.parts_as_of(first)
    assert then is not None
    assert then.parts == {a.id: a.full, b.id: b.full}
    assert then.fingerprints == fingerprints("postgresql", "18", {a.id: a, b.id: b})
    assert dev.database.parts_as_of(1) is None
    assert dev.database.verify() == []
    dev.query("UPDATE hgaurora.part SET {0}full{0} = 'x'".format("`" if dev.mysql else '"'))
    assert any("is not what the deltas say" in one for one in dev.database.verify())


def test_a_delta_of_a_run_that_was_taken_over_is_refused(dev: Bench) -> None:
    dev.deploy(chain("pass"))
    a = _table("a", "n")
    with pytest.raises(StateError, match="taken dev over"):
        _record(dev, {a.id: a}, {a.id: a}, "0" * 8 + "-0000-0000-0000-" + "0" * 12)
    assert dev.database.recorded() is None
    assert dev.query("SELECT count(*) FROM hgaurora.schema") == [(0,)]


def test_a_step_without_its_delta_is_pending(dev: Bench) -> None:
    scripts = chain("pass", "pass")
    dev.deploy(scripts[:1])
    a = _table("a", "n")
    _record(dev, {a.id: a}, {a.id: a})
    (result,) = dev.deploy(scripts, [migrate(scripts[1])])
    found = dev.database.recorded()
    assert found is not None
    assert [(one.seq, one.revision, one.direction, one.deployment) for one in found.pending] == [
        (result.seq, "r2", Direction.UP, "dev-2")
    ]


def test_before_and_after_a_deployment(dev: Bench) -> None:
    """What is recorded after a deployment's start and before its first migration is what there was before it."""
    scripts = chain("pass", "pass")
    dev.deploy(scripts[:1])
    a, b, c = _table("a", "n"), _table("b", "n"), _table("c", "n")
    _record(dev, {a.id: a}, {a.id: a})
    with dev.child(scripts) as session:
        _, epoch = dev.begin(session, scripts)
        _record(dev, {b.id: b}, {a.id: a, b.id: b}, epoch, deployment="dev-2")
        session.run(migrate(scripts[1]), ordinal=1, snapshot=None)
        _record(dev, {c.id: c}, {a.id: a, b.id: b, c.id: c}, epoch, deployment="dev-2")
    before = dev.database.parts_of("dev-2", inclusive=False)
    after = dev.database.parts_of("dev-2", inclusive=True)
    assert before is not None
    assert after is not None
    assert (set(before.parts), set(after.parts)) == ({a.id, b.id}, {a.id, b.id, c.id})
