# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration children and hg's command servers that need not import their libraries anew: half the work of the suite.

A nursery is an interpreter without threads that has imported what they need. Where the product would start a process,
the nursery forks itself, as a child of the process that asks (CLONE_PARENT, clone(2)), with that process's descriptors,
folder and environment, in a session of its own; the program then runs from its first line. What it is given, how it
ends and who sees that are the same, so the product's code runs as it is. Only its command line says something else.

``python -m tests --cold`` does without, and so do other systems than Linux, other Pythons than those whose
:class:`subprocess.Popen` is known here, and other interpreters than the one that runs.
"""

from __future__ import annotations

import array
import contextlib
import ctypes
import importlib
import json
import os
import platform
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from types import SimpleNamespace
from typing import Any

#: bytes of a request, which holds an environment
_REQUEST = 1 << 20
#: the first descriptor that is nobody's
_HIGH = 600
_CLONE = {"x86_64": 56, "aarch64": 220}
_CLONE_PARENT = 0x8000

SCRIPTS = (
    "alembic.command",
    "alembic.autogenerate",
    "alembic.runtime.environment",
    "alembic.script",
    "psycopg",
    "psycopg.types.json",
    "pymysql",
    "sqlalchemy.dialects.mysql.pymysql",
    "sqlalchemy.dialects.postgresql.psycopg",
)
MERCURIAL = (
    "mercurial.dispatch",
    "mercurial.commands",
    "mercurial.commandserver",
    "mercurial.hg",
    "mercurial.localrepo",
    "mercurial.pure.charencode",
    "mercurial.statichttprepo",
    "mercurial.templatekw",
    "mercurial.templater",
    "mercurial.revset",
)


def preload(*names: str) -> None:
    """Import modules."""
    for name in names:
        importlib.import_module(name)


def possible() -> bool:
    """Whether this machine and this Python can."""
    return sys.platform == "linux" and platform.machine() in _CLONE and (3, 11) <= sys.version_info[:2] <= (3, 13)


def _names() -> int:
    """The mount namespace of this thread, which says what names of hosts resolve to (:mod:`tests.emulator.names`)."""
    return os.stat("/proc/thread-self/ns/mnt").st_ino


class Nursery:
    """The side of the process that asks. The nursery begins when it is first asked, and anew in another namespace.

    :param flags: of the interpreter.
    :param program: the first words of what it starts.
    :param more: its environment variables.
    """

    def __init__(self, *flags: str, program: list[str], preloads: tuple[str, ...], **more: str) -> None:
        self._flags, self._program, self._preloads, self._more = flags, program, preloads, more
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._born = 0

    def popen(self, arguments: list[str], **options: Any) -> subprocess.Popen[bytes]:
        """What stands in for :class:`subprocess.Popen`."""
        ours = os.getpid() == self._owner and arguments[: len(self._program)] == self._program and self._ready()
        return _Forked(self, arguments, **options) if ours else subprocess.Popen(arguments, **options)

    def _ready(self) -> bool:
        """A new process dies with the thread that began the nursery, so that is the main one."""
        with self._lock:
            if self._process is not None and self._born == _names():
                return True
            if threading.current_thread() is not threading.main_thread():
                return False
            self._end()
            self._begin()
            return True

    def _begin(self) -> None:
        self._born = _names()
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, *self._flags, __file__, str(theirs.fileno()), *self._preloads],
                # pipes, as a file's object would be of another class; what is made of them at import is kept
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                env={name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ} | self._more,
                cwd="/",
            )

    def bear(self, arguments: list[str], folder: str, environment: dict[str, str], fds: dict[int, int]) -> int:
        """A new process; its id.

        :param fds: its descriptors, to ours.
        """
        words = {"arguments": arguments, "folder": folder, "environment": environment, "fds": list(fds)}
        with self._lock:
            assert self._process is not None
            socket.send_fds(self._socket, [json.dumps(words).encode()], list(fds.values()))
            answer = self._socket.recv(64)
            if not answer:
                said = self._process.communicate()[1].decode()
                raise AssertionError(f"the nursery is gone, exit code {self._process.returncode}: {said}")
        return int(answer)

    def close(self) -> None:
        """No more processes."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._socket.close()
            self._process.communicate()
            self._process = None


