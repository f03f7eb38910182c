# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal as a file of JSON lines, one event a line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

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

    def deliver(self, events: Sequence[Mapping[str, object]]) -> int:
        """Append what is not there yet, and flush it to disk; returns the last sequence number that is safe of those
        given, 0 for none. ``events`` are rows as :meth:`Database.events` gives them."""
        files.private(self.path.parent)
        with files.locked(self.path.with_name(f"{self.path.name}.lock")):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                files.inherit(self.path)
                known = _mend(fd)
                new = {_identity(event): event for event in events if _identity(event) not in known}
                _write(fd, b"".join(_line(event) for event in new.values()))
                os.fsync(fd)
            finally:
                os.close(fd)
            files.sync(self.path.parent)
        return max((_number(event["seq"]) for event in events), default=0)

    def read(self, *, after: int = 0) -> list[dict[str, object]]:
        """Events after a sequence number, as they were delivered (times as ISO 8601 text), each once."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        once = {_identity(event): event for event in _events(content)}
        return [event for event in once.values() if _number(event["seq"]) > after]


def _mend(fd: int) -> set[tuple[object, object]]:
    """Cut a torn last line away; returns what stands at the end."""
    size = os.fstat(fd).st_size
    start = max(0, size - _END)
    content = b""
    while len(content) < size - start:
        content += os.pread(fd, size - start - len(content), start + len(content))
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.ftruncate(fd, start + whole)
    return {_identity(event) for event in _events(content)}


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
