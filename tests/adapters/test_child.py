# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain migrations in the child: each one transaction, with its ledger rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hgaurora.core.errors import MigrationFailed
from hgaurora.core.model import Direction
from tests.adapters.migrating import Bench, bench, chain, migrate, script

TABLE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text))'


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    yield made
    made.database.close()


def test_up_and_down(dev: Bench) -> None:
    scripts = [
        script("r1", TABLE.format("one"), 'op.drop_table("one")'),
        script("r2", TABLE.format("two"), 'op.drop_table("two")', parents=["r1"]),
    ]
    assert [result.versions for result in dev.deploy(scripts)] == [("r1",), ("r2",)]
    state = dev.database.state()
    assert (state.versions, state.recorded, list(state.applied)) == (("r2",), ("r2",), ["r1", "r2"])
    assert state.applied["r1"].raw == scripts[0].raw
    assert (state.node, state.branch, state.deployed_by, state.open) == ("a" * 40, "default", "dev-1", None)
    stored = dev.database.scripts([scripts[0].raw])
    down = [migrate(one, Direction.DOWN, recorded=True) for one in reversed(scripts)]
    dev.deploy([], down, recorded=scripts)
    assert stored == {scripts[0].raw: scripts[0].content}
    assert dev.database.state().applied == {}
    assert dev.query("SELECT to_regclass('public.one'), to_regclass('public.two')") == [(None, None)]
    assert dev.database.verify() == []


def test_a_failed_step_can_run_again(dev: Bench) -> None:
    scripts = chain(TABLE.format("one"), "op.execute('INSERT INTO one VALUES (1)')\nop.execute('SELECT 1 / n FROM gate')")
    dev.query("CREATE TABLE gate (n integer)")
    dev.query("INSERT INTO gate VALUES (0)")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        with pytest.raises(MigrationFailed, match=r"r2 \(versions/r2.py, line 11\): division by zero") as caught:
            session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        assert caught.value.data["sqlstate"] == "22012"
        dev.query("UPDATE gate SET n = 1")
        assert session.run(migrate(scripts[1]), ordinal=2, snapshot=None).statements == 2
    assert dev.query("SELECT count(*) FROM one") == [(1,)]


def test_the_connection_is_idle_between_steps(dev: Bench) -> None:
    scripts = chain(TABLE.format("one"))
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        look = "SELECT state, application_name FROM pg_stat_activity WHERE pid = %s"
        assert dev.query(look, session.backend) == [("idle", "hgaurora dev-1")]
        session.run(migrate(scripts[0]), ordinal=1, snapshot="dev-1-1")
        assert dev.query(look, session.backend) == [("idle", "hgaurora dev-1")]
        held = dev.database.holder()
        assert held is not None
        assert held.pid == session.backend
    assert dev.database.holder() is None
    assert dev.database.steps(["dev-1"])[0].snapshot == "dev-1-1"
