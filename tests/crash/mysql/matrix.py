# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many cells on one server, in some processes of their own."""

from __future__ import annotations

import multiprocessing
import random
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.crash.harness import room
from tests.crash.matrix import tied
from tests.crash.mysql.ground import Ground, Result, Verdict
from tests.crash.mysql.shapes import BY_NAME, Shape
from tests.crash.mysql.warm import Warm
from tests.crash.mysql.wiretap import Aim


@dataclass(frozen=True)
class Draw:
    """Which cells: ``only`` one, as a failure prints it, or a seeded ``sample`` of each shape; else all."""

    sample: int | None = None
    seed: int = 0
    only: str | None = None
    #: around each statement, reading ones too
    every: bool = False
    #: each child a new interpreter
    cold: bool = False

    def of(self, name: str, every: list[Aim]) -> list[Aim]:
        """The chosen ones of a shape's cells."""
        if self.only:
            return [Aim.parse(self.only)]
        if self.sample is None:
            return every
        return random.Random(f"{self.seed} {name}").sample(every, min(self.sample, len(every)))

    @property
    def said(self) -> str:
        """In words."""
        if self.only:
            return "one cell"
        if self.sample is None:
            return "each statement" if self.every else "each cell"
        return f"{self.sample} cells of each shape, seed {self.seed}"

    @property
    def whole(self) -> bool:
        """Nothing is left out."""
        return self.sample is None and self.only is None


@dataclass
class Row:
    """What came of one shape."""

    shape: Shape
    points: int
    cells: int
    results: list[Result]

    def counts(self) -> Counter[Verdict]:
        """How many of each verdict."""
        return Counter(result.verdict for result in self.results)


def one_shape(
    name: str, server: str, folder: Path, warm: Warm, draw: Draw, *, bare: bool = False, without: str | None = None
) -> Row:
    """All chosen cells of a shape, in this process.

    :param folder: where a folder with the shape's name is made.
    :param without: the protection that is taken out.
    """
    shape = BY_NAME[name]
    ground = Ground(shape, server, folder, warm, bare=bare, without=without, cold=draw.cold)
    try:
        ground.prepare(twice=draw.whole)
        every = ground.aims(every=draw.every)
        results = [ground.cell(aim) for aim in draw.of(name, every)]
        return Row(shape, ground.points(), len(every), results)
    finally:
        ground.close()


def _one(name: str, server: str, folder: str, draw: Draw, bare: bool) -> Row:
    place = Path(folder) / name
    place.mkdir()
    with Warm(place) as warm:
        return one_shape(name, server, place, warm, draw, bare=bare)


def run(shapes: Sequence[Shape], server: str, *, jobs: int, draw: Draw, bare: bool = False) -> Iterator[Row]:
    """Strike in each shape; rows come in the order of the shapes."""
    spawn = multiprocessing.get_context("spawn")
    with room() as folder, ProcessPoolExecutor(jobs, mp_context=spawn, initializer=tied) as pool:
        waiting = [pool.submit(_one, shape.name, server, str(folder), draw, bare) for shape in shapes]
        for part in waiting:
            yield part.result()


def again(result: Result) -> str:
    """The command that repeats a cell."""
    return f"python -m tests.crash.mysql --shapes {result.shape} --cell {shlex.quote(str(result.aim))}"
