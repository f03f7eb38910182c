# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks a plan through the ports. The only place that orders side effects.

A dry run is the same walk with :class:`Preview` in place of :class:`Run`: both are handed each step in
turn, and only one of them acts. Whatever is killed here, the ledger and the snapshots say what was done:
the next run plans from them, and finds under the same deployment the snapshot that was begun for its next step.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from .core.blocking import Wait, awaited, given_up, held_by, wait_json
from .core.errors import HgAuroraError, Interrupted, MigrationFailed, SnapshotsFull, SnapshotTaken, StateError
from .core.graph import heads
from .core.model import Direction, Snapshot, StepResult
from .core.schema.delta import Delta
from .core.schema.record import Pending
from .core.steps import Migrate, Plan, Repeat, Restore, Step, TakeSnapshot
from .ports import Clock, Connection, ControlPlane, Database, MigrationSession
from .watch import Watch

#: a lock not granted in time: PostgreSQL's SQLSTATE (manual, appendix A), MySQL's and MariaDB's number
NOT_GRANTED = frozenset({"55P03", 1205})


@dataclass(frozen=True)
class Done:
    """What came of one step: a note for the screen, and data for JSON."""

    what: str
    note: str = ""
    data: Mapping[str, object] = field(default_factory=dict)


class Actor(Protocol):
    """Acts on one step, or only looks at it."""

    def act(self, step: Step, number: int) -> Done:
        """Do the step; ``number`` counts from 1."""


class Report(Protocol):
    """Is told of each step as it goes by."""

    def begin(self, number: int, total: int, step: Step) -> None:
        """A step starts."""

    def going(self, state: str, percent: int | None) -> None:
        """A step lasts."""

    def end(self, number: int, total: int, step: Step, done: Done, seconds: float) -> None:
        """A step is done, and was looked at."""


def walk(plan: Plan, actor: Actor, report: Report, clock: Clock, *, skip: int = 0) -> None:
    """Hand each step to the actor, in order, and stop at the first that raises.

    :param skip: steps at the front that an earlier run is known to have done.
    """
    total = len(plan.steps)
    for number, step in enumerate(plan.steps[skip:], skip + 1):
        report.begin(number, total, step)
        started = clock.monotonic()
        done = actor.act(step, number)
        report.end(number, total, step, done, clock.monotonic() - started)


class Preview:
    """The actor of a dry run."""

    def act(self, step: Step, number: int) -> Done:
        """Touch nothing."""
        return Done(what="")


def _quiet(_: str, __: int | None) -> None:
    """Progress nobody asked for."""


def _nobody(_: Wait | None, __: str, ___: int) -> None:
    """A wait nobody asked for."""


def _nothing() -> None:
    """No work while a snapshot is made."""


#: how often another name is tried for a snapshot whose name somebody else has
NAMES = 3


@dataclass
class _Seen:
    """What was seen of one try: the last thing it waited for; or that nobody can look."""

    attempt: int
    wait: Wait | None = None
    blind: bool = False


