# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that migrations run in: ``python -I child.py FD PARENT``.

One file, run by path, on an interpreter (3.10 or later) that has Alembic, SQLAlchemy and psycopg and need not have
hgaurora. It speaks JSON lines over the socket FD with the process PARENT; stdout and stderr belong to the scripts. It
holds the environment's lock on the connection that runs the DDL, and ends with its parent.

Requests: ``job`` (first), ``lock``, ``begin``, ``run``, ``close``; each but the last has one answer. In between the
child asks for a ``password`` for each physical connection, and with ``trace`` waits for ``go`` before and after each
thing it sends.

A migration is one transaction: BEGIN with a token, the script, Alembic's version row, the ledger's row under its
fences, COMMIT. Where a script commits on the way (an autocommit block), each statement so far is journaled in the
transaction that commits it; a later run of the same script does not send again what is journaled, and stops at the
first difference.
"""

from __future__ import annotations

import collections
import ctypes
import functools
import gc
import hashlib
import importlib
import io
import json
import os
import re
import resource
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

try:
    import psycopg
    import sqlalchemy
    from alembic.config import Config
    from alembic.operations import Operations
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import RevisionStep
    from alembic.script import ScriptDirectory
    from psycopg.pq import ExecStatus, TransactionStatus
    from sqlalchemy import event
    from sqlalchemy.engine import URL, Engine
    from sqlalchemy.pool import NullPool
except ImportError as missing:
    _said = f"{sys.executable} cannot import {missing.name or missing}, which running migrations needs: {missing}"
    _line = {"is": "failed", "what": "missing", "message": _said, "fatal": True}
    os.write(int(sys.argv[1]), json.dumps(_line).encode() + b"\n")
    os._exit(3)

#: the whole of a recorded result may be this long, in bytes of JSON; a longer one cannot be replayed
RESULT_LIMIT = 1 << 20
#: how much of a statement's text the journal keeps for showing, in characters
SHOWN = 4000


class Gone(BaseException):
    """The parent is gone, or told us to end."""


class Refused(Exception):
    """A script broke a rule of running; ``what`` names the rule for programs."""

    def __init__(self, what: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.what = what
        self.hint = hint


class Parent:
    """The socket to the parent. Answers to our questions may come between its requests."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lines = self._socket.makefile("rb")
        self._waiting: collections.deque[dict[str, Any]] = collections.deque()
        self._asking = threading.Lock()
        # a process that a script forks has no business with the parent
        os.register_at_fork(after_in_child=lambda: os.close(fd))

    def send(self, **message: Any) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise Gone from error

    def request(self) -> dict[str, Any]:
        """The next request, in order."""
        return self._waiting.popleft() if self._waiting else self._read()

    def ask(self, answer: str, **question: Any) -> dict[str, Any]:
        """Ask, and wait for the message that answers."""
        with self._asking:
            self.send(**question)
            while (message := self._read()).get("do") != answer:
                self._waiting.append(message)
            return message

    def _read(self) -> dict[str, Any]:
        try:
            line = self._lines.readline()
        except OSError as error:
            raise Gone from error
        if not line.endswith(b"\n"):
            raise Gone
        message: dict[str, Any] = json.loads(line)
        return message


# ---- reading SQL, as far as it is needed to see where a transaction would end -------------------------------

#: cheap look: nearly every statement of a migration passes here
_SUSPECT = re.compile(
    r"\b(?:commit|rollback|begin|end|abort|start\s+transaction|prepare\s+transaction|discard|deallocate)\b", re.I
)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')"""
    r"""|(?P<block>/\*)|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|(?P<word>[^\W\d][\w$]*)|(?P<semi>;)|(?P<other>.)""",
    re.S,
)
_BLOCK = re.compile(r"/\*|\*/")


def statements(sql: str) -> Iterator[list[str]]:
    """The words of each statement of a string, upper case, outside quotes and comments."""
    return (words for words, _ in pieces(sql))


def pieces(sql: str) -> Iterator[tuple[list[str], str]]:
    """Each statement of a string: its words, upper case, outside quotes and comments, and its text.

    A body in ``BEGIN ATOMIC`` counts to its CREATE (PostgreSQL manual, 4.1 and CREATE FUNCTION).
    """
    words: list[str] = []
    depth, at, start = 0, 0, 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        assert found is not None
        at = found.end()
        if found["block"]:
            nested = 1
            while nested and (mark := _BLOCK.search(sql, at)):
                nested += 1 if mark.group() == "/*" else -1
                at = mark.end()
            if nested:
                at = len(sql)
        elif found["dollar"]:
            end = sql.find(found["dollar"], at)
            at = len(sql) if end < 0 else end + len(found["dollar"])
        elif found["word"]:
            word = found["word"].upper()
            if words[:1] == ["CREATE"] and (word == "BEGIN" or (depth and word == "CASE")):
                depth += 1
            elif depth and word == "END":
                depth -= 1
            words.append(word)
        elif found["semi"] and not depth:
            if words:
                yield words, sql[start : at - 1]
            words, start = [], at
    if words:
        yield words, sql[start:]


