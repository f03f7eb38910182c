# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain migrations on MySQL or MariaDB: every statement stands, and the ledger's rows come in one transaction."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hgaurora.core.errors import ConfigError, MigrationFailed
from hgaurora.core.model import Direction
from tests.adapters.migrating import Bench, bench, chain, counted, migrate, script
from tests.engines import my_connection

TABLE = 'op.create_table("{0}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Text))'


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    yield made
    made.database.close()


def tables(dev: Bench) -> list[str]:
    """The tables that are not the tool's."""
    return sorted(
        name for (name,) in dev.query("SHOW TABLES") if not name.startswith("hgaurora_") and name != "alembic_version"
    )


def test_up_and_down(dev: Bench) -> None:
    scripts = [
        script("r1", TABLE.format("one"), 'op.drop_table("one")'),
        script("r2", TABLE.format("two"), 'op.drop_table("two")', parents=["r1"]),
    ]
    results = dev.deploy(scripts)
    assert [result.versions for result in results] == [("r1",), ("r2",)]
    assert results[0].touched is not None
    name = dev.connection.parameters["dbname"]
    assert results[0].touched == {"tags": ["CREATE TABLE"], "objects": [["table", name, "one"]]}
    state = dev.database.state()
    assert (state.versions, state.recorded, list(state.applied)) == (("r2",), ("r2",), ["r1", "r2"])
    assert state.applied["r1"].raw == scripts[0].raw
    assert (state.node, state.branch, state.deployed_by, state.open) == ("a" * 40, "default", "dev-1", None)
    assert state.half == {}
    stored = dev.database.scripts([scripts[0].raw])
    down = [migrate(one, Direction.DOWN, recorded=True) for one in reversed(scripts)]
    dev.deploy([], down, recorded=scripts)
    assert stored == {scripts[0].raw: scripts[0].content}
    assert dev.database.state().applied == {}
    assert tables(dev) == []
    assert dev.database.verify() == []


def test_a_failed_step_can_run_again(dev: Bench) -> None:
    scripts = chain(TABLE.format("one"), "op.execute(\"INSERT INTO one VALUES (1, 'x')\")\nop.drop_table('gate')")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        with pytest.raises(MigrationFailed, match=r"r2 \(versions/r2.py, line 11\): .*gate") as caught:
            session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        assert caught.value.data["errno"] == 1051
        assert caught.value.data["sqlstate"] == "42S02"
        assert caught.value.state == "1 statement of it stands"
        dev.query("CREATE TABLE gate (n integer)")
        result = session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        assert (result.statements, result.replayed) == (2, 1)
    assert dev.query("SELECT count(*) FROM one") == [(1,)]


def test_a_migration_takes_few_round_trips(dev: Bench) -> None:
    bodies = [
        f'op.create_table("t{n}", sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer))\n'
        f'op.execute("INSERT INTO t{n} VALUES (1, 2)")'
        for n in range(50)
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
    assert 15 <= per < 30


def test_a_wait_for_a_lock_is_bounded_and_can_be_tried_again(dev: Bench) -> None:
    dev.deploy(first := chain(TABLE.format("one")))
    body = "op.execute('INSERT INTO one VALUES (1, NULL)')\nop.add_column('one', sa.Column('m', sa.Integer))"
    scripts = [*first, script("r2", body, parents=["r1"])]
    with dev.child(scripts, lock_timeout=0.2) as session:
        dev.begin(session, scripts)
        with my_connection(dev.url) as reader:
            reader.begin()
            reader.cursor().execute("SELECT * FROM one")
            with pytest.raises(MigrationFailed) as caught:
                session.run(migrate(scripts[1]), ordinal=1, snapshot=None)
            assert (caught.value.data["errno"], caught.value.data["again"]) == (1205, True)
        assert session.run(migrate(scripts[1]), ordinal=1, snapshot=None).replayed == 1
    assert list(dev.database.state().applied) == ["r1", "r2"]
    assert dev.query("SELECT * FROM one") == [(1, None, None)]


def test_only_one_child_gets_the_lock(dev: Bench) -> None:
    with dev.child([]) as one, dev.child([]) as other:
        assert [one.lock(), other.lock()] == [True, False]
        one.close()
        assert other.lock()


ENV = """
import sqlalchemy as sa
from alembic import context
config = context.config
engine = sa.create_engine(config.get_main_option("sqlalchemy.url"), poolclass=sa.pool.NullPool)
with engine.{connect}() as connection:
    {before}
    context.configure(connection=connection{options})
    with context.begin_transaction():
        context.run_migrations()
"""


@pytest.mark.parametrize(
    ("connect", "before", "options"),
    [
        ("connect", "pass", ""),
        ("begin", "pass", ", transaction_per_migration=False"),
        ("connect", "connection.execute(sa.text('SELECT 1'))", ', version_table="alembic_version"'),
        ("connect", "connection = connection.execution_options(isolation_level='AUTOCOMMIT')", ""),
    ],
)
def test_a_project_s_own_env_runs_unchanged(dev: Bench, connect: str, before: str, options: str) -> None:
    scripts = chain(TABLE.format("one"), TABLE.format("two") + "\nop.drop_table('gate')")
    target = {one.path: one.content for one in scripts}
    target["env.py"] = ENV.format(connect=connect, before=before, options=options).encode()
    with dev.child(scripts, env="project", target=target) as session:
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert tables(dev) == ["one"]
        with pytest.raises(MigrationFailed, match="gate"):
            session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
        dev.query("CREATE TABLE gate (n integer)")
        session.run(migrate(scripts[1]), ordinal=2, snapshot=None)
    assert list(dev.database.state().applied) == ["r1", "r2"]


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ("from alembic import context", "ended without running migrations"),
        (ENV.format(connect="connect", before="pass", options=', version_table="other"'), "version_table 'other'"),
        ("import sqlalchemy as sa\nsa.create_engine('mysql+mysqldb://h/d').connect()", "cannot import MySQLdb"),
        (
            "import sqlalchemy as sa\nfrom alembic import context\n"
            "context.configure(connection=sa.create_engine('sqlite://').connect())",
            "connects with pysqlite .* not the environment's database by pymysql",
        ),
    ],
)
def test_an_env_that_cannot_do_is_named(dev: Bench, env: str, said: str) -> None:
    target = {"env.py": env.encode()}
    with dev.child([], env="project", target=target) as session, pytest.raises(ConfigError, match=said):
        session.lock()
