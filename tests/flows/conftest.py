# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.world import Repo, settings


@pytest.fixture(autouse=True)
def _passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of test servers go where libpq looks for them."""
    passfile = tmp_path / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", os.fspath(passfile))


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
