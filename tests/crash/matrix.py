# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many cells, in some processes of their own."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import random
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.crash.controls import controls
from tests.crash.harness import Ground, Result, room
from tests.crash.points import Aim
from tests.crash.scenarios import BY_NAME, Scenario


@dataclass(frozen=True)
class Draw:
    """Which cells: ``only`` one, as a failure prints it, or a seeded ``sample``; else all."""

    sample: int | None = None
    seed: int = 0
    only: str | None = None

    def of(self, name: str, every: list[Aim]) -> list[Aim]:
        """The chosen ones of a scenario's cells."""
        if self.only:
            return [Aim.parse(self.only)]
        if self.sample is None:
            return every
        return random.Random(f"{self.seed} {name}").sample(every, min(self.sample, len(every)))


@dataclass
class Row:
    """What came of one scenario."""

    scenario: Scenario
    points: int
    cells: int
    results: list[Result]

    @property
    def passed(self) -> int:
        """Cells whose end is that of an undisturbed run."""
        return sum(not result.problems for result in self.results)


def tied() -> None:
    """A worker ends with the process that started it."""
    os.environ.update({"HGRCPATH": "", "HGUSER": "ana"})
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)


def _cells(name: str, server: str, folder: str, draw: Draw, part: tuple[int, int]) -> tuple[int, int, list[Result]]:
    """In a process of its own, which has no threads when it forks: a share of a scenario's cells."""
    number, of = part
    ground = Ground(BY_NAME[name], server, Path(folder) / str(number))
    ground.prepare(twice=draw.sample is None and draw.only is None)
    try:
        every = ground.aims()
        chosen = draw.of(name, every)
        return ground.points(), len(every), [_told(ground, aim) for aim in chosen[number::of]]
    finally:
        ground.close()


def _told(ground: Ground, aim: Aim) -> Result:
    result = ground.cell(aim)
    if result.problems:
        print(f"FAIL {ground.scenario.name}: {aim}", flush=True)
        for problem in result.problems:
            print(f"     {problem}", flush=True)
        print(
            f"     python -m tests.crash --scenario {ground.scenario.name} --cell {shlex.quote(str(aim))}", flush=True
        )
    return result


def run(scenarios: Sequence[Scenario], server: str, *, jobs: int, draw: Draw) -> Iterator[Row]:
    """Kill in each scenario, in ``jobs`` processes; a sample is drawn over all of a scenario's cells."""
    spawn = multiprocessing.get_context("spawn")
    with room() as folder, ProcessPoolExecutor(jobs, mp_context=spawn, initializer=tied) as pool:
        for scenario in scenarios:
            parts = [pool.submit(_cells, scenario.name, server, str(folder), draw, (n, jobs)) for n in range(jobs)]
            found = [part.result() for part in parts]
            points, cells, _ = found[0]
            yield Row(scenario, points, cells, [result for _, _, results in found for result in results])


def _weakened(scenario: str, server: str, folder: str) -> dict[str, tuple[str, ...]]:
    ground = Ground(BY_NAME[scenario], server, Path(folder))
    ground.prepare(twice=False)
    try:
        return {
            control.name: ground.cell(Aim.parse(control.aim), control.adapters, tries=1).problems
            for control in controls()
            if control.scenario == scenario
        }
    finally:
        ground.close()


def weakened(scenario: str, server: str) -> dict[str, tuple[str, ...]]:
    """The controls of a scenario by name, and what one kill shows without the protection."""
    spawn = multiprocessing.get_context("spawn")
    with room() as folder, ProcessPoolExecutor(1, mp_context=spawn, initializer=tied) as pool:
        return pool.submit(_weakened, scenario, server, str(folder)).result()
