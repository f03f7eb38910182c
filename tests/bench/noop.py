# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a deploy takes that has nothing to do, on a history of 1,000 migrations, beside bare Alembic."""

from __future__ import annotations

from .measure import Line, in_turns, ratio
from .sides import Sides

#: times bare Alembic
MOST = 0.6


def measure(both: Sides, count: int, pairs: int) -> Line:
    """Whole processes, after both databases were brought to the newest migration."""
    in_turns(both.alembic, both.hgaurora, 2)
    return ratio(f"nothing to do after {count:,}", *in_turns(both.alembic, both.hgaurora, pairs), MOST)
