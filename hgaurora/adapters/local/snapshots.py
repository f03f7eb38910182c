# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A folder of snapshots, each made by a program that goes on when we die.

::

    <folder>/<id>/snapshot.json   state, tags, created, bytes; replaced whole
    <folder>/<id>/running         locked by the program that makes it, and by whoever verifies it
    <folder>/<id>/log             the program's words
    <folder>/<id>/<content>       what a restore reads

A snapshot that says ``creating`` and whose ``running`` nobody has locked was cut off.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from ...core.errors import RemoteError, StateError
from ...core.model import Snapshot
from . import files
from .binaries import Runner, last_words


@dataclass(frozen=True)
class Program:
    """What makes a snapshot: run in the snapshot's folder, as somebody, with some environment variables."""

    argv: tuple[str, ...]
    runner: Runner
    environment: Mapping[str, str]


class Maker(Protocol):
    """How one kind of snapshot is made and judged."""

    content: str

    def program(self, folder: Path, snapshot: str) -> Program:
        """What makes ``folder / content``."""

    def verify(self, folder: Path) -> None:
        """:raises RemoteError: the content is not whole."""

    def percent(self, log: str) -> int | None:
        """How far the program says it is."""


class Snapshots:
    """The snapshots of one environment.

    The tags ``environment``, ``deployment``, ``node``, ``heads`` (comma-separated) and ``before`` come back as fields.
    """

    def __init__(
        self, folder: Path, environment: str, maker: Maker, *, trace: Callable[[str], None] = lambda action: None
    ) -> None:
        self.folder = folder
        self.environment = environment
        self._maker = maker
        self._trace = trace
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, snapshot: str, tags: Mapping[str, str]) -> None:
        """Begin one. Adopted: one that is available, one that is being made, one that was finished unwatched.

        One that was cut off is made again.
        """
        folder = files.private(self.folder) / files.name(snapshot)
        with files.locked(self.folder / ".lock"):
            self._sweep()
            if folder.exists() and self._adopted(folder):
                return
            self._remove(folder)
            files.private(folder)
            program = self._maker.program(folder, snapshot)
            created = datetime.now(UTC).isoformat()
            record = {"state": "creating", "tags": dict(tags), "created": created, "bytes": None}
            with _lock(folder, wait=True) as fd:
                files.write_json(folder / "snapshot.json", record)
                self._trace("snapshot noted")
                assert fd is not None
                self._children[snapshot] = self._spawn(program, folder, fd)
            self._trace("snapshot begun")

    def wait(self, snapshot: str, progress: Callable[[str, int | None], None]) -> Snapshot:
        """Wait until it is available and verified.

        :raises StateError: there is no such snapshot.
        :raises RemoteError: it failed, and is removed.
        """
        folder = self.folder / files.name(snapshot)
        while not files.until(lambda: not _busy(folder), 1.0, every=0.02):
            progress("creating", self._maker.percent(_read(folder / "log")))
        child = self._children.pop(snapshot, None)
        with _lock(folder, wait=True):
            if self._record(snapshot)["state"] != "available":
                try:
                    if child is not None and child.wait():
                        words = last_words(_read(folder / "log")) or f"exit {child.returncode}"
                        raise RemoteError(f"snapshot {snapshot} failed: {words}")
                    self._publish(folder, watched=child is not None)
                except RemoteError:
                    self._remove(folder)
                    raise
        progress("available", 100)
        return self.get(snapshot)

    def get(self, snapshot: str) -> Snapshot:
        """One snapshot. :raises StateError: there is none."""
        record = self._record(snapshot)
        folder = self.folder / snapshot
        tags: Mapping[str, str] = record["tags"]  # type: ignore[assignment]
        state = str(record["state"])
        size = record["bytes"]
        return Snapshot(
            id=snapshot,
            environment=tags.get("environment", self.environment),
            state="failed" if state == "creating" and not _busy(folder) else state,
            created=datetime.fromisoformat(str(record["created"])),
            bytes=size if isinstance(size, int) else None,
            deployment=tags.get("deployment") or None,
            node=tags.get("node") or None,
            heads=tuple(head for head in tags.get("heads", "").split(",") if head),
            before=tags.get("before") or None,
            tags=tags,
        )

    def list(self) -> list[Snapshot]:
        """Newest first."""
        names = [path.parent.name for path in self.folder.glob("[!.]*/snapshot.json")]
        found = []
        for name in names:
            with contextlib.suppress(StateError):  # deleted since
                found.append(self.get(name))
        return sorted(found, key=lambda snapshot: (snapshot.created, snapshot.id), reverse=True)

    def content(self, snapshot: str) -> Path:
        """What a restore reads. :raises StateError: it is not available."""
        found = self.get(files.name(snapshot))
        if found.state != "available":
            raise StateError(f"snapshot {snapshot} is not available: {found.state}")
        return self.folder / snapshot / self._maker.content

    def delete(self, snapshot: str) -> None:
        """Delete one. :raises StateError: it is being made."""
        folder = self.folder / files.name(snapshot)
        if not folder.exists():
            return
        with files.locked(self.folder / ".lock"):
            if _busy(folder):
                raise StateError(f"snapshot {snapshot} is being made", hint="ask again when it is available")
            self._remove(folder)
            self._sweep()

    def _adopted(self, folder: Path) -> bool:
        record = files.read_json(folder / "snapshot.json")
        if record is None:
            return False
        if record["state"] == "available" or _busy(folder):
            return True
        try:
            self._publish(folder, watched=False)
        except RemoteError:
            return False
        return True

    def _publish(self, folder: Path, *, watched: bool) -> None:
        """Verify, then say ``available``. Unwatched: nobody knows whether the program came to flushing its files."""
        self._maker.verify(folder)
        if not watched:
            os.sync()
        record = files.read_json(folder / "snapshot.json") or {}
        files.write_json(folder / "snapshot.json", {**record, "state": "available", "bytes": _size(folder)})
        self._trace("snapshot available")

    def _spawn(self, program: Program, folder: Path, lock: int) -> subprocess.Popen[bytes]:
        with open(folder / "log", "wb") as log:
            files.inherit(folder / "log")
            child: subprocess.Popen[bytes] = subprocess.Popen(
                program.runner.command(program.argv),
                cwd=folder,
                env=dict(program.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # ctrl-c ends us, not the snapshot
                pass_fds=(lock,),
                **program.runner.identity,  # type: ignore[call-overload]
            )
        return child

    def _record(self, snapshot: str) -> dict[str, object]:
        record = files.read_json(self.folder / snapshot / "snapshot.json")
        if record is None:
            raise StateError(f"there is no snapshot {snapshot}")
        return record

    def _remove(self, folder: Path) -> None:
        """Out of sight in one step, so that a half-removed one is never taken for a snapshot."""
        if folder.exists():
            gone = folder.with_name(f".gone-{folder.name}")
            shutil.rmtree(gone, ignore_errors=True)
            folder.rename(gone)
            files.sync(self.folder)
            self._trace("snapshot removed")
            shutil.rmtree(gone)

    def _sweep(self) -> None:
        for gone in self.folder.glob(".gone-*"):
            shutil.rmtree(gone)


@contextlib.contextmanager
def _lock(folder: Path, *, wait: bool = False) -> Iterator[int | None]:
    """The lock of one snapshot; None where somebody else has it. A program that inherits it keeps it."""
    try:
        fd = os.open(folder / "running", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield fd
    except BlockingIOError:
        yield None
    finally:
        os.close(fd)


def _busy(folder: Path) -> bool:
    """True while a program makes the snapshot, or somebody verifies it."""
    if not (folder / "running").exists():
        return False
    with _lock(folder) as fd:
        return fd is None


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _size(folder: Path) -> int:
    return sum((Path(place) / name).lstat().st_size for place, _, names in os.walk(folder) for name in names)


class KeepsSnapshots:
    """What control planes have in common whose snapshots are files on this machine."""

    _snapshots: Snapshots

    def exists(self) -> bool:
        """Somebody else made it."""
        return True

    def mark(self) -> None:
        """There is no way back but by snapshots."""
        return

    def snapshot_name(self, deployment: str, number: int, *, again: bool = False) -> str:
        """Such as ``dev-42-1``; the folder is the environment's own, so nobody else takes one."""
        return f"{deployment}-{number}"

    def start_snapshot(self, snapshot: str, *, tags: Mapping[str, str]) -> None:
        """Begin one."""
        self._snapshots.start(snapshot, tags)

    def wait_snapshot(self, snapshot: str, *, progress: Callable[[str, int | None], None]) -> Snapshot:
        """Wait for it."""
        return self._snapshots.wait(snapshot, progress)

    def snapshots(self) -> list[Snapshot]:
        """Those on this machine, newest first."""
        return self._snapshots.list()

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete one."""
        self._snapshots.delete(snapshot)
