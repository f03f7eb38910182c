# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Network round trips for each migration, counted by a proxy: a figure that no machine changes."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from .install import Installed
from .measure import Command, Line
from .proxy import Proxy
from .sides import sides

#: for each migration, with everything a deploy sends before and after them: 8 for the migration and its ledger's row, 2
#: for the look at what it touched and the record of its delta, and the capture of the whole schema once
MOST = 12


def count_trips(server: str, installed: Installed, folder: Path, count: int) -> tuple[float, float]:
    """Round trips for each of ``count`` migrations: bare Alembic's, hgaurora's."""
    at = urlsplit(server)
    with (
        Proxy(at.hostname or "127.0.0.1", at.port or 5432) as proxy,
        sides(server, installed, folder, count, through=proxy.url) as both,
    ):
        alembic, hgaurora = (_trips(proxy, command) / count for command in both.from_empty)
    return alembic, hgaurora


def _trips(proxy: Proxy, command: Command) -> int:
    command.before()
    before = proxy.trips
    command.seconds()
    return proxy.trips - before


def measure(server: str, installed: Installed, folder: Path, count: int) -> Line:
    """Of one deploy each."""
    alembic, hgaurora = count_trips(server, installed, folder, count)
    return Line(f"round trips for each of {count:,}", [alembic], [hgaurora], hgaurora, MOST, "")
