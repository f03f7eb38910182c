# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Our MariaDB or MySQL server, and the order in which tests choose theirs."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import engines
import pymysql
import pytest

from hgaurora.adapters.local import files
from hgaurora.adapters.local.mysqld import Mysqld, Programs, unpacked
from hgaurora.core.errors import RemoteError, StateError

OWN = [Programs("mariadb", "10.11.19", ("/usr/sbin/mariadbd",), ("mariadb-install-db",))]


class FakeDocker:
    """Docker with some images."""

    def __init__(self, *images: str) -> None:
        self._seen = engines.Seen("28.2", images) if images else engines.Seen()

    def look(self) -> engines.Seen:
        return self._seen

    def start(self, image: str) -> tuple[str, str]:
        return f"mysql://{image}/", "id-1"

    def remove(self, container: str) -> None:
        """Nothing was started."""


def test_the_url_comes_first(my_server: str) -> None:
    choice = engines.choose_mysql({engines.MYSQL_URL: my_server}, FakeDocker("mysql:9.7"), own=OWN)
    assert (choice.kind, choice.what) == ("url", my_server)
    with pytest.raises(engines.NoEngine, match="does not answer"):
        engines.choose_mysql({engines.MYSQL_URL: "mysql://root@127.0.0.1:1/"}, FakeDocker("mysql:9.7"), own=OWN)


def test_docker_comes_second_then_programs() -> None:
    docker = FakeDocker("mysql:9.7", "mariadb:10.6", "mariadb:10.11-ubi", "shop/mysql:tools", "postgres:16")
    assert str(engines.choose_mysql({}, docker, own=OWN)) == "MariaDB 10.11, image mariadb:10.11-ubi on Docker 28.2"
    assert engines.choose_mysql({}, FakeDocker("mysql:8.4"), own=OWN).product == "mysql"
    choice = engines.choose_mysql({}, FakeDocker("postgres:16"), own=OWN)
    assert str(choice) == "MariaDB 10.11.19, our own engine on /usr/sbin/mariadbd; Docker has no such image"
    with pytest.raises(engines.NoEngine, match="apt-get install mariadb-server-core"):
        engines.choose_mysql({}, FakeDocker(), own=[])


def test_the_server_is_of_the_version_that_is_named(my_server: str) -> None:
    choice = engines.choose_mysql(os.environ, engines.RealDocker())
    with engines.my_connection(my_server) as connection:
        said = connection.get_server_info()
    assert choice.version in said
    assert ("mariadb" in said.lower()) == (choice.product == "mariadb")


def test_a_database_is_fresh_and_gone_afterwards_whoever_is_in_it(my_server: str) -> None:
    with engines.fresh_my_database(my_server) as url:
        inside = engines.my_connection(url)
        with inside.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            assert cursor.fetchall() == ()
            cursor.execute("CREATE TABLE t (id int)")
            cursor.execute("BEGIN")
            cursor.execute("SELECT * FROM t")
    with engines.my_connection(my_server) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW DATABASES LIKE %s", (url.rpartition("/")[2],))
        assert cursor.fetchall() == ()
    with pytest.raises(pymysql.MySQLError):
        inside.ping(reconnect=False)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Mysqld]:
    made = Mysqld(tmp_path / "my", password="it's\\ a secret", durable=False)
    yield made
    made.stop()


def _one(server: Mysqld, query: str, password: str = "it's\\ a secret") -> object:
    with (
        pymysql.connect(host="127.0.0.1", port=server.port() or 0, user="root", password=password) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(query)
        row = cursor.fetchone()
    return row and row[0]


def test_it_starts_is_found_stops_and_recovers(server: Mysqld) -> None:
    assert server.port() is None
    assert not server.stop()
    port = server.start()
    assert server.port() == server.start() == port
    assert (server.folder.stat().st_mode & 0o777, server.data.stat().st_mode & 0o077) == (0o700, 0)
    _one(server, "CREATE DATABASE kept")
    os.kill(int((server.data / "server.pid").read_text()), signal.SIGKILL)
    assert files.until(lambda: server.port() is None, 10)
    server.start()
    assert _one(server, "SHOW DATABASES LIKE 'kept'") == "kept"
    assert server.stop()
    assert not server.stop()


def test_nobody_comes_in_without_the_password_or_reads_files(server: Mysqld) -> None:
    server.start()
    for password in ("", "wrong"):
        with pytest.raises(pymysql.MySQLError, match="Access denied"):
            _one(server, "SELECT 1", password)
    assert _one(server, "SELECT LOAD_FILE('/etc/passwd')") is None
    with pytest.raises(pymysql.MySQLError, match="secure"):
        _one(server, f"SELECT 1 INTO OUTFILE '{server.folder}/x'")


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="no unpacked MySQL"):
        unpacked(tmp_path)
    broken = Mysqld(tmp_path / "broken", durable=False)
    broken.start()
    broken.stop()
    (broken.data / "ibdata1").write_bytes(b"nothing")
    with pytest.raises(RemoteError, match="does not start") as caught:
        broken.start()
    assert str(broken.log) in str(caught.value.hint)


def test_temporary_tables_of_other_servers_are_left_alone(server: Mysqld) -> None:
    """A server that starts removes what is called so in the folder for its temporary tables."""
    others = Path(f"/tmp/#sql-temptable-{os.getpid()}-1-1.MAI")
    others.touch()
    try:
        server.start()
        assert others.exists()
    finally:
        others.unlink(missing_ok=True)
