# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files of a changeset, laid down in a private folder that nobody else can plant links in."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ...core.errors import InputError

#: kept in memory where the system has such a place
_MEMORY = Path("/dev/shm")
_PREFIX = "hgaurora-run-"


def _parts(path: str) -> tuple[str, ...]:
    """A relative path in parts.

    :raises InputError: it is absolute, empty, or would leave the folder.
    """
    parts = tuple(path.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise InputError(
            f"path {path!r} of the changeset would leave its folder",
            state="nothing was run",
            hint="a migrations folder holds plain files below it",
        )
    return parts


class Folder:
    """A private temporary folder (0700); files in it are 0600, made new, never through a link.

    It is locked as long as its process lives; what killed ones left is removed.

    >>> with Folder() as folder:
    ...     folder.write("target", {"versions/a.py": b""})
    ...     (folder.path / "target" / "versions" / "a.py").exists()
    True
    """

    def __init__(self) -> None:
        memory = _MEMORY if os.access(_MEMORY, os.W_OK | os.X_OK) else None
        self._lock = -1
        while self._lock < 0:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=memory))
            # not there any more: somebody who swept was faster than our lock
            self._lock = _locked(self.path, wait=True)
        _sweep(self.path.parent)

    def write(self, name: str, files: Mapping[str, bytes]) -> None:
        """Lay files down below ``name``: path relative to it, to content.

        :raises InputError: a path would leave the folder, or two of them are in each other's way.
        """
        top = self.path / name
        top.mkdir(mode=0o700)
        made: dict[tuple[str, ...], int] = {(): os.open(top, os.O_DIRECTORY | os.O_NOFOLLOW)}
        try:
            for path, content in files.items():
                *folders, last = _parts(path)
                place = self._folder(made, tuple(folders), path)
                self._file(place, last, content, path)
        finally:
            for fd in made.values():
                os.close(fd)

    @staticmethod
    def _folder(made: dict[tuple[str, ...], int], folders: tuple[str, ...], path: str) -> int:
        """An open descriptor of a folder, made where it is not there."""
        if folders not in made:
            above = Folder._folder(made, folders[:-1], path)
            try:
                os.mkdir(folders[-1], 0o700, dir_fd=above)
                made[folders] = os.open(folders[-1], os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=above)
            except OSError as error:
                raise _clash(path, error) from error
        return made[folders]

    @staticmethod
    def _file(folder: int, name: str, content: bytes, path: str) -> None:
        try:
            fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        except OSError as error:
            raise _clash(path, error) from error
        with open(fd, "wb", buffering=0) as file:
            file.write(content)

    def remove(self) -> None:
        """Remove it and everything a script may have put there. Can be asked twice."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __enter__(self) -> Folder:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


def _locked(path: Path, *, wait: bool) -> int:
    """A descriptor that holds a folder's lock; -1 where another process has it, or the folder is gone."""
    try:
        fd = os.open(path, os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        os.close(fd)
        return -1
    if not path.exists():
        os.close(fd)
        return -1
    return fd


def _sweep(place: Path) -> None:
    """Remove the folders of this user whose processes were killed."""
    for left in place.glob(f"{_PREFIX}*"):
        try:
            ours = left.lstat().st_uid == os.geteuid()
        except FileNotFoundError:  # removed since
            continue
        if ours and (fd := _locked(left, wait=False)) >= 0:
            shutil.rmtree(left, ignore_errors=True)
            os.close(fd)


def _clash(path: str, error: OSError) -> InputError:
    return InputError(
        f"path {path!r} of the changeset cannot be laid down: {error.strerror}",
        state="nothing was run",
        hint="a file and a folder of the same name, or a name longer than 255 bytes, cannot stand in one folder",
    )
