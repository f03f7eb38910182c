# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a restore does to a ledger, and what a check of it looks at. Each function runs in its caller's transaction.

As on PostgreSQL: the chain of a restored copy is the beginning of the live one's, the younger events are carried over
as they are, and an event on top names both tips.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ....core.errors import StateError
from .. import ledger
from . import ledger_sql
from .rows import Fill, append, decoded, insert


def _rows(cursor: Any, fill: Fill, text: str, **values: object) -> list[dict[str, Any]]:
    """Rows, JSON-safe but for bytes."""
    cursor.execute(fill(text), values)
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in decoded(row).items()}
        for row in cursor.fetchall()
    ]


def _contents(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "content": base64.b64encode(row["content"]).decode()} for row in found]


def export(cursor: Any, fill: Fill, seq: int) -> dict[str, object]:
    """Every row younger than event ``seq``: events, steps, scripts, schemas, and the deployments these events are
    about."""
    (environment,) = _rows(cursor, fill, "SELECT uuid, tip_seq, tip_hash FROM {db}hgaurora_environment")
    return {
        **environment,
        "after": seq,
        "events": _rows(cursor, fill, "SELECT * FROM {db}hgaurora_event WHERE seq > %(seq)s ORDER BY seq", seq=seq),
        "steps": _rows(cursor, fill, "SELECT * FROM {db}hgaurora_step WHERE id > %(seq)s ORDER BY id", seq=seq),
        "scripts": _contents(_rows(cursor, fill, "SELECT * FROM {db}hgaurora_script WHERE event > %(seq)s", seq=seq)),
        "schemas": _contents(_rows(cursor, fill, "SELECT * FROM {db}hgaurora_schema WHERE event > %(seq)s", seq=seq)),
        "deployments": _rows(
            cursor,
            fill,
            "SELECT * FROM {db}hgaurora_deployment WHERE id IN"
            " (SELECT deployment FROM {db}hgaurora_event WHERE seq > %(seq)s) ORDER BY number",
            seq=seq,
        ),
    }


def rebase(
    cursor: Any, fill: Fill, rows: Mapping[str, Any], *, deployment: str, node: str | None, branch: str | None
) -> str:
    """See :meth:`hgaurora.ports.Database.rebase`."""
    found = _rows(cursor, fill, ledger_sql.ENVIRONMENT)
    if not found:
        raise StateError("the restored copy has no ledger", state="it was not changed", hint="choose another snapshot")
    (own,) = found
    done = "SELECT seq FROM {db}hgaurora_event WHERE kind = 'rebased' AND deployment = %(id)s"
    if _rows(cursor, fill, done, id=deployment):
        return str(own["epoch"])
    tip = own["tip_seq"]
    younger = [row for row in rows["events"] if row["seq"] > tip]
    ledger.continues((own["uuid"], tip, own["tip_hash"]), rows, younger)
    for row in younger:
        insert(cursor, fill, "event", {**row, "carried": True})
    for row in rows["steps"]:
        if row["id"] > tip:
            insert(cursor, fill, "step", {**row, "carried": True})
    for table in ("script", "schema"):
        for row in rows[f"{table}s"]:
            insert(cursor, fill, table, {**row, "content": base64.b64decode(row["content"])}, replace=True)
    for row in rows["deployments"]:
        insert(cursor, fill, "deployment", row, replace=True)
    cursor.execute(
        fill(
            "UPDATE {db}hgaurora_deployment SET outcome = 'superseded', ended = COALESCE(ended, UTC_TIMESTAMP(6))"
            " WHERE outcome = 'running' AND id <> %(id)s"
        ),
        {"id": deployment},
    )
    epoch = str(uuid.uuid4())
    values = {"epoch": epoch, "node": node, "branch": branch, "id": deployment}
    cursor.execute(
        fill(
            "UPDATE {db}hgaurora_environment SET epoch = %(epoch)s, node = %(node)s, branch = %(branch)s,"
            " deployed_by = %(id)s, since = UTC_TIMESTAMP(6), tip_seq = %(tip_seq)s, tip_hash = %(tip_hash)s"
        ),
        {**values, "tip_seq": rows["tip_seq"], "tip_hash": rows["tip_hash"]},
    )
    said = {
        "snapshot": {"seq": tip, "hash": own["tip_hash"]},
        "live": {"seq": rows["tip_seq"], "hash": rows["tip_hash"]},
        "node": node,
    }
    append(cursor, fill, deployment, "rebased", said)
    return epoch


def verify(cursor: Any, fill: Fill) -> list[str]:
    """The chain against its hashes, each step against its event, each closed deployment against its last event."""
    tip = _rows(cursor, fill, "SELECT tip_seq, tip_hash FROM {db}hgaurora_environment")[0]
    cursor.execute(fill("SELECT * FROM {db}hgaurora_event ORDER BY seq"), {})
    events = [decoded(row) for row in cursor.fetchall()]
    chain = [tuple(row[name] for name in ("seq", "at", "deployment", "kind", "payload", "hash")) for row in events]
    wrong = ledger.broken(chain, (tip["tip_seq"], tip["tip_hash"]))
    said = [ledger.event(row) for row in events]
    steps = _rows(cursor, fill, "SELECT * FROM {db}hgaurora_step ORDER BY id")
    deployments = _rows(cursor, fill, "SELECT id, outcome FROM {db}hgaurora_deployment ORDER BY number")
    parts = {row["id"]: row["full"] for row in _rows(cursor, fill, ledger_sql.PARTS)}
    stored = {row["hash"] for row in _rows(cursor, fill, "SELECT hash FROM {db}hgaurora_schema")}
    return wrong + ledger.differences(said, steps, deployments) + ledger.part_differences(said, parts, stored)
