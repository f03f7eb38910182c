# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a restore does to a ledger, and what a check of it looks at. Each function runs in its caller's transaction.

As on PostgreSQL: the chain of a restored copy is the beginning of the live one's, the younger events are carried over
as they are, and an event on top names both tips.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ....core.errors import StateError
from .. import ledger, seal
from ..seal import Rows
from ..verify import Everything
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
    cursor: Any,
    fill: Fill,
    rows: Mapping[str, Any],
    *,
    deployment: str,
    node: str | None,
    branch: str | None,
    more: Mapping[str, object],
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
    running = "SELECT id FROM {db}hgaurora_deployment WHERE outcome = 'running'"
    touched = [*(row["id"] for row in rows["deployments"]), *(row["id"] for row in _rows(cursor, fill, running))]
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
        "seal": seal.closing(sealed(cursor, fill, touched)),
    }
    append(cursor, fill, deployment, "rebased", {**said, **more})
    return epoch


def sealed(cursor: Any, fill: Fill, deployments: Sequence[str] | None = None, *, opening: bool = False) -> Rows:
    """Rows as they stand in this transaction, for a seal: lists as the texts that they are.

    :param deployments: whose; None: all.
    :param opening: of the deployments their own rows alone.
    """
    own = "WHERE id IN %(ids)s" if deployments is not None else ""
    where = "WHERE deployment IN %(ids)s" if deployments is not None else ""

    def rows(text: str) -> list[dict[str, Any]]:
        # a list must not be empty here; no deployment has an empty name
        cursor.execute(fill(text), {"ids": list(deployments) or [""]} if deployments is not None else {})
        return list(cursor.fetchall())

    (environment,) = rows("SELECT * FROM {db}hgaurora_environment")
    found = rows(f"SELECT * FROM {{db}}hgaurora_deployment {own}")
    if opening:
        return Rows(environment=environment, deployments=found)
    scripts, schemas = (
        rows(
            f"SELECT s.hash, s.event, v.deployment, SHA2(s.content, 256) AS content FROM {{db}}hgaurora_{table} s"
            f" LEFT JOIN {{db}}hgaurora_event v ON v.seq = s.event {where}"
        )
        for table in ("script", "schema")
    )
    return Rows(
        environment=environment,
        deployments=found,
        steps=rows(f"SELECT * FROM {{db}}hgaurora_step {where} ORDER BY id"),
        statements=rows(f"SELECT * FROM {{db}}hgaurora_statement {where}"),
        scripts=scripts,
        schemas=schemas,
    )


def everything(cursor: Any, fill: Fill) -> Everything:
    """The whole ledger; in one look, where the transaction is one."""
    found = sealed(cursor, fill)

    def rows(text: str) -> list[dict[str, Any]]:
        cursor.execute(fill(text), {})
        return list(cursor.fetchall())

    return Everything(
        events=[decoded(row) for row in rows("SELECT * FROM {db}hgaurora_event ORDER BY seq")],
        rows=found,
        steps=[_as_it_is(row) for row in found.steps],
        versions=_as_it_is(found.environment)["versions"],
        stored={
            table: {row["hash"]: row["content"] for row in rows(f"SELECT hash, content FROM {{db}}hgaurora_{table}")}
            for table in ("script", "schema")
        },
        parts=rows(ledger_sql.PARTS),
    )


def _as_it_is(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row, decoded; where somebody edited a list so that it is none any more, the text."""
    found = dict(row)
    for name, value in row.items():
        try:
            found |= decoded({name: value})
        except ValueError:
            found[name] = value
    return found
