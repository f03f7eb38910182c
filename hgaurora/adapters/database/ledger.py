# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the ledger as values, and what they say of each other. Pure: no connection here."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...core.chain import canonical, link, stamp
from ...core.errors import StateError
from ...core.model import Applied, Deployment, Direction, Kind, Outcome, Repeated, StepRow, Way
from ...ports import Connection, NewDeployment


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


def in_force(rows: Iterable[Sequence[Any]]) -> tuple[dict[str, Applied], dict[str, Repeated]]:
    """The fold over the ``step`` table, divided: migrations by revision, repeatable files by path.

    The ledger knows a repeatable file by its path, where a migration has its revision.
    """
    found = [applied(row) for row in rows]
    return (
        {one.revision: one for one in found if one.revision != one.path},
        {
            one.path: Repeated(path=one.path, raw=one.raw, node=one.node, deployment=one.deployment)
            for one in found
            if one.revision == one.path
        },
    )


def instant(value: str | datetime | None) -> datetime | None:
    """A time as the driver or the server's JSON gives it, aware and in UTC."""
    if value is None:
        return None
    return (datetime.fromisoformat(value) if isinstance(value, str) else value).astimezone(UTC)


def utc(value: datetime) -> datetime:
    """A time that a driver gives without its zone is in UTC."""
    return value if value.tzinfo else value.replace(tzinfo=UTC)


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
        # version 3 added it
        caller=row.get("caller"),
    )


def step(row: Mapping[str, Any]) -> StepRow:
    """A row of the ``step`` table."""
    started, ended = instant(row["started"]), instant(row["ended"])
    assert started is not None
    assert ended is not None
    return StepRow(
        seq=row["id"],
        deployment=row["deployment"],
        revision=row["revision"],
        direction=Direction(row["direction"]),
        path=row["path"],
        message=row["message"],
        raw=row["raw"],
        node=row["node"],
        snapshot=row["snapshot"],
        started=started,
        ended=ended,
    )


def event(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of the ``event`` table as ports hand it on: the time as it stands in the hash, the payload parsed.

    :raises StateError: the payload was edited, and is no JSON any more.
    """
    try:
        payload = json.loads(row["payload"])
    except ValueError as error:
        raise StateError(
            f"event {row['seq']} was edited: its payload is no JSON ({error})",
            state="nothing was changed",
            hint="journal verify names every edit; the journal has the event as it was",
        ) from None
    return {
        "seq": row["seq"],
        "at": stamp(row["at"]),
        "deployment": row["deployment"],
        "kind": row["kind"],
        "payload": payload,
        "hash": row["hash"],
        "carried": row["carried"],
        "delivered": stamp(row["delivered_at"]) if row["delivered_at"] is not None else None,
    }


def told(payload: Mapping[str, object], connection: Connection) -> Mapping[str, object]:
    """An event's payload with who AWS says we are, where AWS was asked."""
    return payload if connection.caller is None else {**payload, "caller": connection.caller}


def opening(new: NewDeployment, ident: str, number: int, caller: str | None) -> dict[str, object]:
    """The row of a deployment that begins, by column; without the time, which is the server's."""
    target = new.target
    return {
        "id": ident,
        "number": number,
        "kind": new.kind.value,
        "way": new.way.value if new.way else None,
        "outcome": Outcome.RUNNING.value,
        "node": target.node if target else "",
        "branch": target.branch if target else "",
        "phase": target.phase if target else "",
        "author": target.author if target else "",
        "description": target.description if target else "",
        "tags": list(target.tags) if target else [],
        "change_request": new.change_request,
        "from_node": new.from_node,
        "from_branch": new.from_branch,
        "heads_before": list(new.heads_before),
        "asked_by": new.user,
        "pusher": new.pusher,
        "host": new.host,
        "pid": new.pid,
        "tool_version": new.tool_version,
        "reverts": list(new.reverts),
        "plan": canonical(new.plan),
        "caller": caller,
    }


def started(new: NewDeployment, begun: Deployment) -> dict[str, object]:
    """What the event says that begins a deployment, or takes it up again."""
    return {
        "plan": dict(new.plan),
        "node": begun.node,
        "branch": begun.branch,
        "phase": begun.phase,
        "author": begun.author,
        "description": begun.description,
        "tags": list(begun.tags),
        "change_request": begun.change_request,
        "from_node": begun.from_node,
        "from_branch": begun.from_branch,
        "heads_before": list(new.heads_before),
        "reverts": list(begun.reverts),
        "way": begun.way.value if begun.way else None,
        "user": new.user,
        "pusher": new.pusher,
        "host": new.host,
        "pid": new.pid,
        "kind": new.kind.value,
        "tool": new.tool_version,
    }


def continues(own: tuple[str, int, str], rows: Mapping[str, Any], younger: Sequence[Mapping[str, Any]]) -> None:
    """Check that exported rows go on where a chain ends, without a gap, to the tip they came with.

    :param own: the chain's environment uuid, last number and last hash.
    :param rows: ``uuid``, ``tip_seq`` and ``tip_hash`` of the chain they are from.
    :param younger: the events after ``own``, in order, their times as ISO 8601.
    :raises StateError: they do not.
    """
    uuid, last, previous = own
    fits = rows["uuid"] == uuid
    for row in younger:
        at = stamp(datetime.fromisoformat(row["at"]))
        hashed = link(previous, last + 1, at, row["deployment"], row["kind"], row["payload"])
        fits = fits and row["seq"] == last + 1 and row["hash"] == hashed
        previous, last = row["hash"], row["seq"]
    if not fits or (last, previous) != (rows["tip_seq"], rows["tip_hash"]):
        raise StateError(
            "the restored copy's ledger is not the beginning of the live one's",
            state="the copy was not changed",
            hint="choose a snapshot of this environment",
        )


#: the columns of ``step`` that its event's payload gives
STEP_COLUMNS = (
    "ordinal",
    "revision",
    "direction",
    "path",
    "message",
    "parents",
    "depends_on",
    "branch_labels",
    "raw",
    "normal",
    "normal_version",
    "irreversible",
    "node",
    "snapshot",
    "versions",
    "statements",
    "replayed",
)


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
