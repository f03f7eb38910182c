# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts that break the rules of running: what they do is refused, stopped or undone, and said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hgaurora.adapters.migrations.child.sql import control
from hgaurora.core.errors import ConfigError, Interrupted, MigrationFailed, SecurityError
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.flows.test_blocking import until

MAKE = 'op.execute("CREATE TABLE made (n integer)")\n'
RAW = "raw = op.get_bind().connection.driver_connection\n"


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    yield made
    made.database.close()


def _nothing(dev: Bench) -> None:
    """No effect, no ledger row, no lock, no server session."""
    assert dev.query("SELECT to_regclass('made')") == [(None,)]
    assert dev.database.state().applied == {}
    assert dev.database.holder() is None
    ours = "datname = current_database() AND application_name LIKE 'hgaurora dev-%%'"
    assert dev.query(f"SELECT count(*) FROM pg_stat_activity WHERE {ours}") == [(0,)]


def _alive(group: int) -> list[str]:
    """Processes of a group that run (one that is killed may wait for its reaper)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, pgrp = stat.read_text().rsplit(") ", 1)[1].split()[:3]
        except OSError:
            continue
        if int(pgrp) == group and state not in "ZX":
            found.append(stat.parent.name)
    return found


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("commit", "COMMIT"),
        ("  /* x */ -- y\n CoMMit;", "COMMIT"),
        ("INSERT INTO t VALUES (1); COMMIT", "COMMIT SELECT"),
        ("rollback", "ROLLBACK"),
        ("ROLLBACK TO SAVEPOINT a", None),
        ("ROLLBACK WORK TO a", None),
        ("begin", "BEGIN"),
        ("START TRANSACTION", "START TRANSACTION"),
        ("end", "END"),
        ("abort", "ABORT"),
        ("PREPARE TRANSACTION 'x'", "PREPARE TRANSACTION"),
        ("PREPARE x AS SELECT 1", None),
        ("DISCARD ALL", "DISCARD ALL"),
        ("DEALLOCATE ALL", "DEALLOCATE ALL"),
        ("DEALLOCATE x", None),
        ("SELECT 'commit; commit'", None),
        ("SELECT E'\\'; commit; '", None),
        ('SELECT 1 AS "a; commit"', None),
        ("/* /* commit */ ; commit */ SELECT 1", None),
        ("DO $$BEGIN PERFORM 1; COMMIT; END$$", None),
        ("DO $a$BEGIN PERFORM $$;commit;$$; END$a$; commit", "COMMIT"),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END", None),
        ("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; END; commit", "COMMIT"),
        ("SELECT CASE WHEN true THEN 1 END; SELECT 2", None),
        ("SELECT 1 AS begin; SELECT 'x", None),
    ],
)
def test_transaction_control_in_text(sql: str, word: str | None) -> None:
    found = control(sql)
    assert (found or "").split()[:1] == (word or "").split()[:1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (MAKE + 'op.execute("commit")', "sends COMMIT"),
        (MAKE + 'op.execute("SELECT 1; ROLLBACK; SELECT 2")', "sends ROLLBACK"),
        (MAKE + 'op.execute("DISCARD ALL")', "sends DISCARD"),
        (MAKE + "op.get_bind().rollback()", "rolled its transaction back"),
        (MAKE + RAW + "raw.rollback()", "rolled its transaction back"),
        (MAKE + RAW + 'raw.pgconn.exec_(b"ROLLBACK")', "ended its transaction by itself"),
        (MAKE + 'op.execute("SELECT pg_advisory_unlock_all()")', "lock is no longer held"),
        (
            MAKE + 'op.execute("SET ROLE pg_monitor")',
            "changed the session's role|permission denied for table alembic_version",
        ),
        (MAKE + "op.execute('CREATE ROLE ours SUPERUSER')\nop.execute('SET ROLE ours')", "changed the session's role"),
        (MAKE + 'op.execute("SET SESSION AUTHORIZATION pg_monitor")', "permission denied|changed the session's role"),
        (MAKE + "op.execute(\"INSERT INTO alembic_version VALUES ('x')\")", "changed Alembic's version table"),
        (
            MAKE + 'op.execute("UPDATE hgaurora.environment SET epoch = gen_random_uuid()")',
            "taken the environment over",
        ),
        (MAKE + "import sys\nsys.exit(0)", r"called sys.exit\(0\)"),
        (MAKE + "raise KeyboardInterrupt", "KeyboardInterrupt"),
        (
            MAKE + "import threading\nbind = op.get_bind()\n"
            "one = threading.Thread(target=bind.exec_driver_sql, args=('SELECT 1',))\none.start()\none.join()",
            "from a thread of its own",
        ),
        (MAKE + "import nothing_of_this_name", "cannot import nothing_of_this_name"),
        (MAKE + 'op.execute("SELECT no_such_column")', 'column "no_such_column" does not exist'),
        (
            MAKE + "try:\n    op.execute('SELECT 1/0')\nexcept Exception:\n    op.get_bind().commit()",
            "commits after a statement failed",
        ),
    ],
)
def test_refused_and_undone(dev: Bench, body: str, said: str) -> None:
    scripts = chain(body)
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        with pytest.raises(MigrationFailed, match=said):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    _nothing(dev)


@pytest.mark.parametrize(
    "body",
    [
        MAKE + "import os\nos._exit(0)",
        MAKE + "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)",
        MAKE + RAW + "raw.pgconn.finish()",
        MAKE + 'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")',
    ],
)
def test_a_death_is_not_taken_for_success(dev: Bench, body: str) -> None:
    scripts = chain(body)
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        with pytest.raises(Interrupted):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    _nothing(dev)


@pytest.mark.parametrize(("when", "applied"), [("before", []), ("after", ["r1"])])
def test_a_commit_whose_answer_is_lost_is_not_guessed(dev: Bench, when: str, applied: list[str]) -> None:
    scripts = chain(MAKE)
    backend: list[int | None] = []

    def cut(told: Mapping[str, object]) -> None:
        if told["is"] == "trace" and told["what"] == "COMMIT" and told["when"] == when and backend:
            dev.query("SELECT pg_terminate_backend(%s)", backend[0])

    dev.on_event = cut
    with dev.child(scripts, trace=True) as session:
        dev.begin(session, scripts)
        backend.append(session.backend)
        if when == "before":
            with pytest.raises(Interrupted, match="lost its connection"):
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        else:
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert list(dev.database.state().applied) == applied
    assert dev.query("SELECT to_regclass('made') IS NOT NULL") == [(bool(applied),)]


def test_a_sleeping_thread_does_no_harm(dev: Bench) -> None:
    body = MAKE + "import threading, time\nthreading.Thread(target=time.sleep, args=(300,)).start()"
    dev.deploy(chain(body))


def test_what_a_script_leaves_running_is_killed(dev: Bench) -> None:
    body = (
        MAKE
        + "import os, time, subprocess\nif os.fork() == 0:\n    time.sleep(300)\n"
        + "subprocess.Popen(['sleep', '301'])\nos._exit(0)"
    )
    scripts = chain(body)
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        with pytest.raises(Interrupted):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        group = session.pid
    # killed by then; gone as soon as the kernel has a core for it
    until(lambda: not _alive(group), "the group's end", 5)
    _nothing(dev)


def test_a_script_that_never_returns_is_stopped(dev: Bench) -> None:
    scripts = chain(MAKE + 'op.execute("SELECT pg_sleep(300)")')
    with dev.child(scripts, wall_clock=1.0) as session:
        dev.begin(session, scripts)
        started = time.monotonic()
        with pytest.raises(MigrationFailed, match="longer than 1 s") as caught:
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        assert caught.value.data["what"] == "wall-clock"
        assert time.monotonic() - started < 10
    _nothing(dev)


def test_output_is_capped(dev: Bench) -> None:
    scripts = chain("import sys\nfor _ in range(1024):\n    sys.stdout.write('x' * (1 << 20))\n")
    with dev.child(scripts, output_limit=1000) as session:
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert session.output[:1000] == "x" * 1000
    assert "more bytes of output were dropped" in session.output
    assert len(session.output) < 1100


def test_session_settings_are_put_back(dev: Bench) -> None:
    scripts = chain(
        "op.execute(\"SET search_path = ''\")\nop.execute('SET lock_timeout = 0')\nop.execute('CREATE SCHEMA other')",
        MAKE + "assert op.get_bind().execute(sa.text('SHOW lock_timeout')).scalar() == '2s'",
    )
    first, _ = dev.deploy(scripts)
    assert first.notes == ("the session's settings were put back",)
    assert dev.query("SELECT to_regclass('public.made')") == [("made",)]


def test_nothing_of_ours_is_in_reach(dev: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary")
    monkeypatch.setenv("PGPASSWORD", "canary")
    body = (
        "import os\nprint(sorted(os.environ))\nprint(sorted(os.listdir('/proc/self/fd'), key=int))\n"
        "for fd in range(100):\n    try:\n        print(os.readlink(f'/proc/self/fd/{fd}'))\n"
        "    except OSError:\n        continue"
    )
    scripts = chain(body)
    with open("/etc/hostname") as held, dev.child(scripts) as session:
        os.set_inheritable(held.fileno(), True)
        dev.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert "AWS" not in session.output
    assert "HOME" not in session.output
    assert "canary" not in session.output
    assert "hostname" not in session.output


def test_the_child_ends_with_its_parent(dev: Bench) -> None:
    code = (
        "import sys\nsys.path.insert(0, sys.argv[1])\nfrom tests.adapters.migrating import bench, chain, migrate\n"
        "dev = bench(sys.stdin.readline())\nscripts = chain(\"op.execute('SELECT pg_sleep(300)')\")\n"
        "with dev.child(scripts) as session:\n"
        "    dev.begin(session, scripts)\n    print(session.pid, session.backend, flush=True)\n"
        "    session.run(migrate(scripts[0]), ordinal=1, snapshot=None)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, os.getcwd()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        parent.stdin.write(dev.url)  # with a password, so it is no argument
        parent.stdin.close()
        _, backend = map(int, parent.stdout.readline().split())
        while dev.query("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", backend) != [("PgSleep",)]:
            assert parent.poll() is None
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while dev.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", backend):
        assert time.monotonic() < deadline
    assert dev.database.holder() is None


def test_an_interpreter_without_the_libraries_is_named(dev: Bench, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", f"{tmp_path}/venv"], check=True)
    said = r"venv/bin/python cannot import (psycopg|sqlalchemy|alembic)"
    with (
        dev.child(chain(MAKE), python=f"{tmp_path}/venv/bin/python") as session,
        pytest.raises(ConfigError, match=said),
    ):
        session.lock()
    with pytest.raises(ConfigError, match="cannot start"), dev.child(chain(MAKE), python=f"{tmp_path}/none"):
        pass


def test_a_script_that_cannot_be_read_is_named(dev: Bench) -> None:
    (one,) = chain(MAKE)
    with dev.child([one], imports=("no_such_plugin",)) as session:
        with pytest.raises(ConfigError, match="cannot import no_such_plugin") as caught:
            session.lock()
        assert "paths" in str(caught.value.hint)


def test_a_version_table_with_a_trigger_is_refused(dev: Bench) -> None:
    dev.deploy(chain(MAKE))
    dev.query("CREATE FUNCTION public.steal() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
    dev.query("CREATE TRIGGER steal AFTER INSERT OR UPDATE ON alembic_version FOR EACH ROW EXECUTE FUNCTION steal()")
    with pytest.raises(SecurityError, match="alembic_version has the trigger steal"):
        dev.database.state()
    with dev.child(chain(MAKE)) as session, pytest.raises(SecurityError, match="has the trigger steal"):
        session.lock()
