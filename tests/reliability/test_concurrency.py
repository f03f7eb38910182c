# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section D: several at once."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.ledger_sql import FENCES, LOCK_KEY
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.core.errors import HgAuroraError, Interrupted, LockHeld, MigrationFailed, StateError
from hgaurora.core.model import Script
from tests import weak
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.engines import fresh_database
from tests.flows.test_blocking import running, until
from tests.world import ROOT, Repo, call, command, environ, migration, query, settings, sql, versions

#: each run of it adds a row
STEP = "INSERT INTO log VALUES ({n}); CREATE TABLE t{n} (id int)"


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    made.query("CREATE TABLE log (n int)")
    yield made
    made.database.close()


def shop(folder: Path, url: str, count: int = 3, extra: str = "") -> tuple[Repo, list[str]]:
    """A changeset for each of some migrations; their nodes."""
    query(url, "CREATE TABLE IF NOT EXISTS log (n int)")
    repo = Repo(folder)
    nodes = []
    text = settings({"dev": url}, extra={"dev": f'snapshot = "none"\n{extra}'})
    for n in range(1, count + 1):
        parent = f"{n - 1:04}" if n > 1 else None
        down = sql(f"DROP TABLE t{n}; DELETE FROM log WHERE n = {n}")
        script = migration(f"{n:04}", parent, sql(STEP.format(n=n)), down)
        nodes.append(repo.commit({"hgaurora.toml": text, f"migrations/versions/{n:04}.py": script}, f"{n}"))
    repo.close()
    return repo, nodes


def sound(url: str) -> set[str]:
    """Ledger, version table and tables agree, and each effect is there once; the version rows."""
    database = PostgresDatabase(from_url(url), environment="dev")
    try:
        state = database.state()
        assert database.verify() == []
    finally:
        database.close()
    assert state.open is None
    assert state.lock is None
    assert set(state.versions or ()) == set(state.recorded) == versions(url)
    effects = sorted(row[0] for row in query(url, "SELECT n FROM log"))
    assert effects == sorted(int(one) for one in state.applied)
    return versions(url)


