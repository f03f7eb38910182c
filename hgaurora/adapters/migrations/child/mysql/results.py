# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Results of statements as the journal keeps them, and given back to PyMySQL's cursors."""

from __future__ import annotations

import base64
import datetime
import decimal
import json
from typing import Any, NamedTuple

from pymysql import err

#: the whole of a recorded result may be this long, in characters of JSON; a longer one cannot be replayed
LIMIT = 1 << 20


class Field(NamedTuple):
    """What a DictCursor asks of a column."""

    name: str
    table_name: str


class Result:
    """A recorded result, in the place of PyMySQL's MySQLResult."""

    has_next = unbuffered_active = False
    message = server_status = None
    warning_count = 0

    def __init__(self, recorded: dict[str, Any]) -> None:
        self.affected_rows = recorded["count"]
        self.insert_id = recorded.get("id")
        columns = recorded.get("columns")
        self.description = columns and tuple(tuple(column) for column, _ in columns)
        self.fields = [Field(column[0], table) for column, table in columns or ()]
        self.rows = tuple(tuple(map(decoded, row)) for row in recorded["rows"]) if columns else None


def recorded(result: Any, variables: dict[str, Any] | None = None) -> dict[str, Any]:
    """A result of PyMySQL's (MySQLResult) as the journal keeps it.

    :param variables: user variables that the statement set, with the values they have now.
    """
    kept: dict[str, Any] = {"count": result.affected_rows}
    if result.insert_id:
        kept["id"] = result.insert_id
    if result.description:
        kept["columns"] = [
            (column, field.table_name) for column, field in zip(result.description, result.fields, strict=True)
        ]
        kept["rows"] = [[encoded(value) for value in row] for row in result.rows]
    if variables:
        kept["variables"] = {name: encoded(value) for name, value in variables.items()}
    return kept


def text(kept: dict[str, Any]) -> str:
    """The JSON of a recorded result; of one that is too long, that it is."""
    said = json.dumps(kept)
    return said if len(said) <= LIMIT else json.dumps({"unrecorded": "a result of more than 1 MiB"})


def encoded(value: Any) -> Any:
    """A cell as JSON: what JSON does not have is a list of its type's letter and a text."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case decimal.Decimal():
            return ["n", str(value)]
        case bytes() | bytearray():
            return ["b", base64.b64encode(value).decode()]
        case datetime.datetime():
            return ["t", value.isoformat()]
        case datetime.date():
            return ["d", value.isoformat()]
        case datetime.time():
            return ["c", value.isoformat()]
        case datetime.timedelta():
            return ["i", str(value // datetime.timedelta(microseconds=1))]
    raise TypeError(f"a value of type {type(value).__name__} cannot be journaled")


def decoded(cell: Any) -> Any:
    """The value of :func:`encoded`."""
    if not isinstance(cell, list):
        return cell
    kind, said = cell
    match kind:
        case "n":
            return decimal.Decimal(said)
        case "b":
            return base64.b64decode(said)
        case "t":
            return datetime.datetime.fromisoformat(said)
        case "d":
            return datetime.date.fromisoformat(said)
        case "c":
            return datetime.time.fromisoformat(said)
    return datetime.timedelta(microseconds=int(said))


def failure(error: err.Error) -> dict[str, Any]:
    """An error as the journal keeps it; PyMySQL before 1.2 has no SQLSTATE in it."""
    number, said = (*error.args, "", "")[:2]
    return {"error": [number, str(said), getattr(error, "sqlstate", None), type(error).__name__]}


def raised(kept: dict[str, Any]) -> err.Error:
    """The error that was kept, for a script that caught it."""
    number, said, sqlstate, name = kept["error"]
    found: err.Error = getattr(err, name, err.OperationalError)(number, said)
    found.sqlstate = sqlstate  # PyMySQL before 1.2 does not take it above
    return found
