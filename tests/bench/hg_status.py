# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the extension costs ``hg status``: the median difference of interleaved pairs."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

from .install import Installed
from .measure import Command, Line

#: milliseconds
MOST = 10


def measure(installed: Installed, folder: Path, pairs: int) -> Line:
    """``hg status`` in a repository of 100 files, the extension switched on by name, and not."""
    folder.mkdir()
    commands = []
    for name, text in (("without", ""), ("with", "[extensions]\nhgaurora =\n")):
        (folder / name).write_text(text)
        env = installed.environ(HGRCPATH=str(folder / name))
        commands.append(Command(name, [*installed.hg, "status"], folder / "shop", env))
    root, env = folder / "shop", commands[0].env
    subprocess.run([*installed.hg, "init", root], env=env, check=True)
    for number in range(100):
        (root / f"{number}.txt").write_text(str(number))
    subprocess.run([*installed.hg, "commit", "-qAm", "files"], cwd=root, env=env, check=True)
    for command in commands:
        command.seconds()
    times: tuple[list[float], list[float]] = ([], [])
    for pair in range(pairs):
        for side in (0, 1) if pair % 2 else (1, 0):
            times[side].append(commands[side].seconds())
    differences = [b - a for a, b in zip(*times, strict=True)]
    return Line("hg status", *times, statistics.median(differences) * 1000, MOST, " ms")
