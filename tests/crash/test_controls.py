# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix notices what it is there to notice: with a protection taken out, a kill shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.controls import controls
from tests.crash.matrix import weakened

NAMES = [(one.scenario, one.name) for one in controls()]


@pytest.mark.parametrize("scenario", sorted({scenario for scenario, _ in NAMES}))
def test_a_protection_taken_out_is_noticed(
    scenario: str, pg_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    found = weakened(scenario, pg_server)
    assert set(found) == {name for where, name in NAMES if where == scenario}
    for name, problems in found.items():
        assert problems != (), name
        assert "never reached" not in problems[0], name
