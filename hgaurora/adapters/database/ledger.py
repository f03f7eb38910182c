# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the ledger as values, its canonical JSON, and its hash chain. Pure: no connection here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ...core.errors import StateError
from ...core.model import Applied, Deployment, Direction, Kind, Outcome, Repeated, StepRow, Way
from ...ports import NewDeployment


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


def opening(new: NewDeployment, ident: str, number: int) -> dict[str, object]:
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
        at = datetime.fromisoformat(row["at"])
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


def differences(
    events: Sequence[Mapping[str, Any]],
    steps: Iterable[Mapping[str, Any]],
    deployments: Iterable[Mapping[str, Any]],
) -> list[str]:
    """Each step against its event, each closed deployment against its last event: what does not agree.

    :param events: as :func:`event` gives them.
    """
    wrong: list[str] = []
    rows = {row["id"]: row for row in steps}
    for one in events:
        if one["kind"] != "step":
            continue
        payload, row = one["payload"], rows.pop(one["seq"], None)
        if row is None:
            wrong.append(f"event {one['seq']} is a step that the step table does not have")
        elif (
            any(row[name] != payload[name] for name in STEP_COLUMNS)
            # not in the payload of a step that version 1 wrote
            or row["kind"] != payload.get("kind", "migration")
            or row["adopted"] != payload.get("adopted", False)
            or row["deployment"] != one["deployment"]
        ):
            wrong.append(f"step {one['seq']} is not what its event says")
    wrong += [f"step {seq} has no event" for seq in rows]
    ended = {one["deployment"]: one["payload"] for one in events if one["kind"] == "deployment-finished"}
    begun = {one["deployment"] for one in events if one["kind"] == "deployment-started"}
    for deployed in deployments:
        payload = ended.get(deployed["id"])
        if deployed["id"] not in begun:
            wrong.append(f"deployment {deployed['id']} has no event that begins it")
        elif payload is not None and payload["outcome"] != deployed["outcome"]:
            wrong.append(f"deployment {deployed['id']} is {deployed['outcome']}, its event says {payload['outcome']}")
        elif payload is None and deployed["outcome"] in ("ok", "failed"):
            wrong.append(f"deployment {deployed['id']} is {deployed['outcome']} without an event that says so")
    return wrong


def part_differences(
    events: Sequence[Mapping[str, Any]], found: Mapping[str, str], stored: Collection[str]
) -> list[str]:
    """The parts (id to full hash) against the deltas that led to them, and the hashes whose content is stored."""
    rebases = [(one["seq"], int(one["payload"]["snapshot"]["seq"])) for one in events if one["kind"] == "rebased"]
    counted = spans(rebases, max((one["seq"] for one in events), default=0))
    wanted: dict[str, str] = {}
    for one in sorted(events, key=lambda one: int(one["seq"])):
        if one["kind"] == "delta" and any(after < one["seq"] <= upto for after, upto in counted):
            for id, (_, now) in one["payload"]["parts"].items():
                wanted.pop(id, None)
                if now is not None:
                    wanted[id] = now
    wrong = [
        f"part {id} is not what the deltas say"
        for id in sorted({*found} | {*wanted})
        if found.get(id) != wanted.get(id)
    ]
    return wrong + [f"the content of part {id} is missing" for id, hash in sorted(found.items()) if hash not in stored]


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


def not_whole(environment: str, missing: Iterable[str]) -> StateError:
    """Tables of a ledger are gone: nothing goes on without what they hold."""
    names = sorted(missing)
    return StateError(
        f"the ledger of {environment} is not whole: {', '.join(names)} {'is' if len(names) == 1 else 'are'} missing",
        state="nothing was changed",
        hint="bring what is missing back from a backup that holds it, such as the dump of a snapshot",
        data={"missing": names},
    )


def remains(environment: str, tables: Collection[str]) -> StateError:
    """A ledger without its environment: no new one is made over it."""
    names = ", ".join(sorted(tables))
    return StateError(
        f"{environment} holds the remains of a ledger, without its environment: {names}",
        state="nothing was changed",
        hint="bring what is missing back from a backup; to give the history up and begin anew, drop these tables",
        data={"remains": sorted(tables)},
    )
