# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table that a run leaves in the docs."""

from __future__ import annotations

import re

import pytest

from tests.crash.aws.docs import DOCS, table
from tests.crash.aws.ground import Result, Verdict
from tests.crash.aws.matrix import ENGINES
from tests.crash.aws.strikes import KINDS, Aim, Point


def _cells(text: str) -> list[list[str]]:
    return [re.split(r" {2,}", line) for line in text.splitlines() if not line.startswith("=")]


def test_each_way_has_a_row_and_what_was_missed_is_wrong() -> None:
    verdicts = (Verdict.SAME, Verdict.STOPPED, Verdict.RESUMED, Verdict.WRONG, Verdict.MISSED)
    results = [
        Result(Aim(kind, Point("rds:DescribeDBClusters", 1)), verdict)
        for kind, verdict in [*((KINDS[1], verdict) for verdict in verdicts), (KINDS[0], Verdict.SAME)]
    ]
    assert _cells(table(results))[1:] == [
        [KINDS[0].name, "1", "1", "0", "0", "0"],
        [KINDS[1].name, "5", "1", "1", "1", "2"],
        ["all", "6", "2", "1", "1", "2"],
    ]


@pytest.mark.parametrize("text", [f"{kind.name}: sts:GetCallerIdentity #2" for kind in KINDS])
def test_a_cell_is_named_by_a_line(text: str) -> None:
    assert str(Aim.parse(text)) == text


def test_the_docs_have_a_place_for_each_engine() -> None:
    for engine in ENGINES:
        assert [DOCS.read_text().count(f".. aws {engine} {word}\n") for word in ("begins", "ends")] == [1, 1]
