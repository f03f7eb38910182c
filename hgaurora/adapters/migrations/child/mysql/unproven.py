# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements that failed, and what somebody has to decide about one whose effect nothing proves."""

from __future__ import annotations

import json
from typing import Any

from .sql import Kind, Statement, kind
from .tables import Tables

#: raised while a statement is read, its names are looked up or its rights are looked at, before anything of it runs
#: (MySQL Server Error Reference; MariaDB has the same numbers)
_BEFORE = frozenset(
    {1044, 1045, 1142, 1143, 1227, 1370}  # denied
    | {1064, 1149, 1235}  # not a statement
    | {1046, 1049, 1052, 1054, 1066, 1109, 1146}  # no such database, table or column
)
NO_ROUTINE = 1305
#: what runs statements of its own, which may raise the same
_RUNS_OTHERS = frozenset(
    {"", "ANALYZE", "BEGIN", "CALL", "CASE", "EXECUTE", "FOR", "IF", "LOOP", "REPEAT", "SELECT", "SET", "WHILE", "WITH"}
)


def harmless(statement: Statement, number: object, tables: Tables, database: str) -> bool:
    """True where an error shows that its statement had no effect at all.

    :param statement: one that the catalogue cannot prove; without tokens, where it is not known.
    :param number: the server's number of the error.
    """
    if number == NO_ROUTINE and statement.words[:1] == ("CALL",):
        return not tables.bodies(statement, set())
    if number not in _BEFORE or not statement.tokens:
        return False
    if kind(statement) is Kind.DATA:
        return tables.bare(statement, database)
    words = statement.words
    label = len(words) > 1 and statement.tokens[1].text == ":"
    return words[0] not in _RUNS_OTHERS and not label and not tables.functions(statement)


def answers(table: str, row: dict[str, Any]) -> str:
    """What to do about a statement that may have taken effect, as a hint.

    :param table: the statement journal's, with its database, quoted.
    """
    part = ""
    if "why" in json.loads(row["proof"] or '{"why": ""}'):
        part = "if a part of it, finish that or undo it by hand first; "
    return (
        f"look what it did; if all of it, UPDATE {table} SET state = 'done', result = '{{\"count\": 0}}' "
        f"WHERE id = {row['id']}; if nothing, DELETE FROM {table} WHERE id = {row['id']}; {part}"
        "then run again: after UPDATE with this statement as it was, after DELETE it may be another one"
    )


def differs(table: str, row: dict[str, Any], key: tuple[str, str]) -> str:
    """What to do where a script sends something else than an earlier run did, as a hint.

    :param key: revision and direction of the step.
    """
    return (
        "deploy the script as it was when it was interrupted; if it is that, it gives another text or other values "
        "each time, as uuid4(), now() or random() do: write the journaled ones into it, "
        f"SELECT `sql` FROM {table} WHERE id = {row['id']} shows them in full; or undo by hand what this "
        f"statement and those after it did, then {_forgotten(table, key)} AND id >= {row['id']}"
    )


def lost(table: str, key: tuple[str, str]) -> str:
    """What to do where a script needs a temporary table of an earlier run, as a hint; as :func:`differs`."""
    return (
        "make it a table that is not temporary and drop it at the end; undo by hand what the earlier run did, then "
        f"{_forgotten(table, key)}, and run again"
    )


def _forgotten(table: str, key: tuple[str, str]) -> str:
    revision = key[0].replace("'", "''")
    return f"DELETE FROM {table} WHERE closed = 0 AND revision = '{revision}' AND direction = '{key[1]}'"
