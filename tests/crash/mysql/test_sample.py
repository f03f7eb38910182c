# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A seeded sample of the matrix; ``python -m tests.crash.mysql`` is the whole."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.crash.mysql import diagnosis
from tests.crash.mysql.ground import Verdict
from tests.crash.mysql.matrix import Draw, one_shape
from tests.crash.mysql.shapes import MARIADB, MYSQL, SHAPES, Shape
from tests.crash.mysql.warm import Warm

#: cells of each shape, and what they and the shapes are drawn by
SAMPLE = Draw(sample=2, seed=7)
#: understood by both engines, and one whose end nobody can prove
DRAWN = random.Random(SAMPLE.seed).sample(
    [shape for shape in SHAPES if shape.transactional and shape.engines == (MARIADB, MYSQL)], 6
)


@pytest.mark.parametrize("shape", DRAWN, ids=lambda shape: shape.name)
def test_a_killed_run_ends_as_an_undisturbed_one(shape: Shape, my_server: str, tmp_path: Path, warm: Warm) -> None:
    row = one_shape(shape.name, my_server, tmp_path, warm, SAMPLE)
    assert {str(result.aim): result.problems for result in row.results if result.verdict is not Verdict.SAME} == {}
    assert len(row.results) == SAMPLE.sample


@pytest.mark.parametrize("side", ["before", "after", "amid"])
def test_what_nobody_can_prove_is_asked_and_what_is_asked_is_so(
    side: str, my_server: str, tmp_path: Path, warm: Warm
) -> None:
    cell = Draw(only=f"kill {side} UPDATE old SET n = n + 1 #1")
    (result,) = one_shape("myisam", my_server, tmp_path, warm, cell).results
    assert result.verdict is Verdict.DIAGNOSED, result.problems
    assert any(diagnosis.read(said) for said in result.problems)
