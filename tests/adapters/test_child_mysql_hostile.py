# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts that break the rules of running on MySQL or MariaDB: refused before they are sent, or stopped and said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from hgaurora.core.errors import HgAuroraError, Interrupted, MigrationFailed, SecurityError
from tests.adapters.migrating import Bench, bench, chain, migrate

MAKE = 'op.execute("CREATE TABLE made (n integer)")\n'
RAW = "raw = op.get_bind().connection.driver_connection\n"


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    yield made
    made.database.close()


def _free(dev: Bench) -> None:
    """No ledger row of a step, no lock, no server session."""
    assert dev.database.state().applied == {}
    assert dev.database.holder() is None
    dev.database.close()
    name = dev.connection.parameters["dbname"]
    deadline = time.monotonic() + 10
    look = "SELECT count(*) FROM information_schema.processlist WHERE db = %s AND id <> CONNECTION_ID()"
    while dev.query(look, name) != [(0,)]:
        assert time.monotonic() < deadline


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('op.execute("BEGIN")', "sends BEGIN, which begins a transaction"),
        ('op.execute("START TRANSACTION READ WRITE")', "sends START TRANSACTION"),
        ("op.execute(\"SELECT 1; XA START 'x'\")", "sends XA"),
        ('op.execute("LOCK TABLES made WRITE")', "locks tables"),
        ('op.execute("FLUSH TABLES WITH READ LOCK")', "locks tables"),
        ('op.execute("COMMIT AND CHAIN")', "begins another one"),
        ('op.execute("COMMIT RELEASE")', "ends the session"),
        ('op.execute("HANDLER made OPEN")', "through a handler"),
        ('op.execute("SELECT ROW_COUNT()")', "asks about the statement before"),
        ('op.execute("SHOW WARNINGS")', "asks about the statement before"),
        ('op.execute("KILL 1")', "ends sessions"),
        (RAW + "raw.begin()", "begins a transaction"),
        (RAW + 'raw.query("DROP TABLE made")', "past the connection's cursors"),
        (
            "with op.get_bind().engine.connect() as other:\n    other.exec_driver_sql('DROP TABLE made')",
            "a connection of its own",
        ),
        (
            "import threading\nbind = op.get_bind()\n"
            "one = threading.Thread(target=bind.exec_driver_sql, args=('DROP TABLE made',))\none.start()\none.join()",
            "from a thread of its own",
        ),
        ("op.execute('INSERT INTO made VALUES (1)')\nop.get_bind().rollback()", "rolled back by itself"),
        ("op.execute('INSERT INTO made VALUES (1)')\nop.execute('ROLLBACK')", "rolled back by itself"),
        (
            "op.execute('SAVEPOINT a')\nop.execute('INSERT INTO made VALUES (1)')\nop.execute('ROLLBACK TO a')",
            "rolled back by itself",
        ),
        (
            "try:\n    with op.get_bind().begin_nested():\n        op.execute('INSERT INTO made VALUES (1)')\n"
            "        raise ValueError('wrong')\nexcept ValueError:\n    pass\nop.execute('DROP TABLE made')",
            "rolled back by itself what stands already, after ValueError: wrong",
        ),
        (
            "op.execute('DROP TABLE made; DELIMITER //\\nCREATE PROCEDURE p() BEGIN SELECT 1; END //')",
            "sends DELIMITER, which is a command of the client, not of the server",
        ),
        (
            "op.execute(\"SET @s = 'SELECT ROW_COUNT()'; PREPARE s FROM @s; EXECUTE s\")",
            "asks about the statement before",
        ),
        (
            "op.execute('SELECT RELEASE_ALL_LOCKS()')\nop.execute('INSERT INTO made VALUES (1)')",
            "lock is no longer held",
        ),
        ("op.execute('SELECT RELEASE_ALL_LOCKS()')\nop.execute('DROP TABLE made')", "lock is no longer held"),
        ("op.execute('SELECT RELEASE_ALL_LOCKS()')", "lock is no longer held"),
        ("op.execute('UPDATE hgaurora_environment SET epoch = UUID()')", "taken the environment over"),
        ("op.execute(\"INSERT INTO alembic_version VALUES ('x')\")", "changed Alembic's version table"),
        ("op.execute(f'DROP DATABASE `{op.get_bind().engine.url.database}`')", "drops the database that it runs in"),
        ("import sys\nsys.exit(0)", r"called sys.exit\(0\)"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("import nothing_of_this_name", "cannot import nothing_of_this_name"),
        ("op.execute('SELECT no_such_column FROM made')", "Unknown column 'no_such_column'"),
    ],
)
def test_refused_and_said(dev: Bench, body: str, said: str) -> None:
    scripts = chain(MAKE + body)
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        with pytest.raises(MigrationFailed, match=said) as caught:
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert caught.value.state is not None
        assert "stand" in caught.value.state
    assert dev.query("SHOW TABLES LIKE 'made'") == [("made",)]
    _free(dev)


