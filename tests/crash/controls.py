# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Protections taken out, one at a time. A run that nobody disturbs does not notice; a kill must."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hgaurora.adapters.database.postgresql import maintenance
from hgaurora.adapters.local.dump import DumpSnapshots, copy_name
from hgaurora.app.compose import Adapters
from hgaurora.core.model import State
from hgaurora.core.settings import Environment
from hgaurora.ports import Connection
from tests import weak
from tests.crash.points import Points, Recorded, RecordedAdapters, RecordedMigrator


@dataclass(frozen=True)
class Control:
    """What is taken out, and a kill that notices."""

    name: str
    scenario: str
    aim: str
    adapters: Callable[[Points], Adapters]


def _child(old: str, new: str) -> Callable[[Points], Adapters]:
    """A child with one line of its program replaced."""
    session = weak.child((old, new))

    class Weak(RecordedAdapters):
        def migrator(self) -> Any:
            return RecordedMigrator(self.points, lambda job, on_event: session(job, on_event))

    return Weak


class _State(Recorded):
    """A database that leaves something out of what it says."""

    def __init__(self, port: object, points: Points, without: Mapping[str, Any]) -> None:
        super().__init__(port, "database", points)
        self._without = without

    def state(self) -> State:
        found: State = self._port.state()  # type: ignore[attr-defined]
        return replace(found, **self._without)


def _without(**fields: Any) -> Callable[[Points], Adapters]:
    class Weak(RecordedAdapters):
        def database(self, connection: Connection, environment: str) -> Any:
            return _State(Adapters.database(self, connection, environment), self.points, fields)

    return Weak


class _Trusting(DumpSnapshots):
    """Takes a copy that is there for a whole one."""

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        name = copy_name(self.database, deployment)
        with maintenance.connect(self._connection, maintenance.DATABASE) as server:
            there = server.database(name) is not None
        return (
            maintenance.at(self._connection, name) if there else super().restore_copy(snapshot, deployment=deployment)
        )


class _TrustingControl(RecordedAdapters):
    def control(self, folder: Path, environment: str, settings: Environment, **_: Any) -> Any:
        found = Adapters.control(self, folder, environment, settings).connection()
        made = _Trusting(folder, environment=environment, url=found, fsync=False, trace=self.word)
        return Recorded(made, "control", self.points)


def controls() -> Iterable[Control]:
    """Every one; the child's program is looked at here."""
    yield Control(
        "the ledger's row is in the migration's transaction",
        "block",
        "both before sql: ledger #2",
        _child(
            '        self.trace("before", "ledger")\n',
            '        self.pgconn.exec_(b"COMMIT")\n'
            "        self.pgconn.exec_(f\"BEGIN; SET LOCAL hgaurora.step = '{self.token}'\".encode())\n"
            '        self.trace("before", "ledger")\n',
        ),
    )
    yield Control(
        "what is journaled is not sent again",
        "block",
        "both after sql: COMMIT #3",
        _child('self.ask(self.ledger["journal_open"])', "[]"),
    )
    yield Control(
        "the catalogue proves what an index became whose answer was lost",
        "block",
        "both before sql: journal done #1",
        _child('verdict = proven(sent.sql, row["state"], self.ask)', 'verdict = "again"'),
    )
    yield Control(
        "an index that was left invalid is made again",
        "block",
        "child amid sql: CREATE INDEX CONCURRENTLY account_balance ON account (balance) #2",
        _child('verdict = proven(sent.sql, row["state"], self.ask)', 'verdict = "done"'),
    )
    yield Control("an interrupted deployment is taken up", "block", "both after database.begin #1", _without(open=None))
    yield Control("events that wait are delivered", "block", "both before journal.deliver #1", _without(undelivered=0))
    yield Control(
        "a copy is not taken for whole before it is", "restore", "parent after engine: copy marked #1", _TrustingControl
    )
