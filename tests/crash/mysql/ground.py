# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One shape on one server: its base, its points, one cell after another, and what came of each."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

from hgaurora.adapters.local import files
from tests.crash.mysql import diagnosis
from tests.crash.mysql.diagnosis import Diagnosis
from tests.crash.mysql.picture import Copy, Picture, taken
from tests.crash.mysql.shapes import Shape
from tests.crash.mysql.sides import Bare, Ours, Side, finished, reached
from tests.crash.mysql.warm import Ended, Warm
from tests.crash.mysql.wiretap import AFTER, AMID, BEFORE, CUT, KILL, Aim, Held, Said, Wiretap
from tests.crash.points import Mark

#: seconds that a statement of a killed run goes on in the server while the next run begins; with a protection taken out
#: until that one has sent the statement too, or so many
HOLD, LONG = 0.7, 20.0
#: how often a person gives the command again
TRIES = 3


class Verdict(Enum):
    """What came of a cell."""

    SAME = "same"
    #: non-zero exit, and what it says is so
    DIAGNOSED = "diagnosed"
    #: non-zero exit of one that makes no claims
    REFUSED = "refused"
    WRONG = "wrong"
    #: neither struck nor wrong: the point was not passed
    MISSED = "missed"


@dataclass(frozen=True)
class Result:
    """One cell. ``problems`` says why, where the verdict is not *same*."""

    shape: str
    aim: Aim
    verdict: Verdict
    problems: tuple[str, ...]
    seconds: float


