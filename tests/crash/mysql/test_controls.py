# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix notices what it is there to notice: with a protection taken out, a kill ends wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.mysql.controls import CONTROLS, Control
from tests.crash.mysql.ground import Verdict
from tests.crash.mysql.matrix import Draw, one_shape
from tests.crash.mysql.warm import Warm


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.name)
def test_a_protection_taken_out_is_noticed(control: Control, my_server: str, tmp_path: Path, warm: Warm) -> None:
    row = one_shape(control.shape, my_server, tmp_path, warm, Draw(only=control.cell), without=control.name)
    (result,) = row.results
    assert result.verdict is Verdict.WRONG, result
    # done twice, or left out: not a refusal, nor a run that hangs
    assert result.problems[0].startswith(("effects", "account", "orders", "schema")), result.problems
