# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind the connection that scripts see: transactions, the statement journal, the ledger's row."""

from __future__ import annotations

import collections
import functools
import json
import os
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.pq import ExecStatus, TransactionStatus

from ..sql import SETTING, TEMPORARY, control, data, pieces, session, statements, temporary
from ..wire import SHOWN, Refused
from .driver import GuardedConnection, GuardedCursor
from .proof import proven, remains
from .results import Sent, answer, given


class Guard:
    """Stands between a script and its connection while a step runs. ``active`` only then."""

    def __init__(
        self,
        connection: GuardedConnection,
        ledger: dict[str, Any],
        trace: Callable[[str, str], None],
        timeouts: dict[str, str],
    ) -> None:
        self.connection = connection
        self.pgconn = connection.pgconn
        self.ledger = ledger
        self.trace = trace
        #: ``schema`` and ``data``: how long one statement of that kind may take, as the server takes it
        self.timeouts = timeouts
        self.active = False
        self.session, self.role, self.settings = self.ask(ledger["baseline"])[0]
        self.deployment = self.epoch = ""
        self.key: tuple[str, str] = ("", "")
        self.committing = self.prepared = False
        #: open rows of the statement journal: (revision, direction) to rows
        self.open: dict[tuple[str, str], list[dict[str, Any]]] = {}

    @property
    def encoding(self) -> str:
        """The session's, as Python names it; a script may change it."""
        return self.connection.info.encoding

    def ask(self, sql: str, *params: Any) -> list[list[Any]]:
        """Send a statement of ours past the script's machinery; cells as text."""
        encoding = self.encoding
        values = [None if value is None else str(value).encode(encoding) for value in params]
        return self.rows(self.pgconn.exec_params(sql.encode(encoding), values), encoding)

    def command(self, sql: str) -> None:
        """Send one message with statements that have no answer."""
        word = sql.split(";")[0]
        self.trace("before", word)
        self.rows(self.pgconn.exec_(sql.encode(self.encoding)))
        self.trace("after", word)

    @staticmethod
    def rows(result: Any, encoding: str = "utf-8") -> list[list[Any]]:
        """The cells of a result of libpq, as text. Raises what the server said."""
        if result.status not in (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK):
            # libpq's PG_DIAG_: 'C' is the SQLSTATE, 'M' the message, 'D' its detail
            state, message, detail = (
                (result.error_field(ord(field)) or b"").decode(encoding, "replace") for field in "CMD"
            )
            message = message or result.error_message.decode(encoding, "replace")
            message = f"{message} ({detail})" if detail else message
            try:
                raise psycopg.errors.lookup(state)(message)
            except KeyError:
                raise psycopg.OperationalError(message) from None
        cells = [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        return [[None if cell is None else cell.decode(encoding) for cell in row] for row in cells]

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
        #: command tags of what was sent; "*": something else may have been done, too
        self.tags: set[str] = set()
        self.seq, self.touched = 0, ""
        self.token = self.unrecorded = ""
        self.begun = self.lost = self.recorded = self.committing = self.reset = False
        self.foreign = False
        self.limited = "schema"
        # one limit for both kinds: nothing is ever switched
        self.limiting = self.timeouts["schema"] != self.timeouts["data"]
        self.savepoints = False
        self.thread = threading.get_ident()
        self.active = True

    def over(self) -> None:
        """The step is committed or given up."""
        self.active = False

    # -- transactions

    def begin(self, kind: str = "schema") -> None:
        """Begin a transaction that carries a token, where none is open; ``kind`` is that of its first statement."""
        if self.pgconn.transaction_status != TransactionStatus.IDLE:
            return
        if self.begun and not self.connection.autocommit:
            raise Refused("transaction", "the migration ended its transaction by itself")
        self.token = os.urandom(12).hex()
        level = self.connection.isolation_level
        isolation = f" ISOLATION LEVEL {level.name.replace('_', ' ')}" if level else ""
        limit = self._limit(kind) if self.limiting and kind == "data" else ""
        self.command(f"BEGIN{isolation}; SET LOCAL hgaurora.step = '{self.token}'{limit}")
        self.begun = True
        self.limited = kind

    def _limit(self, kind: str) -> str:
        """As a further command of a message: it lasts until the transaction ends, the session's is that of DDL."""
        return f"; SET LOCAL statement_timeout = '{self.timeouts[kind]}'"

    def kind(self, sql: str) -> str:
        """Which of the two limits is for a statement."""
        return "data" if self.limiting and data(sql) else "schema"

    def limit(self, kind: str) -> None:
        """Before a statement of a kind: its limit, where another one may be in force in this transaction."""
        differs = self.limiting and (kind != self.limited or self.savepoints)
        if differs and self.pgconn.transaction_status == TransactionStatus.INTRANS:
            self.command(self._limit(kind).removeprefix("; "))
            self.limited = kind

    def written(self) -> None:
        """The script has sent its last: what follows is Alembic's and ours, under the session's own limit."""
        self.limit("schema")
        self.limiting = False

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
            else query.decode(self.encoding)
            if isinstance(query, bytes)
            else query.as_string(self.connection)
        )
        if word := control(sql):
            raise Refused(
                "transaction",
                f"the migration sends {word}, which would end the transaction that hgaurora commits with its ledger",
                "leave transactions to hgaurora; what cannot run in one goes into op.get_context().autocommit_block()",
            )
        if SETTING.search(sql) and not many:
            parts = list(pieces(sql))
            settings = [session(words, text) for words, text in parts]
            if parts and all(settings):
                # the session's, not the database's: sent each time
                if "statement_timeout" in sql.lower() and any(words[0] != "SHOW" for words, _ in parts):
                    # from here on the script says how long a statement may take
                    self.limiting = False
                self._send(sql, send, self.limited)
                return
            if any(settings) and not params:
                # sent one by one, so that a run that takes this one up has the settings and repeats nothing else
                for _, text in parts:
                    self.execute(cursor, functools.partial(psycopg.Cursor.execute, cursor, text, params), text, params)
                return
        if TEMPORARY.search(sql) and any(temporary(words) for words in statements(sql)):
            self.unrecordable("a temporary table")
        self.count += 1
        sent = Sent(sql, params, None, many)
        if self.replay and sent.hashes(self.connection) != (self.replay[0]["sql_hash"], self.replay[0]["params_hash"]):
            self.mended()
        if self.replay:
            self.passed += self._replayed(cursor, send, sent)
        elif self.connection.autocommit:
            self._alone(cursor, send, sent)
        else:
            self._send(sql, send)
            sent.result = given(cursor, many)
            self.sent.append(sent)
            self.tags.update(self._tags(cursor))

    @staticmethod
    def _tags(cursor: GuardedCursor) -> set[str]:
        """The command tags that the server answered with, without their counts."""
        # every result of a string of statements; psycopg shows them only one by one, and moves on doing so
        results = getattr(cursor, "_results", None)
        if results is None:
            return {"*"}
        return {(result.command_status or b"").decode().rstrip(" 0123456789") for result in results} - {""}

    def _send(self, sql: str, send: Callable[[], Any], kind: str = "") -> None:
        kind = kind or self.kind(sql)
        if not self.connection.autocommit:
            self.begin(kind)
        self.limit(kind)
        self.trace("before", sql)
        send()
        self.trace("after", sql)
        if self.limiting and "rollback" in sql.lower():
            # to a savepoint: a limit set after it is gone
            self.savepoints = True

    def _alone(
        self, cursor: GuardedCursor, send: Callable[[], Any], sent: Sent, row: dict[str, Any] | None = None
    ) -> None:
        """A statement in autocommit mode.

        With its journal row in a transaction of its own, or, where the server does not take it in one, between an
        intent and its result.
        """
        if row is None:
            self.begin(self.kind(sent.sql))
            try:
                self._send(sent.sql, send)
                sent.result = given(cursor, sent.many)
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
        sent.result = given(cursor, sent.many)
        self._settle(row, "done", sent.recorded(self.encoding))

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
        self.begin("data")
        self.limit("data")
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
            sql_hash, params_hash = sent.hashes(self.connection)
            rows.append(
                {
                    "ordinal": self.ordinal,
                    "sql_hash": sql_hash,
                    "params_hash": params_hash,
                    "sql": sent.sql[:SHOWN].replace("\x00", ""),
                    "state": state,
                    "result": sent.recorded(self.encoding) if state == "done" else None,
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

    def mended(self) -> None:
        """The script goes another way than the journal. It may, where the journal's last statement was refused by the
        server: what that left is taken away, and it is forgotten."""
        row = self.replay[0]
        if row["state"] == "failed" and len(self.replay) == 1 and proven(row["sql"], "failed", self.ask) == "again":
            self.replay.clear()
            self._forget(row)

    def _forget(self, row: dict[str, Any]) -> None:
        self.ask(self.ledger["journal_forget"], row["id"])
        rows = self.open[self.key]
        rows.remove(row)
        if not rows:
            del self.open[self.key]
        self.ordinal, self.had = self.ordinal - 1, self.had - 1

    def stands(self) -> str:
        """After a failure: what stands of the step in the database, in words; empty where the number of its statements
        says it. A statement that the server refused is forgotten where it left nothing."""
        rows = self.open.get(self.key, [])
        if not rows or rows[-1]["state"] != "failed" or self.pgconn.transaction_status != TransactionStatus.IDLE:
            return ""
        left = remains(rows[-1]["sql"], self.ask)
        if not left:
            self._forget(rows[-1])
            return ""
        done = len(rows) - 1
        before = f"{done} statement{'s' * (done != 1)} of it, and " if done else ""
        return f"{before}what the refused one left: {left}"

    def _replayed(self, cursor: GuardedCursor, send: Callable[[], Any], sent: Sent) -> bool:
        """Answer a statement from the journal. False: it was not done after all, and was sent again."""
        row = self.replay[0]
        if (row["sql_hash"], row["params_hash"]) != sent.hashes(self.connection):
            same = (
                "" if row["sql_hash"] != sent.hashes(self.connection)[0] else " (the same text with other parameters)"
            )
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
                left = remains(row["sql"], self.ask)
                what = f" ({left}: DROP it)" if left.startswith("index") else ""
                raise Refused(
                    "journal",
                    "an earlier run sent this outside a transaction and the catalogue cannot prove whether it took "
                    f"effect: {sent.sql[:200]!r}",
                    f"look{what}; if it did, UPDATE hgaurora.statement SET state = 'done', result = "
                    f"'{{\"count\": -1}}' WHERE id = {row['id']}; if not, DELETE FROM hgaurora.statement "
                    f"WHERE id = {row['id']}; then run again",
                )
            self._settle(row, "done", json.dumps({"count": -1}))
        asked = answer(cursor, json.loads(row["result"]), self.ask)
        if asked and not self.begun and not self.connection.autocommit:
            self.connection.pgconn.exec_(b"COMMIT")
        return True

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
        # what was committed on the way is in no lock of this transaction
        tags = ["*"] if self.had else sorted(self.tags)
        values = (*self._fence(), array, self.deployment, said, json.dumps(tags))
        if not self.prepared:
            self.rows(self.pgconn.prepare(b"hgaurora_step", self.ledger["step"].encode()))
            self.prepared = True
        self.trace("before", "ledger")
        values = [value.encode(self.encoding) for value in values]
        rows = self.rows(self.pgconn.exec_prepared(b"hgaurora_step", values), self.encoding)
        self.trace("after", "ledger")
        if not rows:
            self.fenced(array)
        self.seq, self.reset, self.touched = int(rows[0][0]), rows[0][1] != self.settings, rows[0][2]
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
            ("versions", "the migration, or somebody beside it, changed Alembic's version table"),
        ):
            if held.get(name) != "t":
                raise Refused(name, message)
        raise Refused("ledger", "the ledger did not take the step")
