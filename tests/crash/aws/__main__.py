# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every call that a deploy makes to AWS, struck in every way: ``python -m tests.crash.aws [--engine ENGINE]``.

An undisturbed deploy numbers its calls. Exit code 0 where no cell is wrong.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.crash.aws import docs
from tests.crash.aws.ground import GOOD, Result, Verdict
from tests.crash.aws.matrix import ENGINES, Draw, Row, again, run


def main() -> int:
    """0 where no cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.aws", description=__doc__)
    parser.add_argument("--engine", choices=ENGINES, help="only this one")
    parser.add_argument("--cell", action="append", default=[], help="only this one, as a failure prints it; repeatable")
    parser.add_argument("--way", default="", help="only ways of striking that have this in their names, such as kill")
    parser.add_argument("--sample", type=int, help="so many cells for each engine, not all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample, and of the order")
    parser.add_argument("--minutes", type=float, help="begin no more cells for an engine after so long")
    parser.add_argument("-n", "--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="show each cell, and what it said where it stopped"
    )
    parser.add_argument("--write-docs", action="store_true", help="keep the figures for docs/crash-matrix.rst")
    given = parser.parse_args()
    draw = Draw(given.sample, given.seed, tuple(given.cell), given.way)
    bad = 0
    for engine in [given.engine] if given.engine else ENGINES:
        started = time.monotonic()
        row = _struck(engine, draw, given)
        seconds = time.monotonic() - started
        good = row.count(*GOOD)
        bad += len(row.results) - good
        figures = ", ".join(f"{row.count(verdict)} {verdict.value}" for verdict in Verdict if row.count(verdict))
        print(
            f"{engine}: {good}/{len(row.results)} as they should be ({figures}); {seconds / 60:.1f} minutes", flush=True
        )
        if given.write_docs:
            drawn = draw.said if given.minutes is None else f"those of {given.minutes:g} minutes, seed {draw.seed}"
            docs.write(row, drawn=drawn, seconds=seconds)
    return 1 if bad else 0


def _struck(engine: str, draw: Draw, given: argparse.Namespace) -> Row:
    row: Row | None = None
    parts = run(engine, jobs=given.jobs, draw=draw, minutes=given.minutes)
    for part in parts:
        if isinstance(part, Row):
            row = part
            print(f"{engine}: {row.version}; {len(row.points)} calls, {row.cells} cells; {draw.said}", flush=True)
            for point in row.points if given.verbose else ():
                print(f"  {point}")
            continue
        assert row is not None
        row.results.append(part)
        _tell(engine, part, verbose=given.verbose)
    assert row is not None
    return row


def _tell(engine: str, result: Result, *, verbose: bool) -> None:
    wrong = result.verdict not in GOOD
    if wrong or verbose:
        print(f"{result.verdict.value:8} {result.seconds:5.1f} s  {result.aim}", flush=True)
    if wrong:
        for problem in result.problems:
            print("    " + problem.replace("\n", "\n    "))
        print(f"    {again(engine, result)}", flush=True)
    elif verbose and result.verdict is Verdict.STOPPED:
        said = result.said[result.said.find("abort:") :]
        print("    " + said.replace("\n", "\n    "), flush=True)


if __name__ == "__main__":
    sys.exit(main())