@dataclass
class Run:
    """The actor of a real run of migrations: a deploy, or a revert by downgrade."""

    plan: Plan
    deployment: str
    database: Database
    control: ControlPlane
    session: MigrationSession
    clock: Clock
    tags: Mapping[str, str]
    schema: Watch
    epoch: str
    #: a delta in words for the line of a step
    said: Callable[[Delta], str] = lambda found: ""
    #: told of what somebody else changed beside the run
    beside: Callable[[Delta], None] = lambda found: None
    tries: int = 8
    #: a connection that looks while the child waits; None: nobody looks
    watch: Callable[[], Database] | None = None
    engine: str = "postgresql"
    on_wait: Callable[[Wait | None, str, int], None] = _nobody
    progress: Callable[[str, int | None], None] = _quiet
    #: a database that holds nothing but the ledger needs no snapshot
    spare_empty: bool = False
    #: record, before each migration, to which point in time a restore could go back
    marks: bool = False
    #: never held up by a quota: where there may be no more snapshots it goes on without one, and with ``marks``
    unheld: bool = False
    #: useful work, once for each snapshot while it is made
    meanwhile: Callable[[], None] = _nothing
    _snapshot: str | None = None
    #: the snapshot that points in time stand for
    _instead: str | None = None
    _watching: Database | None = None
    #: it was said that nobody could look
    _blind: bool = False

    def act(self, step: Step, number: int) -> Done:
        """Run one step to its committed, verified end."""
        match step:
            case TakeSnapshot():
                if self.spare_empty and self.schema.bare:
                    return Done(what="none taken", note="the database holds nothing but the ledger")
                try:
                    taken = self._take(step)
                except SnapshotsFull as full:
                    if not self.unheld:
                        raise
                    return self._without(full)
                self.schema.stale()
                self._snapshot = taken.id
                return Done(what=taken.id, data={"snapshot": taken.id, "bytes": taken.bytes})
            case Migrate() | Repeat():
                return self._migrate(step, number)
            case Restore():
                raise StateError(f"a restore step in a plan of migrations: {step.action}")

    def _without(self, full: SnapshotsFull) -> Done:
        """Go on without the snapshot that the quota does not allow: to a point in time a restore can go back too."""
        self.marks = True
        self._instead = str(full.data["snapshot"])
        return Done(
            what="none taken",
            note="the account's quota of them is full; points in time are recorded instead",
            data={"snapshot": None, "quota": full.message},
        )

    def _take(self, step: TakeSnapshot) -> Snapshot:
        heads_now = ",".join(heads(self.database.state().applied))
        prints = self.schema.fingerprints
        fingerprint = {"structure": prints.structure, "fingerprint": prints.full}
        tags = {**self.tags, **fingerprint, "before": step.before or "", "heads": heads_now}
        ident = self._begin(step.before, tags)
        # nothing is executed on the database until it is there; this may read it, and write the outbox's marks
        self.meanwhile()
        taken = self.control.wait_snapshot(ident, progress=self.progress)
        self.database.event(self.deployment, "snapshot-available", {"snapshot": ident, "bytes": taken.bytes})
        return taken

    def _begin(self, before: str | None, tags: Mapping[str, str]) -> str:
        """Begin a snapshot whose id is in the ledger before anybody is asked for it; returns the id."""
        for attempt in range(1, NAMES + 1):
            ident, adopted = snapshot_id(self.database, self.control, self.deployment, before, again=attempt > 1)
            if not adopted:
                self.database.event(self.deployment, "snapshot-intent", {"snapshot": ident, "before": before})
            try:
                self.control.start_snapshot(ident, tags=tags)
            except SnapshotTaken:
                if attempt == NAMES:
                    raise
            else:
                return ident
        raise AssertionError("the loop returns or raises")

    def close(self) -> None:
        """Close the connection that looked."""
        if self._watching is not None:
            self._watching.close()
            self._watching = None

    def _migrate(self, step: Migrate | Repeat, number: int) -> Done:
        """Try it until it has its locks, or ``tries`` are over: each try is the whole transaction, under the same
        limit, after a longer wait than the last."""
        found = self.schema.before(self.deployment, self.epoch)
        if found is not None:
            self.beside(found)
        waits: dict[str, Wait] = {}
        if self.marks and (mark := self.control.mark()) is not None:
            instead = {"instead-of": self._instead} if self._instead else {}
            self.database.event(self.deployment, "point-in-time", {"before": step.revision, **mark, **instead})
        for attempt in range(1, self.tries + 1):
            seen = _Seen(attempt)
            look = partial(self._look, seen)
            try:
                result = self.session.run(step, ordinal=number, snapshot=self._snapshot, meanwhile=look)
            except MigrationFailed as failed:
                if not failed.data.get("again"):
                    raise
                if seen.wait is not None:
                    waits[awaited(seen.wait)] = seen.wait
                if attempt == self.tries:
                    raise self._gave_up(step, failed, list(waits.values())) from failed
                if seen.wait is None:
                    self.on_wait(None, failed.message, attempt + 1)
                self.clock.sleep(min(0.5 * 2**attempt, 15.0) * random.uniform(0.5, 1.0))
            else:
                if seen.wait is not None:
                    waits[awaited(seen.wait)] = seen.wait
                note = ""
                if result.replayed:
                    note = f"took up after {result.replayed} of {result.statements} statements, sent by an earlier run"
                data: dict[str, object] = {"statements": result.statements, "replayed": result.replayed}
                if attempt > 1 or waits:
                    data |= {"tries": attempt, "waits": [wait_json(one) for one in waits.values()]}
                found = self._changed(step, result)
                data["delta"] = [change.to_json() for change in found.changes]
                return Done(what=step.name, note=note or self.said(found), data=data)
        raise AssertionError("the loop returns or raises")

    def _changed(self, step: Migrate | Repeat, result: StepResult) -> Delta:
        """What it changed in the schema, recorded in the ledger.

        :raises Interrupted: it could not be; the next run does it.
        """
        pending = Pending(result.seq, self.deployment, step.revision, step.direction, step.path)
        try:
            return self.schema.after(pending, self.epoch, result.touched)
        except StateError:
            raise  # taken over: not ours to go on with
        except HgAuroraError as error:
            raise Interrupted(
                f"{step.name} was committed, but what it changed could not be recorded: {error.message}",
                state="the migration stands",
                hint="run the same command again; it records the change first and goes on",
                data=error.data,
            ) from error

    def _look(self, seen: _Seen) -> None:
        """While a migration lasts: who stands in its way, seen from a second connection."""
        if self.watch is None or self.session.backend is None or seen.blind:
            return
        try:
            if self._watching is None:
                self._watching = self.watch()
            found = self._watching.blockers(self.session.backend)
        except HgAuroraError as error:
            # the migration goes on without, and the next try looks again; what is missing is said once
            self.close()
            seen.blind = True
            if not self._blind:
                self.on_wait(None, f"who holds a lock is not known: {error.message}", seen.attempt)
            self._blind = True
            return
        if found is not None:
            seen.wait = found
            self.on_wait(found, "", seen.attempt)

    def _gave_up(self, step: Migrate | Repeat, failed: MigrationFailed, waits: list[Wait]) -> MigrationFailed:
        """The error of the last try; one that was a wait for a lock says for which and who held it."""
        half = failed.data.get("half")
        last = waits[-1] if waits else None
        data = {**failed.data, "tries": self.tries, "waits": [wait_json(one) for one in waits]}
        if data.get("sqlstate") not in NOT_GRANTED and data.get("errno") not in NOT_GRANTED:
            return MigrationFailed(failed.message, state=failed.state, hint=failed.hint, data=data)
        return MigrationFailed(
            given_up(step.name, last, self.tries, half if isinstance(half, int) else 0),
            state=failed.state,
            hint=held_by(last, engine=self.engine),
            data=data,
        )


