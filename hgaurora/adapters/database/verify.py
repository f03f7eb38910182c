# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every edit of a ledger that the ledger itself gives away: the chain, the projections against its events, and the
rows against their seals. Pure: no connection here."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.chain import broken, stamp
from ...core.errors import StateError
from ...core.schema.form import parts as parts_of
from ...core.schema.form import schema_of
from . import ledger, seal
from .seal import Row, Rows

#: columns of ``step`` that an event of version 1 does not say, with what they are then
_LATER = {"kind": "migration", "adopted": False}
#: columns of a part, and what of it they are
_LEVELS = ("structure", "text", "full")


@dataclass(frozen=True, kw_only=True)
class Everything:
    """A whole ledger, in one look.

    :ivar events: all rows, decoded, in order.
    :ivar rows: as the driver gives them, for digests.
    :ivar steps: decoded.
    :ivar stored: of ``script`` and of ``schema``: hash to what is stored.
    :ivar parts: of the schema as recorded.
    """

    events: Sequence[Row]
    rows: Rows
    steps: Sequence[Row]
    versions: Sequence[str]
    stored: Mapping[str, Mapping[str, bytes]]
    parts: Sequence[Row]


def verify(found: Everything) -> list[str]:
    """What was edited, one line for each row and each way it shows; empty: nothing."""
    row = found.rows.environment
    chain = [
        tuple(one[name] for name in ("seq", "at", "deployment", "kind", "payload", "hash")) for one in found.events
    ]
    wrong = broken(chain, (row["tip_seq"], row["tip_hash"]))  # type: ignore[arg-type]
    try:
        said = [ledger.event(one) for one in found.events]
    except StateError as error:
        return [*wrong, error.message]
    rebases = [one for one in said if one["kind"] == "rebased"]
    steps, deployments = _projections(said, found.steps, found.rows.deployments)
    contents = _contents(found.stored)
    wrong += _carried(said, found.steps, rebases)
    wrong += _environment(said, found, rebases)
    wrong += [text for _, text in (*steps, *deployments)]
    wrong += list(contents.values())
    named = {("step", str(id)) for id, _ in steps} | {("deployment", str(id)) for id, _ in deployments}
    wrong += _sealed(said, found.rows, named | set(contents))
    wrong += _owned(said, found.rows)
    return wrong + _parts(said, found)


def _projections(
    events: Sequence[Row], steps: Iterable[Row], deployments: Iterable[Row]
) -> tuple[list[tuple[object, str]], list[tuple[object, str]]]:
    """Each step against its event, each deployment against its events: id, and what does not agree."""
    of_steps: list[tuple[object, str]] = []
    rows = {row["id"]: row for row in steps}
    for one in events:
        if one["kind"] != "step":
            continue
        seq, payload, row = one["seq"], one["payload"], rows.pop(one["seq"], None)
        if row is None:
            of_steps.append((seq, f"event {seq} is a step that the step table does not have"))
            continue
        wanted = {name: payload.get(name) for name in ledger.STEP_COLUMNS}
        wanted |= {name: payload.get(name, usual) for name, usual in _LATER.items()}
        wanted["deployment"] = one["deployment"]
        if differing := [name for name, value in wanted.items() if row[name] != value]:
            of_steps.append((seq, f"step {seq} is not what its event says: {', '.join(differing)}"))
    of_steps += [(seq, f"step {seq} has no event") for seq in rows]
    return of_steps, list(_deployments(events, deployments))


def _deployments(events: Sequence[Row], deployments: Iterable[Row]) -> Iterator[tuple[object, str]]:
    ended = {one["deployment"]: one["payload"] for one in events if one["kind"] == "deployment-finished"}
    begun = {one["deployment"] for one in events if one["kind"] == "deployment-started"}
    for row in deployments:
        id, outcome, payload = row["id"], row["outcome"], ended.get(row["id"])
        if id not in begun:
            yield id, f"deployment {id} has no event that begins it"
        elif payload is not None and payload["outcome"] != outcome:
            yield id, f"deployment {id} is {outcome}, its event says {payload['outcome']}"
        elif payload is None and outcome in ("ok", "failed"):
            yield id, f"deployment {id} is {outcome} without an event that says so"
        begun.discard(id)
    yield from ((id, f"deployment {id} has events, and is not in the table") for id in sorted(begun))


