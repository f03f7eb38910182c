# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``guard.py FOLDER``: when its input ends, end the servers that work in a folder, and remove it.

An emulator that is killed cannot stop its servers; this process, which holds the other end of a pipe, then does.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path


class Guard:
    """Watches over a folder until :meth:`close`, or until this process is gone."""

    def __init__(self, folder: Path) -> None:
        argv = [sys.executable, "-I", os.path.abspath(__file__), str(folder)]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True)

    def close(self) -> None:
        """There is nothing left to do, or it is done now."""
        self._process.communicate()


def sweep(folder: Path) -> None:
    """Kill whoever works in a folder; remove it."""
    for _ in range(50):
        found = [path for path in Path("/proc").glob("[0-9]*") if _inside(path, folder)]
        for path in found:
            os.kill(int(path.name), signal.SIGKILL)
        if not found:
            break
        time.sleep(0.1)  # they are not our children, so there is nothing to wait on
    shutil.rmtree(folder, ignore_errors=True)


def _inside(process: Path, folder: Path) -> bool:
    try:
        return Path(os.readlink(process / "cwd")).is_relative_to(folder)
    except OSError:  # ended, or somebody else's
        return False


if __name__ == "__main__":
    sys.stdin.read()
    sweep(Path(sys.argv[1]))
