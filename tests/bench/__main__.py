# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.bench [CASE]...``: measurements, and one table of them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.world import server_for_command

from . import deploy, hg_status, noop, roundtrips
from .install import install
from .measure import Line, table, versions
from .sides import sides

EVERY = ("deploy", "noop", "roundtrips", "hg_status")


def main() -> None:
    """Parse the arguments, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("case", nargs="*", metavar="CASE", help=f"of {', '.join(EVERY)}; all")
    parser.add_argument("--count", type=int, help="migrations (1,000; for round trips 100)")
    parser.add_argument("--rounds", type=int, default=5, help="deploys of each side")
    parser.add_argument("--pairs", type=int, help="pairs of short commands (30; of hg status 50)")
    asked = parser.parse_args()
    if unknown := set(asked.case) - set(EVERY):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    with server_for_command() as (server, folder):
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, load {load}; {versions(server)}", flush=True)
        lines = []
        for line in run(server, folder, asked.case or EVERY, asked.count, asked.rounds, asked.pairs):
            print(f"{line.what}: {line.cells()[3]}", file=sys.stderr, flush=True)
            lines.append(line)
        print(table(lines))


def run(
    server: str, folder: Path, cases: Sequence[str], count: int | None, rounds: int, pairs: int | None
) -> Iterator[Line]:
    """The lines of some cases; they share what is installed, and deploy and noop a history."""
    installed = install(folder / "installed")
    if "deploy" in cases or "noop" in cases:
        with sides(server, installed, folder, count or 1000) as both:
            for side in both.fresh:
                side()
            if "deploy" in cases:
                yield deploy.measure(both, count or 1000, rounds)
            if "noop" in cases:
                yield noop.measure(both, count or 1000, pairs or 30)
    if "roundtrips" in cases:
        yield roundtrips.measure(server, installed, folder, count or 100)
    if "hg_status" in cases:
        yield hg_status.measure(installed, folder / "status", pairs or 50)


if __name__ == "__main__":
    main()
