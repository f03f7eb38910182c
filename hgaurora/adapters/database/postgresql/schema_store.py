# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's memory of schemas on PostgreSQL: parts, contents and deltas. Each function is one look or one write."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from ....core.model import Direction
from ....core.schema.model import Fingerprints, PartHashes
from ....core.schema.record import AsOf, DeltaRow, Pending, Recorded
from ....ports import Connection
from .. import ledger
from . import ledger_sql
from .prepared import Prepared

if TYPE_CHECKING:
    import psycopg

#: parameters of a record, and their types
_RECORDED = {
    "epoch": "uuid", "deployment": "text", "payload": "text", "hashes": "text[]", "contents": "bytea[]",
    "gone": "text[]", "ids": "text[]", "structure": "text[]", "text": "text[]", "full": "text[]",
}  # fmt: skip
_PREPARED = Prepared({
    "record": (
        f"({', '.join(f'pg_catalog.{type}' for type in _RECORDED.values())})",
        ledger_sql.RECORD % {name: f"${number}" for number, name in enumerate(_RECORDED, start=1)},
    )
})  # fmt: skip


def recorded(cursor: psycopg.Cursor[Any]) -> Recorded | None:
    """The schema as last recorded; None: nothing was recorded yet."""
    row = cursor.execute(ledger_sql.RECORDED).fetchone()
    if row is None:
        return None
    seq, at, engine, major, found, mark, pending = row
    cursor.execute(ledger_sql.PARTS)
    return Recorded(
        fingerprints=Fingerprints(engine, major, found["structure"], found["text"], found["full"]),
        parts={id: PartHashes(*hashes) for id, *hashes in cursor},
        at=at,
        seq=seq,
        mark=mark,
        pending=tuple(Pending(one[0], one[1], one[2], Direction(one[3]), one[4]) for one in pending or ()),
    )


def record(
    connection: psycopg.Connection[Any], deployment: str | None, epoch: str | None, delta: DeltaRow, at: Connection
) -> bool:
    """Write a delta, its event, its contents and the parts; False where the epoch is another one."""
    from psycopg.sql import Literal

    new = [part for part in delta.parts.values() if part is not None]
    contents = {part.full: zlib.compress(part.content, 6) for part in new}
    values = {
        "epoch": epoch,
        "deployment": deployment,
        "payload": ledger.canonical(ledger.told(delta.payload(), at)),
        "hashes": list(contents),
        "contents": list(contents.values()),
        "gone": [id for id, part in delta.parts.items() if part is None],
        "ids": [part.id for part in new],
        "structure": [part.structure for part in new],
        "text": [part.text for part in new],
        "full": [part.full for part in new],
    }
    arguments = b", ".join(Literal(values[name]).as_bytes(connection) for name in _RECORDED)
    (rows,) = _PREPARED.send(connection, b"%b (%b)" % (_PREPARED.call("record").encode(), arguments))
    return bool(rows)


def contents(cursor: psycopg.Cursor[Any], hashes: Iterable[str]) -> dict[str, bytes]:
    """Contents of parts by their hash; a missing one is absent."""
    cursor.execute("SELECT hash, content FROM hgaurora.schema WHERE hash = ANY(%s)", (list(hashes),))
    return {row[0]: zlib.decompress(row[1]) for row in cursor}


def as_of(cursor: psycopg.Cursor[Any], spans: Sequence[tuple[int, int]]) -> AsOf | None:
    """The schema as recorded in some spans of the chain; None where nothing was recorded in them."""
    values = {"after": [one[0] for one in spans], "upto": [one[1] for one in spans]}
    newest = cursor.execute(ledger_sql.CAPTURED_IN, values).fetchone()
    if newest is None:
        return None
    seq, at, engine, major, found = newest
    cursor.execute(ledger_sql.PARTS_IN, values)
    return AsOf(
        fingerprints=Fingerprints(engine, major, found["structure"], found["text"], found["full"]),
        parts=dict(cursor.fetchall()),
        at=at,
        seq=seq,
    )
