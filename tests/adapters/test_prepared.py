# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements that a session plans once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from hgaurora.adapters.database.postgresql.prepared import Prepared

PREPARED = Prepared({
    "sum": ("(int, int)", "SELECT $1 + $2"),
    "quotient": ("(int, int)", "SELECT $1 / $2"),
    "names": ("", "SELECT p.name FROM pg_catalog.pg_prepared_statements p ORDER BY 1"),
})  # fmt: skip


@pytest.fixture
def connection(pg_database: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(pg_database, autocommit=True, prepare_threshold=None) as connection:
        yield connection


def status(connection: psycopg.Connection[Any]) -> TransactionStatus:
    return connection.info.transaction_status


def test_prepared_at_first_use_and_all_at_once(connection: psycopg.Connection[Any]) -> None:
    message = f"{PREPARED.call('sum', '2, 3')}; {PREPARED.call('names')}"
    (((five,),), names) = PREPARED.send(connection, message)
    assert five == 5
    assert [name.split("_")[1] for (name,) in names] == ["names", "quotient", "sum"]
    assert PREPARED.send(connection, message) == [[(5,)], names]


@pytest.mark.parametrize("begin", ["", "BEGIN; "])
def test_another_session_of_a_pooler_does_not_have_them(connection: psycopg.Connection[Any], begin: str) -> None:
    message = f"{begin}{PREPARED.call('quotient', '6, 3')}{'; COMMIT' if begin else ''}"
    before = PREPARED.send(connection, message)
    connection.execute("DEALLOCATE ALL")
    assert PREPARED.send(connection, message) == before
    assert status(connection) == TransactionStatus.IDLE


def test_some_are_there(connection: psycopg.Connection[Any]) -> None:
    PREPARED.send(connection, PREPARED.call("names"))
    ((first,), *_) = PREPARED.send(connection, PREPARED.call("names"))[0]
    connection.execute(f"DEALLOCATE {PREPARED.call('sum').split()[1]}")
    assert PREPARED.send(connection, PREPARED.call("sum", "1, 1")) == [[(2,)]]
    assert PREPARED.send(connection, PREPARED.call("names"))[0][0] == (first,)


@pytest.mark.parametrize("begin", ["", "BEGIN; "])
def test_one_that_fails_leaves_no_transaction_open(connection: psycopg.Connection[Any], begin: str) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero):
        PREPARED.send(connection, f"{begin}{PREPARED.call('quotient', '1, 0')}")
    assert status(connection) == TransactionStatus.IDLE


def test_another_text_has_another_name() -> None:
    other = Prepared({"sum": ("(int, int)", "SELECT $2 + $1")})
    assert other.call("sum") != PREPARED.call("sum")


def test_a_lost_connection_is_said_as_such(connection: psycopg.Connection[Any], pg_database: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as beside:
        beside.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        PREPARED.send(connection, PREPARED.call("names"))
    assert connection.closed