class _Forked(subprocess.Popen[bytes]):
    """A process out of a nursery."""

    def __init__(self, nursery: Nursery, arguments: list[str], **options: Any) -> None:
        self._nursery = nursery
        super().__init__(arguments, **options)

    def _execute_child(self, args: Any, *rest: Any) -> None:
        # the order of CPython 3.11 to 3.13
        pass_fds, cwd, env = rest[3:6]
        p2cread, _, _, c2pwrite, _, errwrite = rest[9:15]
        fds = {0: p2cread, 1: c2pwrite, 2: errwrite, **{fd: fd for fd in pass_fds}}
        folder = os.fspath(cwd) if cwd is not None else os.getcwd()
        self.pid = self._nursery.bear([os.fspath(one) for one in args], folder, dict(env), fds)
        self._child_created = True
        self._close_pipe_fds(*rest[9:15])  # type: ignore[attr-defined]


@contextlib.contextmanager
def instead() -> Any:
    """Within it, this process's migration children and command servers come from nurseries."""
    import hglib.util

    from hgaurora.adapters.history import server
    from hgaurora.adapters.migrations import process

    scripts = Nursery("-I", program=[sys.executable, "-I"], preloads=SCRIPTS)
    words = {"HGRCPATH": "", "HGPLAIN": "+strictflags", "HGENCODING": "UTF-8"}
    mercurial = Nursery(program=[server.find_hg()], preloads=MERCURIAL, **words)
    places: tuple[tuple[Any, Nursery], ...] = ((process, scripts), (server, mercurial), (hglib.util, mercurial))
    for module, nursery in places:
        module.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": nursery.popen})
    try:
        yield
    finally:
        for module, _ in places:
            module.subprocess = subprocess
        scripts.close()
        mercurial.close()


# -- the nursery's side


def _fork() -> int:
    """As :func:`os.fork`, but the new process's parent is this one's."""
    python, system = ctypes.pythonapi, ctypes.PyDLL(None)
    python.PyOS_BeforeFork()
    pid: int = system.syscall(_CLONE[platform.machine()], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        python.PyOS_AfterFork_Child()
    else:
        python.PyOS_AfterFork_Parent()
    return pid


def program(arguments: list[str]) -> None:
    """Run what a command line names, ``python -I PROGRAM ARGUMENT...`` or a script and its arguments, anew."""
    sys.argv = arguments[2:] if arguments[1] == "-I" else arguments
    if "mercurial.pycompat" in sys.modules:
        # which took them when it was imported
        sys.modules["mercurial.pycompat"].sysargv = [os.fsencode(one) for one in sys.argv]  # type: ignore[attr-defined]
    runpy.run_path(sys.argv[0], run_name="__main__")


def _grow(words: dict[str, Any], fds: list[int]) -> None:
    """The new process; does not return."""
    code = 1
    try:
        os.setsid()
        aside = [_HIGH + number for number in range(len(fds))]
        for fd, high in zip(fds, aside, strict=True):
            os.dup2(fd, high)
        os.closerange(0, _HIGH)
        for high, number in zip(aside, words["fds"], strict=True):
            os.dup2(high, number)
            os.close(high)
        os.chdir(words["folder"])
        os.environ.clear()
        os.environ.update(words["environment"])
        program(words["arguments"])
        code = 0
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else int(done.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _serve(fd: int, preloads: list[str]) -> None:
    """Until nobody asks any more."""
    preload(*preloads)
    asked = socket.socket(fileno=fd)
    while True:
        words, fds, _, _ = socket.recv_fds(asked, _REQUEST, 64)
        if not words:
            return
        pid = _fork()
        if pid == 0:
            _grow(json.loads(words), fds)
        for one in array.array("i", fds):
            os.close(one)
        asked.send(str(pid).encode())


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2:])
