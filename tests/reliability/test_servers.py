# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section B, with servers of the test's own: full disks, restarts, readers, writers that become readers."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pymysql
import pytest

from hgaurora.adapters.database.mysql import ledger_sql as mysql_sql
from hgaurora.adapters.database.mysql.ledger_sql import WRITER
from hgaurora.adapters.database.postgresql import ledger_sql
from hgaurora.adapters.local.engine import Engine
from hgaurora.adapters.local.mysqld import Mysqld
from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import Interrupted, MigrationFailed, StateError
from hgaurora.core.model import Script
from tests import weak
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.engines import my_user, own_url
from tests.flows.test_blocking import connected, rows, running, until
from tests.world import Repo, call, migration, settings, sql

from .disk import MIB, Disk, small_disk
from .faults import FaultProxy
from .test_connection import app_error, by_way_of
from .test_connection import shop as shop_with_snapshots
from .test_mysql import FORGETS
from .test_statements import shop

ENGINES = ("postgresql", "mysql")


ON_POSTGRESQL, ON_MYSQL = (pytest.mark.parametrize("servers", [kind], indirect=True) for kind in ENGINES)


@dataclass
class Own:
    """A server of the test's own. ``url`` leads to it by way of a proxy, so it is the same after a restart."""

    server: Engine | Mysqld
    proxy: FaultProxy
    url: str

    @property
    def mysql(self) -> bool:
        """MariaDB or MySQL."""
        return isinstance(self.server, Mysqld)

    @property
    def pid(self) -> int:
        """The server's process."""
        name = "server.pid" if self.mysql else "postmaster.pid"
        return int((self.server.data / name).read_text().split()[0])

    def restart(self) -> None:
        """End it at once, as where the machine was reset, and start it anew."""
        os.kill(self.pid, signal.SIGKILL)
        until(lambda: not self.runs, "the server's end")
        self.begin()

    @property
    def runs(self) -> bool:
        """True while its process is there."""
        return self.server.port() is not None if isinstance(self.server, Mysqld) else self.server.status().running

    def begin(self) -> None:
        """Start it; it recovers."""
        if isinstance(self.server, Mysqld):
            self.proxy.to = ("127.0.0.1", self.server.start())
        else:
            self.server.start()
            self.proxy.to = ("127.0.0.1", self.server.status().port or 0)

    @contextmanager
    def bench(self) -> Iterator[Bench]:
        """A bench on it."""
        made = bench(self.url)
        try:
            yield made
        finally:
            made.database.close()


@contextmanager
def own(kind: str, folder: Path) -> Iterator[Own]:
    """A new server, with an empty database ``shop``."""
    server = Mysqld(folder, durable=False) if kind == "mysql" else Engine(folder, fsync=False, database="shop")
    try:
        with FaultProxy("127.0.0.1", 0) as proxy:
            made = Own(server, proxy, "")
            made.begin()
            port = proxy.to[1]
            if isinstance(server, Mysqld):
                rows(f"mysql://root@127.0.0.1:{port}/", "CREATE DATABASE shop")
                made.url = by_way_of(proxy, f"mysql://root@127.0.0.1:{port}/shop")
            else:
                made.url = by_way_of(proxy, own_url(server, "shop"))
            yield made
    finally:
        server.stop()


@pytest.fixture(scope="module", params=ENGINES)
def servers(request: pytest.FixtureRequest) -> Iterator[Own]:
    """One for the tests of a file, of each engine."""
    folder = Path(tempfile.mkdtemp(prefix="hgaurora-"))
    with own(request.param, folder) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture
def server(servers: Own) -> Iterator[Own]:
    """With an empty database."""
    yield servers
    if servers.mysql:
        rows(servers.url, "DROP DATABASE shop")
        rows(servers.url.rpartition("/")[0] + "/", "CREATE DATABASE shop")
    else:
        rows(servers.url, "DROP SCHEMA IF EXISTS hgaurora CASCADE; DROP SCHEMA public CASCADE; CREATE SCHEMA public")


def table(server: Own, name: str) -> bool:
    """True where a table is there."""
    text = f"SHOW TABLES LIKE '{name}'" if server.mysql else f"SELECT 1 FROM pg_tables WHERE tablename = '{name}'"
    return bool(rows(server.url, text))


