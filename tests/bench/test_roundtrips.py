# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The one figure of the measurements that no machine changes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.world import command, versions

from . import history
from .proxy import Proxy
from .roundtrips import MOST

COUNT = 40


@pytest.fixture
def proxy(pg_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", os.fspath(passfile))
    at = urlsplit(pg_database)
    with Proxy(at.hostname or "127.0.0.1", at.port or 5432) as proxy:
        yield proxy


def test_round_trips_of_a_deploy(pg_database: str, proxy: Proxy, tmp_path: Path) -> None:
    """All that a deploy of many migrations sends, before, between and after them, divided by their number."""
    repo = history.make(tmp_path / "shop", COUNT, proxy.url(pg_database))
    done = command(repo, "deploy", "dev")
    assert done.returncode == 0, done.stderr
    assert len(versions(pg_database)) == 1
    assert COUNT * 4 < proxy.trips <= COUNT * MOST


def test_the_proxy_counts_each_answer_waited_for(pg_database: str, proxy: Proxy) -> None:
    with psycopg.connect(proxy.url(pg_database), autocommit=True, prepare_threshold=None) as connection:
        before = proxy.trips
        for _ in range(10):
            connection.execute("SELECT 1")
        assert proxy.trips == before + 10
