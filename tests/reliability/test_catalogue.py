# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table names each scenario, and only tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.world import ROOT

from .catalogue import ROWS, on


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
    for path in (ROOT / "tests/reliability").glob("test_*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_") and path != Path(__file__):
                assert f"tests/reliability/{path.name}::{node.name}" in named, node.name


def engines(test: str) -> set[str]:
    """The engines that a test's fixtures lead to, by their names."""
    file, _, function = test.partition("::")
    trees = [ast.parse((ROOT / file).read_text())]
    conftest = (ROOT / file).parent / "conftest.py"
    trees += [ast.parse(conftest.read_text())] if conftest.exists() else []
    found = {node.name: node for tree in reversed(trees) for node in tree.body if isinstance(node, ast.FunctionDef)}
    seen, todo = set(), [function]
    text = ""
    while todo:
        if (name := todo.pop()) in found and name not in seen:
            node = found[name]
            seen.add(name)
            todo += [one.arg for one in node.args.args]
            text += " ".join(map(ast.unparse, [*node.decorator_list, node.args, *node.body])) + "\n"
    words = {"postgresql": r"\bpg_(server|database)\b", "mysql": r"\bmy_(server|database)\b"}
    # the parameter of a fixture of ours, for either engine or for one
    if re.search(r"\bENGINES\b", text):
        only = re.search(r"\bON_(POSTGRESQL|MYSQL)\b", text)
        return {only[1].lower()} if only else set(words)
    return {engine for engine, word in words.items() if re.search(word, text)}


@pytest.mark.parametrize("number", [number for number, row in ROWS.items() if row.tests])
def test_it_is_shown_on_the_engines_it_names(number: str) -> None:
    """Each engine that a row names has a test and a control of its own."""
    row = ROWS[number]
    for engine in row.engines:
        assert [one for one in row.tests if engine in on(one)], engine
        assert [one for one in row.controls if engine in on(one)], f"no control on {engine}"
    # and no engine that it does not name has one of our own
    ours = {one for one in (*row.tests, *row.controls) if one.startswith("tests/reliability/")}
    assert {engine for one in ours for engine in on(one)} <= set(row.engines)


@pytest.mark.parametrize("test", sorted({one for row in ROWS.values() for one in (*row.tests, *row.controls)}))
def test_it_runs_on_the_engines_it_is_said_to(test: str) -> None:
    """What the table says is what the fixtures lead to."""
    assert engines(test) == set(on(test))
