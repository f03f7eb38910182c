# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Statements and their results as the journal keeps them, and given back to psycopg's cursors."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import psycopg

from ..wire import Refused
from .driver import GuardedCursor

#: the cells of a recorded result may be this long together, in bytes; a longer one cannot be replayed
LIMIT = 1 << 20


class Sent:
    """One statement that was sent in a step and is not committed yet."""

    __slots__ = ("many", "params", "result", "sql")

    def __init__(self, sql: str, params: Any, result: Any, many: bool) -> None:
        self.sql = sql
        # a script may use the same container again
        self.params = dict(params) if isinstance(params, dict) else params if params is None else list(params)
        self.result = result
        self.many = many

    def hashes(self, connection: psycopg.Connection) -> tuple[str, str]:
        """Of its text and of its parameters: what a replayed statement has to equal."""
        params = ""
        if self.params is not None:
            client = psycopg.ClientCursor(connection)
            every = self.params if self.many else [self.params]
            params = "\n".join(client.mogrify(self.sql, one) for one in every)
        return hashlib.sha256(self.sql.encode()).hexdigest(), hashlib.sha256(params.encode()).hexdigest()

    def recorded(self, encoding: str) -> str:
        """Its result as it is journaled: a count, or names, type OIDs and text cells.

        :param encoding: the session's, as Python names it.
        """
        result = self.result
        if isinstance(result, int):
            return json.dumps({"count": result})
        columns = range(result.nfields)
        if any(result.fformat(column) for column in columns):
            return json.dumps({"unrecorded": "a binary result"})
        cells = [[result.get_value(row, column) for column in columns] for row in range(result.ntuples)]
        if sum(len(cell or b"") for row in cells for cell in row) > LIMIT:
            return json.dumps({"unrecorded": "a result of more than 1 MiB"})
        return json.dumps(
            {
                "names": [(result.fname(column) or b"").decode(encoding) for column in columns],
                "types": [result.ftype(column) for column in columns],
                "rows": [[None if cell is None else cell.decode(encoding) for cell in row] for row in cells],
            }
        )


def given(cursor: GuardedCursor, many: bool) -> Any:
    """What a cursor was given: libpq's result where it has columns, else a count."""
    result = cursor.pgresult
    return result if result is not None and result.nfields and not many else cursor.rowcount


def answer(cursor: GuardedCursor, recorded: dict[str, Any], ask: Callable[..., list[list[Any]]]) -> bool:
    """Give a cursor the result that an earlier run got. True: the server was asked to make it.

    :raises Refused: it was not recorded.
    """
    if "unrecorded" in recorded:
        raise Refused(
            "journal",
            f"the earlier run read {recorded['unrecorded']}, which is not journaled",
            "restore the snapshot taken before this migration",
        )
    if "count" in recorded:
        cursor.replayed = recorded["count"]
        return False
    oids = "{" + ",".join(map(str, recorded["types"])) + "}"
    names = dict(
        ask(
            "SELECT t.oid, pg_catalog.format_type(t.oid, NULL) FROM pg_catalog.pg_type t WHERE t.oid = ANY($1::oid[])",
            oids,
        )
    )
    types = [names.get(str(oid), "text") for oid in recorded["types"]]
    labels = [name.replace('"', '""').replace("%", "%%") for name in recorded["names"]]
    rows = recorded["rows"] or [[None] * len(types)]
    columns = ", ".join(f'%s::text::{kind} AS "{label}"' for kind, label in zip(types, labels, strict=True))
    selects = [f"SELECT {columns}"] * len(rows)
    text = " UNION ALL ".join(selects) if recorded["rows"] else selects[0] + " WHERE false"
    psycopg.Cursor.execute(cursor, text, [cell for row in rows for cell in row])
    return True
