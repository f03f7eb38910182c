# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""An embedded PostgreSQL server: one data folder, one server, started when somebody needs it.

::

    <folder>/<name>/          the data folder (name: ``data``; a restore runs a second one aside)
    <folder>/<name>.log       the server's log
    <folder>/run/<name>/      its unix socket, 0700; below /tmp where that path would be too long
    <folder>/engine.json      port, and the databases that were made
    <folder>/password         of the superuser over TCP, 0600

The tool itself connects through the socket, that only the owner reaches; TCP on 127.0.0.1 asks for the password.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import RemoteError, StateError
from ...ports import Connection
from ..database.postgresql import maintenance
from . import files
from .binaries import Binaries, for_server, last_words, runner

SUPERUSER = "postgres"
_SOCKET_LIMIT = 99  # bytes; sun_path holds 104 on macOS, 108 on Linux
_START = 300.0  # seconds: crash recovery of a big database is not a failure
_STOP = 120.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Status:
    """What an engine is doing. ``url`` is for people: with the password's place, not the password."""

    running: bool
    made: bool
    version: str | None
    pid: int | None
    port: int | None
    data: Path
    log: Path
    url: str | None


@dataclass(frozen=True)
class _Pidfile:
    """``postmaster.pid``: lines as in PostgreSQL's ``pidfile.h``."""

    pid: int
    port: int | None
    state: str


