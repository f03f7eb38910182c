# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is behind a cluster: one real server on one data folder, and consistent copies of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

#: where data folders are made, if not chosen by the variable: memory where it is roomy, for nothing is worth keeping
PLACE = "HGAURORA_TEST_EMULATOR_DIR"
_ROOM = 4 << 30  # bytes


def workspace() -> Path:
    """A new folder for everything of one emulator."""
    place = os.environ.get(PLACE)
    memory = Path("/dev/shm")
    if place is None and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        place = str(memory)
    return Path(tempfile.mkdtemp(prefix="hgaurora-emulator-", dir=place))


def copy(source: Path, target: Path) -> None:
    """A whole folder, by reference where the file system can."""
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


class Plane(ABC):
    """One server. The folder is private; nothing is started by making this object.

    :param folder: of this cluster alone.
    """

    #: the engine's usual one, not the server's own
    port: int

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    # life

    @abstractmethod
    def lay(self, image: Path | None) -> None:
        """Make the data folder, empty or from an image."""

    @abstractmethod
    def start(self) -> None:
        """Start the server, or find it running; recovers what an image was in the middle of."""

    @abstractmethod
    def stop(self) -> None:
        """End the server and its sessions; what was committed is there at the next start."""

    @abstractmethod
    def running(self) -> bool:
        """True where it serves."""

    def remove(self) -> None:
        """Stop, and remove all."""
        self.stop()
        shutil.rmtree(self.folder)

    # data

    @abstractmethod
    def image(self, target: Path) -> None:
        """A copy of all data as of one instant, under load; sessions stay."""

    @abstractmethod
    def mark(self) -> None:
        """From here on :meth:`at` works. Called once, while no client is connected."""

    @abstractmethod
    def at(self, time: datetime, target: Plane) -> None:
        """Lay down another plane's data, as ours were at a time (UTC) since :meth:`mark`; the other is left stopped."""

    # readers

    @abstractmethod
    def follow(self, writer: Plane) -> None:
        """Be a read-only server that follows another one; laid down at the first time, started in any case."""

    # clients

    @property
    @abstractmethod
    def address(self) -> tuple[str, int]:
        """Where the server itself listens while it runs."""

    @abstractmethod
    def admin(self, database: str | None = None) -> AbstractContextManager[Any]:
        """A DB-API connection of the administrator that no customer of AWS is, in autocommit."""

    @abstractmethod
    def master(self, user: str, password: str) -> None:
        """Make the master user, or set its password."""

    @abstractmethod
    def database(self, name: str) -> None:
        """Make the first database, owned by nobody in particular."""
