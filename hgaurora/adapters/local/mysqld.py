# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A MySQL or MariaDB server of our own: one private data folder, a unix socket and, mostly, a port on 127.0.0.1.

::

    <folder>/data/        the data folder
    <folder>/log          the server's log
    <folder>/init.sql     what the server runs at each start: accounts
    <folder>/engine.json  the port

Nothing is installed with pip: the programs are the machine's, or Debian's packages unpacked in a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import RemoteError, StateError
from . import files
from .binaries import last_words, runner

INSTALL = "apt-get install mariadb-server-core"
_START = 120.0  # seconds
_STOP = 120.0  # seconds
_SOCKET_LIMIT = 99  # bytes; sun_path holds 104 on macOS, 108 on Linux


@dataclass(frozen=True)
class Programs:
    """One installed server: ``product`` is mariadb or mysql, ``version`` such as ``10.11.19``.

    ``server`` is the command that runs it, ``install`` the one that makes MariaDB's data folder.
    """

    product: str
    version: str
    server: tuple[str, ...]
    install: tuple[str, ...] = ()


def _programs(server: tuple[str, ...]) -> Programs | None:
    """What a server says of itself; None where it does not run, or cannot make a data folder."""
    try:
        done = subprocess.run(
            [*server, "--no-defaults", "--version"], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"Ver (\d+\.\d+(?:\.\d+)?)(-MariaDB)?", done.stdout)
    if not match:
        return None
    if not match[2]:
        return Programs("mysql", match[1], server)
    install = _found("mariadb-install-db") or _found("mysql_install_db")
    return Programs("mariadb", match[1], server, (install,)) if install else None


def _found(program: str) -> str | None:
    # Debian's servers are in sbin, which a normal user's PATH leaves out
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


def installed() -> Iterator[Programs]:
    """The machine's servers: MariaDB, then what is called mysqld where that is another."""
    seen = set()
    for name in ("mariadbd", "mysqld"):
        path = _found(name)
        if path and os.path.realpath(path) not in seen:
            seen.add(os.path.realpath(path))
            found = _programs((path,))
            if found:
                yield found


def unpacked(root: Path) -> Programs:
    """MySQL of Debian's packages unpacked below a folder, run by the loader and the libraries that lie there.

    :raises StateError: it is not there, or does not run.
    """
    usr = root.absolute() / "usr"
    loader = next(iter(sorted(usr.glob("lib/*/ld-linux*.so.*"))), None)
    if loader is None or not (usr / "sbin" / "mysqld").exists():
        raise StateError(f"no unpacked MySQL below {root}", hint="unpack Debian's mysql-server-core and all it needs")
    found = _programs(
        (
            str(loader),
            "--library-path",
            str(loader.parent),
            str(usr / "sbin" / "mysqld"),
        )
    )
    if found is None:
        raise StateError(f"the MySQL below {root} does not run")
    return found


def _places(programs: Programs) -> list[str]:
    """Options for files that a server would look for below the prefix it was built with."""
    server = Path(programs.server[-1])
    usr = server.parent.parent
    if len(programs.server) == 1:
        return []
    return [
        f"--basedir={usr}",
        f"--lc-messages-dir={usr / 'share' / 'mysql'}",
        f"--character-sets-dir={usr / 'share' / 'mysql' / 'charsets'}",
        f"--plugin-dir={usr / 'lib' / 'mysql' / 'plugin'}",
    ]