class Ground:
    """A shape, laid down in a database of its own."""

    def __init__(
        self,
        shape: Shape,
        server: str,
        folder: Path,
        warm: Warm,
        *,
        bare: bool = False,
        without: str | None = None,
        cold: bool = False,
    ) -> None:
        self.shape = shape
        self._server = server
        self._weak = without is not None
        self._name = f"hgcrash_{os.getpid()}"
        parts = urlsplit(server)
        self._tap = Wiretap(parts.hostname or "127.0.0.1", parts.port or 3306, self._name)
        user = parts.netloc.rpartition("@")[0]
        url = f"mysql://{user}@127.0.0.1:{self._tap.port}/{self._name}"
        self._warm = warm
        self._root = pymysql.connect(**reached(server))
        place = folder / shape.name
        self._side: Side = (
            Bare(shape, place, url) if bare else Ours(shape, place, url, server, without=without, cold=cold)
        )
        self.marks: tuple[Mark, ...] = ()
        self._said: list[Said] = []
        self._copy = Copy(())
        #: statements that the struck run sent, and the rows as they were before one that was made to wait
        self._passed: list[str] = []
        self._seen: Picture | None = None
        self._end: tuple[Picture, dict[str, Any]] | None = None

    def close(self) -> None:
        """Drop the database."""
        self._tap.close()
        self._end_sessions()
        self._root.cursor().execute(f"DROP DATABASE IF EXISTS {self._name}")
        self._root.close()

    def prepare(self, *, twice: bool = True) -> None:
        """Make the base, and run the command undisturbed. ``twice``: only points passed both times count."""
        self._empty()
        for arguments in self._side.before():
            _must(finished(self._side, self._warm, arguments))
        with self._connected() as connection:
            self._copy = Copy.of(connection)
        self._side.keep()
        for number in range(1 + twice):
            self._fresh()
            self._tap.start(None, self._warm.kill)
            _must(finished(self._side, self._warm, self._side.command))
            marks, said, end = tuple(self._tap.marks), list(self._tap.said), self._look()
            if number == 0:
                self.marks, self._said, self._end = marks, said, end
                continue
            again = {mark.key for mark in marks}
            self.marks = tuple(mark for mark in self.marks if mark.key in again)
            if problems := self._compare(end):
                raise AssertionError(f"{self.shape.name}: two undisturbed runs differ: {'; '.join(problems)}")

    def aims(self, *, every: bool = False) -> list[Aim]:
        """The cells.

        Each statement of the scripts is struck in four ways: killed before and after it, its answer cut off, and killed
        while it waits in the server, where it can be made to wait. After each other statement by which the sessions of
        the migration write (journal, ledger, version table, COMMIT) the client is killed: before the next one nothing
        else has come to be.

        :param every: around each statement of each session, reading ones and the parent's too, and each answer cut off.
        """
        found = []
        for mark in self.marks:
            sent = self._first(mark)
            scripts = _of_scripts(sent)
            writes = sent.link in self._links() and not READS.match(sent.text) and mark.side == AFTER
            if not (every or scripts or writes):
                continue
            found.append(Aim(mark))
            if mark.side == AFTER and (every or scripts):
                found.append(Aim(mark, CUT))
            if mark.side == BEFORE and scripts and _WAITS.match(sent.text):
                found.append(Aim(Mark(mark.label, mark.number, AMID)))
        return found

    def _first(self, mark: Mark) -> Said:
        """What was sent at a point."""
        return [one for one in self._said if one.label == mark.label][mark.number - 1]

    def _links(self) -> set[int]:
        """The connections that the scripts' statements and their journal go through."""
        return {one.link for one in self._said if _of_scripts(one) or _JOURNAL.search(one.text)}

    def points(self) -> int:
        """How many statements the command sends."""
        return len(self.marks) // 2

    def cell(self, aim: Aim, *, tries: int = TRIES) -> Result:
        """Strike a run, run it again until it says that all is done, look."""
        started = time.monotonic()
        verdict, problems = self._cell(aim, tries)
        return Result(self.shape.name, aim, verdict, tuple(problems), time.monotonic() - started)

    def _cell(self, aim: Aim, tries: int) -> tuple[Verdict, list[str]]:
        self._fresh()
        self._seen = None
        self._tap.start(aim, self._warm.kill, self._hold)
        first = finished(self._side, self._warm, self._side.command)
        held = self._tap.held
        if self._tap.error is not None:
            raise AssertionError(f"{self.shape.name}: {aim}") from self._tap.error
        if not self._tap.reached:
            return Verdict.MISSED, [f"the point was never passed; the run said: {first.said}"]
        if first.code is None:
            return Verdict.WRONG, [f"the disturbed run hangs: {first.said}"]
        if first.code == 0 and aim.how == KILL:
            return Verdict.WRONG, ["the run that was killed says it is done"]
        self._passed, struck = self._tap.passed, self._tap.struck
        self._tap.start(None, self._warm.kill)
        if self._side.waits:
            self._later(held, struck)
        else:
            if held is not None:
                held.release()
            self._await_sessions()
        return self._again(aim, first, tries)

    def _again(self, aim: Aim, first: Ended, tries: int) -> tuple[Verdict, list[str]]:
        """The same command, until it says that all is done. A diagnosis is followed as it says, which is a run more."""
        said = [f"struck: {_words(first)}"]
        verdict = Verdict.SAME
        for number in range(2, tries + 2):
            again = finished(self._side, self._warm, self._side.command)
            said.append(f"run {number}: {_words(again)}")
            if again.code is None:
                return Verdict.WRONG, said
            if again.code == 0:
                problems = self._compare(self._look())
                return (Verdict.WRONG, problems + said) if problems else (verdict, said if said[2:] else [])
            if not self._side.waits:
                return Verdict.REFUSED, said
            found = diagnosis.read(again.said)
            if found is None:
                continue
            verdict = Verdict.DIAGNOSED
            if false := self._false(found, aim):
                return Verdict.WRONG, [f"false diagnosis: {false}", *said]
            with self._connected() as connection, connection.cursor() as cursor:
                cursor.execute(found.did if self._took_effect(found) else found.did_not)
        return Verdict.WRONG, said

    def _false(self, found: Diagnosis, aim: Aim) -> str:
        """What is not so in a diagnosis; nothing where all is."""
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT state, `sql` FROM hgaurora_statement WHERE closed = 0 ORDER BY id")
            rows = cursor.fetchall()
        done = [text for state, text in rows if state == "done"]
        unknown = [text for state, text in rows if state != "done"]
        if self.shape.transactional and not (self.shape.opaque and unknown == [self.shape.opaque[0]]):
            return f"{unknown} can be proven"
        if [found.statement] != [" ".join(text.split()) for text in unknown]:
            return f"it asks about {found.statement!r}, and the journal knows not of {unknown}"
        if found.stand != len(done):
            return f"it says that {found.stand} stand, and {len(done)} do"
        if missing := [text for text in done if text not in self._passed]:
            return f"it takes for done what was never sent: {missing}"
        return ""

    def _took_effect(self, found: Diagnosis) -> bool:
        """What a person finds out by a look at the table."""
        if self.shape.opaque:
            with self._connected() as connection, connection.cursor() as cursor:
                cursor.execute(self.shape.opaque[1])
                return cursor.fetchone() == (1,)
        if not any(" ".join(text.split()) == found.statement for text in self._passed):
            return False
        with self._connected() as connection:
            now = taken(connection)
        return self._seen is None or now.rows != self._seen.rows

    def _hold(self, text: str) -> Held | None:
        """Locks, in a session of its own, on every row of the tables that a statement names."""
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute("SHOW FULL TABLES WHERE Table_type = 'BASE TABLE'")
            there = {name for name, _ in cursor.fetchall()}
            if not self.shape.transactional:
                self._seen = taken(connection)
        named = [name for name in re.findall(r"\w+", text) if name in there]
        if not named:
            return None
        holder = pymysql.connect(**reached(self._server, database=self._name, autocommit=False))
        with holder.cursor() as cursor:
            for name in dict.fromkeys(named):
                try:
                    cursor.execute(f"SELECT 1 FROM `{name}` FOR UPDATE NOWAIT")
                except pymysql.OperationalError as error:
                    if error.args[0] not in _TAKEN:
                        raise
                    # the run that is struck has locked rows itself: then the table's definition alone is held
                    cursor.execute(f"SELECT 1 FROM `{name}` LIMIT 1")
                cursor.fetchall()

        def waits() -> bool:
            with self._connected() as connection, connection.cursor() as looks:
                return files.until(lambda: _waiting(looks, self._name), 5)

        return Held(holder.close, waits)

    def _later(self, held: Held | None, struck: str | None) -> None:
        """Let a statement that waits in the server go on, some time from now."""
        if held is None:
            return
        sent = self._tap.passed

        def release() -> None:
            files.until(lambda: self._weak and struck in sent, LONG if self._weak else HOLD)
            held.release()

        threading.Thread(target=release, daemon=True).start()

    def _look(self) -> tuple[Picture, dict[str, Any]]:
        self._await_sessions()
        with self._connected() as connection:
            return taken(connection, numbers=self.shape.numbers if self._side.ranks else ()), self._side.more(
                connection
            )

    def _compare(self, found: tuple[Picture, dict[str, Any]]) -> list[str]:
        assert self._end is not None
        wanted, more = self._end
        return wanted.differs(found[0]) + [
            f"{key}: {found[1][key]!r} instead of {more[key]!r}" for key in more if more[key] != found[1][key]
        ]

    def _connected(self) -> pymysql.Connection[Any]:
        return pymysql.connect(**reached(self._server, database=self._name))

    def _fresh(self) -> None:
        self._empty()
        with self._connected() as connection:
            self._copy.lay_down(connection)
        self._side.fresh()

    def _empty(self) -> None:
        self._end_sessions()
        with self._root.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {self._name}")
            cursor.execute(f"CREATE DATABASE {self._name} CHARACTER SET utf8mb4")

    def _sessions(self) -> list[int]:
        with self._root.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (self._name,))
            return [session for (session,) in cursor.fetchall()]

    def _end_sessions(self) -> None:
        for session in self._sessions():
            with self._root.cursor() as cursor:
                _suppressed(lambda session=session, cursor=cursor: cursor.execute(f"KILL {session}"))
        self._await_sessions()

    def _await_sessions(self) -> None:
        """The server has noticed that its clients are gone."""
        if not files.until(lambda: not self._sessions(), 30):
            raise AssertionError(f"sessions of {self._name} stay: {self._sessions()}")


