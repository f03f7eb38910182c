# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files that must survive a power cut, and folders that only their owner may enter."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ...core.errors import InputError, RemoteError, SecurityError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def name(text: str) -> str:
    """The text, where it may be part of a path and of a database's name.

    :raises InputError: it is empty, longer than 100 characters or holds anything but ``A-Z a-z 0-9 . _ -``.
    """
    if not _NAME.fullmatch(text):
        raise InputError(f"not a usable name: {text!r}", hint="use letters, digits, '.', '_' and '-'")
    return text


def private(folder: Path) -> Path:
    """Make a folder that only its owner may enter (0700); parents as needed."""
    if not folder.exists():
        if not folder.parent.exists():
            private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        inherit(folder)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)
    return folder


def for_sockets(folder: Path, owner: int) -> None:
    """Make a folder for sockets, that may lie below ``/tmp``, or see that it is ours; so is the one it is in.

    :raises SecurityError: it belongs to somebody else.
    """
    for one in (folder.parent, folder):
        if not one.exists():
            private(one)
            if os.geteuid() == 0:
                os.chown(one, owner, -1)
        info = one.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_mode & 0o077 or info.st_uid != owner:
            raise SecurityError(
                f"{one} is not a private folder of this user", hint=f"look who made it, then remove it: {one}"
            )


def inherit(path: Path) -> None:
    """What root makes belongs to the owner of the folder it is in, as if that user had made it."""
    if os.geteuid() == 0:
        os.chown(path, path.parent.stat().st_uid, -1, follow_symlinks=False)


def sync(folder: Path) -> None:
    """Make renames, new files and removals in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush(path: Path) -> None:
    """Make the content of a file durable that another program wrote."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write(path: Path, text: str) -> None:
    """Replace a file (0600) durably, so that a reader sees the old text or the new one."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(fd)
    inherit(draft)
    draft.replace(path)
    sync(path.parent)


def write_json(path: Path, value: object) -> None:
    """:func:`write` an object as JSON."""
    write(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> dict[str, object] | None:
    """The object in a file, or None where there is no such file.

    :raises RemoteError: the file is there and is not a JSON object.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as err:
        raise RemoteError(f"{path} is damaged: {err}", hint=f"look at it, then move it away: {path}") from err
    if not isinstance(value, dict):
        raise RemoteError(f"{path} is damaged: not an object", hint=f"look at it, then move it away: {path}")
    return value


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; it dies with the process. Waits for whoever has it."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    inherit(path)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def until(condition: Callable[[], bool], seconds: float, *, every: float = 0.01) -> bool:
    """Poll until true, for at most some seconds; the last answer."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            return False
        time.sleep(every)
    return True
