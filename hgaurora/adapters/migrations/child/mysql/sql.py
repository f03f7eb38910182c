# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading MySQL's and MariaDB's SQL, as far as it is needed to tell statements apart and to see what each commits.

Pure, and the standard library only: the parent's capture reads names of statements with it too.
"""

from __future__ import annotations

import enum
import functools
import re
from typing import NamedTuple


class Token(NamedTuple):
    """A piece of a statement.

    ``kind``: ``word`` (``text`` as written, ``up`` in upper case), ``name`` (a quoted identifier, unquoted),
    ``string``, ``var`` (a user variable without its @), ``sys`` (a system variable, lower case) or ``op``.
    """

    kind: str
    text: str
    up: str = ""


class Statement(NamedTuple):
    """One statement: its text, its tokens without comments, and where in the string its text begins."""

    text: str
    tokens: tuple[Token, ...]
    at: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """Its words outside quotes, upper case; anything else is an empty text."""
        return tuple(token.up for token in self.tokens)

    @property
    def names(self) -> frozenset[str]:
        """Everything that could name an object, lower case."""
        return frozenset(token.text.lower() for token in self.tokens if token.kind in ("word", "name"))


_WORD = r"[^\W\d][\w$]*|\d+[^\W\d][\w$]*"


@functools.cache
def _pattern(ansi: bool, backslash: bool) -> re.Pattern[str]:
    """The tokens under two of the SQL modes: ANSI_QUOTES, NO_BACKSLASH_ESCAPES (MySQL manual, 11.1.1 and 11.2)."""
    single = r"'(?:[^'\\]|\\.|'')*'" if backslash else r"'(?:[^']|'')*'"
    double = r'"(?:[^"\\]|\\.|"")*"' if backslash and not ansi else r'"(?:[^"]|"")*"'
    return re.compile(
        rf"""(?P<skip>\s+|--(?=\s|\Z)[^\n]*|\#[^\n]*)|(?P<hint>/\*M?!\d*|\*/)|(?P<block>/\*.*?(?:\*/|\Z))"""
        rf"""|(?P<string>{single}{"" if ansi else "|" + double})"""
        rf"""|(?P<name>`(?:[^`]|``)*`{"|" + double if ansi else ""})"""
        rf"""|(?P<sys>@@(?:`[^`]*`|[\w$.])+)|(?P<var>@(?:`[^`]*`|'[^']*'|"[^"]*"|[\w$.]*))"""
        rf"""|(?P<word>{_WORD})|(?P<semi>;)|(?P<op>:=|\d+(?:\.\d+)?|.)""",
        re.S,
    )


#: statements with a body that holds semicolons
_ROUTINE = frozenset({"PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"})
#: after these a word begins a statement of a body
_STARTS = frozenset({"BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ROW", "ATOMIC"})
_OPENS = frozenset({"IF", "LOOP", "WHILE", "REPEAT"})


def split(sql: str, *, ansi: bool = False, backslash: bool = True) -> list[Statement]:
    """The statements of a string, each alone, without the ones that are empty.

    What stands in ``/*! ... */`` is read as the server reads it. The body of a routine, trigger or event counts to its
    CREATE, whatever semicolons it holds.

    :param ansi: ANSI_QUOTES is among the session's SQL modes.
    :param backslash: NO_BACKSLASH_ESCAPES is not.
    """
    found: list[Statement] = []
    tokens: list[Token] = []
    depth, start = 0, 0
    routine = False
    for match in _pattern(ansi, backslash).finditer(sql):
        kind, text = match.lastgroup or "op", match.group()
        if kind in ("skip", "hint", "block"):
            continue
        if kind == "semi":
            if depth:
                tokens.append(Token("op", ";"))
                continue
            if tokens:
                found.append(_statement(sql, start, match.start(), tokens))
            tokens, start, routine = [], match.end(), False
            continue
        if kind == "word":
            up = text.upper()
            if not routine and tokens:
                first = tokens[0].up
                routine = (first in ("CREATE", "ALTER") and up in _ROUTINE and _heads(tokens)) or (
                    first == "BEGIN" and up == "NOT"
                )
                depth = 1 if routine and first == "BEGIN" else depth
            if routine:
                depth = max(0, depth + _nesting(up, tokens))
            tokens.append(Token(kind, text, up))
        elif kind == "name":
            tokens.append(Token(kind, text[1:-1].replace(text[0] * 2, text[0])))
        elif kind == "var":
            tokens.append(Token(kind, text[1:].strip("`'\"").lower()))
        elif kind == "sys":
            tokens.append(Token(kind, text.lower().replace("`", "")))
        else:
            tokens.append(Token(kind, text))
    if tokens:
        found.append(_statement(sql, start, len(sql), tokens))
    return found


def _statement(sql: str, start: int, end: int, tokens: list[Token]) -> Statement:
    text = sql[start:end].lstrip()
    return Statement(text.rstrip(), tuple(tokens), end - len(text))


