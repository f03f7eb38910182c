# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from pathlib import Path

from tests import engines
from tests.foreign import histories
from tests.foreign.walk import walk


def test_the_same_schema_as_bare_alembic_on_mysql(my_server: str, tmp_path: Path) -> None:
    """95 revisions of MySQL's own kind, in deploys of 24; its scripts have no downgrades."""
    with engines.fresh_my_database(my_server) as url, engines.fresh_my_database(my_server) as twin:
        found = walk(histories.OCTAVIA, url, twin, tmp_path, stride=24)
    assert (found.ups, found.stops) == (95, [])
