# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keeps the ledger's record of a schema: what a run finds when it begins, and what each of its steps changed.

A run captures the whole schema once, unless the server can tell that nothing was written since it was recorded, and
after each step only what that step touched. A delta is recorded after the step's commit, before the next step; where a
run was stopped in between, the next one makes the delta up from its own capture, before it does anything else.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .core.schema.delta import Change, Delta, delta
from .core.schema.form import Prints, parts, schema_of
from .core.schema.ignore import ignoring
from .core.schema.model import Fingerprints, Part, PartHashes, Schema
from .core.schema.record import AsOf, Cause, DeltaRow, Pending, Recorded
from .ports import Database

#: parts that are in a database that nobody ever made anything in
_BARE = ('["database"', '["schema"', '["extension","plpgsql"]')
#: a schema of so many parts at most is captured once more at the end of a run: its record is proven, not only unwritten
SMALL = 2000
#: of a larger one it is seen whether it was written, where the first look took this many seconds at most
CHEAP = 0.25
#: seconds after which a run looks again for what others changed beside it, or so many times what a look takes
AGE, TIMES = 5.0, 10


class _Found(NamedTuple):
    """A delta, and what of it is spoken of: the settings may ignore the rest."""

    all: Delta
    said: Delta


@dataclass
class Watch:
    """The schema of one database while a run lasts.

    ``parts`` are as they were last seen, those that are as recorded perhaps without their content; ``recorded`` is
    what the ledger said when the watch began.
    """

    database: Database
    engine: str
    major: str
    parts: dict[str, Part | PartHashes]
    recorded: Recorded | None
    seconds: float
    #: patterns of what is recorded and not spoken of
    ignore: Sequence[str] = ()
    #: a migration stands half done: what differs is taken for its own, and recorded with it when it is done
    half: bool = False
    #: when all of it was seen last, as time.monotonic() has it
    looked: float = field(default_factory=time.monotonic)
    #: what the database says of its catalogue stands for the parts here
    _marked: bool = field(default=True, repr=False)
    _prints: Prints | None = field(default=None, repr=False)

    @classmethod
    def begin(cls, database: Database, ignore: Sequence[str] = (), *, trusting: bool = False) -> Watch:
        """Read what the ledger says of the schema, and capture it.

        :param trusting: not where the server can tell that nothing was written since it was recorded.
        """
        recorded = database.recorded()
        started = time.monotonic()
        mark = recorded.mark if recorded is not None and trusting and not recorded.pending else None
        if recorded is not None and mark is not None and database.unchanged(mark):
            engine, major = recorded.fingerprints.engine, recorded.fingerprints.major
            as_recorded: dict[str, Part | PartHashes] = dict(recorded.parts)
            return cls(database, engine, major, as_recorded, recorded, time.monotonic() - started, ignore)
        schema = database.capture(marked=True)
        found: dict[str, Part | PartHashes] = dict(parts(schema))
        return cls(database, schema.engine, schema.major, found, recorded, time.monotonic() - started, ignore)

    @property
    def bare(self) -> bool:
        """Nothing is there but the database itself, and what is the tool's."""
        return all(id.startswith(_BARE) for id in self.parts)

    @property
    def fingerprints(self) -> Fingerprints:
        """Of the schema as last seen."""
        if self._prints is None:
            self._prints = Prints(self.parts)
        return self._prints.of(self.engine, self.major)

    def drift(self) -> Delta:
        """From what the ledger recorded to what was found; empty where the difference is a migration's whose delta is
        missing or that stands half done, or where nothing was ever recorded."""
        if self.recorded is None or self.recorded.pending or self.half:
            return Delta()
        return self._since(self.recorded).said

    def settle(self, deployment: str, epoch: str) -> Delta | None:
        """Record what was found when the run began, where the ledger does not have it; nothing may have run yet.

        :returns: the delta of a migration whose run was stopped before it was recorded, made up now.
        """
        known = self.recorded
        if known is None:
            self._record(deployment, epoch, Cause.ADOPTED, self._changed({}), {}, ())
            return None
        changed = self._changed(known.parts)
        if known.pending:
            found = self._since(known)
            more = {"made_up": True}
            hashes = _hashes(known.parts, changed)
            self._record(
                deployment, epoch, Cause.STEP, changed, hashes, found.all.changes, known.pending[-1], more=more
            )
            return found.all
        if self.half:
            contents = self.database.contents([known.parts[id].full for id in changed if id in known.parts])
            then = parts(schema_of(known.fingerprints.engine, known.fingerprints.major, contents.values()))
            self._take({id: then.get(id) for id in changed})
            self._marked = False
        elif changed:
            found = self._since(known)
            self._record(deployment, epoch, Cause.DRIFT, changed, _hashes(known.parts, changed), found.all.changes)
        return None

    def adopt(self, deployment: str, epoch: str) -> None:
        """Record what is found with migrations that were adopted into a ledger: as what they changed where it is one
        migration, else beside them; also where nothing differs, so that none of them counts as stopped halfway."""
        known = self.database.recorded()
        if known is None:
            self.settle(deployment, epoch)
            return
        changed, found = self._changed(known.parts), self._since(known).all.changes
        step = known.pending[0] if len(known.pending) == 1 and known.pending[0].deployment == deployment else None
        cause = Cause.DRIFT if step is None else Cause.STEP
        more = {"adopted": True}
        self._record(deployment, epoch, cause, changed, _hashes(known.parts, changed), found, step, more)

    def stale(self) -> None:
        """Time has passed: :meth:`before` looks in any case."""
        self.looked = float("-inf")

    def before(self, deployment: str, epoch: str) -> Delta | None:
        """Before a step: what somebody else changed beside the run, recorded as drift, so that it is not taken for the
        step's. None: everything was seen so lately that it was not looked at again."""
        if self.half or time.monotonic() - self.looked < max(AGE, TIMES * self.seconds):
            return None
        return self._again(deployment, epoch, trusting=True)

    def after(self, step: Pending, epoch: str, touched: Mapping[str, object] | None) -> Delta:
        """What a step that has just been committed changed, recorded: all of it, as the log says it later."""
        looked = self.database.capture_parts(touched, self.parts.keys())
        if looked is None:
            changed = self._differing(self._whole())
        else:
            seen, gone = looked
            changed = self._others(seen) | dict.fromkeys(gone)
        before = self.contents(changed)
        hashes = _hashes(self.parts, changed)
        self._take(changed)
        found = self._delta(before, changed)
        self._record(step.deployment, epoch, Cause.STEP, changed, hashes, found.all.changes, step)
        self.half = False
        return found.all

    def last_look(self, deployment: str, epoch: str) -> Delta | None:
        """Where it is cheap: the whole once more, after the last step. What differs was changed by somebody else
        meanwhile; it is recorded as drift. None: not looked."""
        small = len(self.parts) <= SMALL
        if not small and self.seconds > CHEAP:
            return None
        return self._again(deployment, epoch, trusting=not small)

    def _again(self, deployment: str, epoch: str, *, trusting: bool) -> Delta:
        """The whole once more, in the midst of a run: what differs from what was last seen, recorded as drift."""
        self.looked = time.monotonic()
        mark = self.database.mark() if trusting and self._marked else None
        if mark is not None and self.database.unchanged(mark):
            return Delta()
        changed = self._differing(self._whole())
        before = self.contents(changed)
        hashes = _hashes(self.parts, changed)
        self._take(changed)
        found = self._delta(before, changed)
        if changed:
            self._record(deployment, epoch, Cause.DRIFT, changed, hashes, found.all.changes)
        return found.said

    def restored(self, deployment: str, epoch: str | None, known: Recorded | None) -> Delta | None:
        """A copy's schema against the record in the copy, recorded in it. None: there is nothing to compare with."""
        if known is None:
            self._record(deployment, epoch, Cause.RESTORED, self._changed({}), {}, ())
            return None
        changed = self._changed(known.parts)
        found = self._since(known)
        self._record(deployment, epoch, Cause.RESTORED, changed, _hashes(known.parts, changed), found.all.changes)
        return found.said

    def against(self, then: AsOf) -> Delta:
        """From the schema as recorded at some point to the schema as last seen."""
        now = {id: part.full for id, part in self.parts.items()}
        differing = {id for id in {*then.parts, *now} if then.parts.get(id) != now.get(id)}
        contents = self.database.contents([then.parts[id] for id in differing if id in then.parts])
        before = schema_of(then.fingerprints.engine, then.fingerprints.major, contents.values())
        after = self._schema(self.contents(differing).values())
        return self._compared(before, after).said

    def contents(self, ids: Iterable[str]) -> dict[str, bytes]:
        """Contents of parts as last seen, by their hash; those not seen are the ledger's."""
        there = [self.parts[id] for id in ids if id in self.parts]
        found = {part.full: part.content for part in there if isinstance(part, Part)}
        missing = [part.full for part in there if part.full not in found]
        return found | self.database.contents(missing) if missing else found

    def _whole(self) -> dict[str, Part]:
        found = parts(self.database.capture(marked=True))
        self._marked = True
        return found

    def _others(self, seen: Mapping[str, Part]) -> dict[str, Part | None]:
        """Those of some parts that are not as last seen."""
        known = self.parts
        return {id: part for id, part in seen.items() if id not in known or known[id].full != part.full}

    def _differing(self, now: Mapping[str, Part]) -> dict[str, Part | None]:
        """From what was last seen to the whole as it is now."""
        return self._others(now) | {id: None for id in self.parts if id not in now}

    def _take(self, changed: Mapping[str, Part | None]) -> None:
        for id, part in changed.items():
            if part is None:
                self.parts.pop(id, None)
            else:
                self.parts[id] = part
            if self._prints is not None:
                self._prints.put(id, part)

    def _changed(self, known: Mapping[str, PartHashes]) -> dict[str, Part | None]:
        """What is not as recorded, as it is now."""
        found: dict[str, Part | None] = {
            id: part
            for id, part in self.parts.items()
            if isinstance(part, Part) and (id not in known or known[id].full != part.full)
        }
        return found | {id: None for id in known if id not in self.parts}

    def _compared(self, before: Schema, after: Schema) -> _Found:
        found = delta(before, after)
        said = delta(ignoring(before, self.ignore), ignoring(after, self.ignore)) if self.ignore else found
        return _Found(found, said)

    def _since(self, known: Recorded) -> _Found:
        changed = self._changed(known.parts)
        contents = self.database.contents([known.parts[id].full for id in changed if id in known.parts])
        before = schema_of(known.fingerprints.engine, known.fingerprints.major, contents.values())
        return self._compared(before, self._schema(part.content for part in changed.values() if part is not None))

    def _delta(self, before: Mapping[str, bytes], changed: Mapping[str, Part | None]) -> _Found:
        now = self._schema(part.content for part in changed.values() if part is not None)
        return self._compared(self._schema(before.values()), now)

    def _schema(self, contents: Iterable[bytes]) -> Schema:
        return schema_of(self.engine, self.major, contents)

    def _record(
        self,
        deployment: str,
        epoch: str | None,
        cause: Cause,
        changed: Mapping[str, Part | None],
        before: Mapping[str, str | None],
        changes: Sequence[Change],
        step: Pending | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        row = DeltaRow(
            cause=cause,
            parts=changed,
            before=before,
            changes=[change.to_json() for change in changes],
            fingerprints=self.fingerprints,
            step=step,
            mark=self.database.mark() if self._marked else None,
            more=more or {},
        )
        self.database.record_delta(row, deployment=deployment, epoch=epoch)


def _hashes(known: Mapping[str, PartHashes | Part], ids: Iterable[str]) -> dict[str, str | None]:
    return {id: known[id].full if id in known else None for id in ids}
