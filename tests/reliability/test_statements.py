# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section B: what a migration's statements meet on the server, and what a migration does that it should not."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.ledger_sql import FENCES, LOCK_KEY
from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import HgAuroraError, Interrupted, MigrationFailed
from tests import weak
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.flows.test_blocking import running, until
from tests.world import Repo, call, command, migration, query, settings

#: sessions of one's own database: the server is other tests', too
HERE = "pg_stat_activity WHERE datname = current_database()"


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    yield made
    made.database.close()


def shop(folder: Path, url: str, body: str, extra: str = "") -> Repo:
    """One migration for one database."""
    repo = Repo(folder)
    files = {
        "hgaurora.toml": settings({"dev": url}, extra={"dev": f'snapshot = "none"\n{extra}'}),
        "migrations/versions/0001_made.py": migration("0001", None, body),
    }
    repo.commit(dict(files), "made")
    repo.close()
    return repo


# -- B9: two transactions that cross

#: the migration holds a, and goes on when the other one lets it
CROSS = {
    "deadlock": (
        "op.execute('UPDATE a SET n = n + 1')\nop.execute('SELECT pg_advisory_xact_lock(7)')\n"
        "op.execute('UPDATE b SET n = n + 1')",
        "UPDATE b SET n = n + 10",
        "UPDATE a SET n = n + 10",
    ),
    "serialization": (
        "op.execute('SET TRANSACTION ISOLATION LEVEL REPEATABLE READ')\nop.execute('SELECT n FROM b')\n"
        "op.execute('SELECT pg_advisory_xact_lock(7)')\nop.execute('UPDATE b SET n = n + 1')\n"
        "op.execute('UPDATE a SET n = n + 1')",
        "UPDATE b SET n = n + 10",
        "UPDATE a SET n = n + 10",
    ),
}


