# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Endpoint names in AWS's form that every program resolves, though no name server knows them.

What was tried: glibc does not resolve ``*.localhost`` unless nss-myhostname is installed; a preloaded nss-wrapper does
not reach the migration child, whose environment is cleaned; libpq resolves by itself, so nothing in Python can help.
So it is a hosts file of our own, mounted over ``/etc/hosts`` in a private mount namespace. glibc reads that file at
each look-up, and whatever a process starts inherits the namespace.

A normal user gets a user namespace for it; where the kernel refuses those, root is needed. Elsewhere than on Linux
there is no such thing: :func:`enter` and :func:`command` say so.
"""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_NEWNS, _NEWUSER = 0x00020000, 0x10000000  # sched.h
_BIND, _REC, _PRIVATE = 0x1000, 0x4000, 0x40000  # sys/mount.h
ETC = Path("/etc/hosts")
#: the environment variable that names the hosts file; workers of a test run share it
HOSTS = "HGAURORA_TEST_HOSTS"


_entered: Path | None = None


class NoNames(Exception):
    """Names cannot be made to resolve here; says what is missing."""


class Hosts:
    """A hosts file that several emulators share: each has its own lines. Written in place, for it is mounted.

    :param path: it is there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def replace(self, owner: str, names: Mapping[str, str]) -> None:
        """Let an emulator's lines be these, from name to address; other lines stay."""
        mark = f"# {owner}"
        with open(self.path, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            kept = [line for line in file.read().splitlines() if not line.endswith(mark)]
            lines = [*kept, *(f"{address}\t{name}\t{mark}" for name, address in sorted(names.items()))]
            text = "".join(f"{line}\n" for line in lines)
            # a reader in between sees whole lines: what is kept stands first and does not change
            file.seek(0)
            file.write(text)
            file.truncate()


def command(hosts: Path, argv: Sequence[str]) -> list[str]:
    """The command line that runs a program, and all it starts, with a hosts file."""
    return [sys.executable, os.path.abspath(__file__), str(hosts), *argv]


def enter(hosts: Path) -> None:
    """Let the calling thread, and what it starts from now on, see a hosts file as ``/etc/hosts``. For good.

    Where we are not root the process may have no other threads (``unshare(2)``).

    :raises NoNames: it is refused here.
    """
    if sys.platform != "linux":
        raise NoNames("endpoint names resolve only on Linux, in a mount namespace")
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWNS if uid == 0 else _NEWNS | _NEWUSER):
        what = (
            "mount namespaces are" if uid == 0 else "user namespaces are (or this process has threads already; be root)"
        )
        raise NoNames(f"names of endpoints cannot be resolved: {what} refused: {os.strerror(ctypes.get_errno())}")
    if uid:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    for source, target, flags in ((b"none", b"/", _REC | _PRIVATE), (os.fsencode(hosts), os.fsencode(ETC), _BIND)):
        if libc.mount(source, target, None, flags, None):
            raise NoNames(f"cannot mount {hosts} over {ETC}: {os.strerror(ctypes.get_errno())}")
    global _entered
    _entered = hosts


def shared() -> Path:
    """The hosts file of this process: the one it sees, else the one of :data:`HOSTS`, else a new one."""
    if _entered or HOSTS in os.environ:
        return _entered or Path(os.environ[HOSTS])
    handle, path = tempfile.mkstemp(prefix="hgaurora-hosts-")
    with open(handle, "w", encoding="utf-8") as file:
        file.write(ETC.read_text("utf-8") if ETC.exists() else "127.0.0.1 localhost\n")
    os.chmod(path, 0o644)
    atexit.register(_remove, os.getpid(), Path(path))
    os.environ[HOSTS] = path
    return Path(path)


def _remove(pid: int, path: Path) -> None:
    if os.getpid() == pid:
        path.unlink(missing_ok=True)


def main() -> None:
    """``names.py HOSTS COMMAND...``"""
    if len(sys.argv) < 3:
        sys.exit("usage: names.py HOSTS COMMAND...")
    try:
        enter(Path(sys.argv[1]))
    except NoNames as err:
        sys.exit(str(err))
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
