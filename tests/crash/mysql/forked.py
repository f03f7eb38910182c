# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration children and hg's command servers that need not import their libraries anew: most of a short deploy.

The program runs, from its first line, in a process of its own with its own group, folder, environment and descriptors;
only the interpreter with Alembic, SQLAlchemy, the driver and Mercurial is there already. (As :mod:`tests.nursery`, but
for a process that has all of it loaded itself, and no threads.)
"""

from __future__ import annotations

import os
import subprocess
import sys
import traceback
from types import SimpleNamespace
from typing import Any

from hgaurora.adapters.history import server
from hgaurora.adapters.migrations import process
from tests import nursery


class _Forked(subprocess.Popen[bytes]):
    """Forks this interpreter where another would be started."""

    def _execute_child(self, args: Any, *rest: Any) -> None:
        # the order of CPython 3.11 to 3.13; the whole is private, so another Python says so by failing
        _, _, _, pass_fds, cwd, env = rest[:6]
        p2cread, _, _, c2pwrite, _, errwrite = rest[9:15]
        self.pid = os.fork()
        if self.pid == 0:
            _run([os.fspath(one) for one in args], (p2cread, c2pwrite, errwrite), pass_fds, cwd, env)
        self._child_created = True
        self._close_pipe_fds(*rest[9:15])  # type: ignore[attr-defined]


def _run(args: list[str], streams: tuple[int, int, int], keep: Any, cwd: Any, env: Any) -> None:
    """The child; does not return."""
    try:
        os.setsid()
        for fd, source in enumerate(streams):
            os.dup2(source, fd)
        last = 2
        for fd in sorted(keep):
            os.closerange(last + 1, fd)
            os.set_inheritable(fd, True)
            last = fd
        os.closerange(last + 1, 1024)
        if cwd is not None:
            os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        # an object that goes must not take its descriptor along
        sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, closefd=False) for fd, mode in enumerate("rww"))  # noqa: SIM115
        nursery.program(args)
    except SystemExit as done:
        os._exit(done.code if isinstance(done.code, int) else 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def instead() -> None:
    """From here on this process forks its migration children and command servers."""
    for module in (process, server):
        module.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _Forked})  # type: ignore[attr-defined]
