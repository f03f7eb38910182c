# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``aurora-mysql``: a MariaDB, or a MySQL.

An image is taken of the stopped *process*: SIGSTOP, copy, SIGCONT. What it had written by then is what a power cut
would leave, at one instant and for all files, and the copy recovers from it; sessions only wait. (So there is no
asynchronous I/O that could be under way.) Points in time come from binary logs, to the second.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pymysql

from hgaurora.adapters.local.mysqld import Mysqld, Programs
from tests.canaries import secret

from .plane import Plane, copy

_server_id = itertools.count(os.getpid() * 1000 + 1)
#: what AWS keeps from its customers
_KEPT = {
    "mariadb": "SUPER, SHUTDOWN, FILE, CREATE TABLESPACE, BINLOG ADMIN",
    "mysql": "SUPER, SHUTDOWN, FILE, CREATE TABLESPACE, BINLOG_ADMIN, SYSTEM_VARIABLES_ADMIN",
}


class MysqlPlane(Plane):
    """One MariaDB or MySQL.

    :param template: a folder for the data of an empty server, made at the first need and shared by all.
    """

    port = 3306

    def __init__(self, folder: Path, template: Path, programs: Programs | None = None) -> None:
        super().__init__(folder)
        self._template = template
        word = template / "password"
        if not word.exists():
            template.mkdir(mode=0o700, parents=True, exist_ok=True)
            word.write_text(secret())
        self.password = word.read_text()
        self._base = folder / "base"
        self._server = self._mysqld(programs, "--log-bin=bin", "--binlog-format=ROW", "--relay-log=relay")

    def _mysqld(self, programs: Programs | None, *options: str) -> Mysqld:
        options = (f"--server-id={next(_server_id) % (1 << 32)}", "--innodb-use-native-aio=0", *options)
        # a password on MySQL's default plugin needs TLS or a package that PyMySQL does not bring; it has none
        return Mysqld(self.folder, programs, password=self.password, durable=False, options=options)

    @property
    def product(self) -> str:
        """mariadb or mysql."""
        return self._server.programs.product

    def lay(self, image: Path | None) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        copy(image or self._empty(), self._server.data)
        for name in ("server.pid", "s.sock", "s.sock.lock", "auto.cnf"):  # a UUID is one server's
            (self._server.data / name).unlink(missing_ok=True)

    def _empty(self) -> Path:
        server = Mysqld(self._template, self._server._programs, password=self.password, durable=False)
        if not (server.data / "mysql").exists():
            server.start()
            server.stop()
        return server.data

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def running(self) -> bool:
        return self._server.port() is not None

    def image(self, target: Path) -> None:
        pid = self._server._pid()
        if pid is None:
            copy(self._server.data, target)
            return
        os.kill(pid, signal.SIGSTOP)
        try:
            tasks = Path(f"/proc/{pid}/task")
            while any(_state(task) != "T" for task in tasks.iterdir()):
                time.sleep(0.001)  # between two looks: only a parent is told that a process stands still
            copy(self._server.data, target)
        finally:
            os.kill(pid, signal.SIGCONT)

    def mark(self) -> None:
        with self.admin() as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH BINARY LOGS")
        self._first = max(self._server.data.glob("bin.[0-9]*")).name
        self.image(self._base)

    def at(self, time: datetime, target: Plane) -> None:
        assert isinstance(target, MysqlPlane)
        if self.running():
            with self.admin() as connection, connection.cursor() as cursor:
                cursor.execute("FLUSH BINARY LOGS")
        target.lay(self._base)
        for log in target._server.data.glob("bin.*"):
            log.unlink()
        logs = [str(log) for log in sorted(self._server.data.glob("bin.[0-9]*")) if log.name >= self._first]
        replay = target._mysqld(self._server._programs, "--skip-log-bin")
        replay.start()
        argv = [*self._tool("mysqlbinlog", "mariadb-binlog"), f"--stop-datetime={time:%Y-%m-%d %H:%M:%S}", *logs]
        client = self._tool("mysql", "mariadb")
        client += [
            "--no-defaults",
            f"--socket={replay.socket}",
            "--user=root",
            "--binary-mode",
            "--max-allowed-packet=1G",
        ]
        environment = {"PATH": os.defpath, "TZ": "UTC", "MYSQL_PWD": self.password}
        with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environment) as reader:
            subprocess.run(client, stdin=reader.stdout, env=environment, check=True)
        if reader.returncode:
            raise RuntimeError(f"{argv[0]} ended with {reader.returncode}")
        replay.stop()

    def follow(self, writer: Plane) -> None:
        assert isinstance(writer, MysqlPlane)
        place = None
        if not self.folder.exists():
            place = writer.copied_to(self)
        self.start()
        self.replicate(writer, place)
        self.run("SET GLOBAL read_only = 1")

    def copied_to(self, target: MysqlPlane) -> tuple[str, int]:
        """Lay down another plane's data as ours are now; returns the position in the binary logs."""
        image = target.folder.with_suffix(".image")
        with self.admin() as connection, connection.cursor() as cursor:
            cursor.execute("FLUSH TABLES WITH READ LOCK")  # no commit between the position and the copy
            cursor.execute(self.words("SHOW MASTER STATUS"))
            file, position, *_ = cursor.fetchone()
            self.image(image)
        target.lay(image)
        shutil.rmtree(image)
        return file, position

    def replicate(self, writer: MysqlPlane, place: tuple[str, int] | None) -> None:
        """Follow a server from a position on, or from where it was."""
        host, port = writer.address
        key = "" if self.product == "mariadb" else ", GET_SOURCE_PUBLIC_KEY = 1"
        text = (
            "CHANGE MASTER TO MASTER_HOST = %s, MASTER_PORT = %s, MASTER_USER = 'root', MASTER_PASSWORD = %s, "
            "MASTER_CONNECT_RETRY = 1"
        )
        with self.admin() as connection, connection.cursor() as cursor:
            if place is None:
                cursor.execute(self.words("STOP SLAVE"))
                cursor.execute(self.words("SHOW SLAVE STATUS"))
                row = dict(zip((column[0] for column in cursor.description), cursor.fetchone(), strict=True))
                place = row[self.words("Relay_Master_Log_File")], row[self.words("Exec_Master_Log_Pos")]
            text += ", MASTER_LOG_FILE = %s, MASTER_LOG_POS = %s"
            cursor.execute(self.words(text) + key, (host, port, writer.password, *place))
            cursor.execute(self.words("START SLAVE"))

    def run(self, *statements: str) -> tuple[Any, ...]:
        """As an administrator; the first row of the last answer."""
        with self.admin() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(self.words(statement))
            return cursor.fetchone() or ()

    def words(self, text: str) -> str:
        """MariaDB's words, or those of MySQL now."""
        if self.product == "mariadb":
            return text
        for old, new in (
            ("MASTER_POS_WAIT", "SOURCE_POS_WAIT"),
            ("CHANGE MASTER", "CHANGE REPLICATION SOURCE"),
            ("SHOW MASTER STATUS", "SHOW BINARY LOG STATUS"),
            ("MASTER_", "SOURCE_"),
            ("Master_", "Source_"),
            ("SLAVE", "REPLICA"),
        ):
            text = text.replace(old, new)
        return text

    def _tool(self, mysql: str, mariadb: str) -> list[str]:
        server = self._server.programs.server
        if len(server) > 1:  # unpacked: by the loader that lies beside it
            return [*server[:-1], str(Path(server[-1]).parents[1] / "bin" / mysql)]
        name = mariadb if self.product == "mariadb" else mysql
        return [shutil.which(name) or name]

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self._server.port() or 0)

    @contextmanager
    def admin(self, database: str | None = None) -> Iterator[Any]:
        # the socket's path may be too long for another process
        near = {"unix_socket": self._server.socket} if self._server.socket.startswith("/") else {}
        connection = pymysql.connect(
            host="127.0.0.1",
            port=self.address[1],
            user="root",
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            ssl_disabled=True,  # see engines.my_connection
            **near,
        )
        with connection:
            yield connection

    def master(self, user: str, password: str) -> None:
        with self.admin() as connection, connection.cursor() as cursor:
            cursor.execute("CREATE USER IF NOT EXISTS %s@'%%'", (user,))
            cursor.execute("ALTER USER %s@'%%' IDENTIFIED BY %s", (user, password))
            cursor.execute("GRANT ALL PRIVILEGES ON *.* TO %s@'%%' WITH GRANT OPTION", (user,))
            cursor.execute(f"REVOKE {_KEPT[self.product]} ON *.* FROM %s@'%%'", (user,))

    def database(self, name: str) -> None:
        with self.admin() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}`")


def _state(task: Path) -> str:
    """The state letter of a thread; one that has just ended counts as stopped."""
    try:
        return (task / "stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "T"
