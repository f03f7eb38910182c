# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The quick look after a migration: only what it touched, and what shows the names of that."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ....core.schema.form import part_id, parts
from ....core.schema.model import Part, Path, Schema
from . import capture_sql, row_versions
from .capture import BEGIN, ENGINE, Known, others, relations, settings
from .capture_rows import Rows
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


class QuickLook:
    """One look at what a migration touched, in two round trips; two more where others show names that it changed.

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
        self.others = False

    def run(self, wanted: Look, ids: Collection[str]) -> tuple[dict[str, Part], set[str]] | None:
        """Parts that may have changed, as they are now, and those of ``ids`` that are gone; None: only a full capture
        can say."""
        with self.connection.cursor() as cursor:
            try:
                around = self._begin(cursor, wanted)
                self.others = wanted.others or 0 in around or any(oid in self.known.others for oid in wanted.objects)
                self._take(cursor, (wanted.relations | around) - {0})
                if self._schema_renamed():
                    return None
                while shown := self._dependents(cursor):
                    self._take(cursor, shown)
            finally:
                cursor.execute("ROLLBACK")
        return self._result(ids)

    def _begin(self, cursor: psycopg.Cursor[Any], wanted: Look) -> frozenset[int]:
        """OIDs beside those of the look. Planning would take most of the time of such small queries, so they are
        prepared where the session does not have them yet."""
        import psycopg

        arguments = (
            f"'{_array(wanted.relations)}', '{wanted.xid or 3}', {wanted.granted}, {wanted.statistics},"
            f" '{_array(wanted.objects)}'"
        )
        text = f"{BEGIN}; {self._execute('settings', '')}; {self._execute('around', arguments)}"
        try:
            found = self._send(cursor, text)
        except psycopg.errors.InvalidSqlStatementName:
            cursor.execute("ROLLBACK")
            there = {row[0] for row in cursor.execute("SELECT p.name FROM pg_catalog.pg_prepared_statements p")}
            missing = [one for name, one in _prepared(self.version, self.version_table).values() if name not in there]
            self._send(cursor, "; ".join(missing))
            found = self._send(cursor, text)
        return frozenset(row[0] for row in found[-1])

    def _take(self, cursor: psycopg.Cursor[Any], oids: Collection[int]) -> None:
        queries = [*capture_sql.of_some(self.version), "row_versions"] if oids else []
        texts = [self._execute(name, f"'{_array(oids)}'") for name in queries]
        if self.others and not self.rows.others:
            every = [*capture_sql.OTHER_QUERIES, "other_versions"]
            queries = [*every, *queries]
            texts = [*(self._execute(name, "") for name in every), *texts]
        if texts:
            for name, found in zip(queries, self._send(cursor, "; ".join(texts)), strict=True):
                if name.endswith("_versions"):
                    self.numbers |= dict(found)
                else:
                    self.rows.take(name, found)
        self.seen |= set(oids)

    def _schema_renamed(self) -> bool:
        return self.others and any(
            kind == "schema" and self.rows.others.get(oid, (kind, path)) != (kind, path)
            for oid, (kind, path, _) in self.known.others.items()
        )

    def _dependents(self, cursor: psycopg.Cursor[Any]) -> set[int]:
        """Relations not looked at that show a name which is another one now."""
        changed = [("pg_class", oid, added) for oid in self.seen if (added := self._changed(oid)) is not None]
        if self.rows.others:
            now = others(self.rows)
            changed += [
                (_CATALOGUES[kind], oid, False) for oid, (kind, path, labels) in self.known.others.items()
                if kind in _CATALOGUES and oid in now
                and (now[oid][:2] != (kind, path) or not set(labels) <= set(now[oid][2]))
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
        (found,) = self._send(cursor, self._execute("dependents", arguments))
        if not self.rows.others and any(other or oid == 0 for oid, other in found):
            self.others = True
            self._take(cursor, ())
            return self._dependents(cursor)
        return {oid for oid, _ in found if oid} - self.seen

    def _changed(self, oid: int) -> bool | None:
        """Whether names of a relation are others now; true where there are only more."""
        before, path = self.known.relations.get(oid), self.rows.paths.get(oid)
        if before is None or path is None or before == (path, self.rows.columns_of(oid)):
            return None
        return before[0] == path and set(before[1]) <= set(self.rows.columns_of(oid))

    def _result(self, ids: Collection[str]) -> tuple[dict[str, Part], set[str]]:
        known, rows = self.known, self.rows
        found = parts(Schema(ENGINE, str(self.version // 10000), rows.finish()))
        gone = {part_id("table", known.relations[oid][0]) for oid in self.seen if oid in known.relations}
        if rows.others:
            gone |= {one for one in ids if not one.startswith('["relation"')}
            known.others, known.opclasses, known.members = others(rows), rows.opclasses, rows.members
        for oid in self.seen:
            known.relations.pop(oid, None)
        known.relations.update(relations(rows))
        if known.numbers is not None:
            known.numbers.exchange(self.seen, self.numbers)
        return found, gone - found.keys()

    def _execute(self, name: str, arguments: str) -> str:
        return f"EXECUTE {_prepared(self.version, self.version_table)[name][0]}" + (
            f" ({arguments})" if arguments else ""
        )

    @staticmethod
    def _send(cursor: psycopg.Cursor[Any], text: str) -> list[list[Any]]:
        """The rows of each statement, in one round trip."""
        cursor.execute(text.encode())
        found = []
        while True:
            result = cursor.pgresult
            found.append(cursor.fetchall() if result is not None and result.nfields else [])
            if not cursor.nextset():
                return found


@cache
def _prepared(version: int, version_table: Path) -> dict[str, tuple[str, str]]:
    """Name and text of each statement. The name has a hash of the text: another version's is another one."""
    texts = {
        "settings": settings(plan_cache_mode="force_generic_plan"),
        **capture_sql.of_quick_look(version),
        **row_versions.of_some(version, version_table),
    }
    names = {query: f"hgaurora_{query}_{sha256(text.encode()).hexdigest()[:12]}" for query, text in texts.items()}
    return {
        query: (names[query], f"PREPARE {names[query]} {capture_sql.PARAMETERS.get(query, '')} AS {text}")
        for query, text in texts.items()
    }


def _array(oids: Iterable[int]) -> str:
    return "{" + ",".join(map(str, oids)) + "}"
