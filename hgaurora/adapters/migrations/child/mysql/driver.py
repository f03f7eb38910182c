# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""PyMySQL's connection and cursors, passing through a guard what a script sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pymysql
from pymysql.constants import COMMAND
from pymysql.cursors import Cursor, DictCursor, DictCursorMixin, SSCursor

from ..wire import Refused
from .sql import Kind, kind, split

if TYPE_CHECKING:
    from .guard import Guard


#: what PyMySQL and the child themselves send where a connection is opened; it changes that connection alone
_OPENING = (b"SET NAMES ", b"SET AUTOCOMMIT ", b"SET SESSION ")


class Guarded:
    """What a cursor of any of PyMySQL's classes does while a step runs."""

    connection: Any
    #: another connection of the script's, whose cursor this is; what it reads is read on the one that migrates
    other: Any = None

    def execute(self, query: Any, args: Any = None) -> Any:
        if self.other is not None and (meant := _meant(query)) is not Kind.READ:
            if meant is not Kind.SESSION:
                raise _own_connection()
            with Cursor(self.other) as own:
                return own.execute(query, args)
        guard = self.guard()
        if guard is None:
            return super().execute(query, args)  # type: ignore[misc]
        return guard.execute(self, query, args)

    def executemany(self, query: Any, args: Any) -> Any:
        guard = self.guard()
        if guard is None:
            return super().executemany(query, args)  # type: ignore[misc]
        if self.other is not None:
            raise _own_connection()
        return guard.executemany(self, query, list(args))

    def callproc(self, procname: str, args: Any = ()) -> Any:
        if self.guard() is None:
            return super().callproc(procname, args)  # type: ignore[misc]
        if self.other is not None:
            raise _own_connection()
        name = procname.replace("`", "``")
        values = [f"@`_{name}_{index}`" for index in range(len(args))]
        for variable, value in zip(values, args, strict=True):
            self.execute(f"SET {variable} = %s", (value,))
        self.execute(f"CALL `{name}`({', '.join(values)})")
        return args

    def guard(self) -> Guard | None:
        """The guard, where what is executed has to go through it."""
        found: Guard | None = self._get_db().guard  # type: ignore[attr-defined]
        return found if found is not None and found.active and not found.sending else None

    def answer(self, result: Any) -> Any:
        """Take a recorded result for the one that the server would give."""
        self.connection._result = result
        self._executed = "replayed"
        self._do_get_result()  # type: ignore[attr-defined]
        return result.affected_rows


class GuardedCursor(Guarded, Cursor):
    """The usual cursor."""


class GuardedDictCursor(Guarded, DictCursor):
    """The one that gives rows as dicts."""


def _guarded(kind: type[Any]) -> type[Any]:
    """The guarded class for one of PyMySQL's. An unbuffered cursor is exchanged for a buffered one: its result could
    not be journaled before it is read."""
    if issubclass(kind, Guarded):
        return kind
    if issubclass(kind, SSCursor):
        return GuardedDictCursor if issubclass(kind, DictCursorMixin) else GuardedCursor
    return type(kind.__name__, (Guarded, kind), {})


def _own_connection() -> Refused:
    return Refused(
        "journal",
        "the migration uses a connection of its own to the environment's database",
        "use op.get_bind(): nothing else is journaled, and could be done twice",
    )


def _meant(query: Any) -> Kind:
    """READ: it changes nothing. SESSION: it is for the connection it is sent on, as one that is opened. Else OPAQUE."""
    said = query.encode() if isinstance(query, str) else bytes(query)
    if said.startswith(_OPENING):
        return Kind.SESSION
    found = split(said.decode("utf-8", "surrogateescape"))
    return Kind.READ if all(kind(one) is Kind.READ or one.words[:1] == ("SELECT",) for one in found) else Kind.OPAQUE


class GuardedConnection(pymysql.connections.Connection):  # type: ignore[type-arg]
    """PyMySQL's connection, with a :class:`~.guard.Guard` once it is the one that migrates."""

    guard: Guard | None = None
    #: the guard of the one that migrates
    main: Guard | None = None

    def _guards(self) -> Guard | None:
        return self.guard if self.guard is not None and self.guard.active and not self.guard.sending else None

    def _beside(self) -> Guard | None:
        """The guard of the connection that migrates, where this is another one and a step runs."""
        main = type(self).main
        return main if main is not None and main.active and main is not self.guard else None

    def cursor(self, cursor: Any = None) -> Any:
        """What another connection of the script's reads (SQLAlchemy's inspector on ``bind.engine``) is read on the one
        that migrates, where it is journaled: a resumed script has to see what it saw."""
        main = self._beside()
        made = _guarded(cursor or self.cursorclass)(self if main is None else main.connection)
        made.other = None if main is None else self
        return made

    def commit(self) -> None:
        if (guard := self._guards()) is None:
            super().commit()
        else:
            guard.commit()

    def rollback(self) -> None:
        if (guard := self._guards()) is not None:
            guard.rolled_back()
        super().rollback()

    def begin(self) -> None:
        if self._guards() is not None:
            raise Refused("transaction", "the migration begins a transaction", "leave transactions to hgaurora")
        super().begin()

    def autocommit(self, value: Any) -> None:
        # while a step runs each statement stands anyway, with its journal row
        if self._guards() is None:
            super().autocommit(value)

    def select_db(self, db: Any) -> None:
        super().select_db(db)
        if (guard := self._guards()) is not None:
            guard.session.database = db if isinstance(db, str) else db.decode()

    def set_character_set(self, charset: str, collation: Any = None) -> None:
        if (guard := self._guards()) is None:
            super().set_character_set(charset, collation)
        else:
            with guard.passing():
                super().set_character_set(charset, collation)

    def _execute_command(self, command: int, sql: Any) -> None:
        ending = isinstance(sql, str) and sql in ("COMMIT", "ROLLBACK")
        if command == COMMAND.COM_QUERY and self._guards() is not None and not ending:
            raise Refused("journal", "the migration sends a statement past the connection's cursors", "use a cursor")
        settled = ending or (sql.encode() if isinstance(sql, str) else bytes(sql)).startswith(_OPENING)
        if command == COMMAND.COM_QUERY and self._beside() is not None and not settled:
            raise _own_connection()
        super()._execute_command(command, sql)
