# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look after a migration: only what it touched, and what shows the names of that."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from ....core.schema.form import part_id, parts
from ....core.schema.model import Part, Path, Schema
from . import capture_sql, row_versions
from .capture import BEGIN, ENGINE, Known, others, relations, settings
from .capture_rows import Rows
from .capture_sql_quick import FOUND
from .prepared import Prepared
from .touched import Look

if TYPE_CHECKING:
    import psycopg

#: what hangs on nothing is looked at as a whole; a change of one of these names shows in relations
_CATALOGUES = {
    "enum": "pg_type", "domain": "pg_type", "composite type": "pg_type", "range type": "pg_type",
    "base type": "pg_type", "function": "pg_proc", "procedure": "pg_proc", "aggregate": "pg_proc",
    "operator": "pg_operator", "operator class": "pg_opclass", "collation": "pg_collation",
    "text search configuration": "pg_ts_config", "text search dictionary": "pg_ts_dict", "language": "pg_language",
    "access method": "pg_am", "server": "pg_foreign_server",
}  # fmt: skip

#: what :data:`FOUND` has
_FOUND = f"pg_catalog.current_setting('{FOUND}')::pg_catalog.oid[]"
#: as queries are planned that read all there is; and those of a few rows, which a generic plan takes for many
_OF_ALL = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "on", "enable_hashjoin": "on",
           "enable_mergejoin": "on"}  # fmt: skip
_OF_SOME = {**_OF_ALL, "enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}


class QuickLook:
    """One look at what a migration touched, in one round trip; one or two more where others show names that it
    changed. Each of them sees one state of the database.

    :param known: of the last look at the same database; brought up to date when this one ends.
    """

    def __init__(self, connection: psycopg.Connection[Any], version_table: Path, known: Known) -> None:
        self.connection = connection
        self.known = known
        self.version = connection.info.server_version
        self.version_table = version_table
        self.rows = Rows(version_table, known.opclasses)
        self.numbers: dict[int, int] = {}
        self.seen: set[int] = set()
        #: all that is no relation was taken, too
        self.others = False

    def run(self, wanted: Look, ids: Collection[str]) -> tuple[dict[str, Part], set[str]] | None:
        """Parts that may have changed, as they are now, and those of ``ids`` that are gone; None: only a full capture
        can say."""
        others = wanted.others or any(oid in self.known.others for oid in wanted.objects)
        arguments = (
            f"'{_array(wanted.relations)}', '{wanted.xid or 3}', {wanted.granted}, {wanted.statistics},"
            f" '{_array(wanted.objects)}'"
        )
        ((oids, others_around, _),) = self._take(_FOUND, around=arguments, others=others)
        if others_around and not others:
            return QuickLook(self.connection, self.version_table, self.known).run(replace(wanted, others=True), ids)
        self.seen |= set(oids)
        if self._schema_renamed():
            return None
        while shown := self._dependents():
            self._take(f"'{_array(shown)}'")
            self.seen |= shown
        return self._result(ids)

    def _take(self, relations: str | None = None, *, around: str | None = None, others: bool = False) -> list[Any]:
        """Take rows of relations, and before them of all that is no relation.

        :param relations: an array of OIDs, as SQL; of those that are captured.
        :param around: arguments of the query that finds them; its rows are returned.
        """
        calls = []
        if others:
            calls += [(name, "") for name in ("settings", *capture_sql.OTHER_QUERIES, "other_versions")]
        if relations:
            calls += [("settings_of_some", "")] + ([("around", around)] if around else []) + [("captured", relations)]
            calls += [(name, _FOUND) for name in (*capture_sql.of_some(self.version), "row_versions")]
        found: list[Any] = []
        for (name, _), rows in zip(calls, self._ask(calls), strict=True):
            if name == "around":
                found = rows
            elif name.endswith("_versions"):
                self.numbers |= dict(rows)
            elif name not in ("settings", "settings_of_some", "captured"):
                self.rows.take(name, rows)
        self.others = self.others or others
        return found

    def _ask(self, calls: Sequence[tuple[str, str]]) -> list[list[Any]]:
        """The rows of prepared statements with their arguments, in one round trip and of one state of the database."""
        prepared = _prepared(self.version, self.version_table)
        message = "; ".join((BEGIN, *(prepared.call(*call) for call in calls), "ROLLBACK"))
        return prepared.send(self.connection, message)[1:-1]

    def _schema_renamed(self) -> bool:
        return self.others and any(
            kind == "schema" and self.rows.others.get(oid, (kind, path)) != (kind, path)
            for oid, (kind, path, _) in self.known.others.items()
        )

    def _dependents(self) -> set[int]:
        """Relations not looked at that show a name which is another one now."""
        changed = [("pg_class", oid, added) for oid in self.seen if (added := self._changed(oid)) is not None]
        if self.others:
            now = others(self.rows)
            changed += [
                (_CATALOGUES[kind], oid, False) for oid, (kind, path, labels) in self.known.others.items()
                if kind in _CATALOGUES and oid in now
                and (now[oid][:2] != (kind, path) or now[oid][2][:len(labels)] != labels)
            ]  # fmt: skip
            changed += [
                (*member, False) for member, identity in self.known.members.items()
                if self.rows.members.get(member, identity) != identity
            ]  # fmt: skip
        if not changed:
            return set()
        arguments = "'{}'::pg_catalog.regclass[]::pg_catalog.oid[], '{}', '{}'".format(
            "{" + ",".join(name for name, _, _ in changed) + "}",
            _array(oid for _, oid, _ in changed),
            "{" + ",".join("t" if added else "f" for _, _, added in changed) + "}",
        )
        _, found = self._ask([("settings_of_some", ""), ("dependents", arguments)])
        if not self.others and any(other or oid == 0 for oid, other in found):
            self._take(others=True)
            return self._dependents()
        return {oid for oid, _ in found if oid} - self.seen

    def _changed(self, oid: int) -> bool | None:
        """Whether names of a relation are others now; true where there are only more."""
        before, path = self.known.relations.get(oid), self.rows.paths.get(oid)
        if before is None or path is None or before == (path, self.rows.columns_of(oid)):
            return None
        # a name can be there and mean another column, which had it after the first one was renamed
        return before[0] == path and self.rows.columns_of(oid)[: len(before[1])] == before[1]

    def _result(self, ids: Collection[str]) -> tuple[dict[str, Part], set[str]]:
        known, rows = self.known, self.rows
        found = parts(Schema(ENGINE, str(self.version // 10000), rows.finish()))
        gone = {part_id("table", known.relations[oid][0]) for oid in self.seen if oid in known.relations}
        if self.others:
            gone |= {one for one in ids if not one.startswith('["relation"')}
            known.others, known.opclasses, known.members = others(rows), rows.opclasses, rows.members
        for oid in self.seen:
            known.relations.pop(oid, None)
        known.relations.update(relations(rows))
        if known.numbers is not None:
            known.numbers.exchange(self.seen, self.numbers)
        return found, gone - found.keys()


@cache
def _prepared(version: int, version_table: Path) -> Prepared:
    texts = {
        "settings": settings(**_OF_ALL),
        "settings_of_some": settings(**_OF_SOME),
        **capture_sql.of_quick_look(version),
        **row_versions.of_some(version, version_table),
    }
    return Prepared({name: (capture_sql.PARAMETERS.get(name, ""), text) for name, text in texts.items()})


def _array(oids: Iterable[int]) -> str:
    return "{" + ",".join(map(str, oids)) + "}"