def control(sql: str) -> str | None:
    """The first transaction control in a statement string that would end our transaction or session state, or None."""
    if not _SUSPECT.search(sql):
        return None
    for words in statements(sql):
        first, second = words[0], words[1] if len(words) > 1 else ""
        if first in ("COMMIT", "BEGIN", "END", "ABORT", "DISCARD"):
            return f"{first} {second}".strip()
        if first == "ROLLBACK" and "TO" not in words[1:3]:
            return "ROLLBACK"
        if (first, second) in (("START", "TRANSACTION"), ("PREPARE", "TRANSACTION"), ("DEALLOCATE", "ALL")):
            return f"{first} {second}"
        if first == "DEALLOCATE" and words[1:3] == ["PREPARE", "ALL"]:
            return "DEALLOCATE ALL"
    return None


#: cheap looks again: a setting, a temporary table
_SETTING = re.compile(r"\b(?:show|set|reset|set_config)\b", re.I)
_TEMPORARY = re.compile(r"\btemp(?:orary)?\b", re.I)
#: a call of set_config with nothing but literals, as pg_dump writes it
_SET_CONFIG = re.compile(r"\s*SELECT\s+(?:pg_catalog\s*\.\s*)?set_config\s*\((?:[^()']|'(?:[^']|'')*')*\)\s*", re.I)


def session(words: list[str], text: str) -> bool:
    """True for a statement that only changes or shows the session's settings: it is sent each time, never journaled."""
    return words[0] in ("SHOW", "SET", "RESET") or bool(_SET_CONFIG.fullmatch(_COMMENTS.sub("", text, count=1)))


def temporary(words: list[str]) -> bool:
    """True for a statement that makes something which ends with the session."""
    into = words.index("INTO") + 1 if "INTO" in words else len(words)
    return not {"TEMP", "TEMPORARY"}.isdisjoint(words[1:3] + words[into : into + 2])


# ---- what a statement did whose answer was lost: the catalogue proves it -------------------------------------

_NAME = r'((?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?)'
_CREATE_INDEX = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s+ON\s+(?:ONLY\s+)?{_NAME}", re.I
)
_DROP_INDEX = re.compile(r"DROP\s+INDEX\s+CONCURRENTLY\b", re.I)
_REINDEX = re.compile(
    rf"REINDEX\s+(?:\([^)]*\)\s*)?(INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\s+(?:CONCURRENTLY\s+)?{_NAME}", re.I
)
_REPEAT = re.compile(r"(?:VACUUM|ANALYZE|ANALYSE|ALTER\s+SYSTEM|CLUSTER|CHECKPOINT)\b", re.I)
_DATABASE = re.compile(rf"(CREATE|DROP)\s+DATABASE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.I)
_DETACH = re.compile(rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}\s+DETACH\s+PARTITION\s+{_NAME}\s+CONCURRENTLY", re.I)
_COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*\n|/\*.*?\*/)*", re.S)


def proven(sql: str, state: str, ask: Callable[..., list[list[Any]]]) -> str:
    """What became of a statement that was about to be sent outside a transaction: ``done``, ``again`` or ``unknown``.

    ``state`` is ``intent`` (the answer was lost) or ``failed`` (the server said an error). May clean up what a broken
    attempt left, so that it can be sent again.
    """
    text = _COMMENTS.sub("", sql)
    if _REPEAT.match(text) or _DROP_INDEX.match(text):
        gone = _DROP_INDEX.match(text) and "IF EXISTS" not in " ".join(text.upper().split())
        if gone and state == "intent" and not _index_named(text, ask):
            return "done"
        return "again"
    if found := _CREATE_INDEX.match(text):
        name = found[1].rsplit(".", 1)[-1]
        rows = ask(
            "SELECT i.indisvalid, pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"
            " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE i.indrelid = pg_catalog.to_regclass($1) AND c.relname = (pg_catalog.parse_ident($2))[1]",
            found[2],
            name,
        )
        if rows and rows[0][0] == "f":
            ask(f"DROP INDEX CONCURRENTLY {rows[0][1]}")
            return "again"
        return "done" if rows and state == "intent" else "again"
    if found := _REINDEX.match(text):
        for (left,) in ask(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"
            " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND (i.indrelid = pg_catalog.to_regclass($1)"
            " OR i.indrelid = (SELECT o.indrelid FROM pg_catalog.pg_index o"
            " WHERE o.indexrelid = pg_catalog.to_regclass($1)))",
            found[2],
        ):
            ask(f"DROP INDEX CONCURRENTLY {left}")
        return "again"
    if found := _DATABASE.match(text):
        there = ask("SELECT 1 FROM pg_catalog.pg_database WHERE datname = (pg_catalog.parse_ident($1))[1]", found[2])
        return "done" if state == "intent" and bool(there) == (found[1].upper() == "CREATE") else "again"
    if found := _DETACH.match(text):
        rows = ask(
            "SELECT inhdetachpending FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass($1)"
            " AND inhrelid = pg_catalog.to_regclass($2)",
            found[1],
            found[2],
        )
        if rows and rows[0][0] == "t":
            ask(f"ALTER TABLE {found[1]} DETACH PARTITION {found[2]} FINALIZE")
            return "done"
        return "again" if rows or state == "failed" else "done"
    return "unknown"


def _index_named(text: str, ask: Callable[..., list[list[Any]]]) -> bool:
    found = re.match(rf"DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?{_NAME}", text, re.I)
    return bool(found and ask("SELECT 1 WHERE pg_catalog.to_regclass($1) IS NOT NULL", found[1]))


# ---- the connection that scripts see ------------------------------------------------------------------------


class GuardedConnection(psycopg.Connection):
    """psycopg's connection, asking a :class:`Guard` (once it is the one that migrates) before it ends a transaction."""

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


