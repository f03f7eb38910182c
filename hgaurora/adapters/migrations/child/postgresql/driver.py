# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""psycopg's connection and cursor as scripts see them."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import psycopg

from ..wire import Refused

if TYPE_CHECKING:
    from .guard import Guard


class GuardedConnection(psycopg.Connection):
    """psycopg's connection, asking a :class:`~.guard.Guard`, once it is the one that migrates, before it ends a
    transaction."""

    guard: Guard | None = None

    def commit(self) -> None:
        if self.guard is None or not self.guard.active:
            super().commit()
        else:
            self.guard.commit(super().commit)

    def rollback(self) -> None:
        if self.guard is not None and self.guard.active:
            self.guard.rolled_back()
        super().rollback()

    def transaction(self, *args: Any, **kwargs: Any) -> Any:
        if self.guard is not None and self.guard.active:
            self.guard.begin()
            # its end may bring back a limit that was set before it
            self.guard.savepoints = True
        return super().transaction(*args, **kwargs)

    def cursor(self, name: str = "", *args: Any, **kwargs: Any) -> Any:
        if name and self.guard is not None and self.guard.active:
            self.guard.unrecordable("a server-side cursor")
        return super().cursor(name, *args, **kwargs)

    def tpc_begin(self, xid: Any) -> None:
        raise Refused("transaction", "the migration begins a two-phase transaction")


class GuardedCursor(psycopg.Cursor):
    """psycopg's cursor, passing what is executed through the connection's guard."""

    replayed: int | None = None

    @property
    def rowcount(self) -> int:
        return super().rowcount if self.replayed is None else self.replayed

    def execute(self, query: Any, params: Any = None, **kwargs: Any) -> Any:
        guard = self.connection.guard
        if guard is None or not guard.active:
            return super().execute(query, params, **kwargs)
        self.replayed = None
        guard.execute(self, functools.partial(super().execute, query, params, **kwargs), query, params)
        return self

    def executemany(self, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        guard = self.connection.guard
        if guard is None or not guard.active:
            return super().executemany(query, params_seq, **kwargs)
        self.replayed = None
        many = list(params_seq)
        guard.execute(self, functools.partial(super().executemany, query, many, **kwargs), query, many, many=True)
        return None

    def copy(self, statement: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection.guard is not None and self.connection.guard.active:
            self.connection.guard.unrecordable("COPY")
        return super().copy(statement, *args, **kwargs)

    def stream(self, query: Any, *args: Any, **kwargs: Any) -> Any:
        if self.connection.guard is not None and self.connection.guard.active:
            self.connection.guard.unrecordable("a streamed query")
        return super().stream(query, *args, **kwargs)
