# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Canaries: each secret that a test or the emulated AWS makes holds a mark; the suite looks for it where none may be.

Who makes one: :func:`secret`, for passwords (of clusters, of users, in Secrets Manager, also rotated ones, and of the
run's PostgreSQL), secret access keys, session tokens and the words for which credentials are handed out. An IAM
database token holds the session token, so the mark too; that of a long-term key is known by its signature. What is
looked for is :data:`MARK`, also in base64 and in hexadecimal digits, and such signatures.

Where is looked:

- output of each command that tests run through :mod:`tests.world`, ``Emulator.run``, :mod:`tests.awscli`, transcripts
  and the story of Aurora, where it is run: :func:`clean`;
- what pytest captured of each phase that passed, stdout, stderr and log records (warnings and worse): :func:`captured`;
- when an emulator stops, what outlives a deploy: events in CloudWatch Logs, records with names and tags of clusters,
  instances and snapshots, events of RDS, logs of the servers, each table of each ledger: :func:`emulated`;
- command lines of all processes, three times a second in the whole run (Linux): :class:`Watch`;
- at the end of the run, files in pytest's folder, in the run's own, and below each ``hgaurora-*`` where temporary files
  are made, but for :data:`EXCEPTED`: :func:`files`.

Without a mark: passwords that a test spells out, those of servers that the run is given by URL, and of engines that the
product makes by itself.

Not looked at: output of programs that a test starts by itself and reads itself, or by ``capsys``; environments and
memory of processes (a program has to be given its secret somehow), and those that live for less than a third of a
second; files that are gone at the end, and packed ones (the ledger's are unpacked); the ledger of a cluster that is
deleted or stopped before its emulator is, and of databases without an emulator; whatever failed, for a traceback may
show all.
"""

from __future__ import annotations

import base64
import fnmatch
import os
import re
import secrets
import select
import signal
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

#: the variable with another mark: for a run within a run, whose plants the outer one must not find
VARIABLE = "HGAURORA_TEST_MARK"
#: small letters and digits: it is one in names that are lower-cased, and needs no quotes and no escapes anywhere
MARK = os.environ.get(VARIABLE, "cnry7q0xz")

#: files that hold secrets rightly, by a pattern of the path, with the reason
EXCEPTED = {
    "*/pgpass": "password files that tests write for libpq",
    "*/sso/cache/*.json": "what `aws sso login` leaves, written by the emulator in its place",
    "*/SHARED_CREDENTIALS_FILE": "keys in a file, written by tests that show them to be refused",
    "*/credential_process": "what a test's credential_process hands out",
    "*/hgaurora-emulator-*": "an emulator's own store: passwords of its servers, and their data",
    "*/hgaurora-test-*/server.json": "how workers learn where the run's server is, from one another",
    "*/hgaurora-test-*/mysql.json": "the same for MariaDB or MySQL",
    "*/hgaurora-test-*/engine/password": "where an engine of the product keeps its superuser's password",
    "*/PG_VERSION": "with its whole folder: a PostgreSQL server's data, and what its users wrote",
    "*/ibdata1": "the same of MariaDB or MySQL",
}
_EXCEPTED = re.compile("|".join(map(fnmatch.translate, EXCEPTED)))
#: two of :data:`EXCEPTED` stand for the folder they are in
_DATA = {"PG_VERSION", "ibdata1"}
#: bytes read at once of a file, and of its last part that are read again, for a mark may stand across the border
_PIECE, _AGAIN = 16 << 20, 256
#: seconds between two looks at all processes; looks at a new one, for between fork and exec it has its parent's words;
#: and looks after which all are read again, for a process may change its own
_PAUSE, _FIRST, _ROUND = 0.33, 3, 30


def _forms(mark: bytes) -> list[bytes]:
    """The mark, and what is certain of it in base64 of anything that holds it, at each of three places, and in hex."""
    found = [mark, mark.hex().encode()]
    for before in range(3):
        text = base64.b64encode(bytes(before) + mark + bytes(2))
        found.append(text[-(-before * 8 // 6) : (before + len(mark)) * 8 // 6])
    return found


_FORMS = _forms(MARK.encode())
_SIGNED = b"X-Amz-Signature"
#: the part of a presigned request, which is what a database token is, that opens the door
_SIGNATURE = re.compile(rb"X-Amz-Signature(?:=|%3D)[0-9a-f]{64}")


def secret(length: int = 15) -> str:
    """A new secret with the mark.

    :param length: bytes of chance in it; 4 characters for 3 of them.
    """
    return MARK + secrets.token_urlsafe(length)


def hits(data: bytes | str) -> list[str]:
    """Each kind of canary in it, once, with what stands around it."""
    data = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    places = [place for form in _FORMS if (place := data.find(form)) >= 0]
    if _SIGNED in data and (match := _SIGNATURE.search(data)):
        places.append(match.start())
    return [repr(data[max(place - 60, 0) : place + 40])[2:-1] for place in places]


def clean(what: str, *texts: str | bytes | None) -> None:
    """:raises AssertionError: a secret is in what a command printed."""
    found = [hit for text in texts if text for hit in hits(text)]
    assert not found, f"a secret in the output of {what}: {found}"


def captured(sections: Iterable[tuple[str, str]], phase: str) -> str:
    """What is wrong with the sections of a test report in a phase, such as ``call``; empty where nothing is."""
    found = [f"{name}: {hit}" for name, text in sections if name.endswith(f" {phase}") for hit in hits(text)]
    return "\n".join(["a secret in what was captured:", *found]) if found else ""


# -- an emulator -----------------------------------------------------------------------------------------------------


def emulated(aws: Any) -> list[str]:
    """Each canary in what an :class:`~tests.emulator.server.Emulator` holds of a deploy, with its place."""
    from moto.logs.models import logs_backends

    found = []
    for account, regions in list(logs_backends.items()):
        for region, backend in regions.items():
            for name, group in backend.groups.items():
                for stream in group.streams.values():
                    text = "\n".join(event.message for event in stream.events)
                    found += [f"log {account} {region} {name} {stream.log_stream_name}: {hit}" for hit in hits(text)]
    for here in list(aws._regions.values()):
        for kind in ("clusters", "instances", "snapshots"):
            for id, one in getattr(here, kind).items():
                found += [f"{kind} {id}: {hit}" for hit in hits(repr((id, one.record)))]
        found += [f"events of RDS: {hit}" for hit in hits(repr(here.events))]
        for id, cluster in here.clusters.items():
            for log in cluster.plane.folder.glob("*.log"):
                found += [f"{log.name} of {id}: {hit}" for hit in hits(log.read_bytes())]
            if cluster.plane.running():
                found += [f"ledger of {id}, {table}: {hit}" for table, text in _ledgers(cluster) for hit in hits(text)]
    return found


def _ledgers(cluster: Any) -> Iterator[tuple[str, bytes]]:
    """Each table of each ledger on a server: its name, and all values of all rows."""
    if cluster.record["Engine"] == "aurora-mysql":
        with cluster.plane.admin() as connection, connection.cursor() as cursor:
            cursor.execute(
                "SELECT concat('`', table_schema, '`.`', table_name, '`') FROM information_schema.tables"
                " WHERE table_name LIKE 'hgaurora\\_%' AND table_type = 'BASE TABLE'"
            )
            yield from _rows(cursor)
        return
    with cluster.plane.admin() as connection:
        text = "select datname from pg_database where datallowconn and not datistemplate"
        names = [name for (name,) in connection.execute(text).fetchall()]
    for name in names:
        with cluster.plane.admin(name) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select oid::regclass::text from pg_class where relnamespace = to_regnamespace('hgaurora')"
                " and relkind in ('r', 'p')"
            )
            yield from ((f"{name} {table}", text) for table, text in _rows(cursor))


def _rows(cursor: Any) -> Iterator[tuple[str, bytes]]:
    """All values of each table whose name the cursor answers."""
    for (table,) in cursor.fetchall():
        cursor.execute(f"SELECT * FROM {table}")
        yield table, b"\n".join(_plain(value) for row in cursor.fetchall() for value in row)


def _plain(value: object) -> bytes:
    """A value of the ledger as text; scripts and captures are packed there."""
    if not isinstance(value, bytes):
        return str(value).encode("utf-8", "backslashreplace")
    try:
        return zlib.decompress(value)
    except zlib.error:  # it is none of those
        return value


# -- temporary files -------------------------------------------------------------------------------------------------


def files(folders: Iterable[Path], *, since: float = 0) -> list[str]:
    """Each canary in files below some folders, with the path; not in what :data:`EXCEPTED` names.

    :param since: leave out what has not changed since then (seconds since the epoch).
    """
    found = []
    for top in folders:
        for place, below, names in os.walk(top):
            if _DATA & set(names):
                below.clear()
                continue
            below[:] = [name for name in below if not _EXCEPTED.match(f"{place}/{name}")]
            for name in names:
                path = f"{place}/{name}"
                if not _EXCEPTED.match(path):
                    found += [f"{path}: {hit}" for hit in _in_file(path, since)]
    return found


def _in_file(path: str, since: float) -> list[str]:
    try:
        # a pipe would wait for a writer, and a link's target is looked at where it is
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            if os.fstat(file.fileno()).st_mtime < since:
                return []
            end = b""
            while piece := file.read(_PIECE):
                if found := hits(end + piece):
                    return found
                end = piece[-_AGAIN:]
    except OSError:  # a link or a socket, another user's, or gone by now
        return []
    return []


def places(base: Path, run: Path, temporary: Iterable[Path]) -> list[Path]:
    """The folders to look below: pytest's, the run's, and what has the product's name where temporary files are made.

    :param temporary: such folders, as ``/tmp``; of what they hold only ours is taken.
    """
    found = [base, run]
    for folder in temporary:
        for path in folder.glob("hgaurora-*") if folder.is_dir() else ():
            if not _EXCEPTED.match(str(path)) and path not in found and not path.name.startswith("hgaurora-test-"):
                found.append(path)
    return found


# -- processes -------------------------------------------------------------------------------------------------------


class Watch:
    """Looks at the command lines of all processes, until :meth:`stop`.

    In a process of its own: a thread here would be in the way of tests that fork, or that enter a namespace, and would
    take its turns from those that look at the time. Elsewhere than on Linux it does nothing.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        if sys.platform == "linux":
            argv = [sys.executable, "-I", "-S", os.path.abspath(__file__)]
            self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def stop(self) -> list[str]:
        """The canaries that it saw.

        :raises RuntimeError: it did not look until now.
        """
        if self._process is None:
            return []
        out, _ = self._process.communicate("stop\n")
        if self._process.returncode:
            raise RuntimeError(f"the watch on processes ended with {self._process.returncode}")
        return out.splitlines()


def _processes() -> None:
    """Look until the input ends, then print each canary once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the run, which then ends our input
    looks: dict[str, int] = {}
    found: dict[str, None] = {}
    number = 0
    while True:
        ended = select.select([sys.stdin], [], [], _PAUSE)[0]
        number += 1
        here = [name for name in os.listdir("/proc") if name.isdigit()]
        looks = {pid: looks.get(pid, 0) + 1 for pid in here}
        for pid in here:
            if looks[pid] <= _FIRST or number % _ROUND == 0:
                found |= dict.fromkeys(f"process {pid}: {hit}" for hit in _words(pid))
        if ended:
            print(*found, sep="\n", end="\n" if found else "")
            return


def _words(pid: str) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return hits(file.read().replace(b"\0", b" "))
    except OSError:  # it has ended
        return []


if __name__ == "__main__":
    _processes()