#: nothing is there afterwards that was not before
READS = re.compile(r"[\s(]*(SELECT|SHOW|DESCRIBE|SET|START TRANSACTION|BEGIN|ROLLBACK)\b", re.I)
#: the journal's rows are written by the child alone
_JOURNAL = re.compile(r"INSERT INTO \S*hgaurora_statement")
#: statements that can be made to wait for somebody who has locked what they name
_WAITS = re.compile(
    r"\s*(ALTER|UPDATE|INSERT|DELETE|DROP (TABLE|INDEX)|RENAME|TRUNCATE|REPLACE|CREATE (UNIQUE |FULLTEXT )?INDEX)\b",
    re.I,
)
#: sent by Alembic and SQLAlchemy themselves, not by a script
_AROUND = re.compile(r"alembic_version|hgaurora_|^\s*(COMMIT|ROLLBACK|START TRANSACTION|BEGIN)\s*$", re.I)


def _of_scripts(said: Said) -> bool:
    """A statement that changes something, sent by a migration."""
    return not _AROUND.search(said.text) and not READS.match(said.text)


#: what FOR UPDATE NOWAIT answers where a row is locked, on MariaDB and on MySQL
_TAKEN = frozenset({1205, 3572})


def _waiting(cursor: Any, database: str) -> bool:
    cursor.execute(
        "SELECT COUNT(*) FROM information_schema.processlist p WHERE db = %s AND (state LIKE 'Waiting for%%lock'"
        " OR EXISTS (SELECT 1 FROM information_schema.innodb_trx t WHERE t.trx_mysql_thread_id = p.id"
        " AND t.trx_state = 'LOCK WAIT'))",
        (database,),
    )
    return bool(cursor.fetchone()[0])


def _suppressed(action: Callable[[], Any]) -> None:
    try:
        action()
    except pymysql.MySQLError as error:
        if error.args[0] != 1094:  # unknown thread: it has gone by itself
            raise


def _words(ended: Ended) -> str:
    return f"exit {ended.code}: {ended.said.strip()[-1500:]}"


def _must(ended: Ended) -> None:
    if ended.code != 0:
        raise AssertionError(f"an undisturbed run failed: {_words(ended)}")
