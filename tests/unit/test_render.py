# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Words of screens that agree with their numbers."""

from __future__ import annotations

import pytest

from hgaurora.core import blocking, render


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "1 statement of it stands"), (2, "2 statements of it stand"), (0, "0 statements of it stand")],
)
def test_what_stands(number: int, said: str) -> None:
    assert render.stand(number, "statement") == said


def test_giving_up_after_one_statement() -> None:
    assert blocking.given_up("r2", None, 8, 1) == "r2: no lock in 8 tries; 1 statement of it stands"
