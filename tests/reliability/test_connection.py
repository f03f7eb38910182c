# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section B: the connection and the server."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import psycopg
import pymysql
import pytest

from hgaurora.adapters.database.mysql.connection import from_url as from_mysql_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.database.postgresql import connection
from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import ConfigError, HgAuroraError, Interrupted, StateError
from hgaurora.core.model import Script
from tests import weak
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.engines import fresh_database, fresh_my_database, my_connection, with_user
from tests.flows.test_blocking import rows, until
from tests.world import Repo, call, command, migration, query, settings

from .faults import Fault, FaultProxy

#: each run of it adds a row, and its table can be made once only
BODY = "op.execute('INSERT INTO log VALUES (1)')\nop.execute('CREATE TABLE made (id int)')"
#: parts of the messages of one migration, in order, with what comes before them (Alembic commits its version table
#: first, and the ledger's statement is prepared before it is sent)
MESSAGES = {
    "data": (b"INSERT INTO log", b""),
    "ddl": (b"CREATE TABLE made", b""),
    "version row": (b"INTO public.alembic_version", b""),
    "ledger row": (b"hgaurora_step", b"hgaurora_step"),
    "commit": (b"COMMIT", b"hgaurora_step"),
}


@pytest.fixture
def dev(pg_database: str) -> Iterator[Bench]:
    made = bench(pg_database)
    made.query("CREATE TABLE log (n int)")
    yield made
    made.database.close()


def through(dev: Bench, proxy: FaultProxy) -> Bench:
    """The same, its child by way of a proxy; the parent's own connection is direct."""
    return Bench(dev.url, dev.database, proxy.through(dev.connection), start=dev.start)


def server(dev: Bench) -> tuple[str, int]:
    return dev.connection.parameters["host"], int(dev.connection.parameters["port"])


def again(dev: Bench, body: str = BODY) -> bool:
    """Run it again as the next command does: only what the ledger does not have. True: it was run."""
    if dev.database.state().applied:
        return False
    dev.deploy(chain(body))
    return True


def once(dev: Bench) -> None:
    """Its effect is there once, and the ledger knows it."""
    assert dev.query("SELECT count(*) FROM log") == [(1,)]
    assert list(dev.database.state().applied) == ["r1"]
    assert dev.database.verify() == []


def cut(dev: Bench, message: str, side: str) -> Fault:
    """One run whose connection is cut at a message."""
    text, behind = MESSAGES[message]
    fault = Fault(text, side, behind)
    with FaultProxy(*server(dev), fault) as proxy:
        far = through(dev, proxy)
        with far.child(scripts := chain(BODY)) as session:
            far.begin(session, scripts)
            with pytest.raises(Interrupted):
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert fault.struck.is_set()
    return fault


@pytest.mark.parametrize(
    ("message", "side"),
    [
        ("data", "after"),
        ("ddl", "before"),
        ("ddl", "after"),
        ("version row", "after"),
        ("ledger row", "before"),
        ("ledger row", "after"),
    ],
)
def test_b1_a_connection_lost_in_the_midst(dev: Bench, message: str, side: str) -> None:
    cut(dev, message, side)
    assert dev.database.state().applied == {}
    assert again(dev)
    once(dev)


@pytest.mark.parametrize(("side", "ran"), [("before", True), ("after", False)])
def test_b2_the_answer_to_commit_is_lost(dev: Bench, side: str, ran: bool) -> None:
    cut(dev, "commit", side)
    assert again(dev) is ran
    once(dev)


def test_b1_b2_control_the_ledger_s_row_apart(dev: Bench) -> None:
    """Committed apart from the migration, the ledger does not know of it, and the next run meets its table."""
    apart = (
        '        self.trace("before", "ledger")\n',
        '        self.pgconn.exec_(b"COMMIT")\n'
        "        self.pgconn.exec_(f\"BEGIN; SET LOCAL hgaurora.step = '{self.token}'\".encode())\n"
        '        self.trace("before", "ledger")\n',
    )
    dev.start = weak.child(apart)
    cut(dev, "ledger row", "before")
    dev.start = ChildSession
    with pytest.raises(HgAuroraError):
        again(dev)


SLEEP = "op.execute('SET client_connection_check_interval = 0')\nop.execute('SELECT pg_sleep(1.5)')"


def killed_while_it_sleeps(dev: Bench) -> int:
    """A child killed under a statement that its server session goes on with; the session's number."""
    with dev.child(scripts := chain(SLEEP)) as session:
        dev.begin(session, scripts)
        running = threading.Thread(target=_run, args=(session, scripts))
        running.start()
        look = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"
        until(lambda: dev.query(look, session.backend), "it sleeps")
        os.kill(session.pid, signal.SIGKILL)
        running.join()
        assert session.backend is not None
        return session.backend


