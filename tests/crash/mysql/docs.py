# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The figures of a run as a part of ``docs/crash-matrix.rst``: one table for each engine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from tests.crash.mysql.ground import Verdict
from tests.crash.mysql.matrix import Row
from tests.world import ROOT

DOCS = ROOT / "docs" / "crash-matrix.rst"


def table(ours: Sequence[Row], peer: Sequence[Row]) -> str:
    """A row for each shape, and their sums; the peer's columns are ``-`` where it was not run."""
    rows: list[list[str]] = [["shape", "cells", "same", "diagnosed", "wrong", "Alembic", "same", "refused", "wrong"]]
    for mine, theirs in zip_longest(ours, peer):
        rows.append([(mine or theirs).shape.title, *_mine(mine), *_theirs(theirs)])
    rows.append(["all", *_mine(_sum(ours)), *_theirs(_sum(peer))])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    rule = "  ".join("=" * width for width in widths)
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule]) + "\n"


def _sum(rows: Sequence[Row]) -> Row | None:
    if not rows:
        return None
    return Row(rows[0].shape, 0, 0, [result for row in rows for result in row.results])


def _mine(row: Row | None) -> list[str]:
    counts = row.counts() if row else Counter[Verdict]()
    wrong = counts[Verdict.WRONG] + counts[Verdict.MISSED]
    return _said(len(row.results), counts[Verdict.SAME], counts[Verdict.DIAGNOSED], wrong) if row else ["-"] * 4


def _theirs(row: Row | None) -> list[str]:
    counts = row.counts() if row else Counter[Verdict]()
    wrong = counts[Verdict.WRONG] + counts[Verdict.MISSED]
    return _said(len(row.results), counts[Verdict.SAME], counts[Verdict.REFUSED], wrong) if row else ["-"] * 4


def _said(*numbers: int) -> list[str]:
    return [f"{number:,}" for number in numbers]


def write(kind: str, ran: str, ours: Sequence[Row], peer: Sequence[Row], *, drawn: str, seconds: float) -> None:
    """Put one engine's table between its marks."""
    head, tail = f".. {kind} begins\n", f".. {kind} ends\n"
    text = DOCS.read_text()
    before, rest = text.split(head)
    after = rest.split(tail)[1]
    note = f"{ran}; {time.strftime('%Y-%m-%d')}, {drawn}, {seconds / 60:.0f} minutes."
    DOCS.write_text(f"{before}{head}\n{table(ours, peer)}\n{note}\n\n{tail}{after}")
