# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Timeouts in the child: two classes, and in force again whatever a script, a rollback or a failed try did to them."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from hgaurora.core.errors import MigrationFailed
from tests.adapters.migrating import Bench, bench, chain, counted, migrate, script

CLASSES = {"lock_timeout": 2.0, "statement_timeout": 60.0, "backfill_timeout": 3600.0}


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    made.query("CREATE TABLE acct AS SELECT 1 AS n")
    made.query("CREATE TABLE seen (n serial, what text, name text, value text)")
    yield made
    made.database.close()


#: what is sent, and the limit that it met: each statement notes it by itself
NOTE = "INSERT INTO seen (what, value) SELECT {!r}, current_setting('statement_timeout')"


@pytest.mark.parametrize(
    ("sql", "limit"),
    [
        (NOTE.format("insert"), "1h"),
        ("WITH x AS (SELECT 1) " + NOTE.format("with"), "1h"),
        ("/* a */ -- b\n " + NOTE.format("comment"), "1h"),
        (f"UPDATE acct SET n = 2; {NOTE.format('two')}", "1h"),
        (f"ALTER TABLE acct ADD m int; {NOTE.format('both')}", "1min"),
        ("DO $$BEGIN " + NOTE.format("do") + "; END$$", "1min"),
        ("CREATE TABLE seen2 AS SELECT current_setting('statement_timeout') AS value", "1min"),
    ],
)
def test_which_limit_is_for_what(dev: Bench, sql: str, limit: str) -> None:
    dev.deploy(chain(f"op.execute({sql!r})"), **CLASSES)
    table = "seen2" if "seen2" in sql else "seen"
    assert dev.query(f"SELECT value FROM {table}") == [(limit,)]


def test_a_backfill_may_take_longer_than_ddl(dev: Bench) -> None:
    sleep = "SELECT pg_sleep(0.6)"
    slow = {"lock_timeout": 0.1, "statement_timeout": 0.3}
    with pytest.raises(MigrationFailed, match="statement timeout"):
        dev.deploy(chain(f"op.execute({sleep!r})"), **slow)
    dev.query("DROP SCHEMA hgaurora CASCADE")
    dev.deploy(chain(f"op.execute({sleep!r})"), **slow, backfill_timeout=30.0)
    with pytest.raises(MigrationFailed, match="statement timeout"):
        dev.deploy(
            [*chain("pass"), script("r2", "op.execute('DO $$BEGIN PERFORM pg_sleep(0.6); END$$')", parents=["r1"])],
            [migrate(script("r2", "op.execute('DO $$BEGIN PERFORM pg_sleep(0.6); END$$')", parents=["r1"]))],
            **slow,
            backfill_timeout=30.0,
        )


@pytest.mark.parametrize(
    ("bodies", "more"),
    [
        (["op.execute('UPDATE acct SET n = 1')"], 1),  # set with BEGIN, taken back before the ledger's row
        (["op.execute('ALTER TABLE acct ADD x int')", "op.execute('ALTER TABLE acct ADD y int')"], 0),
        (["op.execute('UPDATE acct SET n = 1')\n" * 5], 1),
        (["op.execute('UPDATE acct SET n = 1')\nop.execute('ALTER TABLE acct ADD x int')"], 1),
        (["op.execute('ALTER TABLE acct ADD x int')\nop.execute('UPDATE acct SET n = 1')"], 2),
    ],
)
def test_round_trips_of_a_switch(dev: Bench, bodies: list[str], more: int) -> None:
    """None where the class stays, or where both limits are the same."""

    def trips(**job: float) -> int:
        with counted(dev.connection) as (through, count):
            made = bench(dev.url)
            made.connection = through
            with made.child(scripts := chain(*bodies), **job) as session:
                made.begin(session, scripts)
                before = count()
                for number, one in enumerate(scripts, 1):
                    session.run(migrate(one), ordinal=number, snapshot=None)
                found = count() - before
            made.database.close()
        for text in (
            "DROP SCHEMA hgaurora CASCADE",
            "DROP TABLE alembic_version",
            "ALTER TABLE acct DROP IF EXISTS x",
            "ALTER TABLE acct DROP IF EXISTS y",
        ):
            dev.query(text)
        return found

    same = trips(statement_timeout=60.0)
    assert trips(statement_timeout=60.0, backfill_timeout=60.0) == same
    assert trips(statement_timeout=60.0, backfill_timeout=3600.0) == same + more