def _free() -> int:
    """A port on 127.0.0.1 on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mysqld:
    """One server on one folder. Every method may be called by many processes at once.

    :param folder: private; made when needed.
    :param password: of root, by socket and by TCP; without one anybody on this machine may connect by TCP.
    :param durable: False only where the data may be lost with the machine, in tests and for builds.
    :param tcp: False: only through the socket, in a folder that only its owner may enter.
    :param options: more options of the server, after ours.
    """

    def __init__(
        self,
        folder: Path,
        programs: Programs | None = None,
        *,
        password: str = "",
        durable: bool = True,
        tcp: bool = True,
        options: Sequence[str] = (),
    ) -> None:
        self.folder = folder.absolute()
        self._options = options
        self._programs = programs
        self._password = password
        self._durable = durable
        self._tcp = tcp
        self.data = self.folder / "data"
        self.log = self.folder / "log"

    @property
    def programs(self) -> Programs:
        """Those given, else the first that is installed.

        :raises StateError: none is.
        """
        if self._programs is None:
            self._programs = next(installed(), None)
        if self._programs is None:
            raise StateError("no MySQL or MariaDB is installed", hint=INSTALL)
        return self._programs

    @property
    def socket(self) -> str:
        """The unix socket's path. Where it would be too long: relative to the data folder, or below /tmp where there is
        no other way in."""
        near = self.folder / "data" / "s.sock"
        if len(os.fsencode(near)) <= _SOCKET_LIMIT:
            return str(near)
        if self._tcp:
            return "s.sock"
        short = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:16]
        return f"/tmp/hgaurora-{self._owner}/{short}/s.sock"

    @property
    def _owner(self) -> int:
        """The user id whose folder this is; root may work in another user's."""
        return self.folder.stat().st_uid if self.folder.exists() else os.geteuid()

    def port(self) -> int | None:
        """The port of the running server, or None."""
        return self._port() if self._pid() is not None else None

    def start(self) -> int:
        """Find the server running, or start it; recovers from a crash. Returns its port on 127.0.0.1; 0: it has none.

        :raises StateError: no programs are installed.
        :raises RemoteError: it does not start; with its last words.
        """
        files.private(self.folder)
        with files.locked(self.folder / "lock"):
            if self._pid() is None:
                if not (self.data / "mysql").exists():
                    self._create()
                self._launch()
            return self._port()

    def stop(self) -> bool:
        """Stop the server, ending its sessions; False where none runs."""
        if not self.folder.exists():
            return False
        with files.locked(self.folder / "lock"):
            pid = self._pid()
            if pid is None:
                return False
            os.kill(pid, signal.SIGTERM)
            if not files.until(lambda: self._pid() is None, _STOP):
                raise RemoteError(f"the local server (process {pid}) does not stop", hint=f"read {self.log}")
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            return True

    def _settings(self) -> list[str]:
        """Options for making the data folder and for running on it."""
        # a server that starts removes every temporary table in its folder for them: also those of others in /tmp
        temporary = files.private(self.folder / "tmp")
        settings = ["--no-defaults", *_places(self.programs), f"--datadir={self.data}", f"--tmpdir={temporary}"]
        if not self._durable:
            settings += [
                "--innodb-flush-method=nosync",
                "--innodb-doublewrite=0",
                "--innodb-buffer-pool-size=64M",
                # written at each commit, so that killing the server loses nothing; flushed once a second
                "--innodb-flush-log-at-trx-commit=2",
                "--innodb-log-file-size=16M"
                if self.programs.product == "mariadb"
                else "--innodb-redo-log-capacity=32M",
            ]
        return settings

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)
        files.private(self.data)
        run = runner(self.folder)
        if self.programs.product == "mysql":
            run.run([*self.programs.server, *self._settings(), "--initialize-insecure"], cwd=self.folder)
            return
        argv = [*self.programs.install, *self._settings(), "--skip-test-db", "--skip-name-resolve"]
        run.run([*argv, "--auth-root-authentication-method=normal"], cwd=self.folder)

    def _accounts(self) -> str:
        """Root from this machine only, with the password; a statement a line, as ``--init-file`` wants them."""
        word = "'" + self._password.replace("\\", "\\\\").replace("'", "\\'") + "'"
        lines = []
        for host in ("localhost", "127.0.0.1"):
            account = f"'root'@'{host}'"
            lines += [
                f"CREATE USER IF NOT EXISTS {account}",
                f"ALTER USER {account} IDENTIFIED BY {word}",
                f"GRANT ALL PRIVILEGES ON *.* TO {account} WITH GRANT OPTION",
            ]
        return "".join(f"{line};\n" for line in lines)

    def _launch(self) -> None:
        run = runner(self.folder)
        files.write(self.folder / "init.sql", self._accounts())
        outside = files.private(self.folder / "outside")
        place = Path(self.socket).parent
        if place.is_absolute() and place != self.data:
            files.for_sockets(place, self._owner)
        said = ""
        for _ in range(10):
            port = _free() if self._tcp else 0
            files.write_json(self.folder / "engine.json", {"port": port})
            argv = [
                *self.programs.server,
                *self._settings(),
                *(("--bind-address=127.0.0.1", f"--port={port}") if self._tcp else ("--skip-networking",)),
                f"--socket={self.socket}",
                f"--pid-file={self.data / 'server.pid'}",
                f"--init-file={self.folder / 'init.sql'}",
                f"--secure-file-priv={outside}",  # the server reads and writes no other files for its clients
                "--skip-name-resolve",
                "--skip-log-bin",
                "--character-set-server=utf8mb4",
            ]
            if self.programs.product == "mysql":
                argv += ["--mysqlx=OFF"]
            argv += self._options
            with open(self.log, "ab") as log:
                before = log.tell()
                files.inherit(self.log)
                process = subprocess.Popen(
                    run.command(argv),
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    env={"PATH": os.defpath, "LC_ALL": "C"},
                    **run.identity,  # type: ignore[call-overload]
                )
            if files.until(lambda p=process: p.poll() is not None or self._answers(), _START, every=0.02):  # type: ignore[misc]
                if process.poll() is None:
                    process.returncode = 0  # it outlives us; a Popen that is collected while it runs warns
                    return
            else:
                process.kill()
            said = self.log.read_bytes()[before:].decode("utf-8", "replace")
            if "Address already in use" not in said:
                break
        raise RemoteError(
            f"the local server does not start: {last_words(said) or 'no word in its log'}", hint=f"read {self.log}"
        )

    def _port(self) -> int:
        return int(str((files.read_json(self.folder / "engine.json") or {})["port"]))

    def _answers(self) -> bool:
        """True where the server sends its greeting: accounts are made before it listens."""
        if self._pid() is None:
            return False
        with socket.socket(socket.AF_INET if self._tcp else socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(("127.0.0.1", self._port()) if self._tcp else self.socket)
                return bool(probe.recv(1))
            except OSError:
                return False

    def _pid(self) -> int | None:
        """The process that serves this data folder (it works inside of it), or None."""
        try:
            pid = int((self.data / "server.pid").read_text())
            os.kill(pid, 0)
        except (FileNotFoundError, ValueError, ProcessLookupError):
            return None
        if os.path.exists("/proc/self/cwd"):
            try:
                return pid if os.path.samefile(f"/proc/{pid}/cwd", self.data) else None
            except OSError:  # gone, or a zombie
                return None
        argv = ["ps", "-ww", "-o", "command=", "-p", str(pid)]
        said = subprocess.run(argv, capture_output=True, text=True, check=False).stdout
        return pid if str(self.data) in said else None