@pytest.mark.parametrize(
    "body",
    [
        "op.execute('COMMIT')\nop.execute('ROLLBACK')",
        "op.get_bind().commit()\nop.execute('INSERT INTO made VALUES (2)')",
        "with op.get_bind().begin_nested():\n    op.execute('INSERT INTO made VALUES (2)')",
        "with op.get_context().autocommit_block():\n    op.execute('INSERT INTO made VALUES (2)')",
        "op.execute('SET autocommit = 1')\nop.execute('INSERT INTO made VALUES (2)')",
        "from sqlalchemy.orm import Session\nwith Session(op.get_bind()) as s:\n"
        "    s.execute(sa.text('INSERT INTO made VALUES (2)'))\n    s.commit()",
        "op.get_bind().execution_options(stream_results=True).execute(sa.text('SELECT 1')).fetchall()",
        "raw = op.get_bind().connection.cursor()\nraw.callproc('p', (1,))",
        "assert sa.inspect(op.get_bind().engine).get_pk_constraint('made')['constrained_columns'] == []",
        "op.execute('UNLOCK TABLES')\nop.execute('DO 1')\nop.execute('ANALYZE TABLE made')",
    ],
)
def test_what_does_no_harm_is_let_through(dev: Bench, body: str) -> None:
    dev.query("CREATE PROCEDURE p(x int) INSERT INTO made VALUES (x)")
    dev.deploy(chain(MAKE + body, "op.execute('INSERT INTO made VALUES (3)')"))
    assert (3,) in dev.query("SELECT n FROM made")
    assert dev.database.verify() == []
    dev.database.close()
    dev.query("DROP TABLE made")


@pytest.mark.parametrize(
    "body",
    [
        MAKE + "import os\nos._exit(0)",
        MAKE + "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        MAKE + RAW + "raw._force_close()\nop.execute('SELECT 1')",
    ],
)
def test_a_death_is_not_taken_for_success(dev: Bench, body: str) -> None:
    scripts = chain(body)
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        with pytest.raises(Interrupted):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    _free(dev)


def test_a_session_that_was_killed_is_not_taken_for_success(dev: Bench) -> None:
    scripts = chain(MAKE + "op.execute('DO SLEEP(300)')")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)

        def kill() -> None:
            look = "SELECT info FROM information_schema.processlist WHERE id = %s"
            while dev.query(look, session.backend) != [("DO SLEEP(300)",)]:
                assert dev.query("SELECT 1") == [(1,)]
            dev.query(f"KILL {session.backend}")

        killer = threading.Thread(target=kill)
        killer.start()
        with pytest.raises(Interrupted, match="lost its connection"):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        killer.join()
    _free(dev)


def test_a_script_that_never_returns_is_stopped(dev: Bench) -> None:
    scripts = chain(MAKE + "op.execute('DO SLEEP(300)')")
    with dev.child(scripts, wall_clock=1.5) as session:
        dev.begin(session, scripts)
        started = time.monotonic()
        with pytest.raises(MigrationFailed, match=r"longer than 1.5 s") as caught:
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert caught.value.data["what"] == "wall-clock"
        assert time.monotonic() - started < 30
    _free(dev)


