# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends the statements of a script that no earlier run has sent to their end, and journals them.

DDL commits by itself, so no transaction can hold a migration. Instead each statement of a script stands for itself and
is journaled: a change of data in one InnoDB transaction with its journal row; DDL between an intent, committed on the
second connection, and its result. Reads are journaled with the next statement that has an effect, because a script may
decide by them.
"""

from __future__ import annotations

from typing import Any

import pymysql

from ..wire import Refused
from . import results
from .connections import Connections
from .journal import NOTED, Journal, Row, Sent
from .names import named, touched
from .numbers import Numbers, Whose
from .proof import Catalogue, provable, verdict
from .session import Session
from .sql import Kind, Statement, assigned, calls, kind, variables
from .tables import Tables, adds, quoted
from .unproven import harmless

#: a wait for a lock that ended, and a deadlock: the statement had no effect (MySQL Server Error Reference)
TRY_AGAIN = frozenset({1205, 1213})


class Sender:
    """Sends what a step has to do."""

    def __init__(self, at: Connections, session: Session, journal: Journal, mariadb: bool) -> None:
        self.at = at
        self.session = session
        self.journal = journal
        self.catalogue = Catalogue(at.look, mariadb)
        self.tables = Tables(at.look)
        self.numbers = Numbers(at.look, self._give)
        self.begin()

    def begin(self) -> None:
        """A step begins: nothing of it was sent."""
        #: reads and failures that wait for a statement to be journaled with
        self.pending: list[Sent] = []
        #: changes since the script's last commit, or savepoint
        self.since = 0
        #: temporary tables that there are
        self.temporary: set[str] = set()
        #: the same of an earlier run, which ended with it
        self.gone: set[str] = set()
        #: what an earlier run's last INSERT drew
        self.inserted: int | None = None
        #: of statements of schema: command tags, and what they name (kind, database, name)
        self.tags: dict[str, None] = {}
        self.objects: dict[tuple[str, str, str], None] = {}
        #: what is on its way, where that is not a read or a change of data
        self.flight: Kind | None = None
        self.numbers.begin()

    def send(self, cursor: Any, sent: Sent, found: Kind) -> Any:
        """Send a statement that no earlier run has sent to its end."""
        if self.inserted is not None:
            # the id that an earlier run's last INSERT drew is what the script may ask for
            self.at.ask("SELECT LAST_INSERT_ID(%s)", (self.inserted,))
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
        return self.alone(cursor, sent, found)

    def sent(self, sent: Sent) -> Any:
        """Send it; trace it."""
        if sent.meaning.tokens:
            self.session.limit("data" if kind(sent.meaning) in (Kind.READ, Kind.DATA) else "schema")
        self.at.trace("before", sent.sql)
        with self.at.passing():
            answer = sent.send()
        self.at.trace("after", sent.sql)
        return answer

    def temporaries(self, meaning: Statement, found: Kind) -> Kind:
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

    def _read(self, cursor: Any, sent: Sent) -> Any:
        """What has no effect that stays: its result waits for the next statement that has one."""
        try:
            answer = self.sent(sent)
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
        if self.at.connection.open:
            sent.state, sent.result = "failed", results.failure(error)
            self.pending.append(sent)

    def _data(self, cursor: Any, sent: Sent) -> Any:
        """A change of data: committed at once, its journal row in the same transaction."""
        written = self.tables.written_by(sent.meaning, self.session.database, self.temporary)
        if written.unprovable:
            return self.alone(cursor, sent, Kind.OPAQUE, why=written.unprovable)
        sent.variables = tuple(sorted(written.variables))
        self.note(self.numbers.before(written.numbered))
        try:
            answer = self.sent(sent)
            if (whose := self.numbers.whose()) is not Whose.OURS:
                self.at.end("ROLLBACK")
                left = self.numbers.take_back()
                if whose is Whose.UNKNOWN:
                    self.note(left)
                    raise self.journal.stopped(*self.numbers.unknown())
                answer = self.sent(sent)
            sent.result = self._result(cursor, sent)
            sent.result |= self.numbers.after(written.numbered)
        except pymysql.err.MySQLError as error:
            if self.at.connection.open:
                # on a deadlock the server has rolled back all of it, else the statement; nothing else was in it
                self.at.end("ROLLBACK")
                if self.at.side.open and error.args[0] not in TRY_AGAIN:
                    self.note(self.numbers.failed(written.numbered))
            self._failed(sent, error)
            raise
        try:
            rows = self.journal.write(self.at.ask, [*self.pending, sent])
            self.at.end("COMMIT")
        except BaseException:
            if self.at.connection.open:
                self.at.end("ROLLBACK")
            raise
        self.journal.keep(rows)
        self.pending = []
        self.since += 1
        return answer

    def alone(self, cursor: Any, sent: Sent, found: Kind, again: Row | None = None, why: str = "") -> Any:
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
            picture = self.picture(sent)
        sent.state = "intent"
        several = again is not None or bool(self.pending)
        if several:
            self.at.look("START TRANSACTION")
        try:
            # with the picture of now: another crash has to find that, not the one of the earlier try
            rows = self.journal.write(self.at.look, [*self.pending, sent], picture, again)
            if several:
                self.at.trace("before", "COMMIT")
                self.at.look("COMMIT")
                self.at.trace("after", "COMMIT")
        except BaseException:
            if self.at.side.open:
                self.at.look("ROLLBACK")
            raise
        self.journal.keep(rows, again)
        self.pending = []
        row = rows[-1]
        self.flight = Kind.DDL if seen else Kind.OPAQUE
        try:
            answer = self.sent(sent)
            sent.result = self._result(cursor, sent)
            if self.at.in_transaction:
                self.at.end("COMMIT")
        except pymysql.err.MySQLError as error:
            if self.at.connection.open:
                if self.at.in_transaction:
                    self.at.end("ROLLBACK")
                if self._came_to_nothing(sent, error, picture if seen else None):
                    # the server refused it and nothing changed: a mended script may go on with something else
                    self.journal.forget(row)
                    self._failed(sent, error)
                else:
                    self.journal.settle(row, "failed", results.text(results.failure(error)))
                    # one that fails may have done a part: DROP of several tables, on MariaDB
                    self.touch(sent.meaning, found)
            raise
        self.flight = None
        self.journal.settle(row, "done", results.text(sent.result))
        self.since = 0
        self.tables.forget(named(sent.meaning).tag if seen else "*")
        self.touch(sent.meaning, found)
        return answer

    def note(self, counters: dict[str, Any]) -> None:
        """Have it in the journal what numbers are drawn next; as a row of its own, before what is yet to be written."""
        if counters:
            text = f"AUTO_INCREMENT of {', '.join(next(iter(counters.values())))}"
            noted = Sent(Statement(text, ()), text, text, lambda: None, False)
            noted.state, noted.result = NOTED, counters
            self.journal.keep(self.journal.write(self.at.look, [noted]))

    def _give(self, sql: str) -> None:
        """Send a change of schema of ours on the connection that migrates; reads may be open there."""
        self.session.limit("schema")
        self.flight = Kind.DDL
        self.at.trace("before", sql)
        self.at.ask(sql)
        self.at.trace("after", sql)
        self.flight = None

    def _came_to_nothing(self, sent: Sent, error: pymysql.err.MySQLError, before: dict[str, Any] | None) -> bool:
        """True where it is proven that a statement that failed had no effect. ``before``: None where it is not seen."""
        number = error.args[0] if error.args else None
        if before is None:
            return harmless(sent.meaning, number, self.tables, self.session.database)
        now = self.picture(sent)
        if verdict(sent.meaning, before, now) == "again":
            return True
        return now == before and harmless(sent.meaning, number, self.tables, self.session.database)

    def picture(self, sent: Sent) -> dict[str, Any]:
        """What the catalogue says of what a statement names."""
        return self.catalogue.picture(named(sent.meaning), sent.meaning, self.session.database)

    def touch(self, meaning: Statement, found: Kind) -> None:
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
        taken = self.at.connection._result
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
            kept["last"] = self.at.ask("SELECT LAST_INSERT_ID()")[0][0]
        return kept

    def _variables(self, names: tuple[str, ...]) -> dict[str, Any]:
        columns = ", ".join("@`" + name.replace("`", "``").replace("%", "%%") + "`" for name in names)
        return dict(zip(names, self.at.ask(f"SELECT {columns}", ())[0], strict=True))
