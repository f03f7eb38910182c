# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a restore does to a ledger, and what a check of it looks at. Each function runs in its caller's transaction.

The chain of a restored copy is the beginning of the live one's. The younger events are carried over as they are,
with their sequence numbers and hashes, so there is one chain still; an event on top names both tips. Steps
that are carried are marked, and the fold that gives the applied set passes over them.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from psycopg import sql
from psycopg.rows import dict_row

from .. import ledger
from . import ledger_sql

if TYPE_CHECKING:
    import psycopg


def insert(cursor: psycopg.Cursor[Any], table: str, row: Mapping[str, Any], *, replace: str | None = None) -> None:
    """Insert one row into a ledger table; ``replace`` names the key of a row that it takes the place of."""
    names = list(row)
    text = sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(
        sql.Identifier("hgaurora", table),
        sql.SQL(", ").join(map(sql.Identifier, names)),
        sql.SQL(", ").join(map(sql.Placeholder, names)),
    )
    if replace is not None:
        text += sql.SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(
            sql.Identifier(replace),
            sql.SQL(", ").join(
                sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in names if name != replace
            ),
        )
    cursor.execute(text, row)


def _rows(cursor: psycopg.Cursor[Any], text: str, values: Sequence[object]) -> list[dict[str, Any]]:
    with cursor.connection.cursor(row_factory=dict_row) as dicts:
        found = dicts.execute(text, values).fetchall()
    return [
        {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items()}
        for row in found
    ]


def export(cursor: psycopg.Cursor[Any], seq: int) -> dict[str, object]:
    """Every row younger than event ``seq``: events, steps, scripts, contents of parts, and the deployments these events
    are about. The parts are not among them: they are what the live database's schema is."""
    environment = _rows(cursor, "SELECT uuid::text, tip_seq, tip_hash FROM hgaurora.environment", ())[0]
    contents = {
        table: [
            {**row, "content": base64.b64encode(row["content"]).decode()}
            for row in _rows(cursor, f"SELECT hash, content, event FROM hgaurora.{table} WHERE event > %s", (seq,))
        ]
        for table in ("script", "schema")
    }
    return {
        **environment,
        "after": seq,
        "events": _rows(cursor, "SELECT * FROM hgaurora.event WHERE seq > %s ORDER BY seq", (seq,)),
        "steps": _rows(cursor, "SELECT * FROM hgaurora.step WHERE id > %s ORDER BY id", (seq,)),
        "scripts": contents["script"],
        "schemas": contents["schema"],
        "deployments": _rows(
            cursor,
            "SELECT * FROM hgaurora.deployment WHERE id IN (SELECT deployment FROM hgaurora.event WHERE seq > %s)"
            " ORDER BY number",
            (seq,),
        ),
    }


def rebase(
    cursor: psycopg.Cursor[Any], rows: Mapping[str, Any], *, deployment: str, node: str | None, branch: str | None
) -> str:
    """See :meth:`hgaurora.ports.Database.rebase`."""
    own = cursor.execute(
        "SELECT uuid::text, tip_seq, tip_hash, epoch::text FROM hgaurora.environment FOR UPDATE"
    ).fetchone()
    assert own is not None
    done = cursor.execute(
        "SELECT 1 FROM hgaurora.event WHERE kind = 'rebased' AND deployment = %s", (deployment,)
    ).fetchone()
    if done:
        return str(own[3])
    younger = [row for row in rows["events"] if row["seq"] > own[1]]
    ledger.continues((own[0], own[1], own[2]), rows, younger)
    for row in younger:
        insert(cursor, "event", {**row, "carried": True})
    for row in rows["steps"]:
        if row["id"] > own[1]:
            insert(cursor, "step", {**row, "carried": True})
    for table, of_it in (("script", rows["scripts"]), ("schema", rows["schemas"])):
        for row in of_it:
            insert(cursor, table, {**row, "content": base64.b64decode(row["content"])}, replace="hash")
    # what was running in the snapshot has become something since: it is closed before a younger one may be open
    running = [row["id"] for row in rows["deployments"] if row["outcome"] == "running"]
    for row in sorted(rows["deployments"], key=lambda row: row["id"] in running):
        insert(cursor, "deployment", row, replace="id")
    cursor.execute(
        "UPDATE hgaurora.deployment SET outcome = 'superseded', ended = COALESCE(ended, pg_catalog.clock_timestamp())"
        " WHERE outcome = 'running' AND id <> %s",
        (deployment,),
    )
    epoch = str(uuid.uuid4())
    cursor.execute(
        "UPDATE hgaurora.environment SET epoch = %s, node = %s, branch = %s, deployed_by = %s,"
        " since = pg_catalog.clock_timestamp(), tip_seq = %s, tip_hash = %s",
        (epoch, node, branch, deployment, rows["tip_seq"], rows["tip_hash"]),
    )
    said = {
        "snapshot": {"seq": own[1], "hash": own[2]},
        "live": {"seq": rows["tip_seq"], "hash": rows["tip_hash"]},
        "node": node,
    }
    cursor.execute(ledger_sql.APPEND, {"deployment": deployment, "kind": "rebased", "payload": ledger.canonical(said)})
    return epoch


def verify(cursor: psycopg.Cursor[Any]) -> list[str]:
    """The chain against its hashes, each step against its event, each closed deployment against its last event."""
    tip = cursor.execute("SELECT tip_seq, tip_hash, versions FROM hgaurora.environment").fetchone()
    assert tip is not None
    events = cursor.execute(
        "SELECT seq, at, deployment, kind, payload, hash FROM hgaurora.event ORDER BY seq"
    ).fetchall()
    wrong = ledger.broken(events, (tip[0], tip[1]))
    names = ("seq", "at", "deployment", "kind", "payload", "hash", "carried")
    said = [ledger.event(dict(zip(names, (*row, False), strict=True))) for row in events]
    steps = _rows(cursor, "SELECT * FROM hgaurora.step ORDER BY id", ())
    deployments = _rows(cursor, "SELECT id, outcome FROM hgaurora.deployment ORDER BY number", ())
    parts = {row["id"]: row["full"] for row in _rows(cursor, ledger_sql.PARTS, ())}
    stored = {row["hash"] for row in _rows(cursor, "SELECT hash FROM hgaurora.schema", ())}
    return wrong + ledger.differences(said, steps, deployments) + ledger.part_differences(said, parts, stored)
