# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from hgaurora.adapters.local import binaries
from hgaurora.adapters.local.engine import Engine
from tests import engines
from tests.world import Repo, settings


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Repo]:
    """An empty repository."""
    made = Repo(tmp_path / "shop")
    yield made
    made.close()


@pytest.fixture
def shop(repo: Repo, pg_database: str) -> Repo:
    """A repository whose environment ``dev`` is a fresh database."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database})}, "settings")
    return repo


@pytest.fixture(scope="session")
def other_major(tmp_path_factory: pytest.TempPathFactory, pg_server: str) -> Iterator[str]:
    """A server of another major version than the one of this run: the URL in HGAURORA_TEST_PG_OTHER_URL, else whatever
    else is installed."""
    with psycopg.connect(pg_server) as connection:
        ours = connection.info.server_version // 10000
    if url := os.environ.get("HGAURORA_TEST_PG_OTHER_URL"):
        yield url
        return
    found = next((one for one in binaries.installed() if one.major != ours), None)
    if found is None:
        pytest.fail(f"no PostgreSQL but {ours} is here: install another, or set HGAURORA_TEST_PG_OTHER_URL")
    engine = Engine(tmp_path_factory.mktemp("other"), fsync=False, binaries=found)
    engine.start()
    yield engines.own_url(engine)
    engine.stop()