#: what a script may do to the limits before it fails on a lock; the next try must meet the settings' own
HARM = {
    "set": "op.execute('SET lock_timeout = 0')\nop.execute('SET statement_timeout = 0')",
    "set local": "op.execute('SET LOCAL lock_timeout = 0')\nop.execute('SET LOCAL statement_timeout = 0')",
    "set_config": "op.execute(\"SELECT set_config('lock_timeout', '0', false)\")",
    "in a function": "op.execute(\"DO $$BEGIN PERFORM set_config('lock_timeout', '0', false); END$$\")",
    "alter role": "op.execute('ALTER ROLE CURRENT_USER SET lock_timeout = 0')",
    "alter database": (
        "op.execute(\"DO $$BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = 0', current_database()); END$$\")"
    ),
    "savepoint": "s = op.get_bind().begin_nested()\nop.execute('SET lock_timeout = 0')\ns.rollback()",
    "kept savepoint": "s = op.get_bind().begin_nested()\nop.execute('SET lock_timeout = 0')\ns.commit()",
    "block": "with op.get_context().autocommit_block():\n    op.execute('SET lock_timeout = 0')",
}


@pytest.mark.parametrize("harm", HARM)
def test_limits_are_in_force_again_in_the_next_try_and_the_next_step(dev: Bench, harm: str) -> None:
    fail = "op.execute(\"DO $$BEGIN IF (SELECT n FROM gate) = 0 THEN RAISE SQLSTATE '55P03'; END IF; END$$\")"
    look = (
        "for name in ('lock_timeout', 'statement_timeout'):\n"
        "    said = op.get_bind().exec_driver_sql(f'SHOW {name}').scalar()\n"
        "    print(name, said)\n"
    )
    dev.query("CREATE TABLE gate AS SELECT 0 AS n")
    scripts = chain(look + HARM[harm] + "\n" + fail, look)
    with dev.child(scripts, **CLASSES) as session:
        dev.begin(session, scripts)
        for _ in range(3):
            with pytest.raises(MigrationFailed) as caught:
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
            assert caught.value.data["sqlstate"] == "55P03"
        dev.query("UPDATE gate SET n = 1")
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
    dev.query("ALTER ROLE CURRENT_USER RESET lock_timeout")
    # three tries that failed, one that did not, and the next step: each began under the settings' own limits
    assert session.output.splitlines() == ["lock_timeout 2s", "statement_timeout 1min"] * 5


def test_a_savepoint_does_not_bring_back_another_limit(dev: Bench) -> None:
    note = NOTE.format("after")
    body = (
        "op.execute('ALTER TABLE acct ADD x int')\ns = op.get_bind().begin_nested()\n"
        "op.execute('UPDATE acct SET n = 1')\ns.rollback()\n"
        f"op.execute({note!r})\n"
        "with op.get_bind().connection.driver_connection.transaction() as t:\n"
        "    op.execute('ALTER TABLE acct ADD y int')\n    import psycopg\n    raise psycopg.Rollback(t)\n"
        f"op.execute({note!r})\n"
        "op.execute('CREATE TABLE seen2 AS SELECT current_setting(\\'statement_timeout\\') AS value')\n"
    )
    (result,) = dev.deploy(chain(body), **CLASSES)
    assert dev.query("SELECT value FROM seen") == [("1h",), ("1h",)]
    assert dev.query("SELECT value FROM seen2") == [("1min",)]
    assert result.notes == ()


def test_a_script_may_say_its_own_limit(dev: Bench) -> None:
    body = f"op.execute(\"SET LOCAL statement_timeout = '7s'\")\nop.execute({NOTE.format('own')!r})"
    dev.deploy(chain(body), **CLASSES)
    assert dev.query("SELECT value FROM seen") == [("7s",)]


def test_statements_beside_a_block_have_their_limits(dev: Bench) -> None:
    body = (
        "with op.get_context().autocommit_block():\n"
        f"    op.execute({NOTE.format('in the block')!r})\n"
        "    op.execute('CREATE TABLE seen2 AS SELECT current_setting(\\'statement_timeout\\') AS value')\n"
        "    op.execute('CREATE INDEX CONCURRENTLY i ON acct (n)')\n"
        f"op.execute({NOTE.format('after')!r})"
    )
    dev.deploy(chain(body), **CLASSES)
    assert dev.query("SELECT what, value FROM seen ORDER BY n") == [("in the block", "1h"), ("after", "1h")]
    assert dev.query("SELECT value FROM seen2") == [("1min",)]


def test_the_limits_bind_a_lock_too(dev: Bench) -> None:
    """A data change waits for a lock as long as DDL does: lock-timeout, not backfill-timeout."""
    with psycopg.connect(dev.url) as other:
        other.execute("LOCK TABLE acct IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(MigrationFailed) as caught:
            dev.deploy(chain("op.execute('UPDATE acct SET n = 2')"), **{**CLASSES, "lock_timeout": 0.2})
    assert caught.value.data["sqlstate"] == "55P03"
