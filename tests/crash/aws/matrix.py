# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many cells, in some processes of their own, each with an emulated AWS and a cluster."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.util
import random
import shlex
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cloud import Cloud, reachable
from tests.crash.aws.ground import SIDE, Ground, Result, Verdict
from tests.crash.aws.strikes import Aim, Point
from tests.crash.matrix import tied
from tests.crash.mysql.warm import Warm
from tests.emulator import names

ENGINES = ("postgresql", "mysql")
_grounds: dict[str, Ground] = {}
_opened = contextlib.ExitStack()


@dataclass(frozen=True)
class Draw:
    """Which cells: ``only`` some, as a failure prints them, or a seeded ``sample`` for each engine; else all."""

    sample: int | None = None
    seed: int = 0
    only: tuple[str, ...] = ()
    #: only ways of striking whose names have this in them
    way: str = ""

    def of(self, engine: str, every: Sequence[Aim]) -> list[Aim]:
        """The chosen ones, in an order of chance: what is cut short is a sample too."""
        if self.only:
            return [Aim.parse(text) for text in self.only]
        every = [aim for aim in every if self.way in aim.kind.name]
        count = len(every) if self.sample is None else min(self.sample, len(every))
        return random.Random(f"{self.seed} {engine}").sample(list(every), count)

    @property
    def said(self) -> str:
        """In words."""
        if self.only:
            return "chosen cells"
        of = f" of {self.way}" if self.way else ""
        return f"each cell{of}" if self.sample is None else f"{self.sample} cells{of}, seed {self.seed}"


@dataclass
class Row:
    """What came of one engine."""

    engine: str
    version: str
    points: tuple[Point, ...]
    cells: int
    results: list[Result]

    def count(self, *verdicts: Verdict) -> int:
        """How many ended so."""
        return sum(result.verdict in verdicts for result in self.results)


@contextmanager
def ground(engine: str, *, without: str | None = None, twice: bool = False) -> Iterator[Ground]:
    """A cluster with its base, prepared.

    :param without: the protection that is taken out.
    :param twice: only calls count that two undisturbed runs make.
    """
    reachable()
    with (
        tempfile.TemporaryDirectory(prefix="hgcrash-") as folder,
        Cloud() as cloud,
        Warm(Path(folder), SIDE) as warm,
    ):
        made = Ground(engine, cloud, warm, Path(folder), without=without)
        made.prepare(twice=twice)
        yield made


def _here(engine: str) -> Ground:
    """This process's, made at the first need. (moto's services are one for a process: so is the engine.)"""
    if engine not in _grounds:
        _opened.close()
        _grounds.clear()
        _grounds[engine] = _opened.enter_context(ground(engine, twice=True))
    return _grounds[engine]


def _numbered(engine: str) -> tuple[str, tuple[Point, ...], list[Aim]]:
    found = _here(engine)
    return found.version, found.points, found.aims()


def _one(engine: str, aim: str) -> Result:
    return _here(engine).cell(Aim.parse(aim))


def _start() -> None:
    tied()
    # a worker ends without the handlers of its interpreter, but with those of multiprocessing
    multiprocessing.util.Finalize(None, _opened.close, exitpriority=100)
    atexit.register(_opened.close)


def run(engine: str, *, jobs: int, draw: Draw, minutes: float | None = None) -> Iterator[Row | Result]:
    """First what there is to strike, without results; then one result after another, as they come.

    :param minutes: after these no cell is begun any more.
    """
    started = time.monotonic()
    names.shared()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_start) as pool:
        version, points, every = pool.submit(_numbered, engine).result()
        yield Row(engine, version, points, len(every), [])
        waiting = [pool.submit(_one, engine, str(aim)) for aim in draw.of(engine, every)]
        for part in as_completed(waiting):
            if minutes is not None and time.monotonic() - started > minutes * 60:
                for one in waiting:
                    one.cancel()
            if not part.cancelled():
                yield part.result()


def again(engine: str, result: Result) -> str:
    """The command that repeats a cell."""
    return f"python -m tests.crash.aws --engine {engine} --cell {shlex.quote(str(result.aim))}"