class Sent:
    """One statement that was sent in a step and is not committed yet."""

    __slots__ = ("many", "params", "result", "sql")

    def __init__(self, sql: str, params: Any, result: Any, many: bool) -> None:
        self.sql = sql
        # a script may use the same container again
        self.params = dict(params) if isinstance(params, dict) else params if params is None else list(params)
        self.result = result
        self.many = many


class Guard:
    """Stands between a script and its connection while a step runs. ``active`` only then."""

    def __init__(
        self, connection: GuardedConnection, ledger: dict[str, Any], trace: Callable[[str, str], None]
    ) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        self.ledger = ledger
        self.trace = trace
        self.active = False
        self.session, self.role, self.settings = self.ask(ledger["baseline"])[0]
        self.deployment = self.epoch = ""
        self.key: tuple[str, str] = ("", "")
        self.committing = self.prepared = False
        #: open rows of the statement journal: (revision, direction) to rows
        self.open: dict[tuple[str, str], list[dict[str, Any]]] = {}

    def ask(self, sql: str, *params: Any) -> list[list[Any]]:
        """Send a statement of ours past the script's machinery; cells as text."""
        values = [None if value is None else str(value).encode() for value in params]
        return self._rows(self.pgconn.exec_params(sql.encode(), values))

    def command(self, sql: str) -> None:
        """Send one message with statements that have no answer."""
        word = sql.split(";")[0]
        self.trace("before", word)
        self._rows(self.pgconn.exec_(sql.encode()))
        self.trace("after", word)

    @staticmethod
    def _rows(result: Any) -> list[list[Any]]:
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            state = (result.error_field(67) or b"").decode()  # 67: PG_DIAG_SQLSTATE, 'C'
            message = (result.error_field(77) or result.error_message or b"").decode(
                errors="replace"
            )  # 77: 'M', primary
            try:
                raise psycopg.errors.lookup(state)(message)
            except KeyError:
                raise psycopg.OperationalError(message) from None
        cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        return [[None if cell is None else cell.decode() for cell in row] for row in cells]

    # -- a deployment, a step

    def belong(self, deployment: str, epoch: str) -> None:
        """From now on steps are recorded under this deployment and epoch."""
        self.deployment, self.epoch = deployment, epoch
        self.ask("SELECT pg_catalog.set_config('application_name', $1, false)", f"hgaurora {deployment}")
        self.open = {}
        for ident, revision, direction, *rest in self.ask(self.ledger["journal_open"]):
            names = ("sql_hash", "params_hash", "sql", "state", "result")
            self.open.setdefault((revision, direction), []).append({"id": ident, **dict(zip(names, rest, strict=True))})

    def start(self, step: dict[str, Any]) -> None:
        """A step begins: its script runs next."""
        self.step = step
        self.key = (step["revision"], step["direction"])
        self.replay = collections.deque(self.open.get(self.key, ()))
        self.ordinal = len(self.replay)
        self.had = self.ordinal
        self.sent: list[Sent] = []
        self.count = self.passed = 0
        self.token = self.unrecorded = ""
        self.begun = self.lost = self.recorded = self.committing = self.reset = False
        self.foreign = False
        self.thread = threading.get_ident()
        self.active = True

    def over(self) -> None:
        """The step is committed or given up."""
        self.active = False

    # -- transactions

    def begin(self) -> None:
        """Begin a transaction that carries a token, where none is open."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            return
        if self.begun and not self.connection.autocommit:
            raise Refused("transaction", "the migration ended its transaction by itself")
        self.token = os.urandom(12).hex()
        level = self.connection.isolation_level
        isolation = f" ISOLATION LEVEL {level.name.replace('_', ' ')}" if level else ""
        self.command(f"BEGIN{isolation}; SET LOCAL hgaurora.step = '{self.token}'")
        self.begun = True

    def commit(self, send: Callable[[], None]) -> None:
        """The step's own commit, or one on the way, which takes the journal with it."""
        self.foreign = self.foreign or threading.get_ident() != self.thread
        status = self.pgconn.transaction_status
        if status == TransactionStatus.INERROR:
            raise Refused("transaction", "the migration commits after a statement failed", "let the error end it")
        if status == TransactionStatus.INTRANS:
            if not self.recorded:
                self.journal()
            self.committing = self.recorded
            self.trace("before", "COMMIT")
            send()
            self.trace("after", "COMMIT")
        self.begun = False

    def rolled_back(self) -> None:
        """What was sent since the last commit is undone."""
        self.lost = self.lost or bool(self.sent)
        self.sent = []
        self.begun = False

    # -- statements

    def execute(
        self, cursor: GuardedCursor, send: Callable[[], Any], query: Any, params: Any, many: bool = False
    ) -> None:
        """Send a statement of a script, or answer it from the journal."""
        if threading.get_ident() != self.thread:
            # it could come after the step is over, into the next one's transaction
            self.foreign = True
            raise Refused("threads", "the migration sends a statement from a thread of its own")
        sql = (
            query
            if isinstance(query, str)
            else query.decode()
            if isinstance(query, bytes)
            else query.as_string(self.connection)
        )
        if word := control(sql):
            raise Refused(
                "transaction",
                f"the migration sends {word}, which would end the transaction that hgaurora commits with its ledger",
                "leave transactions to hgaurora; what cannot run in one goes into op.get_context().autocommit_block()",
            )
        if _SETTING.search(sql) and not many:
            parts = list(pieces(sql))
            settings = [session(words, text) for words, text in parts]
            if parts and all(settings):
                # the session's, not the database's: sent each time
                self._send(sql, send)
                return
            if any(settings) and not params:
                # sent one by one, so that a run that takes this one up has the settings and repeats nothing else
                for _, text in parts:
                    self.execute(cursor, functools.partial(psycopg.Cursor.execute, cursor, text, params), text, params)
                return
        if _TEMPORARY.search(sql) and any(temporary(words) for words in statements(sql)):
            self.unrecordable("a temporary table")
        self.count += 1
        if self.replay:
            self.passed += self._replayed(cursor, send, Sent(sql, params, None, many))
        elif self.connection.autocommit:
            self._alone(cursor, send, Sent(sql, params, None, many))
        else:
            self._send(sql, send)
            self.sent.append(Sent(sql, params, self._result(cursor, many), many))

    def _send(self, sql: str, send: Callable[[], Any]) -> None:
        if not self.connection.autocommit:
            self.begin()
        self.trace("before", sql)
        send()
        self.trace("after", sql)

    def _alone(
        self, cursor: GuardedCursor, send: Callable[[], Any], sent: Sent, row: dict[str, Any] | None = None
    ) -> None:
        """A statement in autocommit mode.

        With its journal row in a transaction of its own, or, where the server does not take it in one, between an
        intent and its result.
        """
        if row is None:
            self.begin()
            try:
                self._send(sent.sql, send)
                sent.result = self._result(cursor, sent.many)
                self.sent = [sent]
                self.journal()
                self.command("COMMIT")
                self.begun = False
                return
            except psycopg.Error as error:
                self.sent = []
                self.begun = False
                if self.pgconn.transaction_status != TransactionStatus.IDLE:
                    self.pgconn.exec_(b"ROLLBACK")
                # cannot run inside a transaction block; invalid transaction termination (a procedure that commits)
                if error.sqlstate not in ("25001", "2D000"):
                    raise
            self.sent = [sent]
            self.begin()
            row = self.journal("intent")[0]
            self.command("COMMIT")
            self.begun = False
        try:
            self._send(sent.sql, send)
        except psycopg.Error:
            if not self.connection.closed:
                self._settle(row, "failed", None)
            raise
        sent.result = self._result(cursor, sent.many)
        self._settle(row, "done", self._recorded(sent))

    def _settle(self, row: dict[str, Any], state: str, result: str | None) -> None:
        self.trace("before", f"journal {state}")
        self.ask(self.ledger["journal_state"], row["id"], state, result)
        self.trace("after", f"journal {state}")
        row.update(state=state, result=result)

    def unrecordable(self, what: str) -> None:
        """The script does what cannot be journaled; well, unless it also commits on the way."""
        if self.connection.autocommit or self.had or self.replay:
            raise Refused(
                "journal", f"the migration uses {what} beside an autocommit block", "put it into a migration of its own"
            )
        self.begin()
        self.unrecorded = what

    # -- the journal

    def journal(self, state: str = "done") -> list[dict[str, Any]]:
        """Write what was sent since the last commit into the transaction that is open."""
        if self.unrecorded:
            raise Refused(
                "journal",
                f"the migration uses {self.unrecorded} and then commits on the way: "
                "it could not be taken up after a crash",
                "put it into a migration of its own",
            )
        if self.lost:
            raise Refused("transaction", "the migration rolled its transaction back by itself and went on")
        if not self.sent:
            return []
        rows = []
        for sent in self.sent:
            sql_hash, params_hash = self._hashes(sent)
            rows.append(
                {
                    "ordinal": self.ordinal,
                    "sql_hash": sql_hash,
                    "params_hash": params_hash,
                    "sql": sent.sql[:SHOWN].replace("\x00", ""),
                    "state": state,
                    "result": self._recorded(sent) if state == "done" else None,
                }
            )
            self.ordinal += 1
        self.trace("before", "journal")
        idents = self.ask(self.ledger["journal"], *self._fence(), self.deployment, *self.key, json.dumps(rows))
        self.trace("after", "journal")
        if len(idents) != len(rows):
            self.fenced()
        for row, (ident,) in zip(rows, idents, strict=True):
            row["id"] = ident
        self.open.setdefault(self.key, []).extend(rows)
        self.had += len(rows)
        self.sent = []
        return rows

    def _hashes(self, sent: Sent) -> tuple[str, str]:
        params = ""
        if sent.params is not None:
            client = psycopg.ClientCursor(self.connection)
            every = sent.params if sent.many else [sent.params]
            params = "\n".join(client.mogrify(sent.sql, one) for one in every)
        return hashlib.sha256(sent.sql.encode()).hexdigest(), hashlib.sha256(params.encode()).hexdigest()

    @staticmethod
    def _result(cursor: GuardedCursor, many: bool) -> Any:
        result = cursor.pgresult
        return result if result is not None and result.nfields and not many else cursor.rowcount

    @staticmethod
    def _recorded(sent: Sent) -> str:
        """A result as it is journaled: a count, or names, type OIDs and text cells."""
        result = sent.result
        if isinstance(result, int):
            return json.dumps({"count": result})
        columns = range(result.nfields)
        if any(result.fformat(column) for column in columns):
            return json.dumps({"unrecorded": "a binary result"})
        cells = [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]
        if sum(len(cell or b"") for row in cells for cell in row) > RESULT_LIMIT:
            return json.dumps({"unrecorded": "a result of more than 1 MiB"})
        return json.dumps(
            {
                "names": [(result.fname(column) or b"").decode() for column in columns],
                "types": [result.ftype(column) for column in columns],
                "rows": [[None if cell is None else cell.decode() for cell in row] for row in cells],
            }
        )

    def _replayed(self, cursor: GuardedCursor, send: Callable[[], Any], sent: Sent) -> bool:
        """Answer a statement from the journal. False: it was not done after all, and was sent again."""
        row = self.replay[0]
        if (row["sql_hash"], row["params_hash"]) != self._hashes(sent):
            same = "" if row["sql_hash"] != self._hashes(sent)[0] else " (the same text with other parameters)"
            raise Refused(
                "journal",
                f"statement {self.passed + 1} is not the one an earlier run committed{same}: journaled "
                f"{row['sql'][:200]!r}, now {sent.sql[:200]!r}",
                "deploy the script as it was when it was interrupted, or restore the snapshot taken before it",
            )
        self.replay.popleft()
        if row["state"] != "done":
            verdict = proven(sent.sql, row["state"], self.ask)
            if verdict == "again":
                self._alone(cursor, send, sent, row)
                return False
            if verdict == "unknown":
                self.replay.appendleft(row)
                raise Refused(
                    "journal",
                    "an earlier run sent this outside a transaction and the catalogue cannot prove whether it took "
                    f"effect: {sent.sql[:200]!r}",
                    f"look; if it did, UPDATE hgaurora.statement SET state = 'done', result = '{{\"count\": -1}}' "
                    f"WHERE id = {row['id']}; if not, DELETE FROM hgaurora.statement WHERE id = {row['id']}; "
                    "then run again",
                )
            self._settle(row, "done", json.dumps({"count": -1}))
        self._answer(cursor, json.loads(row["result"]))
        return True

    def _answer(self, cursor: GuardedCursor, recorded: dict[str, Any]) -> None:
        """Give a cursor the result an earlier run got."""
        if "unrecorded" in recorded:
            raise Refused(
                "journal",
                f"the earlier run read {recorded['unrecorded']}, which is not journaled",
                "restore the snapshot taken before this migration",
            )
        if "count" in recorded:
            cursor.replayed = recorded["count"]
            return
        oids = "{" + ",".join(map(str, recorded["types"])) + "}"
        names = dict(
            self.ask(
                "SELECT t.oid, pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t"
                " WHERE t.oid = ANY($1::oid[])",
                oids,
            )
        )
        types = [names.get(str(oid), "text") for oid in recorded["types"]]
        labels = [name.replace('"', '""').replace("%", "%%") for name in recorded["names"]]
        rows = recorded["rows"] or [[None] * len(types)]
        columns = ", ".join(f'%s::text::{kind} AS "{label}"' for kind, label in zip(types, labels, strict=True))
        selects = [f"SELECT {columns}"] * len(rows)
        text = " UNION ALL ".join(selects) if recorded["rows"] else selects[0] + " WHERE false"
        psycopg.Cursor.execute(cursor, text, [cell for row in rows for cell in row])
        if not self.begun and not self.connection.autocommit:
            self.connection.pgconn.exec_(b"COMMIT")

    # -- the ledger's row

    def _fence(self) -> tuple[str, ...]:
        return self.epoch, self.token, self.session, self.role

    def record(self, heads: set[str], statements: int) -> None:
        """Put the step's ledger row into its transaction, unless a fence does not hold."""
        if self.replay:
            raise Refused(
                "journal",
                f"the script ends before statement {self.passed + 1}, which an earlier run committed: "
                f"{self.replay[0]['sql'][:200]!r}",
                "deploy the script as it was when it was interrupted, or restore the snapshot taken before it",
            )
        if self.lost:
            raise Refused("transaction", "the migration rolled its transaction back by itself and went on")
        if self.foreign:
            raise Refused(
                "threads", "the migration sent statements from a thread of its own", "send them from upgrade()"
            )
        versions = sorted(heads)
        payload = {**self.step, "versions": versions, "statements": statements, "replayed": self.passed}
        said = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        array = "{" + ",".join('"' + one.replace("\\", "\\\\").replace('"', '\\"') + '"' for one in versions) + "}"
        if self.had:
            self.ask(self.ledger["journal_close"], *self.key)
        values = (*self._fence(), array, self.deployment, said)
        if not self.prepared:
            self._rows(self.pgconn.prepare(b"hgaurora_step", self.ledger["step"].encode()))
            self.prepared = True
        self.trace("before", "ledger")
        rows = self._rows(self.pgconn.exec_prepared(b"hgaurora_step", [value.encode() for value in values]))
        self.trace("after", "ledger")
        if not rows:
            self.fenced(array)
        self.reset = rows[0][1] != self.settings
        self.recorded = True

    def fenced(self, versions: str = "{}") -> None:
        """Find out which fence does not hold, and raise it."""
        rows = self.ask(self.ledger["which"], *self._fence(), versions)
        held = dict(zip(self.ledger["fences"], rows[0], strict=True)) if rows else {"epoch": "f"}
        for name, message in (
            ("epoch", "another run has taken the environment over"),
            ("transaction", "the migration ended its transaction by itself"),
            (
                "lock",
                "the environment's lock is no longer held: the migration released it or the session was exchanged",
            ),
            ("role", "the migration changed the session's role and did not put it back"),
            ("versions", "the migration changed Alembic's version table by itself"),
        ):
            if held.get(name) != "t":
                raise Refused(name, message)
        raise Refused("ledger", "the ledger did not take the step")


