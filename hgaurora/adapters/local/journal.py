# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal as a file of JSON lines, one event a line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...core.chain import canonical
from ...core.journal import Copy, Reading
from . import files

#: bytes at the end in which a repeated delivery looks for what it left there: it repeats what was appended last, never
#: more than a batch of events (a thousand); a history of years is not read again for each deploy
_END = 32 << 20


class FileJournal:
    """:class:`Journal` in one file (0600), shared by processes.

    A line is whole or it is not there: a write that was cut off leaves a last line without its end, which readers
    skip and the next delivery cuts away.

    An event is known by its ``seq`` and ``hash`` together: a database made anew counts from 1 again.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def place(self) -> str:
        """The file."""
        return str(self.path)

    def prove(self) -> None:
        """Write and flush a line that is no event, and take it away again."""
        with self._opened() as fd:
            end = os.fstat(fd).st_size
            try:
                _write(fd, b'{"event":"journal.probe"}\n')
                os.fsync(fd)
            finally:
                os.ftruncate(fd, end)

    def deliver(self, events: Sequence[Mapping[str, object]]) -> int:
        """Append what is not there yet, and flush it to disk; returns the last sequence number that is safe of those
        given, 0 for none. ``events`` are rows as :meth:`Database.events` gives them."""
        with self._opened() as fd:
            known = _mend(fd)
            new = {_identity(event): event for event in events if _identity(event) not in known}
            _write(fd, b"".join(_line(event) for event in new.values()))
            os.fsync(fd)
        files.sync(self.path.parent)
        return max((_number(event["seq"]) for event in events), default=0)

    def kept(self, events: Sequence[Mapping[str, object]]) -> Mapping[int, str]:
        """Those that stand at its end; each event is written once."""
        wanted = {_identity(event) for event in events}
        with self._opened() as fd:
            there = {_identity(event): event.get("delivered") for event in _end(fd)[1]}
        return {_number(one[0]): str(there[one]) for one in wanted & there.keys() if there[one]}

    def read(self) -> Reading:
        """Everything in it."""
        return Reading([_copy(event) for event in self._all()])

    def events(self, *, after: int = 0) -> list[dict[str, object]]:
        """Events after a sequence number, as they were delivered (times as ISO 8601 text), each once."""
        once = {_identity(event): event for event in self._all()}
        return [event for event in once.values() if _number(event["seq"]) > after]

    def _all(self) -> list[dict[str, object]]:
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return list(_events(content))

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, for this process alone; 0600, made where it is not there."""
        files.private(self.path.parent)
        with files.locked(self.path.with_name(f"{self.path.name}.lock")):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                files.inherit(self.path)
                yield fd
            finally:
                os.close(fd)


def _copy(event: Mapping[str, Any]) -> Copy:
    return Copy(
        uuid=event.get("uuid", ""),
        seq=event["seq"],
        hash=event.get("hash", ""),
        at=event.get("at", ""),
        deployment=event.get("deployment"),
        kind=event.get("kind", ""),
        payload=canonical(event.get("payload", {})),
        delivered=event.get("delivered", ""),
    )


def _mend(fd: int) -> set[tuple[object, object]]:
    """Cut a torn last line away; returns what stands at the end."""
    whole, events = _end(fd)
    if whole < os.fstat(fd).st_size:
        os.ftruncate(fd, whole)
    return {_identity(event) for event in events}


def _end(fd: int) -> tuple[int, list[dict[str, object]]]:
    """Where the last whole line ends, and the events of the end that a repeated delivery looks at."""
    size = os.fstat(fd).st_size
    start = max(0, size - _END)
    content = b""
    while len(content) < size - start:
        content += os.pread(fd, size - start - len(content), start + len(content))
    return start + content.rfind(b"\n") + 1, list(_events(content))


def _identity(event: Mapping[str, object]) -> tuple[object, object]:
    return event["seq"], event.get("hash")


def _line(event: Mapping[str, object]) -> bytes:
    return (json.dumps(dict(event), sort_keys=True, separators=(",", ":"), default=_text) + "\n").encode()


def _events(content: bytes) -> Iterator[dict[str, object]]:
    """Whole lines that are events; anything else in the file is somebody else's."""
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and isinstance(event.get("seq"), int):
            yield event


def _number(seq: object) -> int:
    return seq if isinstance(seq, int) else 0


def _text(value: object) -> str:
    iso: Callable[[], str] | None = getattr(value, "isoformat", None)
    return iso() if iso else str(value)


def _write(fd: int, content: bytes) -> None:
    while content:
        content = content[os.write(fd, content) :]