def test_the_child_ends_with_its_parent(dev: Bench) -> None:
    code = (
        "import sys\nsys.path.insert(0, sys.argv[2])\nfrom tests.adapters.migrating import bench, chain, migrate\n"
        "dev = bench(sys.argv[1])\nscripts = chain(\"op.execute('DO SLEEP(2)')\")\n"
        "with dev.child(scripts) as session:\n"
        "    dev.begin(session, scripts)\n    print(session.pid, session.backend, flush=True)\n"
        "    session.run(migrate(scripts[0]), ordinal=1, snapshot=None)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, dev.url, os.getcwd()], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        _, backend = map(int, parent.stdout.readline().split())
        look = "SELECT state FROM information_schema.processlist WHERE id = %s"
        while dev.query(look, backend) != [("User sleep",)]:
            assert parent.poll() is None
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while dev.query(look, backend):
        assert time.monotonic() < deadline
    assert dev.database.holder() is None


def test_tls_is_never_left_out(dev: Bench) -> None:
    """A server whose certificate does not hold, or that has none, gets no password."""
    parameters = {**dev.connection.parameters, "ssl-mode": "verify-full"}
    dev.connection = replace(dev.connection, parameters=parameters)
    with dev.child(chain(MAKE)) as session, pytest.raises(HgAuroraError, match=r"SSL|certificate|TLS"):
        session.lock()
    assert dev.query("SHOW TABLES") == []


def test_session_settings_are_put_back(dev: Bench) -> None:
    dev.query("CREATE ROLE IF NOT EXISTS hgaurora_test_role")
    dev.query("GRANT hgaurora_test_role TO CURRENT_USER")
    scripts = chain(
        "op.execute(\"SET time_zone = '+05:00', foreign_key_checks = 0, sql_mode = 'ANSI_QUOTES'\")\n"
        "op.execute('SET ROLE hgaurora_test_role')\nop.execute('SET timestamp = 1')\n"
        "op.execute('USE information_schema')",
        MAKE
        + "row = op.get_bind().execute(sa.text('SELECT @@foreign_key_checks, @@sql_mode, YEAR(NOW()) > 2000')).one()\n"
        "assert row[0] == 1 and 'ANSI' not in row[1] and row[2] == 1, row",
    )
    first, second = dev.deploy(scripts)
    assert first.notes == ("the session's settings were put back",)
    assert second.notes == ()
    assert dev.query("SHOW TABLES LIKE 'made'") == [("made",)]
    dev.query("DROP ROLE hgaurora_test_role")


def test_a_statement_that_takes_too_long_ends(dev: Bench) -> None:
    """MySQL holds only SELECT to a limit, MariaDB every statement."""
    every = ", ".join(f"information_schema.collations c{n}" for n in range(6))
    scripts = chain(MAKE + f"op.execute('SELECT COUNT(*) FROM {every}')")
    with dev.child(scripts, backfill_timeout=0.3) as session:
        dev.begin(session, scripts)
        with pytest.raises(MigrationFailed, match=r"max_statement_time|maximum statement execution time") as caught:
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert caught.value.data.get("again") is None
    assert caught.value.state == "1 statement of it stands"


def test_a_version_table_with_a_trigger_is_refused(dev: Bench) -> None:
    dev.deploy(chain(MAKE))
    dev.query("CREATE TRIGGER steal AFTER INSERT ON alembic_version FOR EACH ROW SET @x = 1")
    with dev.child(chain(MAKE)) as session, pytest.raises(SecurityError, match="has the trigger steal"):
        session.lock()


def test_nothing_of_ours_is_in_reach(dev: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("MYSQL_PWD", "")
    scripts = chain("import os\nprint(sorted(os.environ))")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert "AWS" not in session.output
    assert "MYSQL_PWD" not in session.output
