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

from .. import ledger, seal
from ..seal import Rows
from ..verify import Everything
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
    cursor: psycopg.Cursor[Any],
    rows: Mapping[str, Any],
    *,
    deployment: str,
    node: str | None,
    branch: str | None,
    more: Mapping[str, object],
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
    superseded = [
        str(id)
        for (id,) in cursor.execute(
            "UPDATE hgaurora.deployment SET outcome = 'superseded',"
            " ended = COALESCE(ended, pg_catalog.clock_timestamp())"
            " WHERE outcome = 'running' AND id <> %s RETURNING id",
            (deployment,),
        )
    ]
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
        "seal": seal.closing(sealed(cursor, [row["id"] for row in rows["deployments"]] + superseded)),
    }
    cursor.execute(
        ledger_sql.APPEND, {"deployment": deployment, "kind": "rebased", "payload": ledger.canonical({**said, **more})}
    )
    return epoch


def sealed(cursor: psycopg.Cursor[Any], deployments: Sequence[str] | None = None, *, opening: bool = False) -> Rows:
    """Rows as they stand in this transaction, for a seal.

    :param deployments: whose; None: all.
    :param opening: of the deployments their own rows alone.
    """
    own = "WHERE id = ANY (%(ids)s)" if deployments is not None else ""
    where = "WHERE deployment = ANY (%(ids)s)" if deployments is not None else ""
    values = {"ids": list(deployments or ())}
    with cursor.connection.cursor(row_factory=dict_row) as dicts:

        def rows(text: str) -> list[dict[str, Any]]:
            return dicts.execute(text, values).fetchall()

        (environment,) = rows("SELECT * FROM hgaurora.environment")
        found = rows(f"SELECT * FROM hgaurora.deployment {own}")
        if opening:
            return Rows(environment=environment, deployments=found)
        scripts, schemas = (
            rows(
                "SELECT s.hash, s.event, v.deployment,"
                " pg_catalog.encode(pg_catalog.sha256(s.content), 'hex') AS content"
                f" FROM hgaurora.{table} s LEFT JOIN hgaurora.event v ON v.seq = s.event {where}"
            )
            for table in ("script", "schema")
        )
        return Rows(
            environment=environment,
            deployments=found,
            steps=rows(f"SELECT * FROM hgaurora.step {where} ORDER BY id"),
            statements=rows(f"SELECT * FROM hgaurora.statement {where}"),
            scripts=scripts,
            schemas=schemas,
        )


def everything(cursor: psycopg.Cursor[Any]) -> Everything:
    """The whole ledger; in one look, where the transaction is one."""
    rows = sealed(cursor)
    with cursor.connection.cursor(row_factory=dict_row) as dicts:
        return Everything(
            events=dicts.execute("SELECT * FROM hgaurora.event ORDER BY seq").fetchall(),
            rows=rows,
            steps=rows.steps,
            versions=rows.environment["versions"],
            stored={
                table: {
                    row["hash"]: row["content"]
                    for row in dicts.execute(f"SELECT hash, content FROM hgaurora.{table}").fetchall()
                }
                for table in ("script", "schema")
            },
            parts=dicts.execute(ledger_sql.PARTS).fetchall(),
        )