class Engine:
    """One server on one data folder. Every method may be called by many processes at once.

    :param folder: private folder of the environment; made when needed.
    :param name: the data folder's name in it.
    :param database: made at the first start; what :meth:`connection` points to.
    :param port: a fixed one; else a free one, remembered.
    :param fsync: False only where the data may be lost, in tests.
    :param tcp: also listen on 127.0.0.1.
    :param unless: while this file exists no data folder is made: the one that was there is being exchanged.
    :param trace: called with a word after each action that changes something on disk or starts or ends a server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "data",
        database: str = "app",
        port: int | None = None,
        fsync: bool = True,
        tcp: bool = True,
        unless: Path | None = None,
        binaries: Binaries | None = None,
        trace: Callable[[str], None] = lambda action: None,
    ) -> None:
        self.folder = folder.absolute()
        self.name = files.name(name)
        self.database = database
        self.port = port
        self.fsync = fsync
        self.tcp = tcp
        self._unless = unless
        self._binaries = binaries
        self._trace = trace
        self.data = self.folder / name
        self.log = self.folder / f"{name}.log"

    # what is there

    def made(self) -> bool:
        """True where there is a data folder."""
        return (self.data / "PG_VERSION").exists()

    @property
    def binaries(self) -> Binaries:
        """The programs for this data folder, of its major version.

        :raises StateError: none is installed.
        """
        if self._binaries is None:
            major = int((self.data / "PG_VERSION").read_text().split(".")[0]) if self.made() else None
            self._binaries = for_server(major)
        return self._binaries

    @property
    def sockets(self) -> Path:
        """The folder of the unix socket; the same one for every process."""
        near = self.folder / "run" / self.name
        if len(os.fsencode(near / ".s.PGSQL.65535")) <= _SOCKET_LIMIT:
            return near
        short = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return Path("/tmp") / f"hgaurora-{self._owner}" / short

    @property
    def _owner(self) -> int:
        """The user id whose folder this is; root may work in another user's."""
        return self.folder.stat().st_uid if self.folder.exists() else os.geteuid()

    def status(self) -> Status:
        """Look, and change nothing."""
        found = self._pidfile()
        running = found is not None and found.state == "ready" and self._answers(found)
        port = found.port if found and running else None
        return Status(
            running=running,
            made=self.made(),
            version=self.binaries.version if self.made() else None,
            pid=found.pid if found and running else None,
            port=port if self.tcp else None,
            data=self.data,
            log=self.log,
            url=f"postgresql://{SUPERUSER}@127.0.0.1:{port}/{self.database}" if port and self.tcp else None,
        )

    def password(self) -> str:
        """The superuser's password over TCP."""
        return (self.folder / "password").read_text("ascii")

    # start and stop

    def start(self, *, create: bool = True) -> Connection:
        """Find the server running, or start it; recovers from a crash. Returns how to reach it, by its socket.

        :raises StateError: no programs are installed; or nothing was made yet, with ``create`` False.
        :raises RemoteError: it does not start; with its last words.
        """
        if not create and not self.made():
            raise StateError("this local environment was never started")
        files.private(self.folder)
        with self._locked():
            found = self._settled()
            if found is None:
                if not self.made():
                    if self._unless and self._unless.exists():
                        raise StateError("a restore was cut off between two moves", hint="run the same command again")
                    self._create()
                found = self._launch()
            connection = self._connection(found)
            self._make_database(connection)
        return connection

    def stop(self) -> bool:
        """Stop the server, ending its sessions; False where none runs."""
        if not self.folder.exists():
            return False
        with self._locked():
            return self._stop()

    def replace_by(self, other: Engine, *, retired: Path) -> None:
        """Stop, and let the data of another, stopped engine take over; ours are kept under ``retired``.

        Found half done, it is finished. Nobody can start this engine in between.
        """
        with self._locked():
            if self.made() and not retired.exists():
                self._stop()
                self.data.rename(retired)
                files.sync(self.folder)
                self._trace("retired")
            if other.made() and not self.data.exists():
                other.data.rename(self.data)
                files.sync(self.folder)
                self._trace("took over")

    def _stop(self) -> bool:
        found = self._settled()
        if found is None:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGINT)  # a "fast" shutdown: sessions are ended, everything is written
        if not files.until(lambda: not self._ours(found.pid), _STOP):
            raise RemoteError(
                f"the local PostgreSQL (process {found.pid}) does not stop within {_STOP:.0f}s",
                hint=f"read {self.log}",
            )
        self._trace("stopped")
        return True

    def _run(self, argv: Sequence[str], *, cwd: Path | None = None, check: bool = True) -> str:
        return runner(self.folder).run(argv, cwd=cwd or self.folder, check=check)

    def _locked(self) -> contextlib.AbstractContextManager[None]:
        return files.locked(self.folder / f"{self.name}.lock")

    def _connection(self, found: _Pidfile) -> Connection:
        return Connection(
            parameters={
                "host": str(self.sockets),
                "port": str(found.port),
                "dbname": self.database,
                "user": SUPERUSER,
            }
        )

    def _create(self) -> None:
        draft = self.folder / f"{self.name}.draft"
        shutil.rmtree(draft, ignore_errors=True)
        files.private(draft)
        password = self.folder / "password"
        if not password.exists():
            files.write(password, secrets.token_urlsafe(24))
        argv = [
            self.binaries.program("initdb"),
            "--pgdata=.",
            f"--username={SUPERUSER}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--pwfile=../password",
            "--encoding=UTF8",
            "--data-checksums",
            "--wal-segsize=4",  # each snapshot holds at least one segment
        ]
        if self.binaries.major >= 17:  # one collation everywhere, whatever the machine has installed
            argv += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        else:
            argv += ["--locale=C.UTF-8" if os.path.exists("/proc") else "--locale=C"]
        if not self.fsync:
            argv += ["--no-sync"]
        self._run(argv, cwd=draft)
        self._trace("initialised")
        draft.rename(self.data)
        files.sync(self.folder)
        self._trace("created")

    def _launch(self) -> _Pidfile:
        files.for_sockets(self.sockets, self._owner)
        killed = 0
        for _ in range(30):
            port = self._port()
            before = self.log.stat().st_size if self.log.exists() else 0
            self.log.touch(mode=0o600)
            files.inherit(self.log)
            settings = {
                "listen_addresses": "127.0.0.1" if self.tcp else "",
                "port": str(port),
                "unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"',
                "unix_socket_permissions": "0700",
                "fsync": "on" if self.fsync else "off",
            }
            # pg_ctl hands its options to a shell, so they are quoted; its other arguments are names without a path
            options = " ".join(shlex.quote(f"--{key}={value}") for key, value in settings.items())
            argv = [self.binaries.program("pg_ctl"), "-D", self.name, "-l", self.log.name, "-w", "-s"]
            self._run([*argv, "-t", str(int(_START)), "-o", options, "start"], check=False)
            found = self._pidfile()
            if found and found.state == "ready" and self._answers(found):
                self._trace("started")
                return found
            with open(self.log, "rb") as file:
                file.seek(before)
                said = file.read().decode("utf-8", "replace")
            if "could not bind" in said or "could not create any TCP/IP sockets" in said:
                self._remember(port=None)
            elif "shared memory block" in said and killed < 20:
                # sessions of a server that was killed hold its memory until they notice; only another start tells
                killed += 1
                time.sleep(0.25)
            else:
                break
        raise RemoteError(
            f"the local PostgreSQL does not start: {last_words(said) or 'no word in its log'}",
            state="its data are untouched",
            hint=f"read {self.log}",
        )

    def _port(self) -> int:
        """The remembered port where nobody listens on it, else a free one, remembered.

        :raises StateError: it is fixed, and taken.
        """
        if not self.tcp:
            return 5432  # only part of the socket's name
        if self.port is not None:
            if not _free(self.port):
                raise StateError(f"port {self.port} is taken", hint="free it, or choose another port in hgaurora.toml")
            return self.port
        remembered = (files.read_json(self.folder / "engine.json") or {}).get("port")
        if isinstance(remembered, int) and _free(remembered):
            return remembered
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        self._remember(port=port)
        return port

    def _remember(self, **values: object) -> None:
        if self.tcp:
            path = self.folder / "engine.json"
            files.write_json(path, {**(files.read_json(path) or {}), **values})

    def _make_database(self, connection: Connection) -> None:
        if not self.tcp or (files.read_json(self.folder / "engine.json") or {}).get("database") == self.database:
            return
        with maintenance.connect(connection) as server:
            if server.database(self.database) is None:
                server.create(self.database)
        self._trace("database made")
        self._remember(database=self.database)

    # who runs

    def _pidfile(self) -> _Pidfile | None:
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8", "replace").splitlines()
            pid = abs(int(lines[0]))
        except (FileNotFoundError, IndexError, ValueError):
            return None
        port = int(lines[3]) if len(lines) > 3 and lines[3].isdigit() else None
        return _Pidfile(pid, port, lines[7].strip() if len(lines) > 7 else "starting")

    def _answers(self, found: _Pidfile) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(self.sockets / f".s.PGSQL.{found.port}"))
            except OSError:
                return False
        return True

    def _settled(self) -> _Pidfile | None:
        """The running server, once it is neither starting nor stopping; None where there is none.

        Takes away what a killed server left behind, because its process number may be somebody else's by now.
        """
        result: _Pidfile | None = None

        def settled() -> bool:
            nonlocal result
            result = self._pidfile()
            if result is None:
                return True
            if not self._ours(result.pid):
                result = None
                (self.data / "postmaster.pid").unlink(missing_ok=True)
                if self.sockets.is_dir():
                    for left in self.sockets.glob(".s.PGSQL.*"):
                        left.unlink(missing_ok=True)
                return True
            return result.state == "ready" and self._answers(result)

        if not files.until(settled, _START, every=0.02):
            raise RemoteError(
                f"the local PostgreSQL (process {result.pid if result else '?'}) is {result and result.state} "
                f"for more than {_START:.0f}s",
                hint=f"read {self.log}",
            )
        return result

    def _ours(self, pid: int) -> bool:
        """True where a process is the server of this data folder (it works inside of it)."""
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        if os.path.exists("/proc/self/cwd"):
            try:
                return os.path.samefile(f"/proc/{pid}/cwd", self.data)
            except OSError:  # gone, or somebody else's
                return False
        argv = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        return "postgres" in subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def scratch(*, fsync: bool = False) -> Engine:
    """An engine in a new temporary folder, for rehearsals and tests; the caller stops it and removes ``folder``."""
    return Engine(Path(tempfile.mkdtemp(prefix="hgaurora-")), fsync=fsync)
