# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A long reader in front of the DDL and twenty readers behind it: nobody waits longer than ``lock-timeout`` and a bit.

``python -m tests.flows.test_blocking`` prints the figures. The readers' waits are measured by themselves, from before
their statement to its answer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import conninfo

from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from tests import engines
from tests.world import Repo, command, environ, migration, query, server_for_command, settings, sql

#: seconds; MySQL and MariaDB count whole ones
LOCK_TIMEOUT = 1.0
#: what a reader may wait beyond it, by the promise
MORE = 0.5
READERS = 20


def shop(
    folder: Path,
    url: str,
    *,
    lock_timeout: float = LOCK_TIMEOUT,
    extra: str = "",
    body: str = "ALTER TABLE orders ADD gross numeric",
) -> Repo:
    """A table with rows, made by hand, and a migration that wants all of it."""
    rows(url, "CREATE TABLE orders (id int PRIMARY KEY)")
    rows(url, f"INSERT INTO orders VALUES {', '.join(f'({n})' for n in range(1000))}")
    repo = Repo(folder)
    lines = f'snapshot = "none"\nlock-timeout = "{round(lock_timeout * 1000)}ms"\n{extra}'
    text = body if body.startswith("op.") else sql(body)
    files = {
        "hgaurora.toml": settings({"dev": url}, extra={"dev": lines}),
        "migrations/versions/0007_order_gross.py": migration("0007", None, text),
    }
    repo.commit(dict(files), "gross beside net")
    repo.close()
    return repo


def mysql(url: str) -> bool:
    """Whose server it is."""
    return url.startswith("mysql")


@contextmanager
def connected(url: str, application: str = "") -> Iterator[Any]:
    """A cursor of a client's connection, in autocommit, on either engine."""
    if mysql(url):
        with engines.my_connection(url) as connection, connection.cursor() as cursor:
            yield cursor
    else:
        with psycopg.connect(url, autocommit=True, application_name=application) as other, other.cursor() as cursor:
            yield cursor


def rows(url: str, text: str) -> list[Any]:
    """What a question answers, on either engine."""
    with connected(url) as cursor:
        cursor.execute(text)
        return list(cursor.fetchall()) if cursor.description else []


#: whether the migration waits now
_WAITS = {
    False: "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query ~ '^ALTER'"
    " AND datname = current_database()",
    True: "SELECT 1 FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%'"
    " AND info LIKE 'ALTER%' AND db = database()",
}


