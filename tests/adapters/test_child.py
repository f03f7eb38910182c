# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain migrations in the child: each one transaction, with its ledger rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.core.errors import ConfigError, MigrationFailed
from hgaurora.core.model import Direction
from tests.adapters.migrating import Bench, bench, chain, counted, migrate, script

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
    scripts = chain(
        TABLE.format("one"), "op.execute('INSERT INTO one VALUES (1)')\nop.execute('SELECT 1 / n FROM gate')"
    )
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


def test_a_migration_takes_few_round_trips(dev: Bench) -> None:
    """At most 8 in all: BEGIN, the script's statements, the version row, the ledger's row, COMMIT."""
    bodies = [
        f'op.create_table("t{n}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))\n'
        f'op.create_index("i{n}", "t{n}", ["n"])'
        for n in range(100)
    ]
    scripts = chain(*bodies)
    with counted(dev.connection) as (through, trips):
        dev.connection = through
        with dev.child(scripts) as session:
            dev.begin(session, scripts)
            before = trips()
            for number, one in enumerate(scripts, 1):
                session.run(migrate(one), ordinal=number, snapshot=None)
            per = (trips() - before) / len(scripts)
    # two statements of the script and four of ours; the first step reads the heads and makes the version table
    assert 6 <= per < 6.2


def test_a_wait_for_a_lock_is_bounded_and_can_be_tried_again(dev: Bench) -> None:
    dev.deploy(first := chain(TABLE.format("one")))
    scripts = [*first, script("r2", "op.add_column('one', sa.Column('m', sa.Integer))", parents=["r1"])]
    with dev.child(scripts, lock_timeout=0.2) as session:
        dev.begin(session, scripts)
        with psycopg.connect(dev.url) as reader:
            reader.execute("SELECT * FROM one")
            with pytest.raises(MigrationFailed) as caught:
                session.run(migrate(scripts[1]), ordinal=1, snapshot=None)
            assert caught.value.data["sqlstate"] == "55P03"
        session.run(migrate(scripts[1]), ordinal=1, snapshot=None)
    assert list(dev.database.state().applied) == ["r1", "r2"]


def test_only_one_child_gets_the_lock(dev: Bench) -> None:
    with dev.child([]) as one, dev.child([]) as other:
        assert [one.lock(), other.lock()] == [True, False]
        one.close()
        assert other.lock()


ENV = """
from alembic import context
from sqlalchemy import engine_from_config, pool
from logging.config import fileConfig

fileConfig(context.config.config_file_name)
connectable = engine_from_config(context.config.get_section("alembic"), prefix="sqlalchemy.", poolclass=pool.NullPool)
with connectable.{connect}() as connection:
    {before}
    context.configure(connection=connection, target_metadata=None{options})
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize(
    ("connect", "before", "options"),
    [
        ("connect", "pass", ""),
        ("begin", "pass", ""),
        ("connect", "connection.exec_driver_sql('SELECT 1')", ', version_table="alembic_version"'),
    ],
)
def test_a_project_s_own_env_runs_unchanged(dev: Bench, connect: str, before: str, options: str) -> None:
    scripts = chain(TABLE.format("one"), TABLE.format("two") + "\nop.execute('SELECT 1 / n FROM gate')")
    dev.query("CREATE TABLE gate (n integer)")
    dev.query("INSERT INTO gate VALUES (0)")
    target = {one.path: one.content for one in scripts}
    target["env.py"] = ENV.format(connect=connect, before=before, options=options).encode()
    with dev.child(scripts, env="project", target=target) as session:
        dev.begin(session, scripts)
        look = "SELECT state FROM pg_stat_activity WHERE pid = %s"
        assert dev.query(look, session.backend) == [("idle",)]
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert dev.query("SELECT to_regclass('one') IS NOT NULL") == [(True,)]
        with pytest.raises(MigrationFailed, match="division by zero"):
            session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        dev.query("UPDATE gate SET n = 1")
        session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        assert dev.query(look, session.backend) == [("idle",)]
    assert list(dev.database.state().applied) == ["r1", "r2"]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        (None, "there is no env.py"),
        ("from alembic import context", "ended without running migrations"),
        (ENV.format(connect="connect", before="pass", options=', version_table="other"'), "version_table 'other'"),
        ("from alembic import context\ncontext.configure(url='postgresql://')", "without a connection"),
        ("import no_such_thing", "cannot import no_such_thing"),
        (
            "import sqlalchemy as sa\nfrom alembic import context\n"
            "context.configure(connection=sa.create_engine('sqlite://').connect())",
            "connects with pysqlite",
        ),
    ],
)
def test_an_env_that_cannot_do_is_named(dev: Bench, env: str | None, said: str) -> None:
    target = {"env.py": env.encode()} if env is not None else {}
    with dev.child([], env="project", target=target) as session, pytest.raises(ConfigError, match=said):
        session.lock()


def test_code_of_the_changeset_is_on_the_path(dev: Bench) -> None:
    scripts = chain("from shop.names import TABLE\nop.create_table(TABLE, sa.Column('id', sa.Integer))")
    code = {"src/shop/__init__.py": b"", "src/shop/names.py": b"TABLE = 'goods'"}
    dev.deploy(scripts, code=code, paths=("src",), imports=("shop.names",))
    assert dev.query("SELECT to_regclass('goods') IS NOT NULL") == [(True,)]


def test_another_schema_and_version_table(dev: Bench) -> None:
    dev.query('CREATE SCHEMA "we""ird"')
    dev.connection = replace(dev.connection, schema='we"ird', version_table="Ver's")
    dev.database = PostgresDatabase(dev.connection, environment="dev")
    dev.deploy(chain(TABLE.format("one")))
    assert dev.database.state().versions == ("r1",)
    assert dev.query('SELECT version_num FROM "we""ird"."Ver\'s"') == [("r1",)]
    assert dev.query("""SELECT to_regclass('"we""ird".one') IS NOT NULL""") == [(True,)]
