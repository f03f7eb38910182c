# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Seals: digests of the ledger's rows, written into the chain of events when a deployment is closed.

An event says what happened; a row has more (times, what a step touched, the statement journal, stored contents). So
the event that closes a deployment names a digest of each of its rows as they stand in that very transaction, and an
edit of any byte of them is found by whoever reads them again. Pure: no connection here.

A seal names all rows of a deployment, and the newest one counts: a restored copy has other rows, and seals them anew.
A column that is null does not count, so a column that a later version adds (null in the rows there are) breaks none.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...core.chain import stamp

Row = Mapping[str, Any]

#: hexadecimal digits of a digest: 64 bits tell an edit from none; the chain that holds it has whole ones
DIGITS = 16
#: what moves without a seal: the chain's end, which the chain proves; version rows, which the steps say
MOVING = frozenset({"versions", "tip_seq", "tip_at", "tip_hash"})
#: set by a rebase, which says of which
CARRIED = frozenset({"carried"})


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of the ledger's tables, as the driver gives them. ``scripts`` and ``schemas`` have ``hash``, ``event``,
    ``deployment`` (of that event) and ``content``, the sha256 of what is stored."""

    environment: Row
    deployments: Sequence[Row]
    steps: Sequence[Row] = ()
    statements: Sequence[Row] = ()
    scripts: Sequence[Row] = ()
    schemas: Sequence[Row] = ()


def digest(row: Row, without: Collection[str] = ()) -> str:
    """Of one row."""
    said = {name: _plain(value) for name, value in row.items() if name not in without and value is not None}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:DIGITS]


def environment(row: Row) -> str:
    """Of the one row of the environment, as far as it only moves with a seal."""
    return digest(row, MOVING)


def statement(row: Row, *, closed: bool = True) -> str:
    """Of a row of the statement journal; else as it was before its step was recorded: the next run that finishes a
    step closes its rows, whichever deployment wrote them."""
    return digest(row) if closed else digest({**row, "closed": type(row["closed"])(0)})


def contents(rows: Iterable[Row]) -> dict[str, str]:
    """Of stored contents, by the event that they came with."""
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        found[str(row["event"])].append((row["hash"], row["content"]))
    return {event: digest({"rows": sorted(all)}) for event, all in found.items()}


def opening(rows: Rows) -> dict[str, object]:
    """Of a deployment that begins: what is there of it."""
    return {
        "environment": environment(rows.environment),
        "deployments": {row["id"]: {"row": digest(row)} for row in rows.deployments},
    }


def closing(rows: Rows) -> dict[str, object]:
    """Of deployments and all that belongs to them."""

    def of(some: Sequence[Row], deployment: str) -> list[Row]:
        return [row for row in some if row["deployment"] == deployment]

    return {
        "environment": environment(rows.environment),
        "deployments": {
            row["id"]: {
                "row": digest(row),
                "steps": {str(one["id"]): digest(one, CARRIED) for one in of(rows.steps, row["id"])},
                "statements": {str(one["id"]): statement(one) for one in of(rows.statements, row["id"])},
                "scripts": contents(of(rows.scripts, row["id"])),
                "schemas": contents(of(rows.schemas, row["id"])),
            }
            for row in rows.deployments
        },
    }


def _plain(value: Any) -> object:
    """A value as JSON has it, in one spelling."""
    if isinstance(value, datetime):
        return stamp(value if value.tzinfo else value.replace(tzinfo=UTC))
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value if isinstance(value, str | int | float) else str(value)
