# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the ledger's tables as MySQL has them, and as :mod:`..ledger` wants them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ....core.errors import StateError
from .. import ledger
from . import ledger_sql

#: columns that hold a JSON array
ARRAYS = frozenset(
    {"tags", "heads_before", "heads_after", "reverts", "parents", "depends_on", "branch_labels", "versions"}
)
TRUTHS = frozenset({"carried", "irreversible", "adopted"})

Fill = Callable[[str], str]


def array(values: Iterable[object]) -> str:
    """A list as it is stored."""
    return json.dumps(list(values), separators=(",", ":"))


def decoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with lists, truths and aware times."""
    return {name: _decoded(name, value) for name, value in row.items()}


def _decoded(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in ARRAYS:
        return json.loads(value)
    if name in TRUTHS:
        return bool(value)
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def encoded(row: Mapping[str, Any]) -> dict[str, Any]:
    """The other way; times may be ISO 8601 texts with a zone."""
    return {name: _encoded(name, value) for name, value in row.items()}


def _encoded(name: str, value: Any) -> Any:
    if name in ARRAYS and value is not None:
        return array(value)
    if isinstance(value, str) and name in ("at", "started", "ended", "since", "delivered_at"):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def within(column: str, spans: Sequence[tuple[int, int]]) -> tuple[str, dict[str, object]]:
    """A condition for a number that lies in one of some spans (after, up to), and its parameters."""
    text = " OR ".join(f"({column} > %(after{n})s AND {column} <= %(upto{n})s)" for n in range(len(spans)))
    values: dict[str, object] = {f"after{n}": span[0] for n, span in enumerate(spans)}
    return text, {**values, **{f"upto{n}": span[1] for n, span in enumerate(spans)}}


def payload(row: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says."""
    found: dict[str, Any] = json.loads(row["payload"])
    return found


def insert(
    cursor: Any, fill: Fill, table: str, row: Mapping[str, Any], *, ignore: bool = False, replace: bool = False
) -> None:
    """Insert one row into a ledger table; where its key is there already it is left (``ignore``) or taken the place of
    (``replace``)."""
    names = ", ".join(f"`{name}`" for name in row)
    values = ", ".join(f"%({name})s" for name in row)
    text = f"INSERT INTO {{db}}hgaurora_{table} ({names}) VALUES ({values})"
    first = next(iter(row))
    if ignore:
        text += f" ON DUPLICATE KEY UPDATE `{first}` = `{first}`"
    if replace:
        text += " ON DUPLICATE KEY UPDATE " + ", ".join(f"`{name}` = %({name})s" for name in row)
    cursor.execute(fill(text), encoded(row))


def append(cursor: Any, fill: Fill, deployment: str | None, kind: str, said: Mapping[str, object]) -> int:
    """Append one event in the transaction that is open; its sequence number.

    :raises StateError: the server takes no writes; or the environment's row is gone.
    """
    values = {"deployment": deployment, "kind": kind, "payload": ledger.canonical(said)}
    for text in ledger_sql.APPEND:
        if not cursor.execute(fill(text), values):
            cursor.execute(ledger_sql.ASK_WRITER)
            if not cursor.fetchone()["writer"]:
                raise StateError(
                    "the database takes no writes any more: it was made a reader",
                    state="nothing was written",
                    hint="see which server is the writer now; the same command again looks where it stands",
                )
            raise StateError("the ledger has lost its environment row", hint="restore a snapshot that holds it")
    cursor.execute(fill("SELECT tip_seq FROM {db}hgaurora_environment"), {})
    return int(cursor.fetchone()["tip_seq"])
