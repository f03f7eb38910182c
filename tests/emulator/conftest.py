# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One emulator for a module's tests, and a cluster of each engine in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pymysql
import pytest

from tests.emulator import Emulator, Made

ENGINES = ("aurora-postgresql", "aurora-mysql")
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def aws() -> Iterator[Emulator]:
    """Quick, and without faults of its own afterwards."""
    with Emulator() as emulator:
        emulator.delay("*", 0.02)
        yield emulator
        assert not emulator.states.errors


@pytest.fixture(autouse=True)
def _calm(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a test holds, it does not hold for the next one."""
    yield
    if "aws" in request.fixturenames:
        emulator: Emulator = request.getfixturevalue("aws")
        emulator.states.reset()
        emulator.delay("*", 0.02)
        emulator.states.settle()


@pytest.fixture(scope="module")
def rds(aws: Emulator) -> Any:
    """A boto3 client."""
    return aws.client("rds")


@pytest.fixture
def new() -> Callable[[str], str]:
    """A fresh identifier."""
    return lambda prefix: f"{prefix}-{next(_numbers)}"


@pytest.fixture(scope="module", params=ENGINES)
def shop(aws: Emulator, request: pytest.FixtureRequest) -> Made:
    """A cluster with a writer, of each engine."""
    return aws.cluster(f"shop-{request.param[7:]}", request.param)


def connect(made: Made, password: str | None = None) -> Any:
    """A connection in autocommit, by the endpoint's address."""
    common: dict[str, Any] = {"host": made.address, "port": made.port, "user": made.user, "autocommit": True}
    common["password"] = password or made.password
    if made.engine == "aurora-postgresql":
        return psycopg.connect(**common, dbname=made.database)
    return pymysql.connect(**common, database=made.database)


def sql(made: Made, *statements: str, password: str | None = None) -> list[tuple[Any, ...]]:
    """What the last statement answers."""
    connection = connect(made, password)
    with connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []
