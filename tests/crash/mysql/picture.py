# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A database as a value: its whole schema, each row of each table; and the way back from one to a database.

Told by the server's own catalogue and ``SHOW CREATE``, without a line of what is tested.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pymysql

#: catalogue views, without what says when, how large or which number
_VIEWS = {
    "tables": "table_name, table_type, engine, row_format, table_collation, table_comment, create_options",
    "columns": "*",
    "statistics": "table_name, non_unique, index_name, seq_in_index, column_name, collation, sub_part, nullable,"
    " index_type, index_comment",
    "table_constraints": "table_name, constraint_name, constraint_type",
    "key_column_usage": "table_name, constraint_name, ordinal_position, column_name, referenced_table_name,"
    " referenced_column_name",
    "referential_constraints": "table_name, constraint_name, update_rule, delete_rule, referenced_table_name",
    "check_constraints": "constraint_name, check_clause",
    "partitions": "table_name, partition_name, partition_ordinal_position, partition_method, partition_expression,"
    " partition_description",
    "views": "table_name, view_definition, check_option, is_updatable, security_type",
    "triggers": "trigger_name, event_manipulation, event_object_table, action_order, action_statement, action_timing",
    "routines": "routine_name, routine_type, dtd_identifier, routine_definition, is_deterministic, sql_data_access,"
    " security_type, routine_comment",
    "parameters": "specific_name, ordinal_position, parameter_mode, parameter_name, dtd_identifier",
    "events": "event_name, event_definition, event_type, interval_value, interval_field, status, event_comment, starts",
}
_SCHEMA = {
    "check_constraints": "constraint_schema",
    "table_constraints": "table_schema",
    "key_column_usage": "table_schema",
    "referential_constraints": "constraint_schema",
    "triggers": "trigger_schema",
    "routines": "routine_schema",
    "parameters": "specific_schema",
    "events": "event_schema",
}


@dataclass(frozen=True)
class Picture:
    """``schema`` is catalogue rows and ``SHOW CREATE`` texts, ``rows`` each table's, sorted."""

    schema: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def differs(self, other: Picture) -> list[str]:
        """What stands in ``other`` that should not, and the reverse, in words."""
        said = [f"schema has not: {one}" for one in self.schema if one not in other.schema]
        said += [f"schema has: {one}" for one in other.schema if one not in self.schema]
        said += [
            f"{table}: {_more(other.rows.get(table, ()))} instead of {_more(self.rows.get(table, ()))}"
            for table in sorted({*self.rows, *other.rows})
            if self.rows.get(table) != other.rows.get(table)
        ]
        return said


def _more(rows: Sequence[str]) -> str:
    return " ".join(rows)[:600] or "no rows"


def owned(table: str) -> bool:
    """The tool's own tables."""
    return table.startswith("hgaurora_")


def taken(connection: pymysql.Connection[Any], *, numbers: Iterable[str] = ()) -> Picture:
    """The picture of the connection's database.

    :param numbers: ``table.column`` whose values the server draws: each is told by its rank only.
    """
    with connection.cursor(pymysql.cursors.DictCursor) as cursor:
        schema = []
        for view, columns in _VIEWS.items():
            where = f"{_SCHEMA.get(view, 'table_schema')} = DATABASE()"
            cursor.execute(f"SELECT {columns} FROM information_schema.{view} WHERE {where}")
            for row in cursor.fetchall():
                found = {str(key).lower(): value for key, value in row.items()}
                if any(owned(str(value)) for key, value in found.items() if key.endswith(("table_name", "_table"))):
                    continue
                said = ", ".join(
                    f"{key}={value}"
                    for key, value in sorted(found.items())
                    if not key.endswith(("_schema", "_catalog"))
                )
                # a constraint of the ledger's has its table's name in its own
                if view != "check_constraints" or "hgaurora_" not in said:
                    schema.append(f"{view}: {said}")
        tables = _names(cursor, "BASE TABLE")
        ranks = set(numbers)
        rows = {}
        for table in tables:
            schema.append(_created(cursor, table))
            rows[table] = _rows(cursor, table, ranks)
    return Picture(tuple(sorted(schema)), rows)


