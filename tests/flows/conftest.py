# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

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
