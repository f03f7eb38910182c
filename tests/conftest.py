# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures that every test may use. Which servers they run on is decided in :mod:`engines`."""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

import engines

# the same examples in every run; HYPOTHESIS_PROFILE=default looks for new ones
settings.register_profile("suite", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "suite"))


@functools.cache
def _choose() -> engines.Choice:
    return engines.choose(os.environ, engines.RealDocker())


@functools.cache
def _choose_mysql() -> engines.Choice:
    return engines.choose_mysql(os.environ, engines.RealDocker())


def _worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """The controlling process makes the run's folder; workers find it in their environment."""
    if not _worker(config):
        os.environ[engines.RUN] = tempfile.mkdtemp(prefix="hgaurora-test-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Workers are gone by now."""
    if not _worker(config):
        engines.Run(Path(os.environ.pop(engines.RUN)), engines.RealDocker()).stop()


def pytest_report_header() -> list[str]:
    """Which engines the tests run on."""
    lines = []
    for choose in (_choose, _choose_mysql):
        try:
            lines.append(f"engine: {choose()}")
        except engines.NoEngine as err:
            lines.append(f"engine: none; {err}")
    return lines


def _server(choose: Callable[[], engines.Choice]) -> str:
    try:
        return engines.Run(Path(os.environ[engines.RUN]), engines.RealDocker()).url(choose())
    except engines.NoEngine as err:
        pytest.exit(str(err), returncode=3)


@pytest.fixture(scope="session")
def pg_server() -> str:
    """A libpq URL of a superuser on a PostgreSQL server for tests."""
    return _server(_choose)


@pytest.fixture(scope="session")
def my_server() -> str:
    """A ``mysql://`` URL of an administrator on a MariaDB or MySQL server for tests."""
    return _server(_choose_mysql)


@pytest.fixture
def pg_database(pg_server: str) -> Iterator[str]:
    """The libpq URL of a fresh database, dropped after the test."""
    with engines.fresh_database(pg_server) as url:
        yield url


@pytest.fixture
def my_database(my_server: str) -> Iterator[str]:
    """The ``mysql://`` URL of a fresh database, dropped after the test."""
    with engines.fresh_my_database(my_server) as url:
        yield url


@pytest.fixture(autouse=True)
def _passwords(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords of test servers go where libpq looks for them."""
    passfile = tmp_path_factory.mktemp("passwords") / "pgpass"
    passfile.touch(mode=0o600)
    monkeypatch.setenv("PGPASSFILE", os.fspath(passfile))
