# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The product's own sessions on PostgreSQL."""

from __future__ import annotations

from hgaurora.adapters.database.postgresql import connection
from hgaurora.adapters.database.postgresql.maintenance import from_url


def test_a_session_has_all_its_settings(pg_database: str) -> None:
    """The server has applied each, whatever it plans for a statement whose rows nobody asks for."""
    wanted = {**connection.SESSION, "lock_timeout": "7s", "statement_timeout": "8s", "search_path": "pg_catalog"}
    with connection.opened(from_url(pg_database), application="x", settings=wanted) as made:
        found = made.execute("SELECT name, current_setting(name) FROM pg_settings WHERE source = 'session'").fetchall()
        later = connection.SINCE_17 if made.info.server_version >= 170000 else {}
    wanted |= {**later, "client_encoding": "UTF8"}
    assert dict(found) == wanted  # type: ignore[arg-type]