@contextmanager
def running(repo: Repo, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command of ours, going on beside the test."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hgaurora", "-R", str(repo.root), *arguments],
        env=environ(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition: Callable[[], object], what: str, seconds: float = 60.0, *, every: float = 0.01) -> None:
    """Wait for a condition outside, which nothing tells of."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(every)  # between two looks at the condition


@dataclass
class Readers:
    """Clients that read the table again and again, each on its connection; the longest answer is kept."""

    url: str
    count: int = READERS
    longest: float = 0.0
    reads: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _errors: list[BaseException] = field(default_factory=list)

    def __enter__(self) -> Readers:
        self._threads = [threading.Thread(target=self._read) for _ in range(self.count)]
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for one in self._threads:
            one.join()
        assert self._errors == []

    def _read(self) -> None:
        try:
            with connected(self.url) as cursor:
                while not self._stop.is_set():
                    begun = time.monotonic()
                    cursor.execute("SELECT id FROM orders WHERE id = 7")
                    cursor.fetchall()
                    took = time.monotonic() - begun
                    with self._lock:
                        self.longest, self.reads = max(self.longest, took), self.reads + 1
                    self._stop.wait(0.01)  # a client that reads about 100 times a second
        except BaseException as error:
            self._errors.append(error)


@dataclass(frozen=True)
class Seen:
    """What came of one round."""

    longest: float
    reads: int
    tries: int
    out: str
    err: str
    code: int


def round_of(folder: Path, url: str, *, extra: str = "", tries: int = 3) -> Seen:
    """A reader stands in front until the DDL was tried ``tries`` times; then it leaves, and the deploy goes through."""
    repo = shop(folder, url, extra=extra)
    with connected(url, "report") as reader, connected(url) as eye, Readers(url) as readers:
        reader.execute("START TRANSACTION")
        reader.execute("SELECT count(*) FROM orders")
        reader.fetchall()
        until(lambda: readers.reads > READERS, "readers")
        with running(repo, "deploy", "dev", "--json") as process:
            seen = [False]

            def tried() -> bool:
                eye.execute(_WAITS[mysql(url)])
                now = bool(eye.fetchall())
                if now is not seen[-1]:
                    seen.append(now)
                return seen.count(True) >= tries or process.poll() is not None

            until(tried, f"{tries} tries")
            reader.execute("ROLLBACK")
            out, err = process.communicate(timeout=60)
    return Seen(readers.longest, readers.reads, seen.count(True), out, err, process.returncode)


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_nobody_waits_long_and_the_deploy_comes_through(
    tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    """Issue 3, item 5; B7 and B8."""
    url = request.getfixturevalue("pg_database" if engine == "postgresql" else "my_database")
    seen = round_of(tmp_path / "shop", url)
    assert seen.code == 0, seen.err
    assert seen.longest <= LOCK_TIMEOUT + MORE
    # it was in the way: somebody behind the DDL did wait
    assert seen.longest > LOCK_TIMEOUT / 2
    (found,) = json.loads(seen.out)
    (step,) = found["steps"]
    assert step["tries"] >= 3
    (wait,) = step["waits"]
    assert (wait["relation"], wait["kind"]) == ("orders", "table")
    verb = "is" if wait["certain"] else "may be"
    assert f"    waiting   orders {verb} held by pid " in seen.err
    if engine == "postgresql":
        assert wait["certain"]
        assert wait["holders"][0]["application"] == "report"
        assert "(report, " in seen.err
    assert rows(url, "SELECT count(*), count(gross) FROM orders") == [(1000, 0)]


#: a script that takes its own timeout away
UNLIMITED = {
    "postgresql": sql("SET LOCAL lock_timeout = 0; ALTER TABLE orders ADD gross int"),
    "mysql": sql("SET SESSION lock_wait_timeout = 60") + "\n" + sql("ALTER TABLE orders ADD gross int"),
}
#: how many wait for a lock on a table
_QUEUE = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    " AND datname = current_database()",
    "mysql": "SELECT count(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for table metadata%'"
    " AND db = database()",
}


@pytest.mark.parametrize("engine", UNLIMITED)
def test_without_a_lock_timeout_readers_wait(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    """The control: where the DDL may wait as long as it wants, they wait as long as the reader in front stays."""
    url = request.getfixturevalue("pg_database" if engine == "postgresql" else "my_database")
    repo = shop(tmp_path / "shop", url, body=UNLIMITED[engine])
    with connected(url) as reader, Readers(url) as readers:
        reader.execute("START TRANSACTION")
        reader.execute("SELECT count(*) FROM orders")
        reader.fetchall()
        until(lambda: readers.reads > READERS, "readers")
        with running(repo, "deploy", "dev") as process:
            until(lambda: tuple(rows(url, _QUEUE[engine])[0]) == (READERS + 1,), "everybody waits")
            begun = time.monotonic()
            until(lambda: time.monotonic() > begun + LOCK_TIMEOUT + MORE, "time")
            reader.execute("ROLLBACK")
            process.communicate(timeout=60)
    assert process.returncode == 0
    assert readers.longest > LOCK_TIMEOUT + MORE


def test_it_gives_up_and_says_who(tmp_path: Path, pg_database: str) -> None:
    repo = shop(tmp_path / "shop", pg_database, lock_timeout=2 * LOCK_TIMEOUT, extra="lock-tries = 2")
    with psycopg.connect(pg_database, application_name="report") as reader:
        reader.execute("SELECT count(*) FROM orders")
        pid = reader.info.backend_pid
        ended = command(repo, "deploy", "dev")
        assert ended.returncode == 60
        assert "0007_order_gross: no lock on orders in 2 tries; nothing changed" in ended.stderr
        assert f"SELECT pg_terminate_backend({pid}) ends it" in ended.stderr
        assert ended.stderr.count("orders is held by") == 1
        assert all(len(line) <= 80 for line in ended.stderr.splitlines() if "waiting" in line)
        told = json.loads(command(repo, "deploy", "dev", "--json").stdout)
    data = told["data"] if isinstance(told, dict) else told[0]["data"]
    assert (data["tries"], data["sqlstate"]) == (2, "55P03")
    assert data["waits"][0]["holders"][0]["pid"] == pid
    assert query(pg_database, "SELECT count(*) FROM information_schema.columns WHERE column_name = 'gross'") == [(0,)]


def test_who_could_not_look_looks_again(tmp_path: Path, pg_database: str, pg_server: str) -> None:
    """A role that may have no more sessions cannot open the one that looks; when it may, the next try's does."""
    role = f"few_{os.getpid()}"
    name = conninfo.conninfo_to_dict(pg_database)["dbname"]
    query(pg_server, f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT 2; ALTER DATABASE {name} OWNER TO {role}")
    try:
        repo = shop(tmp_path / "shop", engines.with_user(pg_database, role, "x"), extra="lock-tries = 4")
        with psycopg.connect(pg_database, application_name="report") as reader:
            pid = reader.execute("SELECT pg_backend_pid() FROM orders").fetchone()[0]  # type: ignore[index]
            with running(repo, "deploy", "dev") as process:
                assert process.stderr is not None
                told = []
                for line in process.stderr:
                    told.append(line)
                    if "who holds a lock is not known" in line:
                        query(pg_server, f"ALTER ROLE {role} CONNECTION LIMIT -1")
                    elif "orders is held by" in line:
                        break
                reader.rollback()
                process.communicate(timeout=60)
    finally:
        query(pg_database, f"DROP OWNED BY {role} CASCADE; ALTER DATABASE {name} OWNER TO CURRENT_USER")
        query(pg_server, f"DROP ROLE {role}")
    assert process.returncode == 0
    assert "".join(told).count("is not known") == 1
    assert f"orders is held by pid {pid}" in told[-1]


def test_a_dump_is_named_before_anything_runs(tmp_path: Path, pg_database: str) -> None:
    """However young it is; another young transaction is not worth a word."""
    repo = shop(tmp_path / "shop", pg_database, body="CREATE TABLE other (id int)")
    with (
        psycopg.connect(pg_database, application_name="pg_dump") as dump,
        psycopg.connect(pg_database, application_name="young") as young,
    ):
        for connection in (dump, young):
            connection.execute("SELECT 1 FROM orders")
        ended = command(repo, "deploy", "dev", "--json")
        pid = dump.info.backend_pid
    assert ended.returncode == 0, ended.stderr
    (line,) = [line for line in ended.stderr.splitlines() if line.startswith("note ")]
    assert line.startswith(f"note pid {pid} (pg_dump, ")
    assert line.endswith(" holds locks on orders, idle in transaction")
    (holder,) = json.loads(ended.stdout)[0]["obstacles"]["holders"]
    assert (holder["pid"], holder["application"], holder["relations"]) == (pid, "pg_dump", ["orders"])


def test_an_old_transaction_is_an_obstacle(pg_database: str) -> None:
    query(pg_database, 'CREATE SCHEMA app; CREATE TABLE orders (id int); CREATE TABLE app."Or ders" (id int)')
    database = PostgresDatabase(from_url(pg_database), environment="dev")
    with psycopg.connect(pg_database, application_name="nightly") as old:
        old.execute('SELECT 1 FROM orders, app."Or ders"')
        assert database.obstacles(60.0).holders == ()
        until(lambda: database.obstacles(0.1).holders, "it is old")
        (holder,) = database.obstacles(0.1).holders
        old.rollback()
        assert database.obstacles(0.0).holders == ()
    database.close()
    assert (holder.application, holder.state, holder.relations) == (
        "nightly",
        "idle in transaction",
        ('app."Or ders"', "orders"),
    )
    assert holder.query == 'SELECT 1 FROM orders, app."Or ders"'


def test_what_a_plain_user_may_not_see_is_not_known(pg_database: str, pg_server: str) -> None:
    query(pg_database, "CREATE TABLE orders (id int)")
    role = f"plain_{os.getpid()}"
    query(pg_server, f"CREATE ROLE {role} LOGIN PASSWORD 'x'")
    try:
        plain = engines.with_user(pg_database, role, "x")
        database = PostgresDatabase(from_url(plain), environment="dev")
        query(pg_database, f"GRANT ALL ON orders TO {role}")
        with psycopg.connect(pg_database, application_name="secret") as one, psycopg.connect(plain) as two:
            one.execute("LOCK TABLE orders")
            waiting = threading.Thread(target=two.execute, args=("SELECT 1 FROM orders",))
            waiting.start()
            until(lambda: database.blockers(two.info.backend_pid), "it waits")
            found, holding = database.blockers(two.info.backend_pid), one.info.backend_pid
            one.rollback()
            waiting.join()
            assert database.blockers(two.info.backend_pid) is None
        database.close()
    finally:
        query(pg_database, f"DROP OWNED BY {role}")
        query(pg_server, f"DROP ROLE {role}")
    assert found is not None
    (holder,) = found.holders
    assert (found.relation, holder.pid) == ("orders", holding)
    assert (holder.state, holder.seconds, holder.query) == (None, None, None)


def test_a_row_and_a_transaction_are_waited_for_too(pg_database: str) -> None:
    query(pg_database, "CREATE TABLE orders (id int); INSERT INTO orders VALUES (1)")
    database = PostgresDatabase(from_url(pg_database), environment="dev")
    found = []
    with psycopg.connect(pg_database) as one, psycopg.connect(pg_database, autocommit=True) as two:
        for text in ("UPDATE orders SET id = 2", "CREATE INDEX CONCURRENTLY i ON orders (id)"):
            one.execute("UPDATE orders SET id = 1")
            waiting = threading.Thread(target=two.execute, args=(text,))
            waiting.start()
            until(lambda: database.blockers(two.info.backend_pid), "it waits")
            found.append(database.blockers(two.info.backend_pid))
            one.commit()
            waiting.join()
    database.close()
    assert [(one.kind, one.relation) for one in found if one] == [("row", "orders"), ("transaction", None)]


def test_an_invalid_index_from_elsewhere_is_reported(tmp_path: Path, pg_database: str) -> None:
    repo = shop(tmp_path / "shop", pg_database, body="CREATE TABLE other (id int)")
    query(pg_database, "CREATE TABLE twice (n int); INSERT INTO twice VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        query(pg_database, "CREATE UNIQUE INDEX CONCURRENTLY twice_n ON twice (n)")
    said = "index twice_n on twice is invalid (left by an interrupted CREATE INDEX CONCURRENTLY)"
    assert f"  note     {said}" in command(repo, "status", "dev").stdout
    ended = command(repo, "deploy", "dev", "--json")
    assert f"note {said}" in ended.stderr
    assert json.loads(ended.stdout)[0]["obstacles"]["invalid_indexes"][0]["index"] == "twice_n"
    assert json.loads(command(repo, "status", "dev", "--json").stdout)[0]["invalid_indexes"][0]["table"] == "twice"
    query(pg_database, "DROP INDEX twice_n")
    assert "invalid" not in command(repo, "status", "dev").stdout


def main() -> int:
    """The figures of three rounds on each of the suite's two engines."""
    failed = 0
    with servers_for_command() as (servers, folder):
        for number in range(1, 4):
            for server in servers:
                fresh = engines.fresh_my_database if mysql(server) else engines.fresh_database
                with fresh(server) as url:
                    product = rows(url, "SELECT version()")[0][0]
                    seen = round_of(folder / f"shop-{number}-{mysql(server)}", url)
                (found,) = json.loads(seen.out)
                print(
                    f"{product[:40]}: {READERS} readers, {seen.reads} reads, the longest took {seen.longest:.2f} s "
                    f"(bound {LOCK_TIMEOUT + MORE:.1f} s); deployed in try {found['steps'][0]['tries']}",
                    flush=True,
                )
                failed += seen.code != 0 or seen.longest > LOCK_TIMEOUT + MORE
    print(f"{3 * len(servers) - failed} passed, {failed} failed")
    return 1 if failed else 0


@contextmanager
def servers_for_command() -> Iterator[tuple[list[str], Path]]:
    """The servers the suite would take, and a folder; all gone afterwards."""
    with server_for_command() as (server, folder):
        run = engines.Run(folder, engines.RealDocker())
        yield [server, run.url(engines.choose_mysql(os.environ, engines.RealDocker()))], folder


if __name__ == "__main__":
    sys.exit(main())
