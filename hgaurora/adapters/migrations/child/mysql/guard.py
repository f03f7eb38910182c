# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard behind the connection that scripts see: the statement journal, and the ledger's rows.

DDL commits by itself, so no transaction can hold a migration. Instead each statement of a script stands for itself and
is journaled: a change of data in one InnoDB transaction with its journal row; DDL between an intent, committed on a
second connection, and its result. Reads are journaled with the next statement that has an effect, because a script may
decide by them.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from ..wire import SHOWN, Refused
from . import results
from .driver import GuardedConnection, GuardedCursor
from .names import named, touched
from .proof import Catalogue, provable, rest, verdict
from .sql import Kind, Statement, assigned, calls, kind, refusal, split
from .tables import Tables

__all__ = ["Guard", "GuardedConnection", "GuardedCursor"]

#: a wait for a lock that ended, and a deadlock: the statement had no effect (MySQL Server Error Reference)
TRY_AGAIN = frozenset({1205, 1213})
#: MariaDB's limit for one statement; DDL that runs into it has mostly waited
LIMIT = 1969

_BASELINE = (
    "sql_mode",
    "foreign_key_checks",
    "unique_checks",
    "time_zone",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "wait_timeout",
    "default_storage_engine",
    "sql_safe_updates",
    "sql_select_limit",
    "max_join_size",
    "group_concat_max_len",
)