def prepared(server: Own) -> None:
    """Tables that show how often a migration did what it does."""
    rows(server.url, "CREATE TABLE log (n int)")
    rows(server.url, "CREATE TABLE total (n int)")
    rows(server.url, "INSERT INTO total VALUES (0)")


def effects(server: Own) -> tuple[int, int]:
    """How often a row was added, and a hundred to the total."""
    ((added, total),) = rows(server.url, "SELECT (SELECT COUNT(*) FROM log), (SELECT n FROM total)")
    return added, total // 100


#: protections taken out: on PostgreSQL that it is one transaction, on MySQL that the journal is read
WITHOUT: dict[bool, Callable[[], type[ChildSession]]] = {
    False: lambda: weak.child(
        (
            '        self.trace("after", sql)\n',
            '        self.trace("after", sql)\n        if not self.connection.autocommit:\n'
            '            self.pgconn.exec_(b"COMMIT")\n'
            "            self.pgconn.exec_(f\"BEGIN; SET LOCAL hgaurora.step = '{self.token}'\".encode())\n",
        )
    ),
    True: lambda: weak.child(FORGETS, file="mysql/journal.py"),
}


# -- B15: a full disk

#: the table lies on the small disk. On PostgreSQL and on MySQL: some 20 MiB of rows, and DDL that needs as much again
FILL = {
    False: "INSERT INTO big SELECT md5(n::text) || md5((-n)::text) FROM generate_series(1, 150000) n",
    True: "INSERT INTO big SELECT CONCAT(MD5(seq), MD5(-seq)) FROM seq_1_to_150000",
}
MORE = {False: "CREATE TABLE more TABLESPACE small AS TABLE big", True: "ALTER TABLE big FORCE, ALGORITHM=COPY"}


