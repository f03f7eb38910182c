# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Databases for scenarios that are the same on each engine."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.adapters.migrating import Bench, bench


@pytest.fixture(params=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """An empty database's."""
    return str(request.getfixturevalue("pg_database" if request.param == "postgresql" else "my_database"))


@pytest.fixture
def either(url: str) -> Iterator[Bench]:
    """A bench on it."""
    made = bench(url)
    yield made
    made.database.close()