def failed_at(statement: Statement, message: str) -> int:
    """Where a statement failed, as the place of a character in the string that it was split from, from 1: in the line
    that the server names (``... near 'x' at line 3``), else where it begins after its comments."""
    if named := re.search(r" at line (\d+)$", message):
        within = sum(len(line) for line in statement.text.splitlines(keepends=True)[: int(named[1]) - 1])
    else:
        tokens = _pattern(False, True).finditer(statement.text)
        within = next((one.start() for one in tokens if one.lastgroup not in ("skip", "block")), 0)
    return statement.at + within + 1


def _heads(tokens: list[Token]) -> bool:
    """True where the words so far can stand before the kind of object: CREATE OR REPLACE DEFINER = a@b ..."""
    return not {"TABLE", "INDEX", "VIEW", "DATABASE", "SCHEMA", "USER"} & {token.up for token in tokens}


def _nesting(up: str, tokens: list[Token]) -> int:
    """By how much a word of a body changes the depth."""
    last = tokens[-1] if tokens else Token("op", "")
    if last.up == "END":
        # END IF, END LOOP ... : END itself has closed one
        return 0
    if up == "END":
        return -1
    if up in ("BEGIN", "CASE"):
        return 1
    starts = last.up in _STARTS or (last.kind == "op" and last.text in (";", ":", ")"))
    return 1 if up in _OPENS and starts else 0


class Kind(enum.Enum):
    """What a statement is to the journal."""

    #: changes or shows the session alone: sent each time
    SESSION = enum.auto()
    #: has a result and no effect: its result is journaled with the next statement that has one
    READ = enum.auto()
    #: changes rows: journaled in its own transaction
    DATA = enum.auto()
    #: commits by itself: an intent before, what came of it after; the catalogue proves it
    DDL = enum.auto()
    #: what it does cannot be seen; as DDL, but nothing proves it
    OPAQUE = enum.auto()
    #: runs the text of a prepared statement
    EXECUTE = enum.auto()
    COMMIT = enum.auto()
    ROLLBACK = enum.auto()
    SAVEPOINT = enum.auto()
    #: makes, changes or drops a temporary table
    TEMPORARY = enum.auto()
    REFUSED = enum.auto()


_READS = frozenset(
    {"SELECT", "TABLE", "VALUES", "VALUE", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "HELP", "DO", "CHECKSUM"}
)
_DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"})
#: MySQL manual, 15.3.3: statements that cause an implicit commit, and what MariaDB adds
_DDL = frozenset(
    {"CREATE", "ALTER", "DROP", "RENAME", "TRUNCATE", "GRANT", "REVOKE", "ANALYZE", "OPTIMIZE", "CHECK", "REPAIR"}
    | {"CACHE", "FLUSH", "RESET", "INSTALL", "UNINSTALL", "IMPORT", "CHANGE", "START", "STOP", "PURGE", "BINLOG"}
)

#: what a script may not send, by its first words, with the reason
REFUSED: tuple[tuple[tuple[str, ...], str], ...] = (
    (("START", "TRANSACTION"), "begins a transaction"),
    (("BEGIN", "NOT"), "runs a block whose statements cannot be journaled one by one"),
    (("BEGIN",), "begins a transaction"),
    (("XA",), "begins a transaction of its own"),
    (("LOCK", "TABLE"), "locks tables, and with them hgaurora's own out"),
    (("LOCK", "TABLES"), "locks tables, and with them hgaurora's own out"),
    (("LOCK", "INSTANCE"), "locks the whole server"),
    (("BACKUP",), "locks the whole server"),
    (("HANDLER",), "reads a table through a handler, which ends with the session"),
    (("GET", "DIAGNOSTICS"), "asks about the statement before, which is hgaurora's own"),
    (("SHUTDOWN",), "stops the server"),
    (("RESTART",), "stops the server"),
    (("KILL",), "ends sessions"),
    (("DELIMITER",), "is a command of the client, not of the server"),
)
#: functions that tell of the statement before
_BEFORE = frozenset({"ROW_COUNT", "FOUND_ROWS"})


def refusal(statement: Statement) -> str:
    """Why a statement may not be sent; empty: it may."""
    words = statement.words
    if not words:
        return ""
    for first, why in REFUSED:
        if words[: len(first)] == first:
            return why
    ends = words[0] in ("COMMIT", "ROLLBACK") and not {"NO", "TO"} & set(words)
    if ends and {"CHAIN", "RELEASE"} & set(words):
        return "ends the transaction and begins another one, or ends the session"
    if words[0] == "SET" and _draws_set(statement):
        return (
            "sets the number that the next INSERT draws, or the one drawn last, which a resumed run could not set again"
        )
    if words[:2] in (("SHOW", "WARNINGS"), ("SHOW", "ERRORS")):
        return "asks about the statement before, which is hgaurora's own"
    if words[0] == "FLUSH" and ("EXPORT" in words or {"READ", "LOCK"} <= set(words)):
        return "locks tables, and with them hgaurora's own out"
    if kind(statement) in (Kind.READ, Kind.DATA, Kind.SESSION) and calls(statement) & _BEFORE:
        return "asks about the statement before, which is hgaurora's own"
    return ""


