# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A mark says that nothing was written; it must never say so of a schema that is another one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import psycopg
import pytest

from hgaurora.adapters.database.postgresql import row_versions
from hgaurora.adapters.database.postgresql.capture import settings
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from tests.adapters.test_capture_postgresql import CHANGES, HIDDEN, SCRIPT, run

OUTSIDE = ("public", "alembic_version")


@pytest.fixture
def filled(pg_database: str) -> Iterator[str]:
    """A database with an object of every kind."""
    run(pg_database, SCRIPT)
    yield pg_database
    run(pg_database, "DROP SUBSCRIPTION IF EXISTS reader")


def _mark(cursor: psycopg.Cursor[tuple[object, ...]]) -> str:
    version, numbers = cursor.connection.info.server_version, row_versions.Numbers()
    for text in row_versions.of_all(version, OUTSIDE).values():
        numbers.take(cursor.execute(text.encode()))
    return numbers.mark(version)


def test_each_change_by_hand_gives_another_mark(filled: str) -> None:
    """Each alone, in a transaction that is rolled back; after it the mark is the first one again."""
    with psycopg.connect(filled) as connection:
        cursor = connection.cursor()
        cursor.execute(settings().encode())
        before = _mark(cursor)
        connection.rollback()
        for statement, *_ in CHANGES:
            cursor.execute(statement.encode())
            cursor.execute(settings().encode())
            assert _mark(cursor) != before, statement
            connection.rollback()
        cursor.execute(settings().encode())
        assert _mark(cursor) == before


def test_what_hides_gives_another_mark(pg_database: str) -> None:
    with psycopg.connect(pg_database, autocommit=True) as connection:
        cursor = connection.cursor()
        marks = [_mark(cursor)]
        for statement, _, since in HIDDEN:
            if since <= connection.info.server_version // 10000:
                cursor.execute(statement.encode())
                marks.append(_mark(cursor))
                assert marks[-1] != marks[-2], statement


def test_what_writes_no_schema_leaves_the_mark(filled: str) -> None:
    database, beside = (PostgresDatabase(from_url(filled), environment="dev") for _ in range(2))
    database.capture(marked=True)
    mark = database.mark()
    assert mark is not None
    name = "mark_" + filled.rsplit("/", 1)[1]
    run(
        filled,
        "INSERT INTO shop.parent (a) VALUES (1)",
        "UPDATE shop.parent SET a = a + 1",
        "CREATE TEMPORARY TABLE passing (a integer)",
        "VACUUM ANALYZE",
        f"CREATE ROLE {name}",
        f"DROP ROLE {name}",
        "CREATE TABLE public.alembic_version (version_num text)",
    )
    assert beside.unchanged(mark)
    # and it knows as much as a capture: what is touched now can be looked at
    assert beside.mark() == mark
    assert (
        beside.capture_parts({"relations": [], "objects": [], "catalogs": [], "xid": "3", "tags": []}, ()) is not None
    )
    database.close()
    beside.close()


def test_options_of_a_toast_table_are_in_the_mark(filled: str) -> None:
    database = PostgresDatabase(from_url(filled), environment="dev")
    run(filled, "ALTER TABLE shop.parent ADD long text")
    database.capture(marked=True)
    seen = []
    for change in ("SET (toast.autovacuum_enabled = off)", "SET (toast.vacuum_truncate = off)"):
        mark = database.mark()
        assert mark is not None
        run(filled, f"ALTER TABLE shop.parent {change}")
        assert not database.unchanged(mark)
        seen.append(database.capture(marked=True))
    mark = database.mark()
    assert mark is not None
    assert seen[0] != seen[1]
    run(filled, "ALTER TABLE shop.parent RESET (toast.autovacuum_enabled, toast.vacuum_truncate)")
    assert not database.unchanged(mark)
    database.close()


def test_rows_written_without_a_change_are_for_a_capture_to_judge(filled: str) -> None:
    database = PostgresDatabase(from_url(filled), environment="dev")
    before = database.capture(marked=True)
    mark = database.mark()
    assert mark is not None
    run(filled, "TRUNCATE shop.parent CASCADE")
    assert not database.unchanged(mark)
    assert database.capture(marked=True) == before
    assert database.mark() != mark
    database.close()


def test_a_mark_of_another_server_version_says_nothing(filled: str) -> None:
    database = PostgresDatabase(from_url(filled), environment="dev")
    database.capture(marked=True)
    mark = database.mark()
    assert mark is not None
    version, _, rows = mark.partition(" ")
    assert not database.unchanged(f"{int(version) + 1} {rows}")
    database.close()


def test_without_marks_there_is_none(filled: str) -> None:
    database = PostgresDatabase(from_url(filled), environment="dev")
    assert database.mark() is None
    database.capture()
    assert database.mark() is None
    database.close()


def test_a_copy_after_a_dump_has_another_mark_though_it_is_the_same(filled: str, pg_server: str) -> None:
    """OIDs and transactions are others there."""
    from tests import engines

    database = PostgresDatabase(from_url(filled), environment="dev")
    database.capture(marked=True)
    mark = database.mark()
    assert mark is not None
    with engines.fresh_database(pg_server) as copy:
        run(copy, SCRIPT.split("CREATE SUBSCRIPTION")[0])
        other = PostgresDatabase(from_url(copy), environment="dev")
        assert not other.unchanged(mark)
        other.close()
    database.close()


def test_roles_that_the_database_speaks_of_and_a_user_without_rights(filled: str) -> None:
    name = "mark_" + filled.rsplit("/", 1)[1]
    run(filled, f"CREATE ROLE {name} LOGIN", f"GRANT SELECT ON shop.parent TO {name}")
    plain = PostgresDatabase(from_url(filled.replace("//postgres@", f"//{name}@")), environment="dev")
    database = PostgresDatabase(from_url(filled), environment="dev")
    try:
        for one in (plain, database):
            one.capture(marked=True)
        mark = plain.mark()
        assert mark is not None
        assert plain.unchanged(mark)
        run(filled, f"ALTER ROLE {name} RENAME TO {name}_2")
        seen = database.mark()
        assert seen is not None
        assert not database.unchanged(seen)
    finally:
        plain.close()
        database.close()
        run(filled, f"ALTER ROLE {name}_2 RENAME TO {name}", f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_another_database_of_the_server_gives_no_other_mark(filled: str, pg_server: str) -> None:
    """Its owner is a role that only it speaks of."""
    role = f"elsewhere_{os.getpid()}"
    with psycopg.connect(filled) as connection, connection.cursor() as cursor:
        before = _mark(cursor)
        connection.rollback()
        run(pg_server, f"CREATE ROLE {role}")
        try:
            run(pg_server, f"CREATE DATABASE {role} OWNER {role}")
            assert _mark(cursor) == before
            connection.rollback()
            run(filled, f"GRANT USAGE ON SCHEMA public TO {role}")
            assert _mark(cursor) != before
        finally:
            run(filled, f"DROP OWNED BY {role}")
            run(pg_server, f"DROP DATABASE IF EXISTS {role}")
            run(pg_server, f"DROP ROLE {role}")
