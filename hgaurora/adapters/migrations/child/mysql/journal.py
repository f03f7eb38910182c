# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rows of the statement journal, and the fences under which they are written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

from ..wire import SHOWN, Refused
from . import results
from .sql import Statement

Row = dict[str, Any]
#: sends a statement of ours on one of the two connections; rows
Ask = Callable[..., list[tuple[Any, ...]]]

#: the state of a row that is no statement: counters, as they are before one
NOTED = "noted"

_HELD = {
    "epoch": "another run has taken the environment over",
    "lock": "the environment's lock is no longer held: the migration released it or the session was exchanged",
    "writer": "the server takes no writes any more: it was made a reader",
    "versions": "the migration, or somebody beside it, changed Alembic's version table",
}


def sha(text: str) -> str:
    """The hash under which a text is journaled."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


class Sent:
    """One statement of a script."""

    __slots__ = ("hashes", "many", "meaning", "result", "send", "sql", "state", "variables")

    def __init__(self, meaning: Statement, sql: str, template: str, send: Callable[[], Any], many: bool) -> None:
        #: what it is, to whoever has to tell what it does
        self.meaning = meaning
        #: what is sent
        self.sql = sql
        self.send = send
        self.many = many
        self.hashes = (sha(template), sha(sql))
        self.state = "done"
        self.result: dict[str, Any] = {}
        #: user variables that it may set, but for those it assigns itself
        self.variables: tuple[str, ...] = ()


class Journal:
    """The open rows, as they stand in the database.

    :param look: asks on the second connection.
    :param changed: how many rows the statement before changed.
    :param backend: the server session that holds the lock.
    """

    def __init__(
        self,
        ledger: dict[str, Any],
        look: Ask,
        changed: Callable[[], int],
        trace: Callable[[str, str], None],
        backend: int,
    ) -> None:
        self.ledger = ledger
        self.look = look
        self.changed = changed
        self.trace = trace
        self.backend = backend
        self.deployment = self.epoch = ""
        self.key: tuple[str, str] = ("", "")
        #: (revision, direction) to rows
        self.open: dict[tuple[str, str], list[Row]] = {}
        self._last = 0

    def belong(self, deployment: str, epoch: str) -> None:
        """Read the open rows; from now on rows are written under this deployment and epoch."""
        self.deployment, self.epoch = deployment, epoch
        self.open = {}
        names = ("id", "revision", "direction", "sql_hash", "params_hash", "sql", "state", "result", "proof", "at")
        for row in self.look(self.ledger["journal_open"], {}):
            one = dict(zip(names, row, strict=True))
            self.open.setdefault((one.pop("revision"), one.pop("direction")), []).append(one)
        self._last = self.look(self.ledger["journal_last"], {})[0][0]

    @property
    def rows(self) -> list[Row]:
        """The open rows of the step that runs."""
        return self.open.setdefault(self.key, [])

    @property
    def _last_sent(self) -> Row:
        """The row of the step's newest statement."""
        return next((row for row in reversed(self.rows) if row["state"] != NOTED), {"state": "done"})

    def fences(self) -> dict[str, Any]:
        """Parameters of the ledger's statements."""
        return {"epoch": self.epoch, "backend": self.backend, "deployment": self.deployment}

    def write(self, ask: Ask, all_sent: list[Sent], picture: Any = None, again: Row | None = None) -> list[Row]:
        """Write statements into the transaction that is open on a connection; the fences are looked at with each.

        :param picture: for an intent, what there is before it.
        :param again: a row that the last of these takes the place of.
        """
        if again is not None:
            ask(self.ledger["journal_forget"], {"id": again["id"]})
        written: list[Row] = []
        before = len(self.rows) - (again is not None)
        self.trace("before", "journal")
        for at, sent in enumerate(all_sent, 1):
            intent = sent.state == "intent"
            row = {
                "id": self._last + at,
                "sql_hash": sent.hashes[0],
                "params_hash": sent.hashes[1],
                "sql": sent.sql[:SHOWN].encode("utf-8", "replace").decode(),
                "state": sent.state,
                "result": None if intent else results.text(sent.result),
                "proof": json.dumps(picture) if intent else None,
            }
            place = {"revision": self.key[0], "direction": self.key[1], "ordinal": before + at}
            ask(self.ledger["journal"], {**row, **place, **self.fences()})
            if self.changed() != 1:
                self.fenced(ask)
            written.append(row)
        self.trace("after", "journal")
        return written

    def keep(self, written: list[Row], again: Row | None = None) -> None:
        """What was written is committed."""
        if again is not None:
            self.rows.remove(again)
        self.rows.extend(written)
        self._last = written[-1]["id"]

    def settle(self, row: Row, state: str, result: str | None) -> None:
        """What came of an intent."""
        self.trace("before", f"journal {state}")
        self.look(self.ledger["journal_state"], {"id": row["id"], "state": state, "result": result})
        self.trace("after", f"journal {state}")
        row.update(state=state, result=result)

    def forget(self, row: Row) -> None:
        """An intent that came to nothing."""
        self.look(self.ledger["journal_forget"], {"id": row["id"]})
        self.rows.remove(row)

    def stands(self) -> str:
        """What stands of a step that failed, in words."""
        done = sum(row["state"] == "done" for row in self.rows)
        stand = "1 statement of it stands" if done == 1 else f"{done} statements of it stand"
        said = stand if done else "nothing of it was done"
        if self._last_sent["state"] == "intent":
            return (stand + "; " if done else "") + "whether its next statement took effect is not known"
        if self.unproven() is not None:
            return said + "; what the one that failed did before is not known"
        return said

    @property
    def since(self) -> str:
        """When an earlier run began this step, by the server's clock (ISO 8601); empty: none did."""
        first = self.rows[0].get("at") if self.rows else None
        return f"{first.isoformat()}+00:00" if first else ""

    def stopped(self, message: str, hint: str = "") -> Refused:
        """What an earlier run did stands in the way."""
        found = Refused("journal", message, hint)
        found.since = self.since
        return found

    def unproven(self) -> Row | None:
        """The row of the statement that failed last, where nothing proves what it did."""
        last = self._last_sent
        return last if last["state"] == "failed" and "why" in json.loads(last["proof"] or "{}") else None

    def fenced(self, ask: Ask, versions: list[str] | None = None) -> None:
        """Find out which fence does not hold, as the same connection sees it, and raise it."""
        values = {**self.fences(), "versions": json.dumps(versions or []), "heads": versions or [""]}
        rows = ask(self.ledger["which"], values)
        held = dict(zip(self.ledger["fences"], rows[0], strict=True)) if rows else {"epoch": 0}
        for name, message in _HELD.items():
            if not held.get(name) and (name != "versions" or versions is not None):
                raise Refused(name, message)
        raise Refused("ledger", "the ledger did not take the step")
