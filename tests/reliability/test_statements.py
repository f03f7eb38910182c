# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section B: what a migration's statements meet on the server, and what a migration does that it should not."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.ledger_sql import FENCES
from hgaurora.adapters.local.engine import scratch
from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import HgAuroraError, MigrationFailed
from tests import weak
from tests.adapters.migrating import Bench, bench, chain
from tests.engines import own_url
from tests.flows.test_blocking import running, until
from tests.world import Repo, call, command, migration, query, settings


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
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE b%'"
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
    query(url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'")


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
        waits = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%' AND wait_event = 'virtualxid'"
        until(lambda: query(url, waits), "it waits for the old transaction")
        KILLS[kill](process, url)
        process.communicate(timeout=60)
        until(lambda: not query(url, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONC%'"), "an end")
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


def test_b13_control_no_last_word_wanted(dev: Bench) -> None:
    """Where the end of the process were taken for the end of the step, ``os._exit(0)`` would pass for success."""

    class Trusting(ChildSession):
        def _died(self, answer: object = None) -> HgAuroraError:
            if self._process.poll() == 0 or self._process.wait() == 0:
                raise _Success
            return super()._died()

    dev.start = Trusting
    with pytest.raises(_Success):
        dev.deploy(chain("op.execute('CREATE TABLE made (id int)')\nimport os\nos._exit(0)"))
    assert dev.database.state().applied == {}


class _Success(Exception):
    """What a program would believe that trusts an exit code."""


# -- B14, B15


RUNAWAY = "op.execute('CREATE TABLE made (id int)')\nop.execute('SELECT pg_sleep(1.2)')"


def test_b14_a_runaway_statement(dev: Bench) -> None:
    with pytest.raises(MigrationFailed, match="statement timeout"):
        dev.deploy(chain(RUNAWAY), lock_timeout=0.1, statement_timeout=0.4)
    assert dev.query("SELECT to_regclass('made')") == [(None,)]
    assert dev.database.state().applied == {}


def test_b14_control_no_limit(dev: Bench) -> None:
    dev.deploy(chain(RUNAWAY), statement_timeout=0.0)
    assert dev.query("SELECT to_regclass('made') IS NOT NULL") == [(True,)]


@contextmanager
def own_server() -> Iterator[tuple[Bench, str, Callable[[], object]]]:
    """A server of the test's own: a bench, its URL, and what starts it anew at once."""
    engine = scratch()
    try:
        engine.start()
        made = bench(own_url(engine))

        def restart() -> None:
            engine.stop()
            engine.start()

        yield made, own_url(engine), restart
        made.database.close()
    finally:
        engine.stop()


def full(url: str, limit: int) -> None:
    """From now on no file of this server's new sessions grows beyond ``limit`` bytes: to them it is a full disk."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        stat = Path(f"/proc/{row[0]}/stat").read_text().rsplit(")", 1)[1].split()
    resource.prlimit(int(stat[1]), resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


FILL = (
    "op.execute('CREATE TABLE made AS SELECT n, repeat(md5(n::text), 20) AS t FROM generate_series(1, 60000) n')\n"
    "op.execute('CREATE TABLE other (id int)')"
)


def test_b15_b17_a_full_disk_and_a_restart(tmp_path: Path) -> None:
    with own_server() as (dev, url, restart):
        # a restart in the midst: whatever was sent is rolled back, the plain next run applies it once
        query(url, "CREATE TABLE log (n int); CREATE TABLE gate (n int)")
        body = (
            "op.execute('INSERT INTO log VALUES (1)')\n"
            "if not op.get_bind().exec_driver_sql('SELECT 1 FROM gate').first():\n"
            "    op.execute('SELECT pg_sleep(120)')"
        )
        repo = shop(tmp_path / "shop", url, body)
        with running(repo, "deploy", "dev") as process:
            until(lambda: query(url, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"), "it sleeps")
            restart()
            _, err = process.communicate(timeout=60)
        assert process.returncode in (100, 240), err
        assert "Traceback" not in err
        dev.database.close()
        assert query(url, "SELECT count(*) FROM log") == [(0,)]
        query(url, "INSERT INTO gate VALUES (1)")
        call(repo, "deploy", env="dev")
        assert query(url, "SELECT count(*) FROM log") == [(1,)]
        query(url, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version")
        # a full disk: 16 MiB are a segment of the server's own log, which is there already
        full(url, 20 << 20)
        with pytest.raises(MigrationFailed, match=r"could not (extend|write)") as caught:
            dev.deploy(chain(FILL))
        assert "rolled back" in str(caught.value.state)
        assert dev.query("SELECT to_regclass('made'), to_regclass('other')") == [(None, None)]
        assert dev.database.state().applied == {}
        # the control: there is room again, and the same script goes through
        full(url, 1 << 40)
        dev.database.close()
        dev.deploy(chain(FILL))
        assert dev.query("SELECT count(*) FROM made") == [(60000,)]
