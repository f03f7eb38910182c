# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table names each scenario, and only tests that there are."""

from __future__ import annotations

import ast

import pytest

from tests.world import ROOT

from .catalogue import ROWS


def test_every_number_is_there() -> None:
    assert list(ROWS) == [f"B{n}" for n in range(1, 22)] + [f"D{n}" for n in range(1, 10)]


@pytest.mark.parametrize("number", ROWS)
def test_what_it_names_exists(number: str) -> None:
    row = ROWS[number]
    for one in (*row.tests, *row.controls):
        file, _, function = one.partition("::")
        tree = ast.parse((ROOT / file).read_text())
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}, one
    # what has no test, or no control, says why
    assert row.why or (row.tests and row.controls)


def test_every_test_of_ours_stands_for_something() -> None:
    named = {one for row in ROWS.values() for one in (*row.tests, *row.controls)}
    for file in ("connection", "statements", "concurrency"):
        tree = ast.parse((ROOT / f"tests/reliability/test_{file}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                assert f"tests/reliability/test_{file}.py::{node.name}" in named, node.name