# ---- running ------------------------------------------------------------------------------------------------


class Child:
    """Serves the parent's requests until it closes."""

    def __init__(self, parent: Parent, job: dict[str, Any]) -> None:
        self.parent = parent
        self.job = job
        self.guard: Guard | None = None
        self.connection: Any = None
        self.pending: dict[str, Any] | None = None
        self.directories: dict[bool, ScriptDirectory] = {}
        self.statements = 0
        self.ended = False
        event.listen(Engine, "do_connect", self.connect)

    # -- connections

    def connect(self, dialect: Any, record: Any, cargs: Any, cparams: dict[str, Any]) -> Any:
        """Fill secret, TLS and timeouts into a physical connection of any engine in this process.

        On the environment's database psycopg's connection is a guarded one.
        """
        if dialect.name != "postgresql":
            return None
        ours = self.job["parameters"]
        if any(
            str(cparams.get(key) or ours.get(key, "")) != ours.get(key, "")
            for key in ("host", "port", "dbname", "user")
        ):
            return None
        cparams.update({key: value for key, value in ours.items() if key not in ("host", "port", "dbname", "user")})
        if self.job["secret"]:
            cparams["password"] = self.parent.ask("password", **{"is": "password"})["password"]
        if dialect.driver != "psycopg" or dialect.is_async:
            return None
        connection = GuardedConnection.connect(
            *cargs, **{**cparams, "cursor_factory": GuardedCursor, "prepare_threshold": None}
        )
        settings = dict(self.job["settings"])
        if connection.info.server_version >= 140000:
            settings.update(self.job["since_14"])
        values = [json.dumps(settings).encode()]
        Guard._rows(
            connection.pgconn.exec_params(
                b"SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::json) s",
                values,
            )
        )
        os.register_at_fork(after_in_child=lambda: connection.closed or os.close(connection.fileno()))
        return connection

    def trace(self, when: str, what: str) -> None:
        if self.job["trace"]:
            self.parent.ask("go", **{"is": "trace", "when": when, "what": what})

    def url(self) -> URL:
        """The database without a secret, for SQLAlchemy 2.0 and later alike."""
        given = dict(self.job["parameters"])
        host = given.pop("host", None)
        query = {key: value for key, value in given.items() if key not in ("port", "dbname", "user")}
        if host and host.startswith("/"):
            query["host"], host = host, None
        port = given.get("port")
        return URL.create(
            "postgresql+psycopg",
            username=given.get("user"),
            host=host,
            port=int(port) if port else None,
            database=given.get("dbname"),
            query=query,
        )

    # -- Alembic's set-up

    def config(self) -> Config:
        path = os.path.join(self.job["folder"], "alembic.ini")
        config = Config(path)
        for name, value in self.job["options"].items():
            text = value.replace("{url}", self.url().render_as_string(hide_password=False))
            config.set_main_option(name, text.replace("%", "%%"))
        config.set_main_option("script_location", os.path.join(self.job["folder"], "target"))
        return config

    def directory(self, recorded: bool) -> ScriptDirectory:
        """The scripts of the target changeset, or the recorded ones; read at first use."""
        if recorded not in self.directories:
            root = os.path.join(self.job["folder"], "recorded" if recorded else "target")
            places = [os.path.join(root, place) for place in self.job["version_locations"]]
            found = self.directories[recorded] = ScriptDirectory(root, version_locations=places)
            found.get_heads()
        return self.directories[recorded]

    def prepare(self) -> None:
        """Imports that migrations rely on, before any script is read."""
        folder = self.job["folder"]
        sys.path[:0] = [os.path.normpath(os.path.join(folder, "code", path)) for path in self.job["paths"]]
        for name in self.job["imports"]:
            importlib.import_module(name)

    def ours(self) -> None:
        engine = sqlalchemy.create_engine(self.url(), poolclass=NullPool, hide_parameters=True)
        with engine.connect() as connection:
            directory = self.directory(False)
            if self.job["recorded"]:
                self.directory(True)
            with EnvironmentContext(self.config(), directory, fn=self.steps) as environment:
                self.configure(environment, environment.configure, connection=connection)
                self.loop(environment)

    def project(self) -> None:
        environment = EnvironmentContext(self.config(), self.directory(False), fn=self.steps)
        configure = environment.configure
        environment.configure = functools.partial(self.configure, environment, configure)  # type: ignore[method-assign]
        environment.run_migrations = functools.partial(self.loop, environment)  # type: ignore[method-assign]
        with environment:
            self.directory(False).run_env()

    def configure(self, environment: Any, original: Any, connection: Any = None, **options: Any) -> None:
        """``context.configure`` with what makes a migration ours: whatever else is configured stays."""
        if connection is None:
            raise Refused("env", "env.py configures Alembic without a connection", "give configure() a connection")
        for name in ("version_table", "version_table_schema"):
            given, wanted = options.get(name), self.job[name]
            if given is not None and given != wanted:
                raise Refused("env", f"env.py names {name} {given!r}, the environment's settings say {wanted!r}")
            options[name] = wanted
        connection = self.outside_transactions(connection)
        raw = connection.connection.driver_connection
        if not isinstance(raw, GuardedConnection):
            raise Refused(
                "env",
                f"env.py connects with {connection.dialect.driver} to "
                f"{connection.engine.url.render_as_string(hide_password=True)}, "
                "which is not the environment's database by psycopg",
                'in [project.alembic-options] set sqlalchemy.url = "{url}", or let env.py read it from its config',
            )
        callbacks = options.pop("on_version_apply", None) or ()
        options["on_version_apply"] = (
            *(callbacks if isinstance(callbacks, (tuple, list)) else (callbacks,)),
            self.version,
        )
        options.update(transaction_per_migration=True, transactional_ddl=None)
        self.connection = connection
        if self.guard is None or self.guard.connection is not raw:
            raw.guard = self.guard = Guard(raw, self.job["ledger"], self.trace)
        original(connection=connection, **options)

    @staticmethod
    def outside_transactions(connection: Any) -> Any:
        """A connection that is in no transaction, because inside one Alembic leaves all commits to its owner."""
        if connection.in_transaction():
            connection.commit()
        try:
            connection.begin().rollback()
        except sqlalchemy.exc.InvalidRequestError:
            # env.py holds it in a block of its own
            options = connection.get_execution_options()
            return connection.engine.connect().execution_options(**options)
        return connection

    # -- requests

    def serve(self) -> None:
        try:
            self.prepare()
            if self.job["env"] == "project":
                self.project()
            else:
                self.ours()
            if not self.ended:
                raise Refused(
                    "env", "env.py ended without running migrations", "it has to call context.run_migrations()"
                )
        except Gone:
            raise
        except BaseException as error:
            self.refuse(error)
        if self.guard is not None and not self.guard.connection.closed:
            # the next run need not wait until the server has noticed
            self.guard.ask("SELECT pg_catalog.pg_advisory_unlock_all()")
            self.guard.connection.close()
        self.parent.send(**{"is": "final"})

    def refuse(self, error: BaseException) -> None:
        """Nothing can run: say so to whatever is asked."""
        told = {**self.described(error), "fatal": True}
        while not self.ended and self.parent.request()["do"] != "close":
            self.parent.send(**told)
        self.ended = True

    def next(self) -> dict[str, Any] | None:
        """Serve what is asked until a step is to be run; None: the end."""
        assert self.guard is not None
        while True:
            request = self.parent.request()
            if request["do"] == "run":
                return request
            if request["do"] == "close":
                self.ended = True
                return None
            try:
                if request["do"] == "lock":
                    distrust = self.guard.ask(self.job["ledger"]["distrust"])[0][0]
                    self.trace("before", "lock")
                    held, pid = self.guard.ask(self.job["ledger"]["lock"])[0]
                    self.trace("after", "lock")
                    answer = {"held": held == "t", "pid": int(pid), "distrust": distrust if distrust != "{}" else ""}
                    self.parent.send(**{"is": "locked", **answer})
                else:
                    self.guard.belong(request["deployment"], request["epoch"])
                    self.parent.send(**{"is": "begun"})
            except psycopg.Error as error:
                self.parent.send(**self.described(error))

    def loop(self, environment: Any, **arguments: Any) -> None:
        """``context.run_migrations``: steps as the parent asks for them, and again after one failed."""
        context = environment.get_context()
        self.pending = self.next()
        while self.pending is not None:
            try:
                with Operations.context(context):
                    context.run_migrations(**arguments)
            except Gone:
                raise
            except BaseException as error:
                told = self.described(error)
                assert self.guard is not None
                committing = self.guard.committing
                self.guard.over()
                told["half"] = len(self.guard.open.get(self.guard.key, ())) if self.guard.key in self.guard.open else 0
                told["fatal"] = dead = not self.recovered()
                if dead and committing:
                    told = {**told, "is": "unknown"}
                self.parent.send(**told)
                if dead:
                    self.ended = True
                    return
                self.pending = self.next()

    def recovered(self) -> bool:
        """Bring the connection back out of a failed step; False where it is gone, and the lock with it."""
        raw = self.guard.connection if self.guard else None
        if raw is None or raw.closed or self.connection.closed or self.connection.invalidated:
            return False
        try:
            if self.connection.in_transaction():
                self.connection.rollback()
            raw.rollback()
            if raw.autocommit:
                raw.autocommit = False
            self.put_back()
        except (psycopg.Error, sqlalchemy.exc.SQLAlchemyError):
            return False
        return True

    def put_back(self) -> None:
        """The session's settings as they were before any script."""
        assert self.guard is not None
        if self.guard.ask(self.job["ledger"]["baseline"])[0] != [
            self.guard.session,
            self.guard.role,
            self.guard.settings,
        ]:
            self.guard.ask("RESET SESSION AUTHORIZATION")
            self.guard.ask("RESET ALL")
            settings = {**self.job["settings"], **self.job["since_14"]}
            if self.guard.connection.info.server_version < 140000:
                settings = dict(self.job["settings"])
            settings["application_name"] = f"hgaurora {self.guard.deployment}"
            self.guard.ask(
                "SELECT pg_catalog.set_config(s.key, s.value, false) FROM pg_catalog.json_each_text($1::json) s",
                json.dumps(settings),
            )

    def steps(self, heads: Any, context: Any) -> Iterator[RevisionStep]:
        """What Alembic's ``run_migrations`` walks: a generator that waits for the parent between steps."""
        guard = self.guard
        assert guard is not None
        while self.pending is not None:
            if self.connection.in_transaction():
                self.connection.commit()
            asked = self.pending["step"]
            directory = self.directory(self.pending["recorded"])
            step = planned(directory, asked["revision"], asked["direction"] == "up", self.pending["versions"])
            step.migration_fn = self.watched(step.migration_fn)
            guard.start(asked)
            yield step
            if guard.pgconn.transaction_status != TransactionStatus.IDLE:
                # a commit on the way made Alembic lose sight of the transaction that the ledger's row is in
                self.connection.commit()
            guard.over()
            if guard.reset:
                self.put_back()
            notes = ["the session's settings were put back"] if guard.reset else []
            self.parent.send(
                **{
                    "is": "done",
                    "versions": self.versions,
                    "statements": self.statements,
                    "replayed": guard.passed,
                    "notes": notes,
                }
            )
            self.pending = self.next()

    def watched(self, function: Any) -> Any:
        """The script's function, with the number of statements it sent noted when it returns."""

        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            function(**arguments)
            self.statements = self.guard.count if self.guard else 0

        return run

    def version(self, *, heads: set[str], **_: Any) -> None:
        """Alembic's ``on_version_apply``: the version row is written, the transaction still open."""
        assert self.guard is not None
        self.versions = sorted(heads)
        self.guard.record(heads, self.statements)

    # -- errors

    def described(self, error: BaseException) -> dict[str, Any]:
        """An error as data: what, message, hint, SQLSTATE, statement, and the script's line where there is one."""
        driver = getattr(error, "orig", None) or error
        told: dict[str, Any] = {"is": "failed", "what": "failed", "hint": "", "message": str(error)}
        if isinstance(error, Refused):
            told.update(what=error.what, hint=error.hint)
        elif isinstance(driver, psycopg.Error):
            told.update(sqlstate=driver.sqlstate, message=driver.diag.message_primary or str(driver).strip())
            told.update(detail=driver.diag.message_detail, statement=(getattr(error, "statement", None) or "")[:SHOWN])
            if self.guard is None:
                told["what"] = "connection"
        elif isinstance(error, SystemExit):
            told["message"] = f"the script called sys.exit({error.code!r})"
        elif isinstance(error, ImportError):
            told.update(
                what="import",
                message=f"{sys.executable} cannot import {error.name or error}: {error}",
                hint='in [project] of hgaurora.toml name its interpreter with python = "..." '
                "or its folder with paths = [...]",
            )
        else:
            told["message"] = f"{type(error).__name__}: {error}"
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(self.job["folder"])]
        if frames:
            told["line"] = frames[-1].lineno
            told["file"] = os.path.relpath(frames[-1].filename, self.job["folder"]).split(os.sep, 1)[-1]
            told["source"] = frames[-1].line
        return told