class Sent:
    """One statement of a script."""

    __slots__ = ("count", "hashes", "many", "meaning", "result", "send", "sql", "state")

    def __init__(self, meaning: Statement, sql: str, template: str, send: Callable[[], Any], many: bool) -> None:
        #: what it is, to whoever has to tell what it does
        self.meaning = meaning
        #: what is sent
        self.sql = sql
        self.send = send
        self.many = many
        self.hashes = (_sha(template), _sha(sql))
        self.state = "done"
        self.result: dict[str, Any] = {}


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class Guard:
    """Stands between a script and its connection while a step runs. ``active`` only then.

    :param side: a second connection, in autocommit.
    """

    def __init__(
        self, connection: GuardedConnection, side: Any, job: dict[str, Any], trace: Callable[[str, str], None]
    ) -> None:
        self.connection = connection
        self.side = side
        self.job = job
        self.ledger = job["ledger"]
        self.trace = trace
        self.active = self.sending = self.stamped = False
        #: what is on its way, where that is not a read or a change of data
        self.flight: Kind | None = None
        self.mariadb = "MariaDB" in connection.get_server_info()
        self.catalogue = Catalogue(self.look, self.mariadb)
        self.tables = Tables(self.look)
        limit = "max_statement_time" if self.mariadb else "max_execution_time"
        self._limits = {
            name: seconds if self.mariadb else round(seconds * 1000) for name, seconds in job["timeouts"].items()
        }
        # MySQL holds nothing but SELECT to its limit
        self._limited = "schema" if self.mariadb else "data"
        self.ask(f"SET SESSION {limit} = {self._limits[self._limited]}")
        isolation = "tx_isolation" if self.mariadb else "transaction_isolation"
        self._names = (*_BASELINE, limit, isolation)
        self.settings = self._now()
        self.database = str(self.settings["database"])
        self.home = self.database.lower()
        self.backend = connection.thread_id()
        self.deployment = self.epoch = ""
        self.key: tuple[str, str] = ("", "")
        self.committing = False
        #: open rows of the statement journal: (revision, direction) to rows
        self.open: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.last = 0
        self._modes()

    # -- asking past the script's machinery

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

    def _end(self, word: str) -> None:
        """COMMIT or ROLLBACK."""
        if word == "COMMIT":
            self.trace("before", word)
        with self.passing():
            (self.connection.commit if word == "COMMIT" else self.connection.rollback)()
        if word == "COMMIT":
            self.trace("after", word)

    # -- a deployment, a step

    def belong(self, deployment: str, epoch: str) -> None:
        """From now on steps are recorded under this deployment and epoch."""
        self.deployment, self.epoch = deployment, epoch
        self.open = {}
        names = ("id", "revision", "direction", "sql_hash", "params_hash", "sql", "state", "result", "proof")
        for row in self.look(self.ledger["journal_open"], {}):
            one = dict(zip(names, row, strict=True))
            self.open.setdefault((one.pop("revision"), one.pop("direction")), []).append(one)
        self.last = self.look(self.ledger["journal_last"], {})[0][0]

    def start(self, step: dict[str, Any]) -> None:
        """A step begins: its script runs next."""
        self.step = step
        self.key = (step["revision"], step["direction"])
        # a statement that failed last is sent again, and what was read only before it is read again
        self.replay = collections.deque(self.open.get(self.key, ()))
        self.had = len(self.replay)
        self.pending: list[Sent] = []
        self.count = self.passed = self.seq = 0
        self.touched = ""
        self.tags: dict[str, None] = {}
        self.objects: dict[tuple[str, str, str], None] = {}
        self.prepared: dict[str, str] = {}
        self.savepoints: dict[str, int] = {}
        self.temporary: set[str] = set()
        self.gone: set[str] = set()
        self.since = 0
        self.inserted: int | None = None
        self.stamped = self.lost = self.recorded = self.committing = self.reset = self.foreign = self.ended = False
        self.flight: Kind | None = None
        self.thread = threading.get_ident()
        self.begun = time.monotonic()
        if self.connection.get_autocommit():
            self.connection.autocommit(False)
        self.active = True

    def over(self) -> None:
        """The step is committed or given up."""
        self.active = False

    def state(self) -> str:
        """What stands of a step that failed, in words."""
        rows = self.open.get(self.key, ())
        done = sum(row["state"] == "done" for row in rows)
        stand = "1 statement of it stands" if done == 1 else f"{done} statements of it stand"
        said = stand if done else "nothing of it was done"
        if rows and rows[-1]["state"] == "intent":
            return (stand + "; " if done else "") + "whether its next statement took effect is not known"
        if rows and rows[-1]["state"] == "failed" and "why" in json.loads(rows[-1]["proof"] or "{}"):
            return said + "; what the one that failed did before is not known"
        return said

    # -- what a script does to its connection

    def commit(self) -> None:
        """A commit: the step's own, or one by the script, which has nothing to commit but reads."""
        self.foreign = self.foreign or threading.get_ident() != self.thread
        self.committing = self.recorded
        self.since = 0
        if self.in_transaction or self.recorded:
            self._end("COMMIT")

    def rolled_back(self) -> None:
        """A rollback by the script: what it changed since its last commit stands all the same."""
        self.lost = self.lost or self.since > 0

    def executemany(self, cursor: Any, query: Any, args: list[Any]) -> Any:
        """A statement for several sets of parameters: data changes are one unit, everything else goes one by one."""
        self._own()
        text = query if isinstance(query, str) else query.decode()
        found = self._split(text)
        if self.ended or not args:
            with self.passing():
                return cursor.executemany(query, args)
        if len(found) != 1 or kind(found[0]) is not Kind.DATA:
            counts = [self.execute(cursor, query, one) for one in args]
            cursor.rowcount = sum(counts)
            return cursor.rowcount
        filled = "\n".join(cursor.mogrify(text, one) for one in args)
        send = functools.partial(cursor.executemany, query, args)
        return self._one(cursor, Sent(found[0], filled, text, send, True))

    def _own(self) -> None:
        if threading.get_ident() != self.thread:
            # it could come after the step is over, into the next one
            self.foreign = True
            raise Refused("threads", "the migration sends a statement from a thread of its own")

    def execute(self, cursor: Any, query: Any, args: Any = None) -> Any:
        """Send a string of a script, statement by statement, or answer it from the journal."""
        self._own()
        if self.ended:
            # Alembic's version rows, which are committed with the ledger's
            with self.passing():
                return cursor.execute(query, args)
        text = query if isinstance(query, str) else bytes(query).decode(self.connection.encoding, "surrogateescape")
        filled = cursor.mogrify(text, args) if args is not None else text
        found = self._split(filled)
        if len(found) <= 1:
            # bytes may hold what is no text
            send = functools.partial(cursor.execute, query, args)
            sent = Sent(found[0] if found else Statement(filled, ()), filled, text, send, False)
            return self._one(cursor, sent) if found else self._sent(sent)
        for one in found:
            self._one(cursor, Sent(one, one.text, one.text, functools.partial(cursor.execute, one.text), False))
        return cursor.rowcount

    def _split(self, text: str) -> list[Statement]:
        return split(text, ansi=self.ansi, backslash=self.backslash)

    # -- one statement

    def _one(self, cursor: Any, sent: Sent) -> Any:
        found = kind(sent.meaning)
        if why := refusal(sent.meaning):
            raise Refused(
                "transaction",
                f"the migration sends {' '.join(filter(None, sent.meaning.words[:2]))}, which {why}",
                "each statement of a migration stands by itself here; leave it out",
            )
        if found is Kind.EXECUTE:
            sent.meaning = self._prepared(sent.meaning)
            sent.hashes = (sent.hashes[0], _sha(f"{sent.sql}\n{sent.meaning.text}"))
            found = kind(sent.meaning) if sent.meaning.tokens else Kind.OPAQUE
        if found is Kind.SESSION:
            return self._session(cursor, sent)
        if found in (Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT):
            return self._transaction(cursor, sent, found)
        lost = self.gone & sent.meaning.names
        found = self._temporaries(sent.meaning, found)
        self.count += 1
        if self.replay:
            row = self.replay[0]
            if (answered := self._replayed(cursor, sent, found, row)) is not None:
                self.passed += 1
                return answered
            return cursor.rowcount
        if lost and sent.meaning.words[0] == "DROP":
            return cursor.answer(results.Result({"count": 0}))
        if self.gone & sent.meaning.names or (self.gone and found is Kind.OPAQUE):
            raise Refused(
                "journal",
                f"the migration uses the temporary table {', '.join(sorted(self.gone))}, which an earlier run made and "
                f"which ended with it: {sent.sql[:200]!r}",
                "restore the snapshot taken before this migration",
            )
        return self._do(cursor, sent, found)

    def _do(self, cursor: Any, sent: Sent, found: Kind) -> Any:
        """Send a statement that no earlier run has sent to its end."""
        if self.inserted and "LAST_INSERT_ID" in calls(sent.meaning):
            self.ask("SELECT LAST_INSERT_ID(%s)", (self.inserted,))
        self.inserted = None
        if found in (Kind.READ, Kind.TEMPORARY):
            if found is Kind.READ and self.tables.functions(calls(sent.meaning), self.database):
                # a stored function may change data
                return self._data(cursor, sent)
            return self._read(cursor, sent)
        if found is Kind.DATA:
            written = self.tables.written(sent.meaning)
            if written and written <= self.temporary:
                return self._read(cursor, sent)
            return self._data(cursor, sent)
        return self._alone(cursor, sent, found)

    def _sent(self, sent: Sent) -> Any:
        """Send it; trace it."""
        if sent.meaning.tokens:
            self._limit("data" if kind(sent.meaning) in (Kind.READ, Kind.DATA) else "schema")
        self.trace("before", sent.sql)
        with self.passing():
            answer = sent.send()
        self.trace("after", sent.sql)
        return answer

    def _limit(self, which: str) -> None:
        """How long a statement of this kind may take, unless the script has said it."""
        if self.mariadb and self._limits["schema"] != self._limits["data"] and self._limited not in (which, "script"):
            self.ask(f"SET SESSION max_statement_time = {self._limits[which]}")
            self._limited = which

    def _session(self, cursor: Any, sent: Sent) -> Any:
        """What only changes or shows the session is sent each time."""
        answer = self._sent(sent)
        words = sent.meaning.words
        if words[0] == "USE":
            self.database = str(self.ask("SELECT DATABASE()")[0][0])
        elif words[0] == "PREPARE" and len(words) > 3:
            self.prepared[sent.meaning.tokens[1].text.lower()] = self._text_of(sent.meaning.tokens[3:])
        elif words[0] == "SET":
            said = sent.sql.upper()
            if "SQL_MODE" in said:
                self._modes()
            self.stamped = self.stamped or "TIMESTAMP" in said
            if "MAX_STATEMENT_TIME" in said:
                self._limited = "script"
            if self.connection.get_autocommit():
                # each statement stands anyway, with its journal row
                self.ask("SET autocommit = 0")
        return answer

    def _transaction(self, cursor: Any, sent: Sent, found: Kind) -> Any:
        """COMMIT, ROLLBACK and savepoints as text: nothing but reads is ever open."""
        words = sent.meaning.words
        if found is Kind.COMMIT:
            self.commit()
        elif found is Kind.ROLLBACK:
            self.rolled_back()
            self._end("ROLLBACK")
        elif words[0] == "SAVEPOINT":
            self.savepoints[sent.meaning.tokens[-1].text] = self.since
        elif words[0] == "ROLLBACK":
            self.lost = self.lost or self.since > self.savepoints.get(sent.meaning.tokens[-1].text, self.since)
        return cursor.answer(results.Result({"count": 0}))

    def _prepared(self, meaning: Statement) -> Statement:
        """What an EXECUTE runs; without tokens, where that cannot be told."""
        tokens = meaning.tokens
        if meaning.words[1:2] == ("IMMEDIATE",):
            text = self._text_of(tokens[2:])
        else:
            text = self.prepared.get(tokens[1].text.lower(), "") if len(tokens) > 1 else ""
        found = self._split(text)
        return found[0] if len(found) == 1 else Statement(meaning.text, ())

    def _text_of(self, tokens: Any) -> str:
        """The text that PREPARE names: a literal, or a user variable's value."""
        if not tokens or tokens[0].kind not in ("string", "var") or (len(tokens) > 1 and tokens[1].up != "USING"):
            return ""
        value = tokens[0].text if tokens[0].kind == "string" else f"@`{tokens[0].text}`"
        said = self.ask(f"SELECT {value}")[0][0]
        return said.decode() if isinstance(said, bytes) else str(said or "")

    def _temporaries(self, meaning: Statement, found: Kind) -> Kind:
        """Keep count of temporary tables, and see what is only about them."""
        if found not in (Kind.TEMPORARY, Kind.DDL):
            return found
        touched_now = named(meaning)
        if touched_now.tag == "DROP DATABASE" and touched_now.objects[0][2].lower() == self.home:
            raise Refused("ledger", "the migration drops the database that it runs in, and the ledger with it")
        objects = {name.lower() for what, _, name in touched_now.objects if what == "table"}
        if found is Kind.DDL:
            if not objects & self.temporary:
                return found
            if not objects <= self.temporary:
                raise Refused("journal", "the migration changes a temporary table and another one in one statement")
        if meaning.words[0] in ("CREATE", "DROP"):
            self.gone -= objects
            self.temporary -= objects
        if meaning.words[0] == "CREATE":
            self.temporary |= objects
        return Kind.TEMPORARY

    # -- three ways to send

    def _read(self, cursor: Any, sent: Sent) -> Any:
        """What has no effect that stays: its result waits for the next statement that has one."""
        try:
            answer = self._sent(sent)
        except pymysql.err.MySQLError as error:
            self._failed(sent, error)
            raise
        sent.result = self._result(cursor, sent)
        if kind(sent.meaning) is Kind.TEMPORARY or self.temporary & sent.meaning.names:
            sent.result["temporary"] = sorted(self.temporary & sent.meaning.names)
        self.pending.append(sent)
        return answer

    def _failed(self, sent: Sent, error: pymysql.err.MySQLError) -> None:
        """A script may catch the error and go on: then a later run has to give it to it again."""
        if self.connection.open:
            sent.state, sent.result = "failed", results.failure(error)
            self.pending.append(sent)

    def _data(self, cursor: Any, sent: Sent) -> Any:
        """A change of data: committed at once, its journal row in the same transaction."""
        if table := self.tables.unprovable(sent.meaning, self.database, self.temporary):
            return self._alone(cursor, sent, Kind.OPAQUE, why=f"{table} knows no transactions")
        try:
            answer = self._sent(sent)
            sent.result = self._result(cursor, sent)
        except pymysql.err.MySQLError as error:
            if self.connection.open:
                # on a deadlock the server has rolled back all of it, else the statement; nothing else was in it
                self._end("ROLLBACK")
            self._failed(sent, error)
            raise
        try:
            self._journal(self.ask, [*self.pending, sent])
            self._end("COMMIT")
        except BaseException:
            if self.connection.open:
                self._end("ROLLBACK")
            raise
        self._kept()
        self.since += 1
        return answer

    def _alone(self, cursor: Any, sent: Sent, found: Kind, again: dict[str, Any] | None = None, why: str = "") -> Any:
        """What commits by itself: an intent before it, on the second connection, and what came of it after.

        ``again``: the row of an earlier try. ``why``: the reason for which nothing could prove it.
        """
        seen = found is Kind.DDL and provable(sent.meaning)
        picture = {"why": why or f"what {sent.meaning.words[0] or 'it'} does cannot be seen"}
        if seen:
            picture = self._picture(sent)
        sent.state = "intent"
        several = again is not None or bool(self.pending)
        if several:
            self.look("START TRANSACTION")
        try:
            if again is not None:
                # as it was before it is sent now: another crash has to find the picture of this time
                self.look(self.ledger["journal_forget"], {"id": again["id"]})
            row = self._journal(self.look, [*self.pending, sent], picture)[-1]
            if several:
                self.trace("before", "COMMIT")
                self.look("COMMIT")
                self.trace("after", "COMMIT")
        except BaseException:
            if self.side.open:
                self.look("ROLLBACK")
            raise
        if again is not None:
            self.open[self.key].remove(again)
        self._kept()
        self.flight = Kind.DDL if seen else Kind.OPAQUE
        try:
            answer = self._sent(sent)
            sent.result = self._result(cursor, sent)
            if self.in_transaction:
                self._end("COMMIT")
        except pymysql.err.MySQLError as error:
            if self.connection.open:
                if self.in_transaction:
                    self._end("ROLLBACK")
                if seen and verdict(sent.meaning, picture, self._picture(sent)) == "again":
                    # the server refused it and nothing changed: a mended script may go on with something else
                    self.look(self.ledger["journal_forget"], {"id": row["id"]})
                    self.open[self.key].remove(row)
                    self.had -= 1
                    self._failed(sent, error)
                else:
                    self._settle(row, "failed", results.text(results.failure(error)))
                    # one that fails may have done a part: DROP of several tables, on MariaDB
                    self._touch(sent.meaning, found)
            raise
        self.flight = None
        self._settle(row, "done", results.text(sent.result))
        self.since = 0
        self.tables.forget()
        self._touch(sent.meaning, found)
        return answer

    def _touch(self, meaning: Statement, found: Kind) -> None:
        """For the step's ledger row: what a statement of DDL names."""
        if kind(meaning) is Kind.DATA:
            return
        one = touched(meaning) if found is Kind.DDL else None
        self.tags[one.tag if one else "*"] = None
        for what, db, name in (*one.objects, *one.beside) if one else ():
            self.objects[what, db or self.database, name] = None

    def _result(self, cursor: Any, sent: Sent) -> dict[str, Any]:
        """The result that a cursor was given, and the values of user variables that the statement set."""
        if sent.many:
            return {"count": cursor.rowcount, "id": cursor.lastrowid}
        taken = self.connection._result
        names = assigned(sent.meaning)
        try:
            return results.recorded(taken, self._variables(names) if names else None)
        except TypeError as error:
            return {"unrecorded": str(error)}

    def _variables(self, names: tuple[str, ...]) -> dict[str, Any]:
        columns = ", ".join("@`" + name.replace("`", "``").replace("%", "%%") + "`" for name in names)
        return dict(zip(names, self.ask(f"SELECT {columns}", ())[0], strict=True))

    # -- the journal

    def _fence(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "backend": self.backend}

    def _journal(self, ask: Callable[..., Any], all_sent: list[Sent], picture: Any = None) -> list[dict[str, Any]]:
        """Write statements into the transaction that is open there; the fences are looked at with each."""
        self.written_rows: list[dict[str, Any]] = []
        self.trace("before", "journal")
        for at, sent in enumerate(all_sent, 1):
            row = {
                "id": self.last + at,
                "sql_hash": sent.hashes[0],
                "params_hash": sent.hashes[1],
                "sql": sent.sql[:SHOWN].encode("utf-8", "replace").decode(),
                "state": sent.state,
                "result": None if sent.state == "intent" else results.text(sent.result),
                "proof": json.dumps(picture) if sent.state == "intent" and picture is not None else None,
            }
            own = {"deployment": self.deployment, "revision": self.key[0], "direction": self.key[1]}
            ask(self.ledger["journal"], {**row, **own, **self._fence(), "ordinal": self.had + at})
            if self.changed != 1:
                self.fenced(ask)
            self.written_rows.append(row)
        self.trace("after", "journal")
        return self.written_rows

    def _picture(self, sent: Sent) -> dict[str, Any]:
        """What the catalogue says of what a statement names."""
        return self.catalogue.picture(named(sent.meaning), sent.meaning, self.database)

    def _kept(self) -> None:
        """What :meth:`_journal` wrote is committed."""
        rows = self.written_rows
        self.last = rows[-1]["id"]
        self.had += len(rows)
        self.open.setdefault(self.key, []).extend(rows)
        self.pending = []

    def _settle(self, row: dict[str, Any], state: str, result: str | None) -> None:
        self.trace("before", f"journal {state}")
        self.look(self.ledger["journal_state"], {"id": row["id"], "state": state, "result": result})
        self.trace("after", f"journal {state}")
        row.update(state=state, result=result)

    def _replayed(self, cursor: Any, sent: Sent, found: Kind, row: dict[str, Any]) -> Any:
        """Answer a statement from the journal. None: it was not done after all, and was sent again."""
        if (row["sql_hash"], row["params_hash"]) != sent.hashes:
            same = " (the same text with other parameters)" if row["sql_hash"] == sent.hashes[0] else ""
            raise Refused(
                "journal",
                f"statement {self.passed + 1} is not the one an earlier run sent{same}: journaled "
                f"{row['sql'][:200]!r}, now {sent.sql[:200]!r}",
                "deploy the script as it was when it was interrupted, or restore the snapshot taken before it",
            )
        if row["state"] == "failed" and len(self.replay) > 1:
            # the script caught it and went on
            self.replay.popleft()
            if found in (Kind.DDL, Kind.OPAQUE):
                self._touch(sent.meaning, found)
            self.passed += 1
            raise results.raised(json.loads(row["result"]))
        if row["state"] != "done" and not self._proven(cursor, sent, found, row):
            return None
        self.replay.popleft()
        kept = json.loads(row["result"])
        if found is Kind.DDL or found is Kind.OPAQUE:
            self._touch(sent.meaning, found)
        self.since = self.since + 1 if found is Kind.DATA else 0 if found is not Kind.READ else self.since
        return self._answer(cursor, kept)

    def _proven(self, cursor: Any, sent: Sent, found: Kind, row: dict[str, Any]) -> bool:
        """Find out what became of a statement whose result is not known. False: it was sent again."""
        before = json.loads(row["proof"]) if row["proof"] else {"why": "nothing was noted of it"}
        said = "unknown"
        if "why" not in before:
            said = verdict(sent.meaning, before, self._picture(sent))
            if row["state"] == "failed":
                said = "rest" if said == "rest" else "again"
        if said == "unknown":
            was = "failed" if row["state"] == "failed" else "may have sent"
            ledger = self.ledger["journal_table"]
            raise Refused(
                "journal",
                f"an earlier run {was} this, and nothing proves whether it took effect: {sent.sql[:200]!r}"
                + (f" ({before['why']})" if "why" in before else ""),
                f"look; if it did, UPDATE {ledger} SET state = 'done', result = '{{\"count\": 0}}' "
                f"WHERE id = {row['id']}; if not, DELETE FROM {ledger} WHERE id = {row['id']}; then run again",
            )
        if said == "done":
            self._settle(row, "done", json.dumps({"count": -1 if "SELECT" in sent.meaning.words else 0}))
            return True
        if said == "rest":
            sent.send = functools.partial(cursor.execute, rest(sent.meaning))
        self.had -= 1
        self._alone(cursor, sent, found, again=row)
        self.replay.popleft()
        return False

    def _answer(self, cursor: Any, kept: dict[str, Any]) -> Any:
        """Give a cursor the result an earlier run got."""
        if "unrecorded" in kept:
            raise Refused(
                "journal",
                f"the earlier run read {kept['unrecorded']}, which is not journaled",
                "restore the snapshot taken before this migration",
            )
        for name, value in kept.get("variables", {}).items():
            column = name.replace("`", "``").replace("%", "%%")
            self.ask(f"SET @`{column}` = %s", (results.decoded(value),))
        self.gone.update(kept.get("temporary", ()))
        self.inserted = kept.get("id") or self.inserted
        return cursor.answer(results.Result(kept))

    # -- the end of a step

    def written(self) -> None:
        """The script has sent its last: what follows is Alembic's and ours, in one transaction."""
        if self.replay:
            raise Refused(
                "journal",
                f"the script ends before statement {self.passed + 1}, which an earlier run sent: "
                f"{self.replay[0]['sql'][:200]!r}",
                "deploy the script as it was when it was interrupted, or restore the snapshot taken before it",
            )
        if self.lost:
            raise Refused(
                "transaction",
                "the migration rolled back by itself what stands already, and went on",
                "each statement of a migration is committed at once here: leave rollback() out",
            )
        if self.foreign:
            raise Refused(
                "threads", "the migration sent statements from a thread of its own", "send them from upgrade()"
            )
        if self.in_transaction:
            # the end of the script's reads: what follows has to see what is there now
            self._end("ROLLBACK")
        self.reset = self.put_back()
        self.ended = True

    def _now(self) -> dict[str, Any]:
        """The session as it is: its settings, default database and role."""
        columns = ", ".join(f"@@SESSION.{name} AS {name}" for name in self._names)
        role = "CURRENT_ROLE() AS role"
        cells = self.ask(f"SELECT DATABASE() AS db, {role}, {columns}")[0]
        return dict(zip(("database", "role", *self._names), cells, strict=True))

    def _modes(self) -> None:
        modes = str(self.ask("SELECT @@SESSION.sql_mode")[0][0]).split(",")
        self.ansi, self.backslash = "ANSI_QUOTES" in modes, "NO_BACKSLASH_ESCAPES" not in modes

    def put_back(self) -> bool:
        """The session's settings as they were before any script; True where one was not."""
        if self._limited != "script":
            self._limit("schema")
        now = self._now()
        differs = [name for name in self._names if now[name] != self.settings[name]]
        if now["role"] != self.settings["role"]:
            role = self.settings["role"]
            self.ask(f"SET ROLE {role or 'NONE'}")
        if now["database"] != self.settings["database"]:
            with self.passing():
                self.connection.select_db(self.settings["database"])
            self.database = str(self.settings["database"])
        if differs:
            values = [self.settings[name] for name in differs]
            self.ask("SET " + ", ".join(f"SESSION {name} = %s" for name in differs), values)
            self._limited = "schema" if self.mariadb else "data"
        if self.stamped:
            self.ask("SET @@SESSION.timestamp = DEFAULT")
        self._modes()
        return bool(differs) or any(now[name] != self.settings[name] for name in ("role", "database"))

    def record(self, heads: set[str], statements: int) -> None:
        """Put the step's ledger rows into the transaction of its version row, unless a fence does not hold."""
        versions = sorted(heads)
        objects = [list(one) for one in self.objects]
        self.touched = json.dumps({"tags": sorted(self.tags), "objects": objects})
        payload = {
            "kind": "migration",
            **self.step,
            "versions": versions,
            "statements": statements,
            "replayed": self.passed,
        }
        said = json.dumps(payload, sort_keys=True, separators=(",", ":"))
        values = {
            **{name: _cell(payload.get(name, False if name == "adopted" else None)) for name in self.ledger["columns"]},
            **self._fence(),
            "deployment": self.deployment,
            "payload": said,
            "heads": versions or [""],
            "touched": self.touched,
            "elapsed": round((time.monotonic() - self.begun) * 1e6),
        }
        self.trace("before", "ledger")
        if self.had:
            self.ask(self.ledger["journal_close"], {"revision": self.key[0], "direction": self.key[1]})
        for at, text in enumerate(self.ledger["step"]):
            self.ask(text, values)
            if at == 0 and not self.changed:
                self.fenced(self.ask, versions)
        self.seq = self.ask(self.ledger["seq"], {})[0][0]
        self.trace("after", "ledger")
        self.recorded = True

    def fenced(self, ask: Callable[..., Any], versions: list[str] | None = None) -> None:
        """Find out which fence does not hold, as the same connection sees it, and raise it."""
        values = {**self._fence(), "versions": json.dumps(versions or []), "heads": versions or [""]}
        rows = ask(self.ledger["which"], values)
        held = dict(zip(self.ledger["fences"], rows[0], strict=True)) if rows else {"epoch": 0}
        if versions is None:
            held["versions"] = 1
        for name, message in (
            ("epoch", "another run has taken the environment over"),
            (
                "lock",
                "the environment's lock is no longer held: the migration released it or the session was exchanged",
            ),
            ("versions", "the migration changed Alembic's version table by itself"),
        ):
            if not held.get(name):
                raise Refused(name, message)
        raise Refused("ledger", "the ledger did not take the step")


def _cell(value: Any) -> Any:
    """A value of the payload as a column has it."""
    return json.dumps(value) if isinstance(value, (list, dict)) else int(value) if isinstance(value, bool) else value
