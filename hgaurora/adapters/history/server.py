# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""hg's command server as a process. It takes longer to start than anything else a command waits for, so it can be
started before anything else is loaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ...core.errors import ConfigError

#: options of the server; subrepositories are never touched, and a log never asks or draws
_CONFIG = ("ui.interactive=False", "subrepos.allowed=False", "ui.color=off", "progress.disable=True")


#: what opens clusters and databases is no business of a Mercurial that only reads, nor of its extensions
_SECRET = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD", "MYSQL_PWD")


def find_hg() -> str:
    """The hg beside this Python, else the one on PATH.

    :raises ConfigError: there is none.
    """
    beside = Path(sys.executable).parent / "hg"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("hg")
    if found is None:
        raise ConfigError(
            f"hg was found neither beside {sys.executable} nor on PATH",
            state="nothing was done",
            hint=f"{sys.executable} -m pip install mercurial",
        )
    return found


def spawn(root: Path, hg: str) -> subprocess.Popen[bytes]:
    """Start ``hg serve`` on a repository; it ends when its stdin does.

    :raises OSError: it cannot be started.
    """
    # +strictflags: an argument that looks like --config or --debugger is never taken for an option
    environment = {
        name: value
        for name, value in os.environ.items()
        if (not name.startswith("HG") or name == "HGRCPATH") and name not in _SECRET
    }
    environment |= {"HGPLAIN": "+strictflags", "HGENCODING": "UTF-8"}
    command = [hg, "-R", os.fspath(root), *(f"--config={value}" for value in _CONFIG), "serve", "--cmdserver", "pipe"]
    pipe = subprocess.PIPE
    # a session of its own: Ctrl-C is for us
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True)


def end(server: subprocess.Popen[bytes]) -> None:
    """End it. It only ever read, so it is not asked to end in good order, which would take 0.1 s."""
    server.kill()
    server.communicate()


__all__ = ["end", "find_hg", "spawn"]
