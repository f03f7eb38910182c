# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema of a whole PostgreSQL database, in about a dozen round trips."""

from __future__ import annotations

import gc
import json
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from ....core.schema.model import Path, Schema
from . import capture_sql, catalogue_sql
from .capture_rows import Rows

if TYPE_CHECKING:
    import psycopg

ENGINE = "postgresql"
#: others may change the schema while it is looked at
_ATTEMPTS = 5


Relation = tuple[Path, tuple[str, ...]]


@dataclass
class Known:
    """What a later quick look needs of what was captured: OIDs, which are in no schema.

    ``relations``: OID to path and names of columns; ``others``: OID to kind, path, and labels of an enum.
    """

    relations: dict[int, Relation]
    others: dict[int, tuple[str, Path, tuple[str, ...]]]
    opclasses: dict[int, tuple[str, bool]]


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
    return f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {settings(**more)}"


def capture(connection: psycopg.Connection[Any], version_table: Path) -> tuple[Schema, Known]:
    """Everything as it is now, in one consistent look; needs no rights beyond connecting.

    :param connection: in autocommit, with no transaction open.
    :param version_table: schema and name of the table that is outside.
    """
    from psycopg import errors

    # what is deparsed is looked up as it is now, not as the snapshot has it: a drop in between is an error
    moved = (errors.InternalError_, errors.UndefinedTable, errors.UndefinedObject, errors.UndefinedFunction)
    with connection.cursor() as cursor:
        for left in reversed(range(_ATTEMPTS)):
            cursor.execute(begin().encode())
            try:
                return captured(cursor, version_table)
            except moved:
                if not left:
                    raise
            finally:
                cursor.execute("ROLLBACK")
    raise AssertionError("the last attempt returns or raises")


def captured(cursor: psycopg.Cursor[Any], version_table: Path) -> tuple[Schema, Known]:
    """Everything as the transaction sees it that the cursor is in, after :func:`settings`."""
    version = cursor.connection.info.server_version
    rows = Rows(version_table)
    with _without_collector(), closing(_answers(cursor.connection, capture_sql.of_all(version))) as answers:
        for name, found in answers:
            rows.take(name, found)
        objects = rows.finish()
        known = Known(relations(rows), others(rows), rows.opclasses)
    return Schema(ENGINE, str(version // 10000), objects), known


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
    enums = rows.objects["enum"]
    return {
        oid: (kind, path, cast("tuple[str, ...]", enums[path][0]) if kind == "enum" else ())
        for oid, (kind, path) in rows.others.items()
    }
