# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's memory of schemas on MySQL: parts, contents and deltas.

Each function runs in its caller's transaction.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from ....core.model import Direction
from ....core.schema.model import Fingerprints, PartHashes
from ....core.schema.record import AsOf, DeltaRow, Pending, Recorded
from ....ports import Connection
from .. import ledger
from . import ledger_sql, rows
from .rows import Fill


def _ask(cursor: Any, fill: Fill, text: str, **values: object) -> list[dict[str, Any]]:
    cursor.execute(fill(text), values)
    return [rows.decoded(row) for row in cursor.fetchall()]


def _fingerprints(payload: dict[str, Any]) -> Fingerprints:
    found = payload["fingerprint"]
    return Fingerprints(payload["engine"], payload["major"], found["structure"], found["text"], found["full"])


def recorded(cursor: Any, fill: Fill) -> Recorded | None:
    """The schema as last recorded; None: nothing was recorded yet."""
    newest = _ask(cursor, fill, ledger_sql.LAST_DELTA)
    if not newest:
        return None
    (last,) = newest
    pending = _ask(cursor, fill, ledger_sql.PENDING, seq=last["seq"])
    return Recorded(
        fingerprints=_fingerprints(rows.payload(last)),
        parts={
            row["id"]: PartHashes(row["structure"], row["text"], row["full"])
            for row in _ask(cursor, fill, ledger_sql.PARTS)
        },
        at=last["at"],
        seq=last["seq"],
        pending=tuple(
            Pending(row["id"], row["deployment"], row["revision"], Direction(row["direction"]), row["path"])
            for row in pending
        ),
    )


def record(
    cursor: Any, fill: Fill, deployment: str | None, epoch: str | None, delta: DeltaRow, connection: Connection
) -> bool:
    """Write a delta, its event, its contents and the parts; False where the epoch is another one."""
    environment = _ask(cursor, fill, ledger_sql.ENVIRONMENT)
    if not environment or (epoch is not None and environment[0]["epoch"] != epoch):
        return False
    seq = rows.append(cursor, fill, deployment, "delta", ledger.told(delta.payload(), connection))
    new = [part for part in delta.parts.values() if part is not None]
    contents = {part.full: part.content for part in new}
    # rendered by the driver as few statements with many rows each
    cursor.executemany(
        fill(ledger_sql.PUT_SCHEMA),
        [{"hash": hash, "content": zlib.compress(content, 6), "event": seq} for hash, content in contents.items()],
    )
    cursor.executemany(
        fill(ledger_sql.PUT_PART),
        [{"id": part.id, "structure": part.structure, "text": part.text, "full": part.full} for part in new],
    )
    gone = [id for id, part in delta.parts.items() if part is None]
    if gone:
        cursor.execute(fill("DELETE FROM {db}hgaurora_part WHERE id IN %(gone)s"), {"gone": gone})
    return True


def contents(cursor: Any, fill: Fill, hashes: Iterable[str]) -> dict[str, bytes]:
    """Contents of parts by their hash; a missing one is absent."""
    wanted = list(hashes)
    if not wanted:
        return {}
    found = _ask(cursor, fill, "SELECT hash, content FROM {db}hgaurora_schema WHERE hash IN %(wanted)s", wanted=wanted)
    return {row["hash"]: zlib.decompress(row["content"]) for row in found}


def as_of(cursor: Any, fill: Fill, spans: Sequence[tuple[int, int]]) -> AsOf | None:
    """The schema as recorded in some spans of the chain; None where nothing was recorded in them. A later
    delta wins."""
    where, values = rows.within("seq", spans)
    text = f"SELECT seq, at, payload FROM {{db}}hgaurora_event WHERE kind = 'delta' AND ({where}) ORDER BY seq"
    found = _ask(cursor, fill, text, **values)
    if not found:
        return None
    parts: dict[str, str] = {}
    said: dict[str, Any] = {}
    for row in found:
        said = rows.payload(row)
        for id, (_, now) in said["parts"].items():
            parts.pop(id, None)
            if now is not None:
                parts[id] = now
    return AsOf(fingerprints=_fingerprints(said), parts=parts, at=found[-1]["at"], seq=found[-1]["seq"])
