# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Children with a protection taken out: the program is copied and a text in one of its files replaced."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.ports import Job

#: where most protections on PostgreSQL are
GUARD = "postgresql/guard.py"


def child(*edits: tuple[str, str], file: str = GUARD) -> type[ChildSession]:
    """A session whose child has ``edits`` (old text, new text) in ``file``; each old text stands there exactly once."""
    source = ChildSession.program.parent
    text = (source / file).read_text()
    for old, new in edits:
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        text = text.replace(old, new)

    class Weak(ChildSession):
        def __init__(self, job: Job, on_event: Callable[[Mapping[str, object]], None] | None) -> None:
            self._copy = Path(tempfile.mkdtemp(prefix="hgaurora-weak-"))
            shutil.copytree(source, self._copy / "child", ignore=shutil.ignore_patterns("__pycache__"))
            (self._copy / "child" / file).write_text(text)
            self.program = self._copy / "child" / ChildSession.program.name
            super().__init__(job, on_event)

        def close(self) -> None:
            super().close()
            shutil.rmtree(self._copy, ignore_errors=True)

    return Weak
