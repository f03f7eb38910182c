# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The hash chain of a ledger's events, and their one spelling. What the servers compute, said in Python."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime


def canonical(payload: Mapping[str, object]) -> str:
    """JSON with one spelling: sorted keys, no spaces, ASCII."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def stamp(at: datetime) -> str:
    """An event's time as it stands in its hash: UTC, microseconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def link(previous: str, seq: int, at: str, deployment: str | None, kind: str, payload: str) -> str:
    """The hash of one event, as the server computes it on the server.

    :param at: as :func:`stamp` has it.
    """
    said = "\n".join((previous, str(seq), at, deployment or "", kind, payload))
    return hashlib.sha256(said.encode()).hexdigest()


def broken(rows: Iterable[tuple[int, datetime, str | None, str, str, str]], tip: tuple[int, str]) -> list[str]:
    """What is wrong with a chain: rows (seq, at, deployment, kind, payload, hash) in order, against the tip."""
    wrong: list[str] = []
    previous, last = "", 0
    for seq, at, deployment, kind, payload, found in rows:
        if seq != last + 1:
            wrong.append(f"event {last + 1} is missing before event {seq}")
        if found != link(previous, seq, stamp(at), deployment, kind, payload):
            wrong.append(f"event {seq} is not what its hash says")
        previous, last = found, seq
    if (last, previous) != tip:
        wrong.append(f"the chain ends at event {last}, the environment row says {tip[0]}")
    return wrong
