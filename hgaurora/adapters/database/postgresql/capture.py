# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema of a whole PostgreSQL database, in about a dozen round trips."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ....core.errors import StateError
from ....core.schema.model import Path, Schema
from . import capture_sql, catalogue_sql, row_versions
from .capture_rows import Rows

if TYPE_CHECKING:
    import psycopg

ENGINE = "postgresql"
#: others may change the schema while it is looked at: seconds for which a look is begun anew
_PATIENCE = 10.0
BEGIN = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


Relation = tuple[Path, tuple[str, ...]]


@dataclass
class Known:
    """What a later quick look needs of what was captured: OIDs, which are in no schema.

    ``relations``: OID to path and names of columns; ``others``: OID to kind, path, and labels of an enum or attributes
    of a composite type; ``members``: catalogue and OID of what extensions have to its identity.
    """

    relations: dict[int, Relation]
    others: dict[int, tuple[str, Path, tuple[str, ...]]]
    opclasses: dict[int, tuple[str, bool]]
    members: dict[tuple[str, int], str]
    #: of :mod:`row_versions`; None: they were not asked for
    numbers: row_versions.Numbers | None

    def mark(self, version: int) -> str | None:
        """Of what was captured or looked at last."""
        return None if self.numbers is None else self.numbers.mark(version)


def settings(**more: str) -> str:
    """A statement after which, in this transaction, texts are deparsed the same everywhere."""
    import psycopg.sql

    values = psycopg.sql.Literal(json.dumps({**catalogue_sql.SETTINGS, **more})).as_string(None)
    return (
        "SELECT pg_catalog.set_config(s.key, s.value, true)"
        f" FROM pg_catalog.json_each_text({values}::pg_catalog.json) s"
    )


def begin(**more: str) -> str:
    """Statements that begin a look: one state of the database, read only."""
    return f"{BEGIN}; {settings(**more)}"


def capture(connection: psycopg.Connection[Any], version_table: Path, *, marked: bool = False) -> tuple[Schema, Known]:
    """Everything as it is now, in one consistent look; needs no rights beyond connecting.

    :param connection: in autocommit, with no transaction open.
    :param version_table: schema and name of the table that is outside.
    :param marked: with the numbers of its rows.
    :raises StateError: others change the schema faster than it can be looked at.
    """
    from psycopg import errors

    # what is deparsed is looked up as it is now, not as the snapshot has it: a drop in between is an error
    moved = (errors.InternalError_, errors.UndefinedTable, errors.UndefinedObject, errors.UndefinedFunction)
    with connection.cursor() as cursor:
        deadline = time.monotonic() + _PATIENCE
        while True:
            cursor.execute(begin().encode())
            try:
                return captured(cursor, version_table, marked=marked)
            except moved as error:
                if time.monotonic() > deadline:
                    raise StateError(
                        f"the schema did not stop changing for {_PATIENCE:.0f} s: {error.diag.message_primary}",
                        hint="see what makes and drops objects all the time (pg_stat_activity), then try again",
                    ) from error
            finally:
                cursor.execute("ROLLBACK")


def captured(cursor: psycopg.Cursor[Any], version_table: Path, *, marked: bool = False) -> tuple[Schema, Known]:
    """Everything as the transaction sees it that the cursor is in, after :func:`settings`."""
    version = cursor.connection.info.server_version
    rows, numbers = Rows(version_table), row_versions.Numbers()
    counted = row_versions.of_all(version, version_table) if marked else {}
    with _without_collector(), closing(_answers(cursor.connection, {**counted, **capture_sql.of_all(version)})) as said:
        for name, found in said:
            if name in counted:
                numbers.take(found)
            else:
                rows.take(name, found)
        objects = rows.finish()
        known = Known(relations(rows), others(rows), rows.opclasses, rows.members, numbers if marked else None)
    return Schema(ENGINE, str(version // 10000), objects), known


def unchanged(connection: psycopg.Connection[Any], version_table: Path, mark: str) -> Known | None:
    """What a quick look needs, where no row of the catalogue is another one than when the mark was made; None: some
    are. In one consistent look, as :func:`capture`."""
    version = connection.info.server_version
    if not mark.startswith(f"{version} "):
        return None
    with connection.cursor() as cursor, _without_collector():
        cursor.execute(begin().encode())
        try:
            numbers = row_versions.Numbers()
            for text in row_versions.of_all(version, version_table).values():
                numbers.take(cursor.execute(text.encode()))
            if numbers.mark(version) != mark:
                return None
            rows = Rows(version_table)
            for name, text in capture_sql.of_others(version).items():
                rows.take(name, cursor.execute(text.encode()))
            return Known(row_versions.names(cursor, version_table), others(rows), rows.opclasses, rows.members, numbers)
        finally:
            cursor.execute("ROLLBACK")


def _answers(
    connection: psycopg.Connection[Any], queries: Mapping[str, str]
) -> Generator[tuple[str, psycopg.Cursor[Any]], None, None]:
    """The answer of each query, in order; while one is read, the server works on the next."""

    def ask(text: str) -> psycopg.Cursor[Any]:
        return connection.cursor().execute(text.encode())

    with ThreadPoolExecutor(1) as asking:
        name, *names = queries
        coming = asking.submit(ask, queries[name])
        for following in names:
            found, coming = coming.result(), asking.submit(ask, queries[following])
            yield name, found
            found.close()
            name = following
        yield name, coming.result()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Hundreds of thousands of tuples that all stay: looking for cycles among them would take a third of the time."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def relations(rows: Rows) -> dict[int, Relation]:
    return {oid: (path, rows.columns_of(oid)) for oid, path in rows.paths.items()}


def others(rows: Rows) -> dict[int, tuple[str, Path, tuple[str, ...]]]:
    parts = {kind: rows.objects[kind] for kind in ("enum", "composite type")}
    return {
        oid: (kind, path, cast("tuple[str, ...]", parts[kind][path][0]) if kind in parts else ())
        for oid, (kind, path) in rows.others.items()
    }
