# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

from tests import engines
from tests.foreign import histories
from tests.foreign.walk import walk


def test_the_same_walk_as_bare_alembic(pg_server: str, tmp_path: Path) -> None:
    """109 revisions up, down as far as both can, and straight to tip."""
    with engines.fresh_database(pg_server) as url, engines.fresh_database(pg_server) as twin:
        found = walk(histories.CKAN, url, twin, tmp_path, every=4)
    assert found.ups == 109
    for revision, bare, ours in found.stops:
        assert revision in ours, (bare, ours)