def snapshot_id(
    database: Database, control: ControlPlane, deployment: str, before: str | None, *, again: bool = False
) -> tuple[str, bool]:
    """The id for the next snapshot of a deployment, and whether an earlier run already began it.

    A snapshot begun for this very step is taken up again as long as no step was committed after it.

    :param again: the one that was begun has the name of somebody else's: another one.
    """
    known: list[str] = []
    begun: str | None = None
    for event in database.events(deployment=deployment):
        payload = event["payload"]
        assert isinstance(payload, Mapping)
        if event["kind"] == "snapshot-intent":
            ident = str(payload["snapshot"])
            if ident not in known:
                known.append(ident)
            begun = ident if payload["before"] == before else None
        elif event["kind"] == "step":
            begun = None
    if begun is not None and not again:
        return begun, True
    return control.snapshot_name(deployment, len(known) + (0 if again else 1), again=again), False


def verify(plan: Plan, database: Database) -> None:
    """Look at the database after a plan of migrations: it must be where the plan said.

    :raises MigrationFailed: it is not; nothing is claimed.
    """
    state = database.state()
    now = heads(state.applied)
    wanted = {step.path: step.raw for step in plan.repeats if step.direction is Direction.UP}
    undone = {step.path for step in plan.repeats} - set(wanted)
    other = [path for path, raw in wanted.items() if path not in state.repeated or state.repeated[path].raw != raw]
    other += sorted(undone & set(state.repeated))
    if other:
        raise MigrationFailed(
            f"{plan.environment}: every step was run, but the ledger does not have {other[0]} as the plan ends",
            state=f"heads {', '.join(now) or 'none'}",
            hint="somebody changed the database beside this run; look before the next deploy",
        )
    if set(state.versions or ()) != set(state.recorded) or tuple(sorted(now)) != tuple(sorted(plan.heads_after)):
        raise MigrationFailed(
            f"{plan.environment}: every step was run, but the database is not where the plan ends",
            state=f"the version table says {', '.join(state.versions or ()) or 'nothing'}, the ledger "
            f"{', '.join(state.recorded) or 'nothing'}, the plan {', '.join(plan.heads_after) or 'nothing'}",
            hint="somebody changed the database beside this run; look before the next deploy",
        )


