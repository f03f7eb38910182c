# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the ledger as values, its canonical JSON, and its hash chain. Pure: no connection here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...core.model import Applied, Deployment, Direction, Kind, Outcome, StepRow, Way


def canonical(payload: Mapping[str, object]) -> str:
    """JSON with one spelling: sorted keys, no spaces, ASCII."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def stamp(at: datetime) -> str:
    """An event's time as it stands in its hash: UTC, microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def link(previous: str, seq: int, at: datetime, deployment: str | None, kind: str, payload: str) -> str:
    """The hash of one event, as the server computes it on the server."""
    said = "\n".join((previous, str(seq), stamp(at), deployment or "", kind, payload))
    return hashlib.sha256(said.encode()).hexdigest()


def broken(rows: Iterable[tuple[int, datetime, str | None, str, str, str]], tip: tuple[int, str]) -> list[str]:
    """What is wrong with a chain: rows (seq, at, deployment, kind, payload, hash) in order, against the tip."""
    wrong: list[str] = []
    previous, last = "", 0
    for seq, at, deployment, kind, payload, found in rows:
        if seq != last + 1:
            wrong.append(f"event {last + 1} is missing before event {seq}")
        if found != link(previous, seq, at, deployment, kind, payload):
            wrong.append(f"event {seq} is not what its hash says")
        previous, last = found, seq
    if (last, previous) != tip:
        wrong.append(f"the chain ends at event {last}, the environment row says {tip[0]}")
    return wrong


def applied(row: Sequence[Any]) -> Applied:
    """A row of the fold over the ``step`` table, in the order of ``ledger_sql.APPLIED_IN`` of each engine."""
    return Applied(
        revision=row[0],
        parents=tuple(row[1]),
        depends_on=tuple(row[2]),
        branch_labels=tuple(row[3]),
        path=row[4],
        message=row[5],
        raw=row[6],
        normal=row[7],
        normal_version=row[8],
        irreversible=row[9],
        node=row[10],
        deployment=row[11],
    )


def instant(value: str | datetime | None) -> datetime | None:
    """A time as the driver or the server's JSON gives it, aware and in UTC."""
    if value is None:
        return None
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def deployment(row: Mapping[str, Any]) -> Deployment:
    """A row of the ``deployment`` table, from the driver or from the server's JSON."""
    started = instant(row["started"])
    assert started is not None
    return Deployment(
        id=row["id"],
        number=row["number"],
        kind=Kind(row["kind"]),
        way=Way(row["way"]) if row["way"] else None,
        outcome=Outcome(row["outcome"]),
        node=row["node"],
        branch=row["branch"],
        phase=row["phase"],
        author=row["author"],
        description=row["description"],
        tags=tuple(row["tags"]),
        change_request=row["change_request"],
        from_node=row["from_node"],
        from_branch=row["from_branch"],
        heads_before=tuple(row["heads_before"]),
        heads_after=None if row["heads_after"] is None else tuple(row["heads_after"]),
        user=row["asked_by"],
        pusher=row["pusher"],
        host=row["host"],
        pid=row["pid"],
        tool_version=row["tool_version"],
        started=started,
        ended=instant(row["ended"]),
        error=row["error"],
        reverts=tuple(row["reverts"]),
        plan=json.loads(row["plan"]),
    )


def step(row: Mapping[str, Any]) -> StepRow:
    """A row of the ``step`` table."""
    started, ended = instant(row["started"]), instant(row["ended"])
    assert started is not None
    assert ended is not None
    return StepRow(
        deployment=row["deployment"],
        revision=row["revision"],
        direction=Direction(row["direction"]),
        path=row["path"],
        message=row["message"],
        node=row["node"],
        snapshot=row["snapshot"],
        started=started,
        ended=ended,
    )


def event(row: Mapping[str, Any]) -> dict[str, object]:
    """A row of the ``event`` table as ports hand it on: the time as it stands in the hash, the payload parsed."""
    return {
        "seq": row["seq"],
        "at": stamp(row["at"]),
        "deployment": row["deployment"],
        "kind": row["kind"],
        "payload": json.loads(row["payload"]),
        "hash": row["hash"],
        "carried": row["carried"],
    }


def spans(rebases: Sequence[tuple[int, int]], upto: int) -> list[tuple[int, int]]:
    """The parts of the chain that led to the state at event ``upto``: (after, up to), in any order.

    ``rebases`` are (event, event of the snapshot it went back to). A restore sets the state back to the snapshot's,
    so what lies between does not count.

    >>> spans([(9, 4)], 12)
    [(9, 12), (0, 4)]
    """
    found = []
    while True:
        last = max((pair for pair in rebases if pair[0] <= upto), default=None)
        if last is None:
            return [*found, (0, upto)]
        found.append((last[0], upto))
        upto = last[1]
