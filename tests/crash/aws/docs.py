# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a run as a part of ``docs/crash-matrix.rst``: a table for each engine."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.crash.aws.ground import GOOD, Result, Verdict
from tests.crash.aws.matrix import Row
from tests.crash.aws.strikes import KINDS
from tests.world import ROOT

DOCS = ROOT / "docs" / "crash-matrix.rst"
#: in the table; what was never called counts as wrong
_COLUMNS = (Verdict.SAME, Verdict.STOPPED, Verdict.RESUMED)


def table(results: Sequence[Result]) -> str:
    """A row for each way of striking, and their sum."""
    rows = [["what happened at a call", "cells", *(verdict.value for verdict in _COLUMNS), "wrong"]]
    for kind in KINDS:
        if found := [result for result in results if result.aim.kind == kind]:
            rows.append([kind.name, *_figures(found)])
    rows.append(["all", *_figures(results)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def _figures(results: Sequence[Result]) -> list[str]:
    counts = [sum(result.verdict is verdict for result in results) for verdict in _COLUMNS]
    wrong = sum(result.verdict not in GOOD for result in results)
    return [f"{number:,}" for number in (len(results), *counts, wrong)]


def write(row: Row, *, drawn: str, seconds: float) -> None:
    """Put one engine's table between its marks."""
    head, tail = f".. aws {row.engine} begins\n", f".. aws {row.engine} ends\n"
    text = DOCS.read_text()
    before, rest = text.split(head)
    after = rest.split(tail)[1]
    struck, good = len(row.results), row.count(*GOOD)
    note = (
        f"{good}/{struck} as they should be. {row.version}; {len(row.points)} calls, {row.cells} cells, {struck}\n"
        f"of them struck ({drawn}); {time.strftime('%Y-%m-%d')}, {seconds / 60:.0f} minutes."
    )
    DOCS.write_text(f"{before}{head}\n{table(row.results)}\n{note}\n\n{tail}{after}")
