# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a deploy of 1,000 small migrations takes, beside bare Alembic."""

from __future__ import annotations

from .measure import Line, in_turns, ratio
from .sides import Sides

#: times bare Alembic, which looks at no schema
MOST = 3.0


def measure(both: Sides, count: int, rounds: int) -> Line:
    """Whole processes on empty databases; the first time of each, which also compiles, does not count."""
    in_turns(*both.from_empty, 1)
    return ratio(f"deploy of {count:,}", *in_turns(*both.from_empty, rounds), MOST)