def _carried(events: Sequence[Row], steps: Iterable[Row], rebases: Sequence[Row]) -> list[str]:
    """Which rows a rebase carried over is what its event says."""
    spans = [(int(one["payload"]["snapshot"]["seq"]), int(one["payload"]["live"]["seq"])) for one in rebases]

    def over(seq: int) -> bool:
        return any(after < seq <= upto for after, upto in spans)

    wrong = [f"event {one['seq']} is marked wrong: carried" for one in events if one["carried"] != over(one["seq"])]
    return wrong + [f"step {one['id']} is marked wrong: carried" for one in steps if one["carried"] != over(one["id"])]


def _environment(events: Sequence[Row], found: Everything, rebases: Sequence[Row]) -> list[str]:
    """The environment's row against what the newest seal, the newest steps and the first event say of it."""
    row, wrong = found.rows.environment, []
    sealed = [one["payload"]["seal"] for one in events if "seal" in one["payload"]]
    if sealed and sealed[-1]["environment"] != seal.environment(row):
        wrong.append("the environment's row is not as it was sealed")
    made = next((one["payload"] for one in events if one["kind"] == "ledger-created"), None)
    if made is not None and (made["uuid"], made["environment"]) != (str(row["uuid"]), row["name"]):
        wrong.append(f"the environment's row is that of {row['name']}, {row['uuid']}; the ledger was made for another")
    steps = [one["payload"]["versions"] for one in events if one["kind"] == "step" and not one["carried"]]
    if sorted(found.versions) != sorted(steps[-1] if steps else ()):
        wrong.append("the environment's row has other version rows than the last step: versions")
    if "tip_at" in row and events and stamp(ledger.utc(row["tip_at"])) != events[-1]["at"]:
        wrong.append("the environment's row has another time than the last event: tip_at")
    return wrong


def _contents(stored: Mapping[str, Mapping[str, bytes]]) -> dict[tuple[str, str], str]:
    """Stored contents against their hashes."""
    wrong = {}
    for table, rows in stored.items():
        for hash, content in rows.items():
            try:
                good = hashlib.sha256(zlib.decompress(content)).hexdigest() == hash
            except zlib.error:
                good = False
            if not good:
                wrong[table, hash] = f"{table} {hash[:12]} is not what its hash says"
    return wrong


def _sealed(events: Sequence[Row], rows: Rows, named: Collection[tuple[str, str]]) -> list[str]:
    """Rows against the newest seal of their deployment.

    :param named: table and key of rows that are known to be wrong.
    """
    newest: dict[str, tuple[int, Mapping[str, Any]]] = {}
    for one in events:
        for id, said in one["payload"].get("seal", {}).get("deployments", {}).items():
            newest[id] = one["seq"], said
    deployments = {row["id"]: row for row in rows.deployments}
    wrong = []
    for id, (seq, said) in newest.items():
        row = deployments.get(id)
        if row is not None and seal.digest(row) != said["row"] and ("deployment", id) not in named:
            wrong.append(f"deployment {id} is not as event {seq} sealed it")
        if "steps" not in said:
            continue
        now = {str(one["id"]): seal.digest(one, seal.CARRIED) for one in rows.steps if one["deployment"] == id}
        wrong += _rows("step", said["steps"], now, seq, named)
        mine = [one for one in rows.statements if one["deployment"] == id]
        now = {str(one["id"]): seal.statement(one) for one in mine}
        for one in mine:
            before = said["statements"].get(str(one["id"]))
            if one["closed"] and seal.statement(one, closed=False) == before and _closed_later(events, one, seq):
                now[str(one["id"])] = before
        wrong += _rows("statement", said["statements"], now, seq, named)
        for table, some in (("script", rows.scripts), ("schema", rows.schemas)):
            there = [one for one in some if one["deployment"] == id and one["event"] <= seq]
            known = {event for event, all in _by_event(there).items() if any((table, hash) in named for hash in all)}
            was, is_now = said[f"{table}s"], seal.contents(there)
            wrong += [
                f"the rows of {table} that event {event} stored are not as event {seq} sealed them"
                for event in sorted({*was} | {*is_now})
                if was.get(event) != is_now.get(event) and event not in known
            ]
    return wrong