class PlannedStep(RevisionStep):
    """A step whose version rows afterwards are the plan's.

    Alembic's own bookkeeping asks a step how the rows change. Its answers are wrong where a dependency is also an
    ancestor of a parent: rows of revisions that are no heads stay, and a later step fails on them.
    """

    def __init__(self, directory: ScriptDirectory, revision: str, upgrade: bool, versions: Sequence[str]) -> None:
        super().__init__(directory.revision_map, directory.get_revision(revision), upgrade)
        self.versions = frozenset(versions)

    def gone(self, heads: set[str]) -> list[str]:
        return sorted(heads - self.versions)

    def new(self, heads: set[str]) -> list[str]:
        return sorted(self.versions - heads)

    def should_delete_branch(self, heads: set[str]) -> bool:
        return not self.new(heads)

    def should_create_branch(self, heads: set[str]) -> bool:
        return not self.gone(heads)

    def should_merge_branches(self, heads: set[str]) -> bool:
        return len(self.gone(heads)) > 1

    def should_unmerge_branches(self, heads: set[str]) -> bool:
        return len(self.new(heads)) > 1

    def merge_branch_idents(self, heads: set[str]) -> tuple[list[str], str, str]:
        *deleted, updated = self.gone(heads)
        return deleted, updated, self.new(heads)[0]

    def unmerge_branch_idents(self, heads: set[str]) -> tuple[str, str, tuple[str, ...]]:
        *inserted, updated = self.new(heads)
        return self.gone(heads)[0], updated, tuple(inserted)

    def update_version_num(self, heads: set[str]) -> tuple[str, str]:
        return self.gone(heads)[0], self.new(heads)[0]


def planned(directory: ScriptDirectory, revision: str, upgrade: bool, versions: Any) -> RevisionStep:
    """The step that Alembic is to run."""
    if versions is None:
        return RevisionStep(directory.revision_map, directory.get_revision(revision), upgrade)
    return PlannedStep(directory, revision, upgrade, versions)


def tether(parent: int) -> None:
    """End with the parent, leave no core, and keep within limits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)
    if os.getppid() != parent:
        os._exit(4)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), min(hard, 4096)))


def main() -> None:
    """Run until the parent closes; leave without waiting for anything a script left behind."""
    sys.dont_write_bytecode = True
    # of the modules and scripts that are loaded nothing is garbage; what a migration leaves is found later
    gc.set_threshold(50_000)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # what a script printed is there when it is killed
        sys.stdout.reconfigure(line_buffering=True)
    tether(int(sys.argv[2]))
    parent = Parent(int(sys.argv[1]))
    try:
        Child(parent, parent.request()).serve()
    except Gone:
        os._exit(5)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
