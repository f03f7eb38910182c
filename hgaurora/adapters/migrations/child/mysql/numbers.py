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
from collections.abc import Callable, Sequence
from typing import Any

from .tables import Numbered

Ask = Callable[..., list[tuple[Any, ...]]]

_COUNTER = re.compile(r"\)[^\n]*? ENGINE=\S+ AUTO_INCREMENT=(\d+)")


class Numbers:
    """The counters of tables that a step changes rows of, by quoted name; each is the next number to be drawn.

    One is followed where the table's numbers have no gap at their end when the step comes to it: in a queue, say, from
    which rows are deleted, nothing can count on a number, and none must come twice.

    :param look: sends a statement of ours on the second connection; rows.
    :param give: sends one on the connection that migrates, as a change of schema.
    """

    def __init__(self, look: Ask, give: Callable[[str], None]) -> None:
        self._look = look
        self._give = give
        self.begin()

    def begin(self) -> None:
        """A step begins, or begins anew."""
        self._followed: dict[str, bool] = {}
        #: as the journal has them: before, or after, the newest statement that drew
        self._next: dict[str, int] = {}
        #: the same after a statement that failed, and drew all the same
        self._drew: dict[str, int] = {}
        #: nothing of an earlier run is lost any more
        self._sure: set[str] = set()
        #: of what was given back: what it was before, and how far the next statement has to come
        self._given: dict[str, tuple[int, int]] = {}

    def journaled(self, kept: dict[str, dict[str, int]]) -> None:
        """A row of the journal says this."""
        for table, number in kept.get("next", {}).items():
            self._followed[table] = True
            self._next[table] = number
            self._drew.pop(table, None)
        self._drew.update(kept.get("drew", {}))

    def forget(self) -> None:
        """A statement of schema may have changed them."""
        self._followed = {table: True for table, followed in self._followed.items() if followed}
        self._next, self._drew, self._sure = {}, {}, set()

    def before(self, tables: Sequence[Numbered]) -> dict[str, int]:
        """Give back what an earlier run used up, where no row tells that somebody else has drawn since; what the
        journal has to have before the next statement, which changes these tables."""
        self._given = {}
        found: dict[str, int] = {}
        for one in tables:
            kept = self._next.get(one.table)
            known = one.table in self._sure or (kept is not None and not one.inserts)
            if known or not self._followed.get(one.table, True):
                continue
            now = self._now(one.table)
            if kept is not None and kept < now and self._last(one)[0] < kept:
                self._set(one.table, kept)
                ours = max(kept, self._drew.get(one.table, 0))
                self._given[one.table] = (now, kept + now - ours)
            elif kept != now:
                if one.table not in self._followed:
                    last, step = self._last(one)
                    self._followed[one.table] = now - last <= step
                if self._followed[one.table]:
                    found[one.table] = now
            if one.inserts:
                self._sure.add(one.table)
        self._next.update(found)
        return found

    def too_many(self) -> bool:
        """True where the statement drew fewer numbers than were given back for it: somebody else had drawn some of
        them, and deleted the rows. What the statement did has to be rolled back, and :meth:`take_back`."""
        return any(self._now(table) < least for table, (_, least) in self._given.items())

    def take_back(self) -> None:
        """Nothing is given back after all."""
        for table, (was, _) in self._given.items():
            self._set(table, was)

    def after(self, tables: Sequence[Numbered]) -> dict[str, int]:
        """What the counters are after a statement, for its row."""
        found = {one.table: self._now(one.table) for one in tables if one.inserts and one.table in self._next}
        self.journaled({"next": found})
        return found

    def failed(self, tables: Sequence[Numbered]) -> dict[str, int]:
        """What they are after one that failed, where it drew; for the journal."""
        found = {one.table: self._now(one.table) for one in tables if one.inserts and one.table in self._next}
        self._drew.update(found)
        return {table: number for table, number in found.items() if number != self._next[table]}

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
