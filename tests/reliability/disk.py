# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A disk of a few MiB that can really be full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20


class Disk:
    """A folder on a file system of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, free: int) -> None:
        """Leave so many bytes free; more is freed by asking again."""
        filler = self.folder / "filler"
        filler.unlink(missing_ok=True)
        stat = os.statvfs(self.folder)
        room = stat.f_bavail * stat.f_frsize - free
        with open(filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, room)

    def free(self) -> None:
        """All the room there is."""
        (self.folder / "filler").unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path, size: int) -> Iterator[Disk | None]:
    """A tmpfs of ``size`` bytes that servers which run as the owner of ``place`` may write to. None: this machine lets
    us have none.

    By root it is mounted; by anybody else in a user namespace, whose files are reached below ``/proc``.
    """
    place.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0777", "tmpfs", str(place)]
    if sys.platform != "linux":
        yield None
    elif os.geteuid() == 0 and subprocess.run(mount, capture_output=True).returncode == 0:
        try:
            yield Disk(place)
        finally:
            subprocess.run(["umount", "-l", str(place)], check=True)
    else:
        with _namespace(mount, place) as disk:
            yield disk


@contextmanager
def _namespace(mount: list[str], place: Path) -> Iterator[Disk | None]:
    """A process in a namespace that has it mounted, for as long as the block."""
    argv = ["unshare", "-rm", "sh", "-c", '"$@" && echo mounted && read end', "sh", *mount]
    try:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        yield None
        return
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        said = process.stdout.readline()
        yield Disk(Path(f"/proc/{process.pid}/root{place}")) if said == b"mounted\n" else None
        process.stdin.close()