def _run(session: ChildSession, scripts: list[Script]) -> None:
    with pytest.raises(Interrupted):
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def alive(dev: Bench, backend: int) -> bool:
    return bool(dev.query("SELECT 1 FROM pg_stat_activity WHERE pid = %s", backend))


def test_b5_a_dead_client_s_statement_is_awaited(dev: Bench) -> None:
    assert not alive(dev, killed_while_it_sleeps(dev))
    assert dev.database.holder() is None


def test_b5_control_not_awaited(dev: Bench) -> None:
    class Hasty(ChildSession):
        def _await_server(self, backend: int) -> None:
            return

    dev.start = Hasty
    backend = killed_while_it_sleeps(dev)
    assert alive(dev, backend)
    assert dev.database.holder() is not None
    until(lambda: not alive(dev, backend), "it ends")


#: what a session sleeps for
SLEEPS = {False: "SELECT pg_sleep(90)", True: "DO SLEEP(90)"}


def frozen(dev: Bench, found: dict[str, float], name: str, struck: threading.Event) -> None:
    """A run whose path goes dead while its statement runs; notes how long until it is noticed, and the lock free."""
    fault = Fault(b"\x03DO SLEEP" if dev.mysql else b"pg_sleep", freeze=True, struck=struck)
    with FaultProxy(*server(dev), fault) as proxy:
        far = through(dev, proxy)
        far.job = dev.job
        try:
            # it is known how the session ended when this is left: the parent has another way to the server
            with far.child(scripts := chain(f"op.execute({SLEEPS[dev.mysql]!r})")) as session:
                far.begin(session, scripts)
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        except HgAuroraError:
            found[name] = time.monotonic()


def without_keepalives(made: Bench) -> Bench:
    """The same, whose child's connection is as the drivers and the server make it."""
    if made.mysql:
        made.start = weak.child(
            ('for name, value in self.job["keepalive"].items():', "for name, value in ():"), file="mysql/engine.py"
        )
    else:
        parameters = {**made.connection.parameters, "keepalives": "0", "tcp_user_timeout": "0"}
        made.connection = replace(made.connection, parameters=parameters)
        # and the server's side of it, by which it ends a session that its client has not missed yet
        given = 'settings = dict(self.job["settings"])'
        bare = 'settings = {k: v for k, v in self.job["settings"].items() if not k.startswith("tcp_")}'
        made.start = weak.child((given, bare), file="postgresql/engine.py")
    return made


#: seconds until a session with our keepalives is given up: the same numbers on each engine
BOUND = sum(
    int(connection.KEEPALIVES[name]) * times
    for name, times in (("keepalives_idle", 1), ("keepalives_interval", int(connection.KEEPALIVES["keepalives_count"])))
)


def test_b6_a_frozen_network(pg_server: str, my_server: str) -> None:
    """Noticed, and the lock free, within 30 s, on each engine. The controls beside them, without keepalives, still hang
    and hold the lock when twice the time has passed that ours needed at most by their settings."""
    with ExitStack() as stack:
        urls = {
            "postgresql": [stack.enter_context(fresh_database(pg_server)) for _ in range(2)],
            "mysql": [stack.enter_context(fresh_my_database(my_server)) for _ in range(2)],
        }
        benches = {name: bench(url) for name, (url, _) in urls.items()}
        bare = {f"bare {name}": without_keepalives(bench(url)) for name, (_, url) in urls.items()}
        noticed: dict[str, float] = {}
        threads, struck = {}, {}
        for name, dev in (benches | bare).items():
            stack.callback(dev.database.close)
            struck[name] = threading.Event()
            threads[name] = threading.Thread(target=frozen, args=(dev, noticed, name, struck[name]), daemon=True)
            threads[name].start()
        for event in struck.values():
            assert event.wait(60)
        begun = time.monotonic()
        for name, dev in benches.items():
            threads[name].join(40)
            assert noticed[name] - begun <= 30
            assert dev.database.holder() is None
        until(lambda: time.monotonic() >= begun + 2 * BOUND, "twice the bound")
        held = {name: dev.database.holder() for name, dev in bare.items()}
        assert noticed.keys() == benches.keys()
        assert all(held.values()), held
        # the control's client hears of it when its session is ended
        for name, dev in bare.items():
            dev.database.gone(held[name].pid, terminate=True)  # type: ignore[union-attr]


# -- the way to the server


def app_error(repo: Repo, command: str = "deploy", **options: object) -> HgAuroraError:
    """What a command of the product's ends with."""
    with pytest.raises(HgAuroraError) as caught:
        call(repo, command, env="dev", **options)
    return caught.value


