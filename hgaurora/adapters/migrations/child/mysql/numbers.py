# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers that ``AUTO_INCREMENT`` draws, given back where a run that was cut off used them up.

InnoDB keeps a table's counter beside its transactions: what a rolled back ``INSERT`` drew is not drawn again (MySQL 8.4
manual, 17.6.1.6; MariaDB, "AUTO_INCREMENT Handling in InnoDB"). A migration may count on the numbers that it sees in
development (``WHERE id = 1``), and would miss its own row when it is taken up. So a table's counter is journaled before
the table is first changed, and after each statement that may draw from it, in that one's transaction.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymysql

from .tables import Numbered

Ask = Callable[..., list[tuple[Any, ...]]]

#: rights are missing: on a database, a table, a column (MySQL Server Error Reference)
DENIED = frozenset({1044, 1142, 1143})

#: ``next``: counters before the next statement, or after that of the row; ``gap``: tables of them with one; ``drew``:
#: counters after a statement that failed; ``left``: counters that a person was asked about
Kept = dict[str, Any]

_COUNTER = re.compile(r"\)[^\n]*? ENGINE=\S+ AUTO_INCREMENT=(\d+)")


class Whose(enum.Enum):
    """Who drew numbers that no row has."""

    OURS = enum.auto()
    OTHERS = enum.auto()
    UNKNOWN = enum.auto()


class Numbers:
    """The counters of tables that a step changes rows of, by quoted name; each is the next number to be drawn.

    Where a table has a gap at its end when the step comes to it, it may be a queue, say, from which rows are deleted:
    others draw there, and nothing of it is left. From one that the step made nobody else draws.

    :param look: sends a statement of ours on the second connection; rows.
    :param give: sends one on the connection that migrates, as a change of schema.
    """

    def __init__(self, look: Ask, give: Callable[[str], None]) -> None:
        self._look = look
        self._give = give
        self.begin()

    def begin(self) -> None:
        """A step begins, or begins anew."""
        #: whether there was a gap; None: the step made the table
        self._gap: dict[str, bool | None] = {}
        #: as the journal has them: before, or after, the newest statement that drew
        self._next: dict[str, int] = {}
        #: the same after a statement that failed, and drew all the same
        self._drew: dict[str, int] = {}
        #: nothing of an earlier run is lost any more
        self._sure: set[str] = set()
        #: of what was given back: what it was before, and where the next statement has to come to
        self._given: dict[str, tuple[int, int]] = {}
        #: what a person has been asked about, and left
        self._left: dict[str, int] = {}

    def journaled(self, kept: Kept) -> None:
        """A row of the journal says this."""
        for table, number in kept.get("next", {}).items():
            self._next[table] = number
            self._drew.pop(table, None)
            self._gap.setdefault(table, False)
        self._gap.update(dict.fromkeys(kept.get("gap", ()), True))
        self._drew.update(kept.get("drew", {}))
        self._left.update(kept.get("left", {}))

    def forget(self, made: Iterable[str]) -> None:
        """A statement of schema may have changed them, and has made these tables."""
        self._next, self._drew, self._sure = {}, {}, set()
        self._gap.update(dict.fromkeys(made))

    def before(self, tables: Sequence[Numbered]) -> Kept:
        """Give back what an earlier run used up, where no row tells that somebody else has drawn since; what the
        journal has to have before the next statement, which changes these tables."""
        self._given = {}
        found: dict[str, int] = {}
        gap: list[str] = []
        for one in tables:
            kept = self._next.get(one.table)
            if one.table in self._sure or (kept is not None and not one.inserts):
                continue
            try:
                now = self._now(one.table)
                last, step = self._last(one)
            except pymysql.err.MySQLError as error:
                if error.args[0] not in DENIED:
                    raise
                # rows may be inserted, say by a trigger with another user's rights, and not be looked at
                self._sure.add(one.table)
                continue
            if kept is not None and last < kept < now != self._left.get(one.table):
                self._set(one.table, kept)
                ours = max(kept, self._drew.get(one.table, 0))
                if ours < now:
                    self._given[one.table] = (now, kept + now - ours)
            elif kept != now:
                found[one.table] = now
                if one.table not in self._gap:
                    self._gap[one.table] = now - last > step
                if self._gap[one.table]:
                    gap.append(one.table)
            if one.inserts:
                self._sure.add(one.table)
        self._next.update(found)
        return {"next": found, "gap": gap} if gap else {"next": found} if found else {}

    def whose(self) -> Whose:
        """Whose the numbers were that were given back, by what the statement has drawn: ours where it is just as many.
        Where it is not OURS, what it did has to be rolled back, and :meth:`take_back`."""
        found = Whose.OURS
        for table, (_, wanted) in self._given.items():
            now = self._now(table)
            if now < wanted or (now > wanted and self._gap[table]):
                return Whose.OTHERS
            if now > wanted and self._gap[table] is False:
                # it may have been killed in its midst
                found = Whose.UNKNOWN
        return found

    def take_back(self) -> Kept:
        """Nothing is given back after all; what the journal has to have for the next run to leave it so."""
        for table, (was, _) in self._given.items():
            self._set(table, was)
        return {"left": {table: was for table, (was, _) in self._given.items()}}

    def unknown(self) -> tuple[str, str]:
        """A message and a hint, where nothing tells whose they were."""
        table, (was, _) = next(iter(self._given.items()))
        kept = self._next[table]
        return (
            f"an earlier run of the migration, or somebody else, drew the numbers {kept} to {was - 1} of {table}, "
            "and no row has them; nothing proves who did",
            f"if nobody else did, ALTER TABLE {table} AUTO_INCREMENT = {kept}; then, or else, run again: it goes on "
            "with the number that is there",
        )

    def after(self, tables: Sequence[Numbered]) -> Kept:
        """What the counters are after a statement, for its row."""
        if not (found := self._drawn(tables)):
            return {}
        self.journaled({"next": found})
        return {"next": found}

    def failed(self, tables: Sequence[Numbered]) -> Kept:
        """What they are after one that failed, where it drew; for the journal."""
        found = {table: now for table, now in self._drawn(tables).items() if now != self._next[table]}
        self._drew.update(found)
        return {"drew": found} if found else {}

    def _drawn(self, tables: Sequence[Numbered]) -> dict[str, int]:
        return {one.table: self._now(one.table) for one in tables if one.inserts and one.table in self._next}

    def _now(self, table: str) -> int:
        said = self._look(f"SHOW CREATE TABLE {table}")[0][1]
        found = _COUNTER.match(said, said.rfind("\n)") + 1)
        return int(found[1]) if found else 1

    def _last(self, one: Numbered) -> tuple[int, int]:
        """The greatest number in a table, and the distance from one to the next."""
        greatest = f"CAST(GREATEST(COALESCE(MAX({one.column}), 0), 0) AS UNSIGNED)"
        last, step = self._look(f"SELECT {greatest}, @@SESSION.auto_increment_increment FROM {one.table}")[0]
        return last, step

    def _set(self, table: str, to: int) -> None:
        # InnoDB goes no lower than the greatest number in the table, whoever has inserted it (same)
        self._give(f"ALTER TABLE {table} AUTO_INCREMENT = {to}")
