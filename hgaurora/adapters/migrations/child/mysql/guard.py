# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The guard behind the connection that scripts see: what they send, what the journal answers, the ledger's rows."""

from __future__ import annotations

import collections
import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ..wire import Refused
from . import results
from .connections import Connections
from .driver import GuardedConnection
from .journal import NOTED, Journal, Row, Sent, sha
from .proof import rest, verdict
from .sender import Sender
from .session import Session
from .sql import Kind, Statement, kind, refusal
from .unproven import answers, differs
from .unproven import lost as lost_table


class Guard(Connections):
    """Stands between a script and its connection while a step runs. ``active`` only then."""

    def __init__(
        self, connection: GuardedConnection, side: Any, job: dict[str, Any], trace: Callable[[str, str], None]
    ) -> None:
        super().__init__(connection, side, trace)
        self.ledger = job["ledger"]
        mariadb = "MariaDB" in connection.get_server_info()
        self.session = Session(self.ask, mariadb, job["timeouts"])
        self.journal = Journal(self.ledger, self.look, lambda: self.changed, trace, connection.thread_id())
        self.sender = Sender(self, self.session, self.journal, mariadb)
        self.active = self.committing = False
        #: of a script, sent last
        self.now = Statement("", ())

    @property
    def key(self) -> tuple[str, str]:
        """Revision and direction of the step."""
        return self.journal.key

    @property
    def open(self) -> dict[tuple[str, str], list[Row]]:
        """The open rows of the statement journal."""
        return self.journal.open

    # -- a deployment, a step

    def belong(self, deployment: str, epoch: str) -> None:
        """From now on steps are recorded under this deployment and epoch."""
        self.journal.belong(deployment, epoch)

    def start(self, step: dict[str, Any]) -> None:
        """A step begins: its script runs next."""
        self.step = step
        self.journal.key = (step["revision"], step["direction"])
        self.replay = collections.deque(self.journal.rows)
        self.sender.begin()
        self.count = self.passed = self.seq = 0
        self.touched = ""
        self.prepared: dict[str, str] = {}
        self.savepoints: dict[str, int] = {}
        self.lost = self.recorded = self.committing = self.reset = self.foreign = self.ended = False
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
        self.sender.since = 0
        if self.in_transaction or self.recorded:
            self.end("COMMIT")

    def rolled_back(self) -> None:
        """A rollback by the script: what it changed since its last commit stands all the same."""
        self.lost = self.lost or self.sender.since > 0

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
            return self._one(cursor, sent) if found else self.sender.sent(sent)
        for one in found:
            self._allowed(one)
        for one in found:
            self._one(cursor, Sent(one, one.text, one.text, functools.partial(cursor.execute, one.text), False))
        return cursor.rowcount

    # -- one statement

    def _one(self, cursor: Any, sent: Sent) -> Any:
        found, self.now = kind(sent.meaning), sent.meaning
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
        lost = self.sender.gone & sent.meaning.names
        found = self.sender.temporaries(sent.meaning, found)
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
        gone = self.sender.gone
        if gone & sent.meaning.names or (gone and found is Kind.OPAQUE):
            raise self.journal.stopped(
                f"the migration uses the temporary table {', '.join(sorted(gone))}, which an earlier run made and which"
                f" ended with it: {sent.sql[:200]!r}",
                lost_table(self.ledger["journal_table"], self.key),
            )
        return self.sender.send(cursor, sent, found)

    def _allowed(self, meaning: Statement) -> None:
        """Refuse what cannot be journaled."""
        if not (why := refusal(meaning)):
            return
        words = [word for word in meaning.words[:2] if word]
        hint = "each statement of a migration stands by itself here; leave it out"
        if words[0] == "DELIMITER":
            words, hint = words[:1], "leave it out: a body is read to its END, whatever semicolons it holds"
        raise Refused("transaction", f"the migration sends {' '.join(words)}, which {why}", hint)

    def _session(self, cursor: Any, sent: Sent) -> Any:
        """What only changes or shows the session is sent each time."""
        answer = self.sender.sent(sent)
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
            self.end("ROLLBACK")
        elif words[0] == "SAVEPOINT":
            self.savepoints[sent.meaning.tokens[-1].text] = self.sender.since
        elif words[0] == "ROLLBACK" and self.sender.since > self.savepoints.get(
            sent.meaning.tokens[-1].text, self.sender.since
        ):
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

    def _noted(self) -> None:
        """Pass over what is noted where the journal has come to."""
        while self.replay and self.replay[0]["state"] == NOTED:
            self.sender.numbers.journaled(json.loads(self.replay.popleft()["result"]))

    # -- the journal

    def _replayed(self, cursor: Any, sent: Sent, found: Kind, row: Row) -> Any:
        """Answer a statement from the journal. None: it was not done after all, and was sent again."""
        if (row["sql_hash"], row["params_hash"]) != sent.hashes:
            same = " (the same text with other parameters)" if row["sql_hash"] == sent.hashes[0] else ""
            raise self.journal.stopped(
                f"statement {self.passed + 1} is not the one an earlier run sent{same}: journaled "
                f"{row['sql'][:200]!r}, now {sent.sql[:200]!r}",
                self._differs(row),
            )
        if row["state"] == "failed" and len(self.replay) > 1:
            # the script caught it and went on
            self.replay.popleft()
            if found in (Kind.DDL, Kind.OPAQUE):
                self.sender.touch(sent.meaning, found)
            self.passed += 1
            raise results.raised(json.loads(row["result"]))
        if row["state"] != "done" and not self._proven(cursor, sent, found, row):
            return None
        self.replay.popleft()
        kept = json.loads(row["result"])
        if found in (Kind.DDL, Kind.OPAQUE):
            self.sender.touch(sent.meaning, found)
        self.sender.numbers.journaled(kept)
        if found is not Kind.READ:
            self.sender.since = self.sender.since + 1 if found is Kind.DATA else 0
        return self._answer(cursor, kept)

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
            said = verdict(sent.meaning, before, self.sender.picture(sent))
            if row["state"] == "failed":
                said = "rest" if said == "rest" else "again"
        if said == "unknown":
            was = "failed at" if row["state"] == "failed" else "may have sent"
            raise self.journal.stopped(
                f"an earlier run {was} this, and nothing proves whether it took effect: {sent.sql[:200]!r}"
                + (f" ({before['why']})" if "why" in before else ""),
                answers(self.ledger["journal_table"], row),
            )
        if said == "done":
            self.journal.settle(row, "done", json.dumps({"count": -1 if "SELECT" in sent.meaning.words else 0}))
            return True
        if said == "rest":
            sent.send = functools.partial(cursor.execute, rest(sent.meaning))
        self.sender.alone(cursor, sent, found, again=row)
        self.replay.popleft()
        return False

    def _answer(self, cursor: Any, kept: dict[str, Any]) -> Any:
        """Give a cursor the result an earlier run got."""
        if "unrecorded" in kept:
            raise self.journal.stopped(
                f"the earlier run read {kept['unrecorded']}, which is not journaled",
            )
        for name, value in kept.get("variables", {}).items():
            column = name.replace("`", "``").replace("%", "%%")
            self.ask(f"SET @`{column}` = %s", (results.decoded(value),))
        self.sender.gone.update(kept.get("temporary", ()))
        if (last := kept.get("last", kept.get("id"))) is not None:
            self.sender.inserted = last
        return cursor.answer(results.Result(kept))

    # -- the end of a step

    def written(self) -> None:
        """The script has sent its last: what follows is Alembic's and ours, in one transaction."""
        self._noted()
        if self.replay:
            raise self.journal.stopped(
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
            self.end("ROLLBACK")
        self.reset = self.session.put_back()
        self.ended = True

    def record(self, heads: set[str], statements: int) -> None:
        """Put the step's ledger rows into the transaction of its version row, unless a fence does not hold."""
        versions = sorted(heads)
        objects = [list(one) for one in self.sender.objects]
        self.touched = json.dumps({"tags": sorted(self.sender.tags), "objects": objects})
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