def _names(cursor: Any, kind: str) -> list[str]:
    cursor.execute(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = %s"
        " ORDER BY 1",
        (kind,),
    )
    return [row["name"] for row in cursor.fetchall() if not owned(row["name"])]


def _created(cursor: Any, table: str) -> str:
    cursor.execute(f"SHOW CREATE TABLE `{table}`")
    return re.sub(r" AUTO_INCREMENT=\d+", "", cursor.fetchone()["Create Table"])


def _rows(cursor: Any, table: str, ranks: set[str]) -> tuple[str, ...]:
    cursor.execute(f"SELECT * FROM `{table}`")
    found = list(cursor.fetchall())
    for column in [name.partition(".")[2] for name in ranks if name.startswith(f"{table}.")]:
        order = {value: rank for rank, value in enumerate(sorted({row[column] for row in found}))}
        for row in found:
            row[column] = f"#{order[row[column]]}"
    return tuple(sorted(repr(tuple(row.values())) for row in found))


@dataclass(frozen=True)
class Copy:
    """Statements, each with its rows where it is an INSERT, that make a database again, the tool's tables too."""

    statements: tuple[tuple[str, tuple[Any, ...]], ...]

    @classmethod
    def of(cls, connection: pymysql.Connection[Any]) -> Copy:
        """What makes the connection's database: tables and rows, views, triggers, routines, events."""
        made: list[tuple[str, tuple[Any, ...]]] = []
        with connection.cursor() as cursor:
            cursor.execute("SHOW FULL TABLES")
            tables = cursor.fetchall()
            for name, kind in tables:
                if kind != "VIEW":
                    cursor.execute(f"SHOW CREATE TABLE `{name}`")
                    made.append((cursor.fetchone()[1], ()))
                    made += _inserts(connection, name)
            for name, kind in tables:
                if kind == "VIEW":
                    cursor.execute(f"SHOW CREATE VIEW `{name}`")
                    made.append((cursor.fetchone()[1], ()))
            for view, name, show, at in (
                ("triggers WHERE trigger_schema", "trigger_name", "TRIGGER", 2),
                ("routines WHERE routine_type = 'PROCEDURE' AND routine_schema", "routine_name", "PROCEDURE", 2),
                ("routines WHERE routine_type = 'FUNCTION' AND routine_schema", "routine_name", "FUNCTION", 2),
                ("events WHERE event_schema", "event_name", "EVENT", 3),
            ):
                cursor.execute(f"SELECT {name} FROM information_schema.{view} = DATABASE()")
                for (one,) in cursor.fetchall():
                    cursor.execute(f"SHOW CREATE {show} `{one}`")
                    made.append((cursor.fetchone()[at], ()))
        return cls(tuple(made))

    def lay_down(self, connection: pymysql.Connection[Any]) -> None:
        """Into the connection's database, which is empty."""
        with connection.cursor() as cursor:
            cursor.execute("SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
            for statement, rows in self.statements:
                if rows:
                    cursor.executemany(statement, rows)
                else:
                    cursor.execute(statement)
            cursor.execute("SET foreign_key_checks = 1, sql_mode = DEFAULT")


def _inserts(connection: pymysql.Connection[Any], table: str) -> list[tuple[str, tuple[Any, ...]]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE() AND table_name = %s"
            " AND COALESCE(generation_expression, '') = '' ORDER BY ordinal_position",
            (table,),
        )
        columns = [f"`{name}`" for (name,) in cursor.fetchall()]
        named = ", ".join(columns)
        cursor.execute(f"SELECT {named} FROM `{table}`")
        rows = tuple(cursor.fetchall())
    places = ", ".join(["%s"] * len(columns))
    return [(f"INSERT INTO `{table}` ({named}) VALUES ({places})", rows)] if rows else []
