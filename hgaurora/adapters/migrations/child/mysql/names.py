# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which objects a statement names, and what it does to them. Pure, and the standard library only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .sql import Statement, Token

#: an object: kind (``table`` for views and sequences too, ``procedure``, ``function``, ``trigger``, ``event``,
#: ``database``, ``accounts``), its database or None where the statement does not say, its name
Object = tuple[str, str | None, str]


class Named(NamedTuple):
    """What a statement of DDL names."""

    #: the command with its kind of object: ``CREATE TABLE``
    tag: str
    #: what it makes, changes or drops; for RENAME TABLE the old and the new name of each, in turn
    objects: tuple[Object, ...]
    #: further objects that it changes a little: the table of a trigger, a table that a foreign key refers to
    beside: tuple[Object, ...] = ()


_KINDS = {
    "TABLE": "table",
    "TABLES": "table",
    "VIEW": "table",
    "SEQUENCE": "table",
    "INDEX": "index",
    "PROCEDURE": "procedure",
    "FUNCTION": "function",
    "TRIGGER": "trigger",
    "EVENT": "event",
    "DATABASE": "database",
    "SCHEMA": "database",
    "USER": "accounts",
    "ROLE": "accounts",
}
#: kinds of which nothing here can be known
_OTHER = frozenset({"SERVER", "TABLESPACE", "LOGFILE", "UNDO", "RESOURCE", "SPATIAL", "PACKAGE", "LIBRARY", "INSTANCE"})


class _Reader:
    """Goes over a statement's tokens."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self.tokens = tokens
        self.at = 0

    def peek(self, ahead: int = 0) -> Token:
        at = self.at + ahead
        return self.tokens[at] if at < len(self.tokens) else Token("op", "")

    def take(self, *words: str) -> bool:
        """Go over these words where they come next."""
        if tuple(self.peek(ahead).up for ahead in range(len(words))) != words:
            return False
        self.at += len(words)
        return True

    def op(self, text: str) -> bool:
        if self.peek().kind != "op" or self.peek().text != text:
            return False
        self.at += 1
        return True

    def until(self, words: Iterable[str]) -> str:
        """Go to just after the first of some words, and say which; empty: none comes."""
        while self.peek().text:
            word = self.peek().up
            self.at += 1
            if word in words:
                return word
        return ""

    def over(self) -> None:
        """Go over a parenthesis and all in it."""
        depth = 0
        while self.peek().text:
            if self.peek().kind == "op":
                depth += {"(": 1, ")": -1}.get(self.peek().text, 0)
            self.at += 1
            if not depth:
                return

    def part(self) -> str:
        token = self.peek()
        if token.kind not in ("word", "name") and not (token.kind == "string" and token.text[:1] == '"'):
            return ""
        self.at += 1
        return token.text if token.kind != "string" else token.text[1:-1]

    def object(self, kind: str) -> list[Object]:
        """A name, with its database or without."""
        self.take("IF", "EXISTS")
        self.take("IF", "NOT", "EXISTS")
        first = self.part()
        if not first:
            return []
        if self.peek().text == "." and self.peek().kind == "op":
            self.at += 1
            return [(kind, first, self.part())]
        return [(kind, None, first)]

    def list(self, kind: str) -> list[Object]:
        found = self.object(kind)
        while self.op(","):
            found += self.object(kind)
        return found


def named(statement: Statement) -> Named:
    """What a statement of DDL names. No objects: nothing is known of what it touches."""
    reader = _Reader(statement.tokens)
    if reader.take("SET", "STATEMENT"):
        reader.until({"FOR"})
    verb = reader.peek().up
    reader.at += 1
    if verb in ("CREATE", "ALTER", "DROP"):
        return _definition(verb, reader)
    if verb == "RENAME":
        return _rename(reader)
    if verb == "TRUNCATE":
        reader.take("TABLE")
        return Named("TRUNCATE TABLE", tuple(reader.object("table")))
    if verb in ("GRANT", "REVOKE") or (verb == "SET" and reader.peek().up in ("PASSWORD", "DEFAULT")):
        return Named(verb, (("accounts", None, ""),))
    if verb in ("ANALYZE", "OPTIMIZE", "CHECK", "REPAIR"):
        reader.until({"TABLE", "TABLES", "VIEW"})
        return Named(f"{verb} TABLE", tuple(reader.list("table")))
    return Named(verb, ())


def _definition(verb: str, reader: _Reader) -> Named:
    word = reader.until({*_KINDS, *_OTHER})
    if word == "SPATIAL" and reader.peek().up == "INDEX":
        word = reader.until({"INDEX"})
    kind = _KINDS.get(word, "")
    tag = f"{verb} {'DATABASE' if word == 'SCHEMA' else word.removesuffix('S') if word == 'TABLES' else word}"
    if kind == "accounts":
        return Named(tag, (("accounts", None, ""),))
    if kind == "index":
        reader.until({"ON"})
        return Named(tag, tuple(reader.object("table")))
    if not kind:
        return Named(tag, ())
    objects = reader.list(kind) if verb == "DROP" else reader.object(kind)
    if kind == "function" and "SONAME" in (token.up for token in reader.tokens):
        # a function of a shared library is of no database
        return Named(tag, ())
    if kind == "database" and objects and objects[0][2].upper() in ("CHARACTER", "DEFAULT", "COLLATE"):
        objects = [("database", None, "")]
    if kind == "trigger" and verb == "CREATE":
        reader.until({"ON"})
        table = reader.object("table")
        # a trigger lives in its table's database
        return Named(
            tag, tuple((kind, db or (table[0][1] if table else None), name) for _, db, name in objects), tuple(table)
        )
    beside: list[Object] = []
    if verb == "ALTER" and kind in ("table", "event"):
        objects += _moved(reader, kind)
    if kind == "table" and verb != "DROP" and word == "TABLE":
        beside = _referred(reader.tokens)
    return Named(tag, tuple(objects), tuple(beside))


def _moved(reader: _Reader, kind: str) -> list[Object]:
    """What ALTER renames to, exchanges with, or makes of a partition."""
    found: list[Object] = []
    while reader.peek().text:
        if reader.take("RENAME"):
            if reader.peek().up in ("COLUMN", "INDEX", "KEY", "CONSTRAINT", "PARTITION"):
                continue
            _ = reader.take("TO") or reader.take("AS") or reader.op("=")
            found += reader.object(kind)
        elif reader.take("WITH", "TABLE") or (reader.take("TO", "TABLE")) or reader.take("CONVERT", "TABLE"):
            found += reader.object(kind)
        else:
            reader.at += 1
    return found


def _referred(tokens: tuple[Token, ...]) -> list[Object]:
    reader, found = _Reader(tokens), list[Object]()
    while reader.until({"REFERENCES"}):
        found += reader.object("table")
    return found


def _rename(reader: _Reader) -> Named:
    if reader.take("USER"):
        return Named("RENAME USER", (("accounts", None, ""),))
    _ = reader.take("TABLE") or reader.take("TABLES")
    found: list[Object] = []
    while True:
        found += reader.object("table")
        if not reader.until({"TO"}):
            break
        found += reader.object("table")
        if not reader.op(","):
            break
    return Named("RENAME TABLE", tuple(found))


def touched(statement: Statement) -> Named:
    """For the step's ledger row: as :func:`named`, with tag ``*`` where the statement may do anything."""
    found = named(statement)
    return found if found.objects else Named("*", ())
