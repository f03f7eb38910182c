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
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
from pymysql.constants import SERVER_STATUS

from ..wire import Refused
from . import results
from .driver import GuardedConnection, GuardedCursor
from .journal import NOTED, Journal, Row, Sent, sha
from .names import named, touched
from .numbers import Numbers, Whose
from .proof import Catalogue, provable, rest, verdict
from .session import Session
from .sql import Kind, Statement, assigned, calls, kind, refusal, variables
from .tables import Tables, adds, quoted
from .unproven import answers, differs, harmless
from .unproven import lost as lost_table

__all__ = ["Guard", "GuardedConnection", "GuardedCursor"]

#: a wait for a lock that ended, and a deadlock: the statement had no effect (MySQL Server Error Reference)
TRY_AGAIN = frozenset({1205, 1213})
#: MariaDB's limit for one statement; DDL that runs into it has mostly waited
LIMIT = 1969


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
        self.active = self.sending = False
        self.changed = 0
        #: what is on its way, where that is not a read or a change of data
        self.flight: Kind | None = None
        mariadb = "MariaDB" in connection.get_server_info()
        self.catalogue = Catalogue(self.look, mariadb)
        self.tables = Tables(self.look)
        self.session = Session(self.ask, mariadb, job["timeouts"])
        self.numbers = Numbers(self.look, self._give)
        self.journal = Journal(self.ledger, self.look, lambda: self.changed, trace, connection.thread_id())
        self.committing = False

    @property
    def key(self) -> tuple[str, str]:
        """Revision and direction of the step."""
        return self.journal.key

    @property
    def open(self) -> dict[tuple[str, str], list[Row]]:
        """The open rows of the statement journal."""
        return self.journal.open

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
        self.journal.belong(deployment, epoch)

    def start(self, step: dict[str, Any]) -> None:
        """A step begins: its script runs next."""
        self.step = step
        self.journal.key = (step["revision"], step["direction"])
        self.replay = collections.deque(self.journal.rows)
        self.pending: list[Sent] = []
        self.numbers.begin()
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
        self.lost = self.recorded = self.committing = self.reset = self.foreign = self.ended = False
        self.flight = None
        self.thread = threading.get_ident()
        self.begun = time.monotonic()
        if self.connection.get_autocommit():
            self.connection.autocommit(False)
        self.active = True

    def over(self) -> None:
        """The step is committed or given up."""
        self.active = False

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
        found = self.session.split(text)
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
        found = self.session.split(filled)
        if len(found) <= 1:
            # bytes may hold what is no text
            send = functools.partial(cursor.execute, query, args)
            sent = Sent(found[0] if found else Statement(filled, ()), filled, text, send, False)
            return self._one(cursor, sent) if found else self._sent(sent)
        for one in found:
            self._allowed(one)
        for one in found:
            self._one(cursor, Sent(one, one.text, one.text, functools.partial(cursor.execute, one.text), False))
        return cursor.rowcount

    # -- one statement

    def _one(self, cursor: Any, sent: Sent) -> Any:
        found = kind(sent.meaning)
        self._allowed(sent.meaning)
        if found is Kind.EXECUTE:
            sent.meaning = self._prepared(sent.meaning)
            sent.hashes = (sent.hashes[0], sha(f"{sent.sql}\n{sent.meaning.text}"))
            found = kind(sent.meaning) if sent.meaning.tokens else Kind.OPAQUE
            self._allowed(sent.meaning)
        if found is Kind.SESSION:
            return self._session(cursor, sent)
        if found in (Kind.COMMIT, Kind.ROLLBACK, Kind.SAVEPOINT):
            return self._transaction(cursor, sent, found)
        lost = self.gone & sent.meaning.names
        found = self._temporaries(sent.meaning, found)
        self.count += 1
        self._noted()
        if self.replay:
            row = self.replay[0]
            if (answered := self._replayed(cursor, sent, found, row)) is not None:
                self.passed += 1
                return answered
            return cursor.rowcount
        if lost and sent.meaning.words[0] == "DROP":
            return cursor.answer(results.Result({"count": 0}))
        if self.gone & sent.meaning.names or (self.gone and found is Kind.OPAQUE):
            raise self._stopped(
                f"the migration uses the temporary table {', '.join(sorted(self.gone))}, which an earlier run made and "
                f"which ended with it: {sent.sql[:200]!r}",
                lost_table(self.ledger["journal_table"], self.key),
            )
        return self._do(cursor, sent, found)

    def _allowed(self, meaning: Statement) -> None:
        """Refuse what cannot be journaled."""
        if not (why := refusal(meaning)):
            return
        words = [word for word in meaning.words[:2] if word]
        hint = "each statement of a migration stands by itself here; leave it out"
        if words[0] == "DELIMITER":
            words, hint = words[:1], "leave it out: a body is read to its END, whatever semicolons it holds"
        raise Refused("transaction", f"the migration sends {' '.join(words)}, which {why}", hint)

    def _do(self, cursor: Any, sent: Sent, found: Kind) -> Any:
        """Send a statement that no earlier run has sent to its end."""
        if self.inserted is not None:
            # the id that an earlier run's last INSERT drew is what the script may ask for
            self.ask("SELECT LAST_INSERT_ID(%s)", (self.inserted,))
            self.inserted = None
        if found in (Kind.READ, Kind.TEMPORARY):
            if found is Kind.READ and self.tables.functions(sent.meaning):
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
            self.session.limit("data" if kind(sent.meaning) in (Kind.READ, Kind.DATA) else "schema")
        self.trace("before", sent.sql)
        with self.passing():
            answer = sent.send()
        self.trace("after", sent.sql)
        return answer

    def _session(self, cursor: Any, sent: Sent) -> Any:
        """What only changes or shows the session is sent each time."""
        answer = self._sent(sent)
        words = sent.meaning.words
        if words[0] == "USE":
            self.session.moved()
        elif words[0] == "PREPARE" and len(words) > 3:
            self.prepared[sent.meaning.tokens[1].text.lower()] = self._text_of(sent.meaning.tokens[3:])
        elif words[0] == "SET":
            self.session.changed(sent.sql)
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
        elif words[0] == "ROLLBACK" and self.since > self.savepoints.get(sent.meaning.tokens[-1].text, self.since):
            # at once, before more is done that stands; and in the end, where the script catches this
            self.lost = True
            raise _rolled_back()
        return cursor.answer(results.Result({"count": 0}))

    def _prepared(self, meaning: Statement) -> Statement:
        """What an EXECUTE runs; without tokens, where that cannot be told."""
        tokens = meaning.tokens
        if meaning.words[1:2] == ("IMMEDIATE",):
            text = self._text_of(tokens[2:])
        else:
            text = self.prepared.get(tokens[1].text.lower(), "") if len(tokens) > 1 else ""
        found = self.session.split(text)
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
        if touched_now.tag == "DROP DATABASE" and touched_now.objects[0][2].lower() == self.session.home.lower():
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
        written = self.tables.written_by(sent.meaning, self.session.database, self.temporary)
        if written.unprovable:
            return self._alone(cursor, sent, Kind.OPAQUE, why=written.unprovable)
        sent.variables = tuple(sorted(written.variables))
        self._note(self.numbers.before(written.numbered))
        try:
            answer = self._sent(sent)
            if (whose := self.numbers.whose()) is not Whose.OURS:
                self._end("ROLLBACK")
                left = self.numbers.take_back()
                if whose is Whose.UNKNOWN:
                    self._note(left)
                    raise self._stopped(*self.numbers.unknown())
                answer = self._sent(sent)
            sent.result = self._result(cursor, sent)
            sent.result |= self.numbers.after(written.numbered)
        except pymysql.err.MySQLError as error:
            if self.connection.open:
                # on a deadlock the server has rolled back all of it, else the statement; nothing else was in it
                self._end("ROLLBACK")
                if self.side.open and error.args[0] not in TRY_AGAIN:
                    self._note(self.numbers.failed(written.numbered))
            self._failed(sent, error)
            raise
        try:
            rows = self.journal.write(self.ask, [*self.pending, sent])
            self._end("COMMIT")
        except BaseException:
            if self.connection.open:
                self._end("ROLLBACK")
            raise
        self.journal.keep(rows)
        self.pending = []
        self.since += 1
        return answer

    def _alone(self, cursor: Any, sent: Sent, found: Kind, again: Row | None = None, why: str = "") -> Any:
        """What commits by itself: an intent before it, on the second connection, and what came of it after.

        ``again``: the row of an earlier try. ``why``: the reason for which nothing could prove it.
        """
        seen = found is Kind.DDL and provable(sent.meaning)
        verb = sent.meaning.words[0] if sent.meaning.tokens else "EXECUTE"
        if verb == "CALL":
            inside = self.tables.written_by(sent.meaning, self.session.database, self.temporary).variables
            sent.variables = (*variables(sent.meaning), *sorted(inside))
        picture = {"why": why or f"what {verb or 'it'} does cannot be seen"}
        if seen:
            picture = self._picture(sent)
        sent.state = "intent"
        several = again is not None or bool(self.pending)
        if several:
            self.look("START TRANSACTION")
        try:
            # with the picture of now: another crash has to find that, not the one of the earlier try
            rows = self.journal.write(self.look, [*self.pending, sent], picture, again)
            if several:
                self.trace("before", "COMMIT")
                self.look("COMMIT")
                self.trace("after", "COMMIT")
        except BaseException:
            if self.side.open:
                self.look("ROLLBACK")
            raise
        self.journal.keep(rows, again)
        self.pending = []
        row = rows[-1]
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
                if self._came_to_nothing(sent, error, picture if seen else None):
                    # the server refused it and nothing changed: a mended script may go on with something else
                    self.journal.forget(row)
                    self._failed(sent, error)
                else:
                    self.journal.settle(row, "failed", results.text(results.failure(error)))
                    # one that fails may have done a part: DROP of several tables, on MariaDB
                    self._touch(sent.meaning, found)
            raise
        self.flight = None
        self.journal.settle(row, "done", results.text(sent.result))
        self.since = 0
        self.tables.forget(named(sent.meaning).tag if seen else "*")
        self._touch(sent.meaning, found)
        return answer

    def _note(self, counters: dict[str, Any]) -> None:
        """Have it in the journal what numbers are drawn next; as a row of its own, before what is yet to be written."""
        if counters:
            text = f"AUTO_INCREMENT of {', '.join(next(iter(counters.values())))}"
            noted = Sent(Statement(text, ()), text, text, lambda: None, False)
            noted.state, noted.result = NOTED, counters
            self.journal.keep(self.journal.write(self.look, [noted]))

    def _noted(self) -> None:
        """Pass over what is noted where the journal has come to."""
        while self.replay and self.replay[0]["state"] == NOTED:
            self.numbers.journaled(json.loads(self.replay.popleft()["result"]))

    def _give(self, sql: str) -> None:
        """Send a change of schema of ours on the connection that migrates; reads may be open there."""
        self.session.limit("schema")
        self.flight = Kind.DDL
        self.trace("before", sql)
        self.ask(sql)
        self.trace("after", sql)
        self.flight = None

    def _came_to_nothing(self, sent: Sent, error: pymysql.err.MySQLError, before: dict[str, Any] | None) -> bool:
        """True where it is proven that a statement that failed had no effect. ``before``: None where it is not seen."""
        number = error.args[0] if error.args else None
        if before is None:
            return harmless(sent.meaning, number, self.tables, self.session.database)
        now = self._picture(sent)
        if verdict(sent.meaning, before, now) == "again":
            return True
        return now == before and harmless(sent.meaning, number, self.tables, self.session.database)

    def _picture(self, sent: Sent) -> dict[str, Any]:
        """What the catalogue says of what a statement names."""
        return self.catalogue.picture(named(sent.meaning), sent.meaning, self.session.database)

    def _touch(self, meaning: Statement, found: Kind) -> None:
        """For the step's ledger row: what a statement of DDL names."""
        if kind(meaning) is Kind.DATA:
            return
        one = touched(meaning) if found is Kind.DDL else None
        made = one is not None and one.tag == "CREATE TABLE" and "EXISTS" not in meaning.words
        self.numbers.forget(
            [quoted(db or self.session.database, name) for _, db, name in one.objects[:1]] if made else []
        )
        self.tags[one.tag if one else "*"] = None
        for what, db, name in (*one.objects, *one.beside) if one else ():
            self.objects[what, db or self.session.database, name] = None

    def _result(self, cursor: Any, sent: Sent) -> dict[str, Any]:
        """The result that a cursor was given, and the values of user variables that the statement set."""
        taken = self.connection._result
        names = (*assigned(sent.meaning), *sent.variables)
        try:
            if sent.many:
                kept = {"count": cursor.rowcount, "id": cursor.lastrowid}
            else:
                kept = results.recorded(taken, self._variables(names) if names else None)
        except TypeError as error:
            kept = {"unrecorded": str(error)}
        found = kind(sent.meaning)
        draws = found is Kind.DATA and (taken.insert_id or adds(sent.meaning))
        if draws or found not in (Kind.DATA, Kind.READ, Kind.DDL) or "LAST_INSERT_ID" in calls(sent.meaning):
            # not what the answer says: a key that was given is in that, too
            kept["last"] = self.ask("SELECT LAST_INSERT_ID()")[0][0]
        return kept

    def _variables(self, names: tuple[str, ...]) -> dict[str, Any]:
        columns = ", ".join("@`" + name.replace("`", "``").replace("%", "%%") + "`" for name in names)
        return dict(zip(names, self.ask(f"SELECT {columns}", ())[0], strict=True))

    # -- the journal

    def _replayed(self, cursor: Any, sent: Sent, found: Kind, row: Row) -> Any:
        """Answer a statement from the journal. None: it was not done after all, and was sent again."""
        if (row["sql_hash"], row["params_hash"]) != sent.hashes:
            same = " (the same text with other parameters)" if row["sql_hash"] == sent.hashes[0] else ""
            raise self._stopped(
                f"statement {self.passed + 1} is not the one an earlier run sent{same}: journaled "
                f"{row['sql'][:200]!r}, now {sent.sql[:200]!r}",
                self._differs(row),
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
        if found in (Kind.DDL, Kind.OPAQUE):
            self._touch(sent.meaning, found)
        self.numbers.journaled(kept)
        self.since = self.since + 1 if found is Kind.DATA else 0 if found is not Kind.READ else self.since
        return self._answer(cursor, kept)

    def _stopped(self, message: str, hint: str = "") -> Refused:
        """What an earlier run did stands in the way."""
        found = Refused("journal", message, hint)
        found.since = self.journal.since
        return found

    def _differs(self, row: Row) -> str:
        """What to do where the script sends something else than this row, or nothing."""
        last = len(self.replay) == 1
        unknown = row["state"] == "intent" or (row["state"] == "failed" and last)
        return (
            answers(self.ledger["journal_table"], row)
            if unknown
            else differs(self.ledger["journal_table"], row, self.key)
        )

    def _proven(self, cursor: Any, sent: Sent, found: Kind, row: Row) -> bool:
        """Find out what became of a statement whose result is not known. False: it was sent again."""
        before = json.loads(row["proof"]) if row["proof"] else {"why": "nothing was noted of it"}
        said = "unknown"
        if "why" not in before:
            said = verdict(sent.meaning, before, self._picture(sent))
            if row["state"] == "failed":
                said = "rest" if said == "rest" else "again"
        if said == "unknown":
            was = "failed at" if row["state"] == "failed" else "may have sent"
            raise self._stopped(
                f"an earlier run {was} this, and nothing proves whether it took effect: {sent.sql[:200]!r}"
                + (f" ({before['why']})" if "why" in before else ""),
                answers(self.ledger["journal_table"], row),
            )
        if said == "done":
            self.journal.settle(row, "done", json.dumps({"count": -1 if "SELECT" in sent.meaning.words else 0}))
            return True
        if said == "rest":
            sent.send = functools.partial(cursor.execute, rest(sent.meaning))
        self._alone(cursor, sent, found, again=row)
        self.replay.popleft()
        return False

    def _answer(self, cursor: Any, kept: dict[str, Any]) -> Any:
        """Give a cursor the result an earlier run got."""
        if "unrecorded" in kept:
            raise self._stopped(
                f"the earlier run read {kept['unrecorded']}, which is not journaled",
            )
        for name, value in kept.get("variables", {}).items():
            column = name.replace("`", "``").replace("%", "%%")
            self.ask(f"SET @`{column}` = %s", (results.decoded(value),))
        self.gone.update(kept.get("temporary", ()))
        if (last := kept.get("last", kept.get("id"))) is not None:
            self.inserted = last
        return cursor.answer(results.Result(kept))

    # -- the end of a step

    def written(self) -> None:
        """The script has sent its last: what follows is Alembic's and ours, in one transaction."""
        self._noted()
        if self.replay:
            raise self._stopped(
                f"the script ends before statement {self.passed + 1}, which an earlier run sent: "
                f"{self.replay[0]['sql'][:200]!r}",
                self._differs(self.replay[0]),
            )
        if self.lost:
            raise _rolled_back()
        if self.foreign:
            raise Refused(
                "threads", "the migration sent statements from a thread of its own", "send them from upgrade()"
            )
        if self.in_transaction:
            # the end of the script's reads: what follows has to see what is there now
            self._end("ROLLBACK")
        self.reset = self.session.put_back()
        self.ended = True

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
            **self.journal.fences(),
            "payload": said,
            "heads": versions or [""],
            "touched": self.touched,
            "elapsed": round((time.monotonic() - self.begun) * 1e6),
        }
        self.trace("before", "ledger")
        if self.journal.rows:
            self.ask(self.ledger["journal_close"], {"revision": self.key[0], "direction": self.key[1]})
        for at, text in enumerate(self.ledger["step"]):
            self.ask(text, values)
            if at == 0 and not self.changed:
                self.journal.fenced(self.ask, versions)
        self.seq = self.ask(self.ledger["seq"], {})[0][0]
        self.trace("after", "ledger")
        self.recorded = True


def _rolled_back() -> Refused:
    # begin_nested() of SQLAlchemy rolls back because of an error, which would not be seen otherwise
    cause = sys.exc_info()[1]
    after = f", after {type(cause).__name__}: {str(cause)[:300]}" if cause else ""
    return Refused(
        "transaction",
        f"the migration rolled back by itself what stands already{after}",
        "each statement of a migration is committed at once here: leave rollback() and begin_nested() out",
    )


def _cell(value: Any) -> Any:
    """A value of the payload as a column has it."""
    return json.dumps(value) if isinstance(value, (list, dict)) else int(value) if isinstance(value, bool) else value