class Limit:
    """Where no small disk can be had: no file of PostgreSQL's grows beyond a size, which to it is much the same."""

    def __init__(self, server: Own) -> None:
        self._server = server
        self.folder = server.server.folder

    def fill(self, free: int) -> None:
        """No file of new sessions may have more bytes. A segment of the server's log has 4 MiB, and is there."""
        self._set(free)

    def free(self) -> None:
        """No limit."""
        self._set(resource.RLIM_INFINITY)

    def _set(self, limit: int) -> None:
        resource.prlimit(self._server.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


@pytest.fixture
def disk(server: Own) -> Iterator[Disk | Limit]:
    """A small one with a place for the server, ``of-the-server``."""
    with tempfile.TemporaryDirectory(prefix="hgaurora-disk-") as name, small_disk(Path(name), 64 * MIB) as found:
        if found is None and server.mysql:
            pytest.skip("this machine allows neither a mount nor a user namespace; a limit kills MariaDB (SIGXFSZ)")
        disk = found or Limit(server)
        Path(name).chmod(0o755)
        place = disk.folder / "of-the-server"
        place.mkdir(mode=0o700, exist_ok=True)
        os.chown(place, os.stat(server.server.data).st_uid, -1)
        if not server.mysql:
            rows(server.url, f"CREATE TABLESPACE small LOCATION '{place}'")
        yield disk
        disk.free()
        for table in ("big", "more"):
            rows(server.url, f"DROP TABLE IF EXISTS {table}")
        if not server.mysql:
            rows(server.url, "DROP TABLESPACE small")


def filling(server: Own, disk: Disk | Limit) -> list[Script]:
    """A migration that makes a table and fills it, and one of DDL alone."""
    where = f"DATA DIRECTORY = '{disk.folder / 'of-the-server'}'" if server.mysql else "TABLESPACE small"
    make = f"CREATE TABLE big (t varchar(64)) {where}"
    return chain(
        f"op.execute({make!r})\nop.execute({FILL[server.mysql]!r})",
        f"op.execute({MORE[server.mysql]!r})",
    )


FULL = {
    (False, Disk): "No space left on device",
    (True, Disk): "is full",
    (False, Limit): "could not (extend|write)",
}


def test_b15_a_full_disk(server: Own, disk: Disk | Limit) -> None:
    """In a data change and in DDL: said, nothing half done, and with room again the plain next run goes through."""
    scripts, said = filling(server, disk), FULL[server.mysql, type(disk)]
    with server.bench() as dev:
        disk.fill(8 * MIB)
        with pytest.raises(MigrationFailed, match=said) as caught:
            dev.deploy(scripts)
        state = "1 statement of it stands" if server.mysql else "its transaction was rolled back"
        assert caught.value.state == state
        assert table(server, "big") is server.mysql
        assert dev.database.state().applied == {}
        disk.free()
        dev.deploy(scripts[:1])
        disk.fill(8 * MIB)
        with pytest.raises(MigrationFailed, match=said) as caught:
            dev.deploy(scripts, [migrate(scripts[1])])
        assert caught.value.state == ("nothing of it was done" if server.mysql else state)
        assert not table(server, "more")
        disk.free()
        dev.deploy(scripts, [migrate(scripts[1])])
        assert dev.query("SELECT COUNT(*) FROM big") == [(150000,)]
        assert list(dev.database.state().applied) == ["r1", "r2"]
        assert dev.database.verify() == []


def test_b15_control_with_the_protection_out(server: Own, disk: Disk | Limit) -> None:
    """What the full disk left is in the way of every later run."""
    scripts = filling(server, disk)
    with server.bench() as dev:
        dev.start = WITHOUT[server.mysql]()
        disk.fill(8 * MIB)
        with pytest.raises(MigrationFailed, match=FULL[server.mysql, type(disk)]):
            dev.deploy(scripts[:1])
        disk.free()
        with pytest.raises(MigrationFailed, match="already exists"):
            dev.deploy(scripts[:1])


# -- B17: the server restarts

#: the last of it waits for a row that somebody else holds
WAITS = (
    "op.execute('INSERT INTO log VALUES (1)')\nop.execute('CREATE TABLE IF NOT EXISTS made (id int)')\n"
    "op.execute('UPDATE total SET n = n + 100')"
)
WAITING = {
    False: "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE total%'",
    True: "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'UPDATE total%' AND command = 'Query'",
}


@contextmanager
def row_held(server: Own) -> Iterator[None]:
    """Somebody holds the row of ``total``; gone when the server was restarted."""
    with connected(server.url) as cursor:
        cursor.execute("BEGIN")
        cursor.execute("UPDATE total SET n = n")
        yield


def restarted_under(server: Own) -> None:
    """Restart it when the migration waits."""
    until(lambda: rows(server.url, WAITING[server.mysql]), "it waits for the row")
    server.restart()


def test_b17_a_restart_in_the_midst(server: Own, tmp_path: Path) -> None:
    """Killed and started anew under a deploy: told as an interruption, and the plain next run does what is missing."""
    prepared(server)
    repo = shop(tmp_path / "shop", server.url, WAITS, 'lock-timeout = "60s"')
    with suppress(psycopg.Error, pymysql.Error), row_held(server), running(repo, "deploy", "dev") as process:
        restarted_under(server)
        _, err = process.communicate(timeout=60)
    assert process.returncode in (100, 240), err
    assert "Traceback" not in err
    assert effects(server) == (int(server.mysql), 0)
    call(repo, "deploy", env="dev")
    assert effects(server) == (1, 1)
    with server.bench() as dev:
        assert dev.database.verify() == []
        assert list(dev.database.state().applied) == ["0001"]


def test_b17_control_with_the_protection_out(server: Own) -> None:
    """The same restart; the next run ends well, and a change was made twice."""
    prepared(server)
    scripts = chain(WAITS)
    with server.bench() as dev:
        dev.start = WITHOUT[server.mysql]()
        killer = threading.Thread(target=restarted_under, args=(server,))
        gone = suppress(psycopg.Error, pymysql.Error)
        with gone, row_held(server), dev.child(scripts, lock_timeout=60.0) as session:
            dev.begin(session, scripts)
            killer.start()
            with pytest.raises(Interrupted):
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
            # the server is asked for the end of the child's session
            killer.join()
        dev.database.close()
        dev.deploy(scripts)
    assert effects(server) == (2, 1)


# -- B18: readers


class Standby(Engine):
    """On a copy of an engine's data, which follows it."""

    def _pidfile(self) -> Any:
        found = super()._pidfile()
        # a standby that lets clients in says so; to those who start it, it is there
        return replace(found, state="ready") if found and found.state == "standby" else found


@contextmanager
def standby(of: Own, folder: Path) -> Iterator[Own]:
    """A hot standby of a server."""
    assert isinstance(of.server, Engine)
    of.server.stop()
    shutil.copytree(of.server.folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run", "*.lock"))
    if os.geteuid() == 0:
        shutil.os.chown(folder, of.server.folder.stat().st_uid, -1)
    of.begin()
    server = Standby(folder, fsync=False, database="shop")
    (server.data / "standby.signal").touch()
    parts = urlsplit(own_url(of.server, "shop"))
    follow = f"host=127.0.0.1 port={parts.port} user={parts.username} password={of.server.password()}"
    with (server.data / "postgresql.auto.conf").open("a") as file:
        file.write(f"primary_conninfo = '{follow}'\n")
    try:
        with FaultProxy("127.0.0.1", 0) as proxy:
            made = Own(server, proxy, "")
            made.begin()
            made.url = by_way_of(proxy, own_url(server, "shop"))
            yield made
    finally:
        server.stop()


@ON_POSTGRESQL
def test_b18_a_hot_standby(server: Own, tmp_path: Path) -> None:
    """A real one, that follows: refused before anything. The control: promoted, it is taken by the same command."""
    rows(server.url, "CREATE TABLE here (n int)")
    with tempfile.TemporaryDirectory(prefix="hgaurora-") as name, standby(server, Path(name)) as follower:
        rows(server.url, "CREATE TABLE followed (n int)")
        until(lambda: table(follower, "followed"), "it follows")
        repo = shop_with_snapshots(tmp_path / "shop", follower.url)
        error = app_error(repo)
        assert isinstance(error, StateError), error
        assert "takes no writes" in error.message
        assert "writer" in str(error.hint)
        assert list(tmp_path.rglob("snapshot.json")) == []
        assert not table(server, "environment")
        rows(follower.url, "SELECT pg_promote()")
        call(repo, "deploy", env="dev")
        assert table(follower, "made")
        assert not table(server, "made")


@ON_MYSQL
def test_b18_a_replica_of_mariadb(server: Own, tmp_path: Path) -> None:
    """``read_only``, asked by a user with all rights, whom the server would let write. The control: without it."""
    repo = shop_with_snapshots(tmp_path / "shop", server.url)
    rows(server.url, "SET GLOBAL read_only = 1")
    try:
        error = app_error(repo)
    finally:
        rows(server.url, "SET GLOBAL read_only = 0")
    assert isinstance(error, StateError), error
    assert "takes no writes" in error.message
    assert rows(server.url, "SHOW TABLES") == []
    assert list(tmp_path.rglob("snapshot.json")) == []
    call(repo, "deploy", env="dev")
    assert table(server, "made")
    assert len(list(tmp_path.rglob("snapshot.json"))) == 1


def demoted(dev: Bench, server: Own, body: str) -> None:
    """A run whose server is made a reader after its first statement was committed."""

    def demote(told: Mapping[str, object]) -> None:
        if (told["is"], told.get("when"), told.get("what")) == ("trace", "after", "COMMIT"):
            dev.on_event = None
            rows(server.url, "SET GLOBAL read_only = 1")

    dev.on_event = demote
    dev.deploy(chain(body), trace=True)


@ON_MYSQL
@pytest.mark.parametrize("rights", ["all", "its own"])
def test_b18_a_writer_that_is_demoted(server: Own, rights: str) -> None:
    """In the midst of a deploy; by a user whom the server lets write all the same, and by one whom it does not."""
    prepared(server)
    with my_user(server.url) if rights == "its own" else nullcontext(server.url) as url:
        dev = bench(url)
        try:
            with pytest.raises(MigrationFailed, match=r"made a reader|read-only"):
                demoted(dev, server, WAITS)
            assert effects(server) == (1, 0)
            assert not table(server, "made")
            with pytest.raises(StateError, match="takes no writes"):
                dev.deploy(chain(WAITS))
            rows(server.url, "SET GLOBAL read_only = 0")
            dev.deploy(chain(WAITS))
            assert effects(server) == (1, 1)
            assert dev.database.verify() == []
        finally:
            rows(server.url, "SET GLOBAL read_only = 0")
            dev.database.close()


@ON_MYSQL
def test_b18_control_without_the_fence(server: Own) -> None:
    """All of the migration is done on a reader, and recorded there."""
    prepared(server)
    bare = f'self.ledger = json.loads(json.dumps(job["ledger"]).replace({WRITER!r}, "1"))'
    with server.bench() as dev:
        dev.start = weak.child(('self.ledger = job["ledger"]', bare), file="mysql/guard.py")
        try:
            # the parent's own look comes last
            with pytest.raises(StateError, match="made a reader"):
                demoted(dev, server, WAITS)
            assert rows(server.url, "SELECT @@GLOBAL.read_only") == [(1,)]
            assert effects(server) == (1, 1)
            assert list(dev.database.state().applied) == ["r1"]
        finally:
            rows(server.url, "SET GLOBAL read_only = 0")


# -- B20: a reader that lags


def two(folder: Path, url: str) -> Repo:
    """Two changesets; the second makes ``made``."""
    repo = Repo(folder)
    repo.commit({"hgaurora.toml": toml(url), "migrations/versions/0001_one.py": migration("0001", None, sql(ONE))})
    repo.commit({"migrations/versions/0002_made.py": migration("0002", "0001", sql("CREATE TABLE made (n int)"))})
    return repo


ONE = "CREATE TABLE one (n int)"


def toml(url: str) -> str:
    """Settings of one environment."""
    return settings({"dev": url}, extra={"dev": 'snapshot = "none"'})


def behind(repo: Repo) -> StateError:
    """Deploy what a reader still has, and the writer no longer: refused, and ``status`` says why nothing is planned."""
    error = app_error(repo, rev="0")
    assert isinstance(error, StateError), error
    assert "is a reader, and may be behind its writer" in error.message
    assert "is a reader, and may be behind its writer" in "\n".join(call(repo, "status", env="dev").out)
    assert isinstance(app_error(repo, "revert"), StateError)
    return error


@contextmanager
def lagging(server: Own, repo: Repo) -> Iterator[None]:
    """The environment's url leads to a standby that stopped at changeset 0; its writer is at 1."""
    with tempfile.TemporaryDirectory(prefix="hgaurora-") as name, standby(server, Path(name)) as follower:
        call(repo, "deploy", env="dev", rev="0")
        until(lambda: table(follower, "one") and rows(follower.url, "SELECT 1 FROM hgaurora.event"), "it follows")
        until(lambda: rows(follower.url, CAUGHT_UP) == [(True,)], "it has all of it")
        rows(follower.url, "SELECT pg_wal_replay_pause()")
        until(lambda: rows(follower.url, "SELECT pg_get_wal_replay_pause_state()") == [("paused",)], "it stands")
        call(repo, "deploy", env="dev", rev="1")
        assert table(server, "made")
        assert not table(follower, "made")
        repo.write({"hgaurora.toml": toml(follower.url)})
        yield


CAUGHT_UP = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"


@ON_POSTGRESQL
def test_b20_a_standby_that_lags(server: Own, tmp_path: Path) -> None:
    """Replay is paused: what it says was true before the newest deploy."""
    repo = two(tmp_path / "shop", server.url)
    with lagging(server, repo):
        behind(repo)


@ON_POSTGRESQL
def test_b20_control_without_the_look(server: Own, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the old state a deploy of what the writer has left behind ends well, with nothing done."""
    monkeypatch.setattr(ledger_sql, "PROBE", ledger_sql.PROBE.replace(ledger_sql.READER, "false"))
    repo = two(tmp_path / "shop", server.url)
    with lagging(server, repo):
        assert "nothing to do" in call(repo, "deploy", env="dev", rev="0").out[-1]
        assert table(server, "made")


@ON_MYSQL
def test_b20_a_reader_of_mariadb(server: Own, tmp_path: Path) -> None:
    """What a replica would say is taken for old, whatever it is. The control: the look at its role taken out."""
    repo = two(tmp_path / "shop", server.url)
    call(repo, "deploy", env="dev", rev="0")
    rows(server.url, "SET GLOBAL read_only = 1")
    try:
        behind(repo)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mysql_sql, "ASK_WRITER", "SELECT 1 AS writer")
            assert "nothing to do" in call(repo, "deploy", env="dev", rev="0").out[-1]
    finally:
        rows(server.url, "SET GLOBAL read_only = 0")
    assert "nothing to do" in call(repo, "deploy", env="dev", rev="0").out[-1]
