# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole processes, timed in turns."""

from __future__ import annotations

import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import psycopg


@dataclass(frozen=True)
class Command:
    """What is measured, and what is done before each time, which is not."""

    name: str
    arguments: Sequence[str]
    cwd: Path
    env: Mapping[str, str]
    before: Callable[[], None] = lambda: None

    def seconds(self) -> float:
        """Run it once, from its start until it has ended."""
        self.before()
        start = time.perf_counter()
        done = subprocess.run(
            self.arguments, cwd=self.cwd, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, check=False
        )
        took = time.perf_counter() - start
        if done.returncode:
            raise SystemExit(f"{self.name}: exit {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")
        return took


def in_turns(first: Command, second: Command, rounds: int) -> tuple[list[float], list[float]]:
    """Seconds of each, A B A B: what else the machine does hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for command, found in zip((first, second), times, strict=True):
            found.append(command.seconds())
    return times


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    what: str
    bare: Sequence[float]
    ours: Sequence[float]
    #: medians to the figure that has a limit
    figure: float
    limit: float
    unit: str

    def cells(self) -> list[str]:
        """As text."""
        return [
            self.what,
            _spread(self.bare),
            _spread(self.ours),
            f"{self.figure:.2f}{self.unit}",
            f"{self.limit:g}{self.unit}",
        ]


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.1f}"
    return f"{statistics.median(values):.3f} s ({min(values):.3f}..{max(values):.3f})"


def ratio(what: str, bare: Sequence[float], ours: Sequence[float], limit: float) -> Line:
    """A line whose figure is the ratio of the medians."""
    return Line(what, bare, ours, statistics.median(ours) / statistics.median(bare), limit, "")


def table(lines: Sequence[Line]) -> str:
    """All lines, in columns."""
    rows = [["", "without (min..max)", "hgaurora (min..max)", "figure", "at most"], *(line.cells() for line in lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("  ".join(row).rstrip() for row in padded)


def versions(url: str) -> str:
    """What was measured, and on what."""
    with psycopg.connect(url) as connection:
        server = connection.info.parameter_status("server_version")
        fsync = connection.execute("SHOW fsync").fetchone()
    packages = ", ".join(f"{name} {version(name)}" for name in ("mercurial", "alembic", "sqlalchemy", "psycopg"))
    return f"Python {platform.python_version()}, {packages}; PostgreSQL {server} (fsync {fsync[0] if fsync else '?'})"
