# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole matrix: ``python -m tests.crash [--scenario NAME] [--sample K] [--seed S] [-j N] [--write-docs]``."""

from __future__ import annotations

import argparse
import platform
import sys
import time
from collections.abc import Sequence

import alembic
import psycopg

from hgaurora.adapters.local.binaries import for_server
from tests.crash.matrix import Draw, Row, run
from tests.crash.scenarios import BY_NAME, SCENARIOS
from tests.world import ROOT, server_for_command

DOCS = ROOT / "docs" / "crash-matrix.rst"
_HEAD, _TAIL = ".. table begins\n", ".. table ends\n"


def table(rows: Sequence[Row]) -> str:
    """The rows as reStructuredText."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - what was killed",
        "     - points",
        "     - kills",
        "     - ended as undisturbed",
    ]
    for row in rows:
        lines += [
            f"   * - {row.scenario.title}",
            f"     - {row.points}",
            f"     - {len(row.results)}",
            f"     - {row.passed}/{len(row.results)}",
        ]
    total = sum(len(row.results) for row in rows)
    lines += [
        "   * - all",
        f"     - {sum(row.points for row in rows)}",
        f"     - {total}",
        f"     - {sum(row.passed for row in rows)}/{total}",
    ]
    return "\n".join(lines) + "\n"


def _versions(server: str, seconds: float) -> str:
    with psycopg.connect(server) as connection:
        engine = (connection.info.parameter_status("server_version") or "?").split()[0]
    return (
        f"\nPostgreSQL {engine}, local engine {for_server().version}, "
        f"Python {platform.python_version()}, Alembic {alembic.__version__}, "
        f"psycopg {psycopg.__version__}; {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes.\n"
    )


def main() -> int:
    """0 where every cell ended as it must."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--scenario", action="append", choices=sorted(BY_NAME), help="only this one; may be repeated")
    parser.add_argument("--cell", help="only this kill, as a failure prints it")
    parser.add_argument("--sample", type=int, help="so many cells of each scenario, not all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="processes (%(default)s)")
    parser.add_argument("--write-docs", action="store_true", help=f"put the table into {DOCS.relative_to(ROOT)}")
    given = parser.parse_args()
    chosen = [one for one in SCENARIOS if not given.scenario or one.name in given.scenario]
    started = time.monotonic()
    rows = []
    with server_for_command() as (server, _):
        draw = Draw(given.sample, given.seed, given.cell)
        for row in run(chosen, server, jobs=given.jobs, draw=draw):
            rows.append(row)
            mean = sum(result.seconds for result in row.results) / max(len(row.results), 1)
            print(
                f"{row.scenario.name:14} {row.points:4} points  {row.cells:5} cells  "
                f"{row.passed}/{len(row.results)} as undisturbed  {mean:.1f} s each",
                flush=True,
            )
        versions = _versions(server, time.monotonic() - started)
    if given.write_docs:
        text = DOCS.read_text()
        head, rest = text.split(_HEAD)
        tail = rest.split(_TAIL)[1]
        DOCS.write_text(f"{head}{_HEAD}\n{table(rows)}{versions}\n{_TAIL}{tail}")
    return 0 if all(row.passed == len(row.results) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
