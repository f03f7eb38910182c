# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table that a run leaves in the docs."""

from __future__ import annotations

import re

from tests.crash.mysql.docs import DOCS, table
from tests.crash.mysql.ground import Result, Verdict
from tests.crash.mysql.matrix import Row
from tests.crash.mysql.shapes import BY_NAME, MARIADB, MYSQL
from tests.crash.mysql.wiretap import Aim


def _row(*verdicts: Verdict) -> Row:
    aim = Aim.parse("kill after COMMIT #1")
    return Row(BY_NAME["swap"], 9, 20, [Result("swap", aim, verdict, (), 1.0) for verdict in verdicts])


def _cells(text: str) -> list[list[str]]:
    return [re.split(r" {2,}", line) for line in text.splitlines() if not line.startswith("=")]


def test_each_shape_has_a_row_and_the_sums_are_last() -> None:
    same, wrong, missed = Verdict.SAME, Verdict.WRONG, Verdict.MISSED
    text = table([_row(same, Verdict.DIAGNOSED, missed)], [_row(same, Verdict.REFUSED, wrong, wrong)])
    title = BY_NAME["swap"].title
    # a point that was never passed shows nothing, so it is none that passed
    assert _cells(text)[1:] == [
        [title, "3", "1", "1", "1", "4", "1", "1", "2"],
        ["all", "3", "1", "1", "1", "4", "1", "1", "2"],
    ]


def test_the_peers_columns_are_empty_where_it_was_not_run() -> None:
    assert _cells(table([_row(Verdict.SAME)], []))[1][5:] == ["-"] * 4


def test_the_docs_have_a_place_for_each_engine() -> None:
    for product in (MARIADB, MYSQL):
        assert [DOCS.read_text().count(f".. {product} {word}\n") for word in ("begins", "ends")] == [1, 1]
