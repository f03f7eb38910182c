# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal as a file of JSON lines, one event a line, only ever appended to."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from . import files


class FileJournal:
    """:class:`Journal` in one file (0600), shared by processes.

    A line is whole or it is not there: a write that was cut off leaves a last line without its end, which readers
    skip and the next delivery cuts away.

    :param environment: UUID of the ledger's environment; with an event's ``seq`` it says which event a line is.
    """

    def __init__(self, path: Path, environment: str) -> None:
        self.path = path
        self.environment = environment

    def deliver(self, events: Sequence[Mapping[str, object]]) -> int:
        """Append what is not there yet, and flush it to disk; returns the last sequence number that is safe, 0 for
        an empty journal. ``events`` are rows as :meth:`Database.events` gives them."""
        files.private(self.path.parent)
        with files.locked(self.path.with_name(f"{self.path.name}.lock")):
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                files.inherit(self.path)
                known = self._mend(fd)
                fresh: dict[object, Mapping[str, object]] = {}
                for event in events:
                    if event["seq"] not in known:
                        fresh.setdefault(event["seq"], event)
                text = "".join(self._line(event) for event in fresh.values())
                _write(fd, text.encode())
                os.fsync(fd)
            finally:
                os.close(fd)
            files.sync(self.path.parent)
        return max((seq for seq in (*known, *fresh) if isinstance(seq, int)), default=0)

    def read(self, *, after: int = 0) -> list[dict[str, object]]:
        """This environment's events after a sequence number, in order, each once.

        Rows as they were delivered, with ``environment``; times as ISO 8601 text.
        """
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return []
        mine = {event["seq"]: event for event in _events(content) if event.get("environment") == self.environment}
        return [mine[seq] for seq in sorted(mine, key=_number) if _number(seq) > after]

    def _mend(self, fd: int) -> set[object]:
        """Cut a torn last line away; returns the sequence numbers that are there."""
        with open(os.dup(fd), "rb") as file:
            content = file.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(fd, whole)
        return {event["seq"] for event in _events(content) if event.get("environment") == self.environment}

    def _line(self, event: Mapping[str, object]) -> str:
        row = {**event, "environment": self.environment}
        return json.dumps(row, sort_keys=True, separators=(",", ":"), default=_text) + "\n"


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
