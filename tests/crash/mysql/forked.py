# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Migration children that need not import the libraries anew: half of the time of a short deploy.

The child's own program runs, from its first line, in a process of its own with its own group, folder, environment and
descriptors; only the interpreter with Alembic, SQLAlchemy and the driver is there already.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import traceback
from types import SimpleNamespace
from typing import Any

from hgaurora.adapters.migrations import process


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
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(env)
        sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w"), open(2, "w")  # noqa: SIM115  they are the process's
        # python -I PROGRAM ARGUMENT...
        sys.argv = args[2:]
        runpy.run_path(args[2], run_name="__main__")
    except SystemExit as done:
        os._exit(done.code if isinstance(done.code, int) else 0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def instead() -> None:
    """From here on this process forks its migration children."""
    process.subprocess = SimpleNamespace(  # type: ignore[attr-defined]
        Popen=_Forked, DEVNULL=subprocess.DEVNULL, PIPE=subprocess.PIPE
    )