@dataclass
class RunRestore:
    """The actor of a restore: the copy is made, checked and rebased beside the live database, then takes its name.

    Every action can be asked again after a crash; the control plane remembers durably which ones are done.
    Until ``close`` the lock is held on the live database; from ``swap`` on it is taken on the copy that serves.
    """

    plan: Plan
    deployment: str
    control: ControlPlane
    #: a connection to whatever serves under the name now; called again after the swap
    open_live: Callable[[], Database]
    open_copy: Callable[[Connection], Database]
    #: what the settings ignore in a schema, and what is done with a copy that is not as recorded
    ignore: Sequence[str] = ()
    on_difference: Callable[[Delta | None], None] = lambda found: None
    _live: Database | None = None
    _copy: Database | None = None

    def act(self, step: Step, number: int) -> Done:
        """Do one action, look at what it made, and note it."""
        if not isinstance(step, Restore):
            raise StateError(f"a step in a restore that is none: {step.verb}")
        act = {
            "copy": self._make,
            "check": self._check,
            "carry": self._carry,
            "close": self._close,
            "swap": self._swap,
            "verify": self._verify,
        }[step.action]
        note = act(step)
        if step.action != "verify":
            self.control.restore_note(deployment=self.deployment, action=step.action)
        return Done(what=step.snapshot, note=note)

    def _serving(self) -> Database:
        if self._live is None:
            self._live = self.open_live()
        return self._live

    def _aside(self, step: Restore) -> Database:
        if self._copy is None:
            self._copy = self.open_copy(self.control.restore_copy(step.snapshot, deployment=self.deployment))
        return self._copy

    def disconnect(self) -> None:
        """Close both connections."""
        for database in (self._live, self._copy):
            if database is not None:
                database.close()
        self._live = self._copy = None

    def _make(self, step: Restore) -> str:
        self._aside(step)
        return ""

    def _check(self, step: Restore) -> str:
        live, copy = self._serving().state(), self._aside(step).state()
        untouched = f"{self.plan.environment} was not touched"
        if copy.uuid != live.uuid:
            raise StateError(
                f"snapshot {step.snapshot} is of another database: {copy.uuid or 'one without a ledger'}",
                state=untouched,
                hint="choose a snapshot of this environment",
            )
        found = heads(copy.applied)
        if tuple(sorted(found)) != tuple(sorted(self.plan.heads_after)):
            raise StateError(
                f"snapshot {step.snapshot} is at {', '.join(found) or 'no heads'}, "
                f"{', '.join(self.plan.heads_after) or 'none'} was expected",
                state=untouched,
                hint="choose another snapshot",
            )
        return f"heads {', '.join(found) or 'none'}"

    def _carry(self, step: Restore) -> str:
        target = self.plan.target
        live, copy = self._serving(), self._aside(step)
        copy.rebase(
            live.export_after(copy.tip()),
            deployment=self.deployment,
            node=target.node if target else None,
            branch=target.branch if target else None,
        )
        return ""

    def _compare(self, live: Database) -> str:
        """The schema against what was recorded when the snapshot was taken; recorded, once. Only what serves is whole:
        the events of a database on MySQL are not made in the copy, where they would run."""
        if any(event["deployment"] == self.deployment for event in live.events(kind="delta")):
            return ""
        watch = Watch.begin(live, self.ignore)
        found = watch.restored(self.deployment, None, watch.recorded)
        self.on_difference(found)
        if found is None:
            return "schema not compared: none was recorded then"
        return "schema is the one recorded then" if not found.changes else "schema is not the one recorded then"

    def _close(self, step: Restore) -> str:
        self.control.restore_close(deployment=self.deployment)
        return ""

    def _swap(self, step: Restore) -> str:
        self.disconnect()
        self.control.restore_swap(deployment=self.deployment)
        return "the old one is kept"

    def _verify(self, step: Restore) -> str:
        live = self._serving()
        if not live.acquire():
            raise StateError(
                f"{self.plan.environment} serves the snapshot, but another run holds its lock",
                state="the restore only has to be closed in the ledger",
            )
        state = live.state()
        verify(self.plan, live)
        compared = ""
        if state.open is not None and state.open.id == self.deployment:
            compared = self._compare(live)
            live.finish(
                self.deployment,
                epoch=state.epoch or "",
                ok=True,
                heads_after=self.plan.heads_after,
                target=self.plan.target,
            )
        self.control.restore_done(deployment=self.deployment)
        return compared
