# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements that a session plans once: planning takes most of the time of small ones.

They are prepared by SQL, and where one is missing it is prepared then: a pooler may have changed the session.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psycopg


class Prepared:
    """Some statements by name.

    :param statements: types of the parameters, in parentheses or empty, and the text of each.
    """

    def __init__(self, statements: Mapping[str, tuple[str, str]]) -> None:
        # a hash of the text: another version's is another statement
        self._names = {
            name: f"hgaurora_{name}_{sha256(text.encode()).hexdigest()[:12]}" for name, (_, text) in statements.items()
        }
        self._texts = {
            self._names[name]: f"PREPARE {self._names[name]} {types} AS {text}"
            for name, (types, text) in statements.items()
        }

    def call(self, name: str, arguments: str = "") -> str:
        """SQL that runs one."""
        return f"EXECUTE {self._names[name]}" + (f" ({arguments})" if arguments else "")

    def send(self, connection: psycopg.Connection[Any], message: str | bytes) -> list[list[Any]]:
        """The rows of each statement of a message, in one round trip. One that fails leaves no transaction open.

        :param message: bytes are in the session's encoding.
        """
        import psycopg

        encoding = connection.info.encoding
        said = message.encode(encoding) if isinstance(message, str) else message
        with connection.cursor() as cursor:
            try:
                try:
                    return _answers(cursor, said)
                except psycopg.errors.InvalidSqlStatementName:
                    _leave(cursor)
                    there = {row[0] for row in cursor.execute("SELECT p.name FROM pg_catalog.pg_prepared_statements p")}
                    missing = "; ".join(text for name, text in self._texts.items() if name not in there)
                    cursor.execute(missing.encode(encoding))
                    return _answers(cursor, said)
            except psycopg.Error:
                _leave(cursor)
                raise


def _answers(cursor: psycopg.Cursor[Any], message: bytes) -> list[list[Any]]:
    cursor.execute(message)
    found = []
    while True:
        result = cursor.pgresult
        found.append(cursor.fetchall() if result is not None and result.nfields else [])
        if not cursor.nextset():
            return found


def _leave(cursor: psycopg.Cursor[Any]) -> None:
    from psycopg.pq import TransactionStatus

    if cursor.connection.info.transaction_status == TransactionStatus.INERROR:
        cursor.execute("ROLLBACK")
