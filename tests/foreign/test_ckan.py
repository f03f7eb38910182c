# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

from tests import engines
from tests.foreign import histories
from tests.foreign.walk import walk

BROKEN = "fd6622e3d964"


def test_the_same_walk_as_bare_alembic(pg_server: str, tmp_path: Path) -> None:
    """109 revisions up, down as far as both can, and straight to tip; six in a deploy, each alone by the command."""
    with engines.fresh_database(pg_server) as url, engines.fresh_database(pg_server) as twin:
        found = walk(histories.CKAN, url, twin, tmp_path, stride=6)
    assert found.ups == 109
    # one script's downgrade is broken: both stop at it, or neither gets there
    for _, bare, ours in found.stops:
        assert BROKEN in ours, (bare, ours)