def _draws_set(statement: Statement) -> bool:
    """True where SET assigns to a system variable that only the next statement takes."""
    names = {"insert_id", "last_insert_id", "identity"}
    tokens = statement.tokens
    return any(
        token.kind in ("word", "name", "sys")
        and token.text.lower().rpartition(".")[2].removeprefix("@@") in names
        and tokens[at + 1].text in ("=", ":=")
        for at, token in enumerate(tokens[:-1])
    )


def calls(statement: Statement) -> frozenset[str]:
    """Names that stand before a parenthesis, upper case."""
    tokens = statement.tokens
    return frozenset(
        tokens[at].text.upper()
        for at in range(len(tokens) - 1)
        if tokens[at].kind in ("word", "name") and tokens[at + 1].text == "(" and tokens[at + 1].kind == "op"
    )


def kind(statement: Statement) -> Kind:
    """What a statement is to the journal; whoever asks has still to look whether its tables know transactions."""
    words = statement.words
    at = 0
    while at < len(words) and statement.tokens[at].text == "(":
        at += 1
    first = words[at] if at < len(words) else ""
    second = words[at + 1] if at + 1 < len(words) else ""
    if first == "SET":
        return _set(statement)
    if first in ("USE", "PREPARE", "DEALLOCATE") or (first, second) in (("DROP", "PREPARE"), ("UNLOCK", "TABLES")):
        return Kind.SESSION
    if first == "EXECUTE":
        return Kind.EXECUTE
    if first == "COMMIT":
        return Kind.COMMIT
    if first == "ROLLBACK":
        return Kind.SAVEPOINT if "TO" in words[1:3] else Kind.ROLLBACK
    if first in ("SAVEPOINT", "RELEASE"):
        return Kind.SAVEPOINT
    if first in ("CREATE", "DROP") and "TEMPORARY" in words[1:4]:
        return Kind.TEMPORARY
    if first == "WITH":
        return Kind.DATA if _outermost(statement) in _DATA else Kind.READ
    if first == "LOAD" and second == "INDEX":
        return Kind.DDL
    if first == "SELECT" and _settings_only(statement):
        return Kind.SESSION
    if first == "SELECT" and ("OUTFILE" in words or "DUMPFILE" in words):
        return Kind.OPAQUE
    if first == "ANALYZE" and (second in _DATA | {"SELECT", "WITH"} or second.startswith("FORMAT")):
        return Kind.OPAQUE
    if first in _READS:
        return Kind.READ
    if first in _DATA:
        return Kind.DATA
    return Kind.DDL if first in _DDL else Kind.OPAQUE


def _set(statement: Statement) -> Kind:
    """SET: of user variables it is a read, because their values may come from the database."""
    words = statement.words
    if words[1:2] == ("STATEMENT",) and "FOR" in words:
        inner = statement.tokens[words.index("FOR") + 1 :]
        return kind(Statement(statement.text, inner)) if inner else Kind.SESSION
    if words[1:2] == ("PASSWORD",) or words[1:3] == ("DEFAULT", "ROLE") or words[1:2] == ("RESOURCE",):
        return Kind.DDL
    return Kind.READ if assigned(statement) else Kind.SESSION


def _outermost(statement: Statement) -> str:
    """The first word outside parentheses that says what a statement with WITH does."""
    depth = 0
    for token in statement.tokens:
        if token.kind == "op":
            depth += {"(": 1, ")": -1}.get(token.text, 0)
        elif not depth and token.up in _DATA | {"SELECT", "TABLE", "VALUES"}:
            return token.up
    return ""


def _settings_only(statement: Statement) -> bool:
    """True for a SELECT of nothing but system variables and what a session is."""
    allowed = {"SELECT", "AS", "DATABASE", "SCHEMA", "VERSION", "CONNECTION_ID", "CURRENT_USER", "USER", "LIMIT"}
    tokens = statement.tokens[1:]
    if not any(token.kind == "sys" or token.up in allowed - {"AS"} for token in tokens):
        return False
    return all(
        token.kind in ("sys", "name") or token.up in allowed or token.text in ("(", ")", ",", "1") for token in tokens
    )


def variables(statement: Statement) -> tuple[str, ...]:
    """The user variables that a statement names."""
    return tuple(dict.fromkeys(token.text for token in statement.tokens if token.kind == "var" and token.text))


def assigned(statement: Statement) -> tuple[str, ...]:
    """The user variables that a statement gives a value."""
    tokens, found = statement.tokens, []
    into = False
    for at, token in enumerate(tokens):
        if token.kind == "word":
            into = token.up == "INTO"
        following = tokens[at + 1].text if at + 1 < len(tokens) else ""
        is_set = tokens[0].up == "SET" and following == "="
        if token.kind == "var" and token.text and (into or following == ":=" or is_set) and token.text not in found:
            found.append(token.text)
    return tuple(found)