def shop(folder: Path, url: str, body: str = "op.execute('CREATE TABLE made (id int)')", extra: str = "") -> Repo:
    """One migration for one database, with a snapshot before it."""
    repo = Repo(folder)
    lines = f'snapshot = "each"\n{extra}'
    files = {
        "hgaurora.toml": settings({"dev": url}, extra={"dev": lines}),
        "migrations/versions/0001_made.py": migration("0001", None, body),
    }
    repo.commit(dict(files), "made")
    repo.close()
    return repo


def plain_user(server_url: str, url: str, role: str, limit: int) -> str:
    """A role with room for so many sessions, and its URL."""
    query(server_url, f"CREATE ROLE {role} LOGIN PASSWORD 'x' CONNECTION LIMIT {limit}")
    query(url, f"GRANT ALL ON SCHEMA public TO {role}; GRANT ALL ON DATABASE {url.rpartition('/')[2]} TO {role}")
    return with_user(url, role, "x")


def drop_user(server_url: str, url: str, role: str) -> None:
    query(url, f"DROP OWNED BY {role}")
    query(server_url, f"DROP ROLE {role}")


def test_b16_no_room_for_one_more_session(tmp_path: Path, pg_server: str, pg_database: str) -> None:
    """Asked again before anything was begun; the same error in the midst (the child's second connection) is told."""
    role = f"crowded_{os.getpid()}"
    url = plain_user(pg_server, pg_database, role, 4)
    repo = shop(tmp_path / "shop", url)
    others = [psycopg.connect(url) for _ in range(4)]
    try:
        ended: list[object] = []
        deploy = threading.Thread(target=lambda: ended.append(command(repo, "deploy", "dev")))
        deploy.start()
        # nothing outside shows that it asks; it has by then, for a process does not need so long to start
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 2.0 or not deploy.is_alive(), "two seconds")
        assert deploy.is_alive()
        for one in others:
            one.close()
        deploy.join(60)
        (done,) = ended
        assert done.returncode == 0, done.stderr  # type: ignore[attr-defined]
    finally:
        for one in others:
            one.close()
        drop_user(pg_server, pg_database, role)


