# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The connection that migrates, and a second one beside it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from .driver import GuardedConnection


class Connections:
    """Asks the server past what stands between a script and its connection.

    :param side: the second connection, in autocommit.
    """

    def __init__(self, connection: GuardedConnection, side: Any, trace: Callable[[str, str], None]) -> None:
        self.connection = connection
        self.side = side
        self.trace = trace
        self.sending = False
        #: rows that the last statement changed
        self.changed = 0

    @contextlib.contextmanager
    def passing(self) -> Iterator[None]:
        """What is sent now is ours, or has been looked at."""
        before, self.sending = self.sending, True
        try:
            yield
        finally:
            self.sending = before

    def ask(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        """Send a statement of ours on the connection that migrates; its rows."""
        with self.passing():
            cursor = pymysql.cursors.Cursor(self.connection)
            cursor.execute(sql, values)
            self.changed = cursor.rowcount
            return list(cursor.fetchall())

    def look(self, sql: str, values: Any = None) -> list[tuple[Any, ...]]:
        """The same on the second connection."""
        cursor = self.side.cursor()
        cursor.execute(sql, values)
        self.changed = cursor.rowcount
        return list(cursor.fetchall())

    @property
    def in_transaction(self) -> bool:
        """As the server said it last."""
        return bool(self.connection.server_status & SERVER_STATUS.SERVER_STATUS_IN_TRANS)

    def end(self, word: str) -> None:
        """COMMIT or ROLLBACK."""
        if word == "COMMIT":
            self.trace("before", word)
        with self.passing():
            (self.connection.commit if word == "COMMIT" else self.connection.rollback)()
        if word == "COMMIT":
            self.trace("after", word)