def crossed(folder: Path, url: str, kind: str, extra: str) -> subprocess.CompletedProcess[str]:
    """A deploy that another transaction crosses: it is the one that the server gives up."""
    body, first, second = CROSS[kind]
    query(url, "CREATE TABLE a AS SELECT 0 AS n; CREATE TABLE b AS SELECT 0 AS n")
    repo = shop(folder, url, body, f'lock-timeout = "20s"\n{extra}')
    # the other one does not look for deadlocks so soon
    with psycopg.connect(url, options="-c deadlock_timeout=60s") as other, running(repo, "deploy", "dev") as process:
        other.execute("SELECT pg_advisory_lock(7)")
        until(lambda: query(url, "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), "it waits")
        other.execute(first)
        other.execute("SELECT pg_advisory_unlock(7)")
        if kind == "serialization":
            other.execute(second)
            other.commit()
        else:
            waits = f"SELECT 1 FROM {HERE} AND wait_event_type = 'Lock' AND query LIKE 'UPDATE b%'"
            until(lambda: query(url, waits), "it waits for b")
            other.execute(second)  # granted when the migration was given up
            other.commit()
        out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, out, err)


@pytest.mark.parametrize("kind", CROSS)
def test_b9_a_crossing_transaction(tmp_path: Path, pg_database: str, kind: str) -> None:
    ended = crossed(tmp_path / "shop", pg_database, kind, "")
    assert ended.returncode == 0, ended.stderr
    assert query(pg_database, "SELECT a.n, b.n FROM a, b") == [(11, 11)]


def test_b9_control_one_try(tmp_path: Path, pg_database: str) -> None:
    ended = crossed(tmp_path / "shop", pg_database, "deadlock", "lock-tries = 1")
    assert ended.returncode == 60
    assert "deadlock detected" in ended.stderr
    assert query(pg_database, "SELECT a.n, b.n FROM a, b") == [(10, 10)]


# -- B10: CREATE INDEX CONCURRENTLY, killed for real while it waits for an old transaction

INDEX = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY big_n ON big (n)')"

#: a build that waits for an old transaction
BUILDS = f"SELECT 1 FROM {HERE} AND query LIKE 'CREATE INDEX CONC%' AND wait_event = 'virtualxid'"


def the_child(process: subprocess.Popen[str]) -> int:
    """The process that runs the migrations: what a deploy has started, with its own program."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word.endswith(b"child/__main__.py") for word in words) and str(process.pid).encode() in words:
            return int(path.parent.name)
    raise AssertionError("there is no child")


def _end_session(url: str) -> None:
    query(url, f"SELECT pg_terminate_backend(pid) FROM {HERE} AND query LIKE 'CREATE INDEX CONC%'")


KILLS: dict[str, Callable[[subprocess.Popen[str], str], None]] = {
    "child": lambda process, url: os.kill(the_child(process), signal.SIGKILL),
    "parent": lambda process, url: process.kill(),
    "connection": lambda process, url: _end_session(url),
}


def half_an_index(repo: Repo, url: str, kill: str) -> None:
    """A build that is killed when it has written its index and waits for an old transaction."""
    with psycopg.connect(url) as old, running(repo, "deploy", "dev") as process:
        old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        old.execute("SELECT count(*) FROM big")
        until(lambda: query(url, BUILDS), "it waits for the old transaction")
        KILLS[kill](process, url)
        process.communicate(timeout=60)
        until(lambda: not query(url, f"SELECT 1 FROM {HERE} AND query LIKE 'CREATE INDEX CONC%'"), "an end")
    assert process.returncode not in (0, 60)
    assert query(url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_n'::regclass") == [(False,)]


@pytest.mark.parametrize("kill", KILLS)
def test_b10_an_index_killed_half_way_is_built_by_a_plain_run(tmp_path: Path, pg_database: str, kill: str) -> None:
    query(pg_database, "CREATE TABLE big AS SELECT generate_series(1, 200000) AS n")
    repo = shop(tmp_path / "shop", pg_database, INDEX, 'lock-timeout = "60s"')
    half_an_index(repo, pg_database, kill)
    if kill == "child":
        said = "index big_n on big is invalid (left by an interrupted CREATE INDEX CONCURRENTLY)"
        assert said in command(repo, "status", "dev").stdout
    call(repo, "deploy", env="dev")
    look = "SELECT indisvalid FROM pg_index WHERE indrelid = 'big'::regclass"
    assert query(pg_database, look) == [(True,)]


def test_b10_a_second_deploy_while_an_index_is_built(tmp_path: Path, pg_database: str) -> None:
    """It waits by asking again and again, so the build, which waits for every older snapshot, never waits for it."""
    query(pg_database, "CREATE TABLE big AS SELECT generate_series(1, 1000) AS n")
    repo = shop(tmp_path / "shop", pg_database, INDEX, 'lock-timeout = "60s"')
    with psycopg.connect(pg_database) as old, running(repo, "deploy", "dev") as first:
        old.execute("INSERT INTO big VALUES (0)")
        until(lambda: query(pg_database, BUILDS), "it waits for the old transaction")
        with running(repo, "deploy", "dev") as second:
            assert second.stderr is not None
            until(lambda: "is locked by" in second.stderr.readline(), "the second waits")  # type: ignore[union-attr]
            old.commit()
            ended = [process.communicate(timeout=60) for process in (first, second)]
    assert [first.returncode, second.returncode] == [0, 0], ended
    assert ["is now at" in ended[0][0], "nothing to do" in ended[1][0]] == [True, True]
    look = "SELECT indisvalid FROM pg_index WHERE indrelid = 'big'::regclass"
    assert query(pg_database, look) == [(True,)]
    assert query(pg_database, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]


def test_b10_control_a_second_that_waits_in_the_server(dev: Bench) -> None:
    """Its statement has a snapshot for as long as it waits: build and waiter wait for each other."""
    dev.query("CREATE TABLE big AS SELECT 1 AS n")
    scripts = chain(INDEX)
    ended: list[BaseException] = []

    def build() -> None:
        try:
            first.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        except HgAuroraError as error:
            ended.append(error)

    def wait() -> None:
        try:
            with psycopg.connect(dev.url, autocommit=True) as session:
                session.execute(f"SELECT pg_advisory_lock({LOCK_KEY})")
        except psycopg.Error as error:
            ended.append(error)

    with psycopg.connect(dev.url) as old, dev.child(scripts, lock_timeout=60.0) as first:
        dev.begin(first, scripts)
        old.execute("INSERT INTO big VALUES (0)")
        threads = [threading.Thread(target=one) for one in (build, wait)]
        threads[0].start()
        until(lambda: dev.query(BUILDS), "the build waits")
        threads[1].start()
        until(lambda: dev.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"), "both wait")
        old.commit()
        threads[0].join(60)
    threads[1].join(60)
    (error,) = ended
    assert "deadlock detected" in str(error)


def test_b10_control_taken_for_done(dev: Bench) -> None:
    """Without the look at the catalogue the run ends well and the index is still invalid."""
    dev.query("CREATE TABLE big AS SELECT 1 AS n UNION ALL SELECT 1")
    unique = INDEX.replace("CREATE INDEX", "CREATE UNIQUE INDEX")
    with pytest.raises(MigrationFailed, match="could not create unique index"):
        dev.deploy(chain(unique))
    dev.start = weak.child(('verdict = proven(sent.sql, row["state"], self.ask)', 'verdict = "done"'))
    dev.deploy(chain(unique))
    assert dev.query("SELECT indisvalid FROM pg_index WHERE indexrelid = 'big_n'::regclass") == [(False,)]


# -- B11, B12: controls of what tests/adapters/test_child_hostile.py refuses


def unfenced(*fences: str) -> str:
    """An edit of the child's guard: the ledger's statement without some of its fences."""
    texts = [sql for name, sql in FENCES if name in fences]
    changes = "".join(f".replace({text!r}, '($2::text IS NULL OR true)')" for text in texts)
    return f"        self.ledger = {{**ledger, 'step': ledger['step']{changes}}}\n"


#: a script that breaks a rule, the protections against it, and what then stands in the ledger though it is not true
HOSTILE: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "b11": (
        "op.execute('CREATE TABLE made (id int)')\nop.execute('COMMIT')\nop.execute('BEGIN')",
        "transaction",
        [
            ("        if word := control(sql):", "        if word := None:"),
            ("        if self.begun and not self.connection.autocommit:", "        if False:"),
        ],
    ),
    "b12": ("op.execute('SELECT pg_advisory_unlock_all()')", "lock", []),
}


@pytest.mark.parametrize("number", HOSTILE)
def test_b11_b12_control_without_the_fences(dev: Bench, number: str) -> None:
    body, fence, also = HOSTILE[number]
    with pytest.raises(MigrationFailed):
        dev.deploy(chain(body))
    assert dev.database.state().applied == {}
    dev.query("DROP SCHEMA hgaurora CASCADE")
    dev.start = weak.child(("        self.ledger = ledger\n", unfenced(fence)), *also)
    dev.deploy(chain(body))
    assert list(dev.database.state().applied) == ["r1"]


def test_b13_control_no_last_word_wanted(either: Bench) -> None:
    """Where the end of the process were taken for the end of the step, ``os._exit(0)`` would pass for success."""

    class Trusting(ChildSession):
        def _died(self, answer: object = None) -> HgAuroraError:
            if self._process.poll() == 0 or self._process.wait() == 0:
                raise _Success
            return super()._died()

    either.start = Trusting
    with pytest.raises(_Success):
        either.deploy(chain("op.execute('CREATE TABLE made (id int)')\nimport os\nos._exit(0)"))
    assert either.database.state().applied == {}


class _Success(Exception):
    """What a program would believe that trusts an exit code."""


ENDLESS = "import sys\nfor _ in range(64):\n    sys.stdout.write('x' * (1 << 20))"


def test_b13_output_is_capped(either: Bench) -> None:
    with either.child(scripts := chain(ENDLESS), output_limit=1000) as session:
        either.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert session.output.startswith("x" * 1000)
    assert "more bytes of output were dropped" in session.output
    assert len(session.output) < 1100


def test_b13_control_without_the_cap(either: Bench) -> None:
    """All that a script prints is kept, in the parent's memory."""
    with either.child(scripts := chain(ENDLESS), output_limit=1 << 40) as session:
        either.begin(session, scripts)
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        until(lambda: len(session.output) == 64 << 20, "the last of it")


LEAVES = "import subprocess, os\nprint(subprocess.Popen(['sleep', '300']).pid, flush=True)\nos._exit(0)"


def left_running(dev: Bench) -> int:
    """The process that a script started, after its child has ended."""
    with dev.child(scripts := chain(LEAVES)) as session:
        dev.begin(session, scripts)
        with pytest.raises(Interrupted):
            session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    return int(session.output)


def test_b13_what_a_script_leaves_running(either: Bench) -> None:
    pid = left_running(either)
    until(lambda: not alive(pid), "it ends", 5.0)


def test_b13_control_its_leader_alone_is_killed(either: Bench) -> None:
    class Narrow(ChildSession):
        def _kill(self) -> None:
            self._process.kill()

    either.start = Narrow
    pid = left_running(either)
    try:
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    """True while a process runs (one that is killed may wait for its reaper)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("limit", [0.5, 0.0])
def test_b13_a_script_that_never_returns(either: Bench, limit: float) -> None:
    """Stopped when its time is over; the control, without a limit, runs three times as long, until it is killed."""
    ended: list[BaseException] = []

    def run() -> None:
        with either.child(scripts := chain("import time\ntime.sleep(300)"), wall_clock=limit) as session:
            either.begin(session, scripts)
            begun.append(session.pid)
            try:
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
            except HgAuroraError as error:
                ended.append(error)

    begun: list[int] = []
    thread = threading.Thread(target=run)
    thread.start()
    until(lambda: begun, "it begins")
    thread.join(1.5)
    if limit:
        thread.join()
        assert "longer than 0.5 s" in str(ended[0])
        return
    assert thread.is_alive()
    os.kill(begun[0], signal.SIGKILL)
    thread.join()
    assert isinstance(ended[0], Interrupted)


# -- B14


RUNAWAY = "op.execute('CREATE TABLE made (id int)')\nop.execute('SELECT pg_sleep(1.2)')"


def test_b14_a_runaway_statement(dev: Bench) -> None:
    with pytest.raises(MigrationFailed, match="statement timeout"):
        dev.deploy(chain(RUNAWAY), lock_timeout=0.1, statement_timeout=0.4)
    assert dev.query("SELECT to_regclass('made')") == [(None,)]
    assert dev.database.state().applied == {}


def test_b14_control_no_limit(dev: Bench) -> None:
    dev.deploy(chain(RUNAWAY), statement_timeout=0.0)
    assert dev.query("SELECT to_regclass('made') IS NOT NULL") == [(True,)]
