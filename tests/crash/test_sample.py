# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A seeded sample of the crash matrix; ``python -m tests.crash`` is the whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.matrix import Draw, run
from tests.crash.points import Aim
from tests.crash.scenarios import SCENARIOS, Scenario

#: cells of each scenario, and what they are drawn by
SAMPLE = Draw(sample=1, seed=7)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_killed_run_ends_as_an_undisturbed_one(
    scenario: Scenario, pg_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    (row,) = run([scenario], pg_server, jobs=1, draw=SAMPLE)
    assert {str(result.aim): result.problems for result in row.results if result.problems} == {}
    assert len(row.results) == SAMPLE.sample


@pytest.mark.parametrize("text", ["both after sql: COMMIT #2", "parent before database.begin #1"])
def test_a_cell_is_named_by_a_line(text: str) -> None:
    assert str(Aim.parse(text)) == text
