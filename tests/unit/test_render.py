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


def test_a_name_that_is_too_long_has_a_line_of_its_own() -> None:
    long = "hgaurora-shop-staging-with-a-name-42-12-a1b2c3"
    rows = [("snapshot", "taken", "state"), ("prod-1-1", "2026-11-21T15:14Z", "available")]
    assert render.folded(rows) == render.table(rows)
    wide = [(*rows[0], "changeset"), (long, *rows[1][1:], "5e2c832d2926")]
    assert render.folded(wide) == [
        "snapshot",
        "  taken              state      changeset",
        long,
        "  2026-11-21T15:14Z  available  5e2c832d2926",
    ]
    assert render.folded([]) == []