def _rows(
    table: str, was: Mapping[str, str], now: Mapping[str, str], seq: int, named: Collection[tuple[str, str]]
) -> list[str]:
    wrong = []
    for id in sorted({*was} | {*now}, key=int):
        if (table, id) in named or was.get(id) == now.get(id):
            continue
        how = "is gone since" if id not in now else "is not one that" if id not in was else "is not as"
        wrong.append(f"{table} {id} {how} event {seq} sealed {'them' if how == 'is gone since' else 'it'}")
    return wrong


def _closed_later(events: Sequence[Row], statement: Row, seq: int) -> bool:
    """Whether a step after a seal closed a row of the statement journal."""
    key = (statement["revision"], statement["direction"])
    return any(
        one["kind"] == "step" and one["seq"] > seq and (one["payload"]["revision"], one["payload"]["direction"]) == key
        for one in events
    )


def _by_event(rows: Iterable[Row]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(str(row["event"]), []).append(row["hash"])
    return found


def _owned(events: Sequence[Row], rows: Rows) -> list[str]:
    """Rows that belong to something which is there."""
    kinds = {one["seq"]: one["kind"] for one in events}
    wrong = [
        f"{table} {row['hash'][:12]} came with event {row['event']}, which is none that stores any"
        for table, some, prefix in (("script", rows.scripts, "deployment-"), ("schema", rows.schemas, "delta"))
        for row in some
        if not kinds.get(row["event"], "").startswith(prefix)
    ]
    known = {row["id"] for row in rows.deployments}
    return wrong + [
        f"statement {row['id']} is of {row['deployment']}, which is no deployment"
        for row in rows.statements
        if row["deployment"] not in known
    ]


def _parts(events: Sequence[Row], found: Everything) -> list[str]:
    """The parts against the deltas that led to them, and their hashes against their contents."""
    rebases = [(one["seq"], int(one["payload"]["snapshot"]["seq"])) for one in events if one["kind"] == "rebased"]
    counted = ledger.spans(rebases, max((one["seq"] for one in events), default=0))
    wanted: dict[str, str] = {}
    engine, major = "", ""
    for one in events:
        if one["kind"] == "delta" and any(after < one["seq"] <= upto for after, upto in counted):
            engine, major = one["payload"]["engine"], one["payload"]["major"]
            for id, (_, now) in one["payload"]["parts"].items():
                wanted.pop(id, None)
                if now is not None:
                    wanted[id] = now
    rows = {row["id"]: row for row in found.parts}
    wrong = [
        f"part {id} is not what the deltas say"
        for id in sorted({*rows} | {*wanted})
        if (rows[id]["full"] if id in rows else None) != wanted.get(id)
    ]
    good = {id: row for id, row in rows.items() if row["full"] == wanted.get(id)}
    stored = found.stored["schema"]
    wrong += [f"the content of part {id} is missing" for id, row in sorted(good.items()) if row["full"] not in stored]
    made = _made(engine, major, [stored[row["full"]] for row in good.values() if row["full"] in stored])
    wrong += [
        f"part {id} is not what its content says: {', '.join(differing)}"
        for id, row in sorted(good.items())
        if id in made and (differing := [name for name in _LEVELS if row[name] != getattr(made[id], name)])
    ]
    return wrong


def _made(engine: str, major: str, contents: Iterable[bytes]) -> Mapping[str, Any]:
    """The parts that contents are; nothing where they can not be read, which is said of the contents."""
    try:
        return parts_of(schema_of(engine, major, [zlib.decompress(one) for one in contents]))
    except (zlib.error, ValueError):
        return {}
