# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Repositories that no hg command would make, and hg itself."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mercurial import context, hg, initialization
from mercurial import ui as uimod

initialization.init()

HG = Path(sys.executable).parent / "hg"


def environment(**more: str) -> dict[str, str]:
    """Clean of this machine's hgrc."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HG")}
    here = str(Path(__file__).parents[2])
    return {**kept, "HGRCPATH": os.devnull, "HGUSER": "ana", "PYTHONPATH": here, **more}


def run(root: Path, *arguments: str, extensions: str = "", ok: tuple[int, ...] = (0,)) -> str:
    """Run hg in a repository; its stdout."""
    switched = [f"--config=extensions.{name}=" for name in extensions.split()]
    done = subprocess.run(
        [str(HG), *switched, *arguments], cwd=root, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode in ok, done.stderr
    return done.stdout


def repository(root: Path) -> Any:
    """The repository object, of this process."""
    ui = uimod.ui.load()
    ui.setconfig(b"ui", b"username", b"ana", b"test")
    ui.setconfig(b"ui", b"interactive", False, b"test")
    ui.setconfig(b"devel", b"default-date", b"0 0", b"test")
    return hg.repository(ui, os.fsencode(root), create=not (root / ".hg").exists())


def commit(
    root: Path,
    files: Mapping[bytes, bytes | tuple[bytes, str]],
    *,
    branch: bytes = b"default",
    message: bytes = b"made",
    user: bytes = b"ana",
) -> str:
    """Commit on top of tip what hg would refuse to add; a tuple's second part is ``l`` or ``x``. The node."""
    repo = repository(root)

    def content(repo: Any, ctx: Any, path: bytes) -> Any:
        data, flags = files[path] if isinstance(files[path], tuple) else (files[path], "")
        return context.memfilectx(repo, ctx, path, data, islink="l" in flags, isexec="x" in flags)

    with repo.wlock(), repo.lock():
        made = context.memctx(
            repo,
            (repo[b"tip"].node(), None),
            message,
            sorted(files),
            content,
            user=user,
            extra={b"branch": branch},
            date=b"0 0",
        )
        return bytes(repo.commitctx(made)).hex()
