# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Kills before and after each statement on MariaDB or MySQL: ``python -m tests.crash.mysql [--url URL] [--peer]``.

Without ``--url`` the engine that the suite would take. Exit code 0 where no cell of ours is wrong.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata

from tests import engines
from tests.crash.mysql import docs
from tests.crash.mysql.ground import Verdict
from tests.crash.mysql.matrix import Draw, Row, again, run
from tests.crash.mysql.shapes import BY_NAME, shapes
from tests.crash.mysql.sides import product
from tests.world import my_server_for_command


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    with my_server_for_command() as found:
        yield found


def main() -> int:
    """0 where no cell is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.mysql", description=__doc__)
    parser.add_argument("--url", help="an administrator's, of a server whose databases may be made and dropped")
    parser.add_argument("--shapes", nargs="+", choices=sorted(BY_NAME), metavar="SHAPE", help="only these")
    parser.add_argument("--cell", help="only this one, as a failure prints it")
    parser.add_argument("--sample", type=int, help="so many cells of each shape, not all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--peer", action="store_true", help="bare Alembic too")
    parser.add_argument("--peer-only", action="store_true", help="bare Alembic and not ours")
    parser.add_argument("--all", action="store_true", help="strike around each statement, those that only read too")
    parser.add_argument("--cold", action="store_true", help="start a new interpreter for each migration child")
    parser.add_argument("-n", "--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="show what came of each cell that is not the same")
    parser.add_argument("--write-docs", action="store_true", help="keep the figures for docs/crash-matrix.rst")
    given = parser.parse_args()
    started = time.monotonic()
    draw = Draw(given.sample, given.seed, given.cell, given.all, given.cold)
    found: dict[bool, list[Row]] = {False: [], True: []}
    with _server(given.url) as server:
        kind, version = product(server)
        ran = f"{engines.PRODUCTS[kind]} {version}, Python {platform.python_version()}, " + ", ".join(
            f"{name} {metadata.version(name)}" for name in ("Alembic", "SQLAlchemy", "PyMySQL")
        )
        print(f"{ran}; {draw.said}", flush=True)
        chosen = [shape for shape in shapes(kind) if not given.shapes or shape.name in given.shapes]
        for peer in [False] * (not given.peer_only) + [True] * (given.peer or given.peer_only):
            print("bare Alembic" if peer else "hgaurora", flush=True)
            for row in run(chosen, server, jobs=given.jobs, draw=draw, bare=peer):
                found[peer].append(row)
                _tell(row, verbose=given.verbose, peer=peer)
            counts = sum((row.counts() for row in found[peer]), Counter[Verdict]())
            print(f"{len(found[peer])} shapes: {_said(counts)}", flush=True)
    took = time.monotonic() - started
    print(f"{took / 60:.1f} minutes")
    if given.write_docs:
        docs.write(kind, ran, found[False], found[True], drawn=draw.said, seconds=took)
    bad = sum(row.counts()[verdict] for row in found[False] for verdict in (Verdict.WRONG, Verdict.MISSED))
    return 1 if bad else 0


def _tell(row: Row, *, verbose: bool, peer: bool) -> None:
    print(f"{row.shape.name:18} {row.points:4} points  {row.cells:4} cells  {_said(row.counts())}", flush=True)
    for result in row.results:
        loud = result.verdict in (Verdict.WRONG, Verdict.MISSED) and not peer
        if loud or (verbose and result.verdict is not Verdict.SAME):
            print(f"  {result.verdict.value}: {result.aim}")
            for problem in result.problems:
                print("    " + problem.replace("\n", "\n    "))
            print(f"    {again(result)}" + (" --peer-only" if peer else ""), flush=True)


def _said(counts: Counter[Verdict]) -> str:
    total = sum(counts.values())
    return f"{counts[Verdict.SAME]}/{total} same" + "".join(
        f", {counts[verdict]} {verdict.value}" for verdict in Verdict if verdict is not Verdict.SAME and counts[verdict]
    )


if __name__ == "__main__":
    sys.exit(main())