def test_b16_control_not_asked_again(
    tmp_path: Path, pg_server: str, pg_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PATIENCE", 0.0)
    role = f"crowded_{os.getpid()}"
    url = plain_user(pg_server, pg_database, role, 1)
    repo = shop(tmp_path / "shop", url)
    try:
        with psycopg.connect(url):
            assert "too many connections" in app_error(repo).message
    finally:
        drop_user(pg_server, pg_database, role)


def test_b16_no_room_on_mysql(my_server: str, my_database: str) -> None:
    """A user with room for one session; asked again until it is free. The control is one that is not asked again."""
    role = f"crowded_{os.getpid()}"
    rows(my_server, f"CREATE USER {role} IDENTIFIED BY 'x' WITH MAX_USER_CONNECTIONS 1")
    try:
        rows(my_server, f"GRANT ALL ON `{my_database.rpartition('/')[2]}`.* TO {role}")
        url = with_user(my_database, role, "x")
        asked: list[object] = []
        with my_connection(url):
            database = MysqlDatabase(from_mysql_url(url), environment="dev")
            thread = threading.Thread(target=lambda: asked.append(database.facts()["product"]))
            thread.start()
            thread.join(1.0)
            assert thread.is_alive()
        thread.join(30)
        database.close()
        assert asked
        with my_connection(url), pytest.raises(pymysql.err.OperationalError, match="max_user_connections"):
            my_connection(url)
    finally:
        rows(my_server, f"DROP USER {role}")


def test_b18_a_server_that_takes_no_writes(tmp_path: Path, pg_server: str, pg_database: str) -> None:
    """Refused before the snapshot."""
    repo = shop(tmp_path / "shop", pg_database)
    name = pg_database.rpartition("/")[2]
    query(pg_database, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    error = app_error(repo)
    assert isinstance(error, StateError)
    assert "takes no writes" in error.message
    assert "writer" in str(error.hint)
    assert list(tmp_path.rglob("snapshot.json")) == []
    query(pg_server, f"ALTER DATABASE {name} RESET default_transaction_read_only")
    call(repo, "deploy", env="dev")
    # the control: where it takes writes a snapshot is made, and found by the same look
    assert len(list(tmp_path.rglob("snapshot.json"))) == 1


PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextmanager
def pgbouncer(url: str, mode: str) -> Iterator[str]:
    """PgBouncer before a server; the URL by way of it. It does not run as root, so others may read its folder."""
    with tempfile.TemporaryDirectory(prefix="hgaurora-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o777)
        with _pgbouncer(folder, url, mode) as pooled:
            yield pooled


@contextmanager
def _pgbouncer(folder: Path, url: str, mode: str) -> Iterator[str]:
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (folder / "users.txt").write_text(f'"{parts.username}" "{unquote(parts.password or "")}"\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n* = host={parts.hostname} port={parts.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nauth_type = plain\nauth_file = {folder}/users.txt\npool_mode = {mode}\n"
        f"unix_socket_dir =\nlogfile = {folder}/log\npidfile = {folder}/pid\n"
        "ignore_startup_parameters = extra_float_digits\n"
    )
    assert PGBOUNCER is not None
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([PGBOUNCER, "-q", *user, str(folder / "pgbouncer.ini")]) as process:
        try:
            until(lambda: process.poll() is not None or _answers(port), "PgBouncer")
            assert process.poll() is None, (folder / "log").read_text()
            yield urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{port}"))
        finally:
            process.terminate()


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


#: modes of a real PgBouncer, where it is installed; the stand-in below needs nothing
MODES = ["transaction", "session"] if PGBOUNCER else []


@pytest.mark.parametrize("mode", MODES)
def test_b19_a_real_pooler_in_between(tmp_path: Path, pg_database: str, mode: str) -> None:
    with pgbouncer(pg_database, mode) as pooled:
        refused_as_pooler(tmp_path, pooled, pg_database)


def refused_as_pooler(folder: Path, pooled: str, direct: str) -> None:
    """While it is planned; nothing was made."""
    error = app_error(shop(folder / "shop", pooled))
    assert isinstance(error, ConfigError)
    assert "is a pooler" in error.message
    assert query(direct, "SELECT to_regclass('made'), to_regnamespace('hgaurora')") == [(None, None)]


def by_way_of(proxy: FaultProxy, url: str) -> str:
    """The URL through a proxy."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition('@')[0]}@127.0.0.1:{proxy.port}"))


def test_b19_a_pooler_in_between(tmp_path: Path, pg_database: str, dev: Bench) -> None:
    """A stand-in: as every pooler does, it tells a process number of its own (BackendKeyData, manual 55.7)."""
    with FaultProxy(*server(dev)) as proxy:
        proxy.on_server = lambda data: re.sub(
            rb"(?s)(K\0\0\0\x0c).{4}", lambda m: m[1] + bytes(3) + b"7", data, count=1
        )
        refused_as_pooler(tmp_path, by_way_of(proxy, pg_database), pg_database)


def test_b19_control_a_proxy_that_is_no_pooler(tmp_path: Path, pg_database: str, dev: Bench) -> None:
    """The same path with the server's own number is taken."""
    with FaultProxy(*server(dev)) as proxy:
        call(shop(tmp_path / "shop", by_way_of(proxy, pg_database)), "deploy", env="dev")
    assert query(pg_database, "SELECT to_regclass('made') IS NOT NULL") == [(True,)]


@pytest.mark.parametrize("mode", MODES[:1])
def test_b19_control_the_lock_is_nobody_s(pg_database: str, mode: str) -> None:
    """What is refused: through the pooler two sessions both believe to hold one advisory lock."""
    with pgbouncer(pg_database, mode) as pooled:
        options = {"autocommit": True, "prepare_threshold": None}
        with psycopg.connect(pooled, **options) as one, psycopg.connect(pooled, **options) as two:  # type: ignore[arg-type]
            held = [each.execute("SELECT pg_try_advisory_lock(7)").fetchone() for each in (one, two)]
    assert held == [(True,), (True,)]


def planned_on(dev: Bench, folder: Path, version: bytes) -> None:
    """A dry run on a server that says it is of another version."""
    with FaultProxy(*server(dev)) as proxy:
        proxy.on_server = lambda data: re.sub(rb"(server_version\0)\d\d\.", rb"\g<1>" + version + b".", data)
        call(shop(folder, by_way_of(proxy, dev.url)), "deploy", env="dev", dry_run=True)


def test_b21_an_old_server(tmp_path: Path, dev: Bench) -> None:
    """A banner of PostgreSQL 13."""
    with pytest.raises(ConfigError, match="is PostgreSQL 13") as caught:
        planned_on(dev, tmp_path / "shop", b"13")
    assert "14 or later" in str(caught.value.hint)


def test_b21_control_a_server_new_enough(tmp_path: Path, dev: Bench) -> None:
    """The same path with the oldest that is taken."""
    planned_on(dev, tmp_path / "shop", b"14")


def test_b21_control_without_the_look(tmp_path: Path, dev: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OLDEST", 0)
    planned_on(dev, tmp_path / "shop", b"13")


def test_b21_another_product(tmp_path: Path, my_database: str) -> None:
    """MariaDB or MySQL behind a url of PostgreSQL: refused while it is planned."""
    at = urlsplit(my_database)
    repo = shop(tmp_path / "shop", f"postgresql://root@{at.hostname}:{at.port}/shop")
    error = app_error(repo, dry_run=True)
    assert isinstance(error, ConfigError), error.message
    assert "does not speak PostgreSQL's protocol" in error.message
