# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""MySQL's and MariaDB's own programs: where they are, and how they are told where the server is.

A dump is made by the programs of the server's own product: each knows what only its product has (invisible columns,
generated ones, sequences).
"""

from __future__ import annotations

import functools
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ...core.errors import RemoteError, StateError
from ...ports import Connection
from ..database.mysql import connection as database
from . import files
from .binaries import last_words

INSTALL = {True: "apt-get install mariadb-client-core", False: "install MySQL's client programs (mysqldump and mysql)"}

#: how a program's text ends where it came to its end (both products write it)
_COMPLETED = b"-- Dump completed"


@dataclass(frozen=True)
class Clients:
    """The programs of one product."""

    dump: str
    client: str
    mariadb: bool

    def options(self) -> list[str]:
        """What a dump needs beside what is asked for."""
        return [] if self.mariadb else ["--set-gtid-purged=OFF", "--no-tablespaces", "--column-statistics=0"]


@functools.lru_cache(maxsize=16)
def _is_mariadb(program: str) -> bool | None:
    """Whose program it is; None: it does not run."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return "MariaDB" in done.stdout


def clients(mariadb: bool) -> Clients:
    """The programs for a server.

    :raises StateError: they are not installed.
    """
    names = (("mariadb-dump", "mariadb"), ("mysqldump", "mysql")) if mariadb else (("mysqldump", "mysql"),)
    for pair in names:
        dump, client = map(shutil.which, pair)
        if dump and client and _is_mariadb(dump) is mariadb and _is_mariadb(client) is mariadb:
            return Clients(dump, client, mariadb)
    product = "MariaDB" if mariadb else "MySQL"
    raise StateError(
        f"no {names[0][0]} and {names[0][1]} of {product} are installed, which snapshots of this server need",
        state="nothing was done",
        hint=INSTALL[mariadb],
    )


def option_file(connection: Connection, path: Path, *, mariadb: bool) -> None:
    """Write where the server is, and the password, into a file (0600): arguments and variables are read by others."""
    wanted = database.arguments(connection, application="hgaurora snapshot")
    lines = {
        "host": wanted["host"],
        "port": str(wanted["port"]),
        "user": wanted["user"],
        "password": database.password(connection) or "",
        "default-character-set": "utf8mb4",
    }
    if wanted["unix_socket"]:
        lines["socket"] = wanted["unix_socket"]
    else:
        lines["protocol"] = "tcp"
    lines |= _tls(wanted["tls"], mariadb=mariadb)
    files.write(path, "[client]\n" + "".join(f"{key}={_quoted(value)}\n" for key, value in lines.items()))


def _tls(given: Mapping[str, str | None] | None, *, mariadb: bool) -> dict[str, str]:
    if given is None:
        return {"skip-ssl": "1"} if mariadb else {"ssl-mode": "DISABLED"}
    named = {f"ssl-{key}": value for key in ("ca", "cert", "key") if (value := given[key])}
    if given["mode"] == "required":
        return {**named, **({"ssl": "1"} if mariadb else {"ssl-mode": "REQUIRED"})}
    named.setdefault("ssl-ca", ssl.get_default_verify_paths().cafile or "")
    if mariadb:
        # these programs check the name with the certificate, or neither
        return {**named, "ssl": "1", "ssl-verify-server-cert": "1"}
    return {**named, "ssl-mode": "VERIFY_IDENTITY" if given["mode"] == "verify-full" else "VERIFY_CA"}


def _quoted(value: str) -> str:
    """As option files have it (MySQL manual, 6.2.2.2)."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment() -> dict[str, str]:
    """What the programs see: no variable that says something about the connection, untranslated messages."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


@contextmanager
def options(connection: Connection, folder: Path, *, mariadb: bool) -> Iterator[str]:
    """The argument that must come first, naming an option file that is gone afterwards."""
    with TemporaryDirectory(dir=folder, prefix="restore-") as private:
        path = Path(private) / "my.cnf"
        option_file(connection, path, mariadb=mariadb)
        yield f"--defaults-file={path}"


def dumped(programs: Clients, connection: Connection, folder: Path, arguments: list[str]) -> str:
    """The whole text of a small dump.

    :raises RemoteError: it failed.
    """
    with options(connection, folder, mariadb=programs.mariadb) as first:
        done = subprocess.run(
            [programs.dump, first, *programs.options(), *arguments],
            cwd=folder,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    if done.returncode or not _ends(done.stdout[-400:]):
        words = last_words(done.stderr.decode("utf-8", "replace")) or f"exit {done.returncode}"
        raise RemoteError(f"{Path(programs.dump).name} failed: {words}")
    try:
        return done.stdout.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteError(f"{connection.parameters['dbname']}: the text of a view or a routine is not UTF-8") from error


def load(programs: Clients, connection: Connection, folder: Path, content: Path | str) -> None:
    """Run a file, or a text, in a database; stops at the first error.

    :raises RemoteError: it failed.
    """
    with options(connection, folder, mariadb=programs.mariadb) as first:
        argv = [programs.client, first, "--batch", "--binary-mode", connection.parameters["dbname"]]
        if isinstance(content, str):
            done = subprocess.run(
                argv,
                cwd=folder,
                env=environment(),
                input=content.encode(),
                capture_output=True,
                check=False,
            )
        else:
            with content.open("rb") as file:
                done = subprocess.run(argv, cwd=folder, env=environment(), stdin=file, capture_output=True, check=False)
    if done.returncode:
        words = last_words(done.stderr.decode("utf-8", "replace")) or f"exit {done.returncode}"
        raise RemoteError(f"{Path(programs.client).name} failed: {words}")


def whole(path: Path) -> bool:
    """True for a dump that came to its end."""
    if not path.exists():
        return False
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 400))
        return _ends(file.read())


def _ends(tail: bytes) -> bool:
    return tail.rstrip().rpartition(b"\n")[2].startswith(_COMPLETED)
