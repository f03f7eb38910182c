# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A seeded sample of the matrix (``python -m tests.crash.aws`` is the whole), and that it notices what it is there to
notice: with a protection taken out, a strike ends wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.crash.aws.controls import CONTROLS, Control
from tests.crash.aws.ground import GOOD, Ground, Verdict
from tests.crash.aws.matrix import ENGINES, Draw, ground
from tests.crash.aws.strikes import Aim

SAMPLE = Draw(sample=5, seed=4)
#: they only wait for a clock; left to the whole
_WAITS = ("silent", "creating")


@pytest.fixture(scope="module", params=ENGINES)
def made(request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A cluster of each engine."""
    with ground(request.param) as found:
        yield found


def test_a_deploy_whose_calls_are_struck_ends_right_or_says_what_to_do(made: Ground) -> None:
    every = [aim for aim in made.aims() if not any(word in aim.kind.name for word in _WAITS)]
    results = [made.cell(aim) for aim in SAMPLE.of(made.engine, every)]
    assert {str(result.aim): result.problems for result in results if result.verdict not in GOOD} == {}
    assert len(results) == SAMPLE.sample


@pytest.mark.parametrize("made", ["postgresql"], indirect=True)
@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_protection_taken_out_is_noticed(control: Control, made: Ground) -> None:
    made.without = control.name
    try:
        result = made.cell(Aim.parse(control.cell))
    finally:
        made.without = None
    assert result.verdict is Verdict.WRONG, result
    assert re.search(control.notices, result.problems[0]), result.problems
