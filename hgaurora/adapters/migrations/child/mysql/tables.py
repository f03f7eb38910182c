# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a change of data can be journaled in its own transaction: all it writes to has to know transactions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .names import _Reader
from .sql import Kind, Statement, calls, kind, split

_CHANGES = {"INSERT", "REPLACE", "UPDATE", "DELETE", "LOAD"}
_MODIFIERS = frozenset({"LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "IGNORE", "QUICK", "INTO", "CONCURRENT", "LOCAL"})
_ENDS = frozenset({"SET", "WHERE", "VALUES", "VALUE", "SELECT", "ORDER", "LIMIT", "RETURNING", "ON"})
#: a parenthesis with one of these holds a query, whose tables are read
_QUERIES = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_NOT_TABLES = frozenset(
    {"FROM", "USING", "JOIN", "LEFT", "RIGHT", "INNER", "OUTER", "CROSS", "NATURAL", "STRAIGHT_JOIN", "AS", "UPDATE"}
    | {"DELETE", "FOR", "PORTION", "OF", "USE", "FORCE", "INDEX"}
)


class Numbered(NamedTuple):
    """A table in which the server numbers the rows, and the column it does that in; both quoted. ``inserts``: rows may
    be added."""

    table: str
    column: str
    inserts: bool


class Written(NamedTuple):
    """What a change of data may write to, whether by itself, through a view, a trigger or a stored routine.

    ``unprovable``: why it cannot be journaled in its own transaction, in words; empty: it can. ``variables``: user
    variables that a trigger or routine names.
    """

    unprovable: str = ""
    numbered: tuple[Numbered, ...] = ()
    variables: frozenset[str] = frozenset()


class Tables:
    """Looks at the tables that statements write to, and remembers them until a statement of DDL.

    :param ask: sends a statement of ours on the second connection; rows.
    """

    def __init__(self, ask: Callable[..., list[tuple[Any, ...]]]) -> None:
        self.ask = ask
        self._engines: frozenset[str] | None = None
        self._seen: dict[tuple[str, str], list[str]] = {}
        self._numbered: dict[tuple[str, str], str] = {}
        self._functions: frozenset[str] | None = None
        self._texts: dict[str, list[str]] = {}

    def forget(self, tag: str) -> None:
        """A statement, by its :attr:`~.names.Named.tag`, may have changed tables, triggers or routines."""
        self._seen, self._numbered, self._texts = {}, {}, {}
        if not tag.endswith((" TABLE", " INDEX", " VIEW", " TRIGGER", " SEQUENCE")):
            self._functions = None

    def written(self, statement: Statement) -> frozenset[str]:
        """The names of the tables that a change of data may write to, lower case."""
        return frozenset(name.lower() for _, name in _written(statement))

    def functions(self, statement: Statement) -> frozenset[str]:
        """The stored functions, of any database, that a statement may run, by itself or through a view; upper case."""
        if not (stored := self._stored()):
            return frozenset()
        texts = [one for text in self._views(statement.names) for one in split(text)]
        return stored & frozenset().union(*(calls(one) for one in (statement, *texts)))

    def _views(self, names: frozenset[str]) -> list[str]:
        """The definitions of those of some names that are views of any database, and of the views in them."""
        found: list[str] = []
        seen: set[str] = set()
        while todo := names - seen:
            seen |= todo
            if unknown := todo - self._texts.keys():
                self._texts.update((name, []) for name in unknown)
                for name, text in self.ask(
                    "SELECT LOWER(table_name), view_definition FROM information_schema.views"
                    " WHERE LOWER(table_name) IN %s AND table_schema <> 'sys'",
                    (sorted(unknown),),
                ):
                    self._texts[str(name)].append(str(text))
            more = [text for name in todo for text in self._texts[name]]
            found += more
            names = frozenset().union(*(one.names for text in more for one in split(text)))
        return found

    def bare(self, statement: Statement, database: str) -> bool:
        """True where no trigger and no stored function can run with a change of data."""
        places = [(db or database, name) for db, name in _written(statement)]
        return not self.functions(statement) and all(len(self._look(*place)) == 1 for place in places)

    def _stored(self) -> frozenset[str]:
        """The names of all stored functions, upper case."""
        if self._functions is None:
            rows = self.ask(
                "SELECT routine_name FROM information_schema.routines"
                " WHERE routine_type = 'FUNCTION' AND routine_schema NOT IN ('sys', 'mysql')"
            )
            self._functions = frozenset(str(row[0]).upper() for row in rows)
        return self._functions

    def written_by(self, statement: Statement, database: str, temporary: set[str]) -> Written:
        """All that a statement may write to, but for temporary tables."""
        todo = [
            (db or database, name, adds(statement)) for db, name in _written(statement) if name.lower() not in temporary
        ]
        run: set[tuple[str, str]] = set()
        bodies = self.bodies(statement, run)
        done: dict[tuple[str, str], bool] = {}
        variables: set[str] = set()
        while todo or bodies:
            if bodies:
                body = bodies.pop()
                if body is None:
                    return Written("it runs a routine whose text this user may not see")
                for one in split(body):
                    variables |= {token.text for token in one.tokens if token.kind == "var" and token.text}
                    bodies += self.bodies(one, run)
                    for inner in _inner(one):
                        todo += [(db or database, name, adds(inner)) for db, name in _written(inner)]
                        bodies += self.bodies(inner, run)
                continue
            *key, inserts = todo.pop()
            place = (key[0], key[1])
            if place in done and (done[place] or not inserts):
                continue
            seen = place in done
            done[place] = inserts
            if len(done) > 1000:
                return Written("it may write to more than 1,000 tables")
            engine, *more = self._look(*place)
            if engine not in ("", "view") and engine not in self._transactional():
                return Written(f"{place[0]}.{place[1]} ({engine}) knows no transactions")
            if engine == "view":
                todo += [(db or place[0], name, inserts) for text in more for db, name in _named(text)]
            elif not seen:
                bodies += more
        columns = {place: self._numbers(*place) for place in done}
        return Written(
            numbered=tuple(
                Numbered(quoted(db, name), quoted(column), done[db, name])
                for (db, name), column in columns.items()
                if column
            ),
            variables=frozenset(variables),
        )

    def bodies(self, statement: Statement, run: set[tuple[str, str]]) -> list[str | None]:
        """The bodies of the stored functions that a statement may run, and of the procedure that it calls; None for one
        that this user may not see.

        :param run: those that were looked at; added to.
        """
        wanted = {("FUNCTION", name) for name in self.functions(statement)}
        if statement.words[:1] == ("CALL",) and (name := _Reader(statement.tokens[1:]).object("procedure")):
            wanted.add(("PROCEDURE", name[0][2].upper()))
        wanted -= run
        run |= wanted
        return [
            None if body is None else str(body)
            for kind, name in sorted(wanted)
            for (body,) in self.ask(
                "SELECT routine_definition FROM information_schema.routines"
                " WHERE UPPER(routine_name) = %s AND routine_type = %s AND routine_schema <> 'sys'",
                (name, kind),
            )
        ]

    def _look(self, db: str, name: str) -> list[str]:
        """A table's engine (``view``; empty: it is not there), and the texts of its triggers or of its definition."""
        key = (db, name)
        if key not in self._seen:
            rows = self.ask(
                "SELECT table_type, engine FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
                key,
            )
            if not rows:
                self._seen[key] = [""]
            elif rows[0][0] == "VIEW":
                texts = self.ask(
                    "SELECT view_definition FROM information_schema.views WHERE table_schema = %s AND table_name = %s",
                    key,
                )
                self._seen[key] = ["view", *(str(row[0]) for row in texts)]
            else:
                texts = self.ask(
                    "SELECT action_statement FROM information_schema.triggers"
                    " WHERE event_object_schema = %s AND event_object_table = %s",
                    key,
                )
                self._seen[key] = [str(rows[0][1] or "none"), *(str(row[0]) for row in texts)]
        return self._seen[key]

    def _numbers(self, db: str, name: str) -> str:
        """The column of a table that the server numbers; empty: there is none, or it is no table."""
        key = (db, name)
        if key not in self._numbered:
            rows = self.ask(
                "SELECT column_name FROM information_schema.columns"
                " WHERE table_schema = %s AND table_name = %s AND extra LIKE %s",
                (*key, "%auto_increment%"),
            )
            self._numbered[key] = str(rows[0][0]) if rows else ""
        return self._numbered[key]

    def _transactional(self) -> frozenset[str]:
        if self._engines is None:
            rows = self.ask("SELECT engine FROM information_schema.engines WHERE transactions = 'YES'")
            self._engines = frozenset(str(row[0]) for row in rows)
        return self._engines


def adds(statement: Statement) -> bool:
    """True for a change of data that may add rows."""
    return _verb(_Reader(statement.tokens)) in ("INSERT", "REPLACE", "LOAD")


def _verb(reader: _Reader) -> str:
    """Go to just after the word that says what a change of data does: outside of parentheses, where functions and WITH
    have the same words."""
    depth = 0
    while reader.peek().text:
        token = reader.peek()
        reader.at += 1
        if token.kind == "op":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif not depth and token.up in _CHANGES and not (reader.peek().text == "(" and reader.at > 1):
            return token.up
    return ""


def quoted(*names: str) -> str:
    """A name as it goes into SQL."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def _inner(body: Statement) -> list[Statement]:
    """The changes of data in the body of a trigger or function, whatever stands around them."""
    words = body.words
    starts = [at for at, word in enumerate(words) if word in ("INSERT", "UPDATE", "DELETE", "REPLACE", "CALL")]
    found = [Statement(body.text, body.tokens[at:]) for at in starts]
    return [one for one in found if kind(one) is Kind.DATA or one.words[0] == "CALL"]


def _written(statement: Statement) -> list[tuple[str | None, str]]:
    """(database or None, name) of what may be a table that is written to."""
    reader = _Reader(statement.tokens)
    first = _verb(reader)
    if first == "LOAD":
        reader.until({"TABLE"})
    if first in ("INSERT", "REPLACE", "LOAD"):
        while reader.peek().up in _MODIFIERS:
            reader.at += 1
        reader.take("TABLE")
        return [(db, name) for _, db, name in reader.object("table")]
    found: list[tuple[str | None, str]] = []
    while reader.peek().text and reader.peek().up not in (_ENDS - {"ON"}):
        token = reader.peek()
        if token.text == "(" and token.kind == "op" and reader.peek(1).up in _QUERIES:
            reader.over()
        elif token.up in _MODIFIERS | _NOT_TABLES or token.kind not in ("word", "name"):
            reader.at += 1
        else:
            found += [(db, name) for _, db, name in reader.object("table")]
    return found


def _named(text: str) -> list[tuple[str | None, str]]:
    """Everything in a view's definition that could be a table."""
    found: list[tuple[str | None, str]] = []
    for one in split(text):
        reader = _Reader(one.tokens)
        while reader.peek().text:
            if reader.peek().kind == "name":
                found += [(db, name) for _, db, name in reader.object("table")]
            else:
                reader.at += 1
    return found
