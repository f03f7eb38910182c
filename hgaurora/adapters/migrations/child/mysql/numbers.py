# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Numbers that ``AUTO_INCREMENT`` draws, given back where a run that was cut off used them up.

InnoDB keeps a table's counter beside its transactions: what a rolled back ``INSERT`` drew is not drawn again (MySQL 8.4
manual, 17.6.1.6; MariaDB, "AUTO_INCREMENT Handling in InnoDB"). A migration may count on the numbers that it sees in
development (``WHERE id = 1``), and would miss its own row when it is taken up. So a table's counter is journaled before
the table is first changed, and after each statement that may draw from it, in that one's transaction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymysql

from .tables import Numbered

Ask = Callable[..., list[tuple[Any, ...]]]

#: rights are missing: on a database, a table, a column (MySQL Server Error Reference)
DENIED = frozenset({1044, 1142, 1143})

#: ``next``: counters before the next statement, or after that of the row; ``loose``: those of them that are; ``drew``:
#: counters after a statement that failed
Kept = dict[str, Any]

_COUNTER = re.compile(r"\)[^\n]*? ENGINE=\S+ AUTO_INCREMENT=(\d+)")


class Numbers:
    """The counters of tables that a step changes rows of, by quoted name; each is the next number to be drawn.

    A table is *loose* where its numbers have a gap at their end when the step comes to it, unless the step made it:
    a queue, say, from which rows are deleted. There somebody else may have drawn, and nothing of it be left.

    :param look: sends a statement of ours on the second connection; rows.
    :param give: sends one on the connection that migrates, as a change of schema.
    """

    def __init__(self, look: Ask, give: Callable[[str], None]) -> None:
        self._look = look
        self._give = give
        self.begin()

    def begin(self) -> None:
        """A step begins, or begins anew."""
        self._loose: dict[str, bool] = {}
        #: as the journal has them: before, or after, the newest statement that drew
        self._next: dict[str, int] = {}
        #: the same after a statement that failed, and drew all the same
        self._drew: dict[str, int] = {}
        #: nothing of an earlier run is lost any more
        self._sure: set[str] = set()
        #: of what was given back: what it was before, and where the next statement has to come to
        self._given: dict[str, tuple[int, int]] = {}

    def journaled(self, kept: Kept) -> None:
        """A row of the journal says this."""
        for table, number in kept.get("next", {}).items():
            self._next[table] = number
            self._drew.pop(table, None)
            self._loose.setdefault(table, False)
        self._loose.update(dict.fromkeys(kept.get("loose", ()), True))
        self._drew.update(kept.get("drew", {}))

    def forget(self, made: Iterable[str]) -> None:
        """A statement of schema may have changed them, and has made these tables."""
        self._next, self._drew, self._sure = {}, {}, set()
        self._loose.update(dict.fromkeys(made, False))

    def before(self, tables: Sequence[Numbered]) -> Kept:
        """Give back what an earlier run used up, where no row tells that somebody else has drawn since; what the
        journal has to have before the next statement, which changes these tables."""
        self._given = {}
        found: dict[str, int] = {}
        loose: list[str] = []
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
            if kept is not None and kept < now and last < kept:
                self._set(one.table, kept)
                ours = max(kept, self._drew.get(one.table, 0))
                if ours < now:
                    self._given[one.table] = (now, kept + now - ours)
            elif kept != now:
                found[one.table] = now
                if one.table not in self._loose:
                    self._loose[one.table] = now - last > step
                if self._loose[one.table]:
                    loose.append(one.table)
            if one.inserts:
                self._sure.add(one.table)
        self._next.update(found)
        return {"next": found, "loose": loose} if loose else {"next": found} if found else {}

    def too_many(self) -> bool:
        """True where the statement drew fewer numbers than were given back for it, or, of a loose table, not as many:
        somebody else had drawn some of them, and deleted the rows. What it did has to be rolled back, and
        :meth:`take_back`."""
        for table, (_, least) in self._given.items():
            now = self._now(table)
            if now < least or (now != least and self._loose[table]):
                return True
        return False

    def take_back(self) -> None:
        """Nothing is given back after all."""
        for table, (was, _) in self._given.items():
            self._set(table, was)

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