def at_once(repo: Repo, commands: Sequence[Sequence[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Commands that are started together; what each ended with."""
    with ExitStack() as stack:
        processes = [stack.enter_context(running(repo, *words)) for words in commands]
        ended = [(process, *process.communicate(timeout=120)) for process in processes]
    found = [subprocess.CompletedProcess([], process.returncode, out, err) for process, out, err in ended]
    assert not any("Traceback" in one.stderr for one in found)
    return found


def test_d2_two_different_changesets(tmp_path: Path, pg_database: str) -> None:
    """One after the other: the second plans anew from where the first left it."""
    repo, nodes = shop(tmp_path / "shop", pg_database)
    ended = at_once(repo, [("deploy", "dev", "-r", nodes[1]), ("deploy", "dev", "-r", nodes[2])])
    assert [one.returncode for one in ended] == [0, 0], [one.stderr for one in ended]
    assert sound(pg_database) in ({"0002"}, {"0003"})


def test_d3_a_deploy_and_a_revert(tmp_path: Path, pg_database: str) -> None:
    repo, nodes = shop(tmp_path / "shop", pg_database)
    call(repo, "deploy", env="dev", rev=nodes[0])
    call(repo, "deploy", env="dev", rev=nodes[1])
    ended = at_once(repo, [("deploy", "dev", "-r", nodes[2]), ("revert", "dev", "--yes")])
    # the loser goes on from what is there, or stops and says so
    assert all(one.returncode in (0, 20, 21, 250) for one in ended), [one.stderr for one in ended]
    assert 0 in [one.returncode for one in ended]
    assert sound(pg_database) in ({"0001"}, {"0002"}, {"0003"})


def test_d4_the_session_with_the_lock_dies(dev: Bench) -> None:
    """The lock is held by the session that runs the DDL, so there is no DDL without it."""
    body = "op.execute('INSERT INTO log VALUES (1)')\nop.execute('SELECT pg_sleep(60)')"
    with dev.child(scripts := chain(body)) as session:
        dev.begin(session, scripts)
        ended: list[BaseException] = []
        thread = threading.Thread(target=_run, args=(session, scripts, ended))
        thread.start()
        look = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        until(lambda: dev.query(look, session.backend), "it sleeps")
        holder = dev.database.holder()
        assert holder is not None
        assert holder.pid == session.backend
        dev.query("SELECT pg_terminate_backend(%s)", holder.pid)
        thread.join()
    assert isinstance(ended[0], Interrupted)
    assert dev.query("SELECT count(*) FROM log") == [(0,)]
    assert dev.database.holder() is None


def _run(session: object, scripts: list[Script], ended: list[BaseException]) -> None:
    try:
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)  # type: ignore[attr-defined]
    except HgAuroraError as error:
        ended.append(error)


#: the answer of the server, that somebody else holds the lock, is not listened to
DEAF = ('return {"held": held == "t",', 'return {"held": True,')
EPOCH = next(text for name, text in FENCES if name == "epoch")
NO_EPOCH = (
    "        self.ledger = ledger\n",
    f"        self.ledger = {{**ledger, 'step': ledger['step'].replace({EPOCH!r}, '($1::text IS NULL OR true)')}}\n",
)


def two_who_believe(dev: Bench, *edits: tuple[str, str]) -> None:
    """Two children that both believe to hold the lock; the first goes on after the second took the deployment over."""
    first_program = weak.child(*edits) if edits else dev.start
    late = weak.child(DEAF, file="postgresql/engine.py")
    scripts = chain(STEP.format(n=1).join(("op.execute('", "')")))
    dev.start = first_program
    with dev.child(scripts) as first:
        dev.begin(first, scripts)
        dev.start = late
        with dev.child(scripts) as second:
            dev.begin(second, scripts)
            first.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def test_d5_one_that_was_taken_over_is_stopped(dev: Bench) -> None:
    """Two servers, or a machine that slept: the epoch is another one, and nothing is written."""
    with pytest.raises(MigrationFailed, match="another run has taken the environment over"):
        two_who_believe(dev)
    assert dev.query("SELECT count(*) FROM log") == [(0,)]
    assert dev.database.state().applied == {}


def test_d5_control_without_the_epoch(dev: Bench) -> None:
    two_who_believe(dev, NO_EPOCH)
    assert dev.query("SELECT count(*) FROM log") == [(1,)]


def test_d1_d2_control_the_lock_s_answer_is_not_listened_to(dev: Bench) -> None:
    """Then not everybody ends well: the fence finds that the lock is another session's."""
    scripts = chain("op.execute('INSERT INTO log VALUES (1)')")
    with dev.child(scripts) as first:
        dev.begin(first, scripts)
        with dev.child(scripts) as second:
            assert not second.lock()
        dev.start = weak.child(DEAF, file="postgresql/engine.py")
        with dev.child(scripts) as second:
            dev.begin(second, scripts)
            with pytest.raises(MigrationFailed, match="lock is no longer held"):
                second.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def test_d6_bare_alembic_beside_a_deploy(tmp_path: Path, pg_database: str) -> None:
    """Both run the same migration at once: its effect is there once, and what alembic did is found out."""
    query(pg_database, "CREATE TABLE log (n int)")
    repo = Repo(tmp_path / "shop")
    gate = "op.execute('SELECT pg_advisory_xact_lock_shared(7)')\n"
    files = {
        "hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "none"\nlock-timeout = "60s"'}),
        "migrations/versions/0001.py": migration("0001", None, sql(STEP.format(n=1))),
    }
    repo.commit(dict(files), "one")
    call(repo, "deploy", env="dev")
    repo.commit({"migrations/versions/0002.py": migration("0002", "0001", gate + sql(STEP.format(n=2)))}, "two")
    repo.close()
    url = pg_database.replace("postgresql://", "postgresql+psycopg://")
    bare = [sys.executable, str(ROOT / "tests/foreign/bare.py"), url, str(repo.root / "migrations/versions"), ""]
    with psycopg.connect(pg_database) as holder, running(repo, "deploy", "dev") as ours:
        holder.execute("SELECT pg_advisory_lock(7)")
        with subprocess.Popen(
            bare, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ()
        ) as theirs:
            assert theirs.stdin is not None
            theirs.stdin.write("tip\n")
            theirs.stdin.flush()
            waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            until(lambda: query(pg_database, waits) == [(2,)], "both wait")
            holder.execute("SELECT pg_advisory_unlock(7)")
            said, _ = theirs.communicate(timeout=60)
        _, err = ours.communicate(timeout=60)
    assert query(pg_database, "SELECT count(*) FROM log WHERE n = 2") == [(1,)]
    if ours.returncode == 0:
        assert "failed" in said
        assert sound(pg_database) == {"0002"}
    else:
        # alembic was first: the deploy left nothing, and the next one names what is not in the ledger
        assert said.rstrip().endswith("ok"), err
        with pytest.raises(StateError) as caught:
            call(repo, "deploy", env="dev")
        assert "0002" in f"{caught.value.message} {caught.value.state}"


def test_d7_threads_of_one_process(pg_server: str) -> None:
    """Each deployment has a process for its migrations, so what Alembic keeps in its modules is nobody else's."""
    ended: list[list[str]] = []

    def one() -> None:
        with fresh_database(pg_server) as url:
            made = bench(url)
            made.query("CREATE TABLE log (n int)")
            made.deploy(chain("op.execute('INSERT INTO log VALUES (1)')", "op.execute('INSERT INTO log VALUES (2)')"))
            ended.append([made.query("SELECT sum(n) FROM log")[0][0], *made.database.state().applied])
            made.database.close()

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ended == [[3, "r1", "r2"]] * 4


def test_d8_many_wait_and_the_holder_dies(tmp_path: Path, pg_database: str) -> None:
    repo, _ = shop(tmp_path / "shop", pg_database)
    with psycopg.connect(pg_database, autocommit=True) as holder, ExitStack() as stack:
        holder.execute("SELECT pg_advisory_lock(%s::bigint)", (LOCK_KEY,))
        processes = [stack.enter_context(running(repo, "deploy", "dev")) for _ in range(5)]
        for process in processes:
            assert process.stderr is not None
            # each says who it waits for; then it waits
            until(lambda process=process: "is locked by" in process.stderr.readline(), "it waits")
        query(pg_database, f"SELECT pg_terminate_backend({holder.info.backend_pid})")
        outs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 5, outs
    assert sum("is now at" in out for out, _ in outs) == 1
    assert sum("nothing to do" in out for out, _ in outs) == 4
    assert sound(pg_database) == {"0003"}


def test_d8_control_nobody_waits(tmp_path: Path, pg_database: str) -> None:
    repo, _ = shop(tmp_path / "shop", pg_database, extra='lock-wait = "0s"')
    with psycopg.connect(pg_database, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(%s::bigint)", (LOCK_KEY,))
        ended = command(repo, "deploy", "dev")
    assert ended.returncode == LockHeld.exit_code
