# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a ledger and its journal say the same: every difference, named."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from .chain import canonical
from .journal import Copy, Reading

#: what of an event its hash is made of, beside the one before it and the number
_FACTS = ("at", "deployment", "kind", "payload")


@dataclass
class Agreement:
    """The answer. ``findings`` are differences; ``notes`` are what is as it may be; ``waiting`` and ``missing`` are
    numbers of events."""

    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    doubled: list[int] = field(default_factory=list)
    differing: list[int] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Nothing differs, nothing is missing, nothing waits."""
        return not self.findings and not self.waiting


def compare(
    events: Sequence[Mapping[str, Any]], reading: Reading, *, uuid: str, place: str, now: datetime
) -> Agreement:
    """All events of a ledger against all that its journal holds.

    :param events: as :meth:`hgaurora.ports.Database.events` gives them.
    :param uuid: the environment's; what is of another one is another database's.
    :param place: the journal's name, for messages.
    """
    found = Agreement(findings=list(reading.wrong))
    copies: dict[int, list[Copy]] = defaultdict(list)
    others = 0
    for copy in reading.copies:
        if copy.uuid == uuid:
            copies[copy.seq].append(copy)
        else:
            others += 1
    kept = now - timedelta(days=reading.keeps) if reading.keeps else None
    gone: list[int] = []
    for event in events:
        seq = int(event["seq"])
        there = copies.pop(seq, [])
        if not there:
            _absent(found, event, kept, gone, place)
            continue
        _one(found, event, there, place)
    for seq in sorted(copies):
        found.differing.append(seq)
        found.findings.append(f"event {seq} is in {place} and not in the ledger")
    if found.doubled:
        found.notes.append(f"there more than once, as a delivery may be repeated: {spans(found.doubled)}")
    if gone:
        found.notes.append(f"older than {place} keeps ({reading.keeps} days): {spans(gone)}")
    if others:
        found.notes.append(f"{others} in it are another database's")
    return found


def _absent(found: Agreement, event: Mapping[str, Any], kept: datetime | None, gone: list[int], place: str) -> None:
    seq, delivered = int(event["seq"]), event["delivered"]
    if delivered is None:
        found.waiting.append(seq)
    elif kept is not None and datetime.fromisoformat(delivered) < kept:
        gone.append(seq)
    else:
        found.missing.append(seq)
        found.findings.append(f"event {seq} ({_said(event)}) is missing in {place}")


def _one(found: Agreement, event: Mapping[str, Any], there: Sequence[Copy], place: str) -> None:
    seq = int(event["seq"])
    facts = {**event, "payload": canonical(event["payload"])}
    same = []
    for copy in there:
        named = [name for name in _FACTS if getattr(copy, name) != facts[name]]
        if copy.hash == event["hash"] and not named:
            same.append(copy)
        else:
            found.differing.append(seq)
            what = f"another {', '.join(named)}" if named else "the same facts after another history"
            found.findings.append(
                f"event {seq} ({_said(event)}) differs: {place} has {what}, hash {copy.hash[:12]};"
                f" the ledger's is {event['hash'][:12]}"
            )
    if event["delivered"] is None:
        found.waiting.append(seq)
    elif same and all(copy.delivered != event["delivered"] for copy in same):
        found.differing.append(seq)
        found.findings.append(
            f"event {seq} ({_said(event)}) is marked as delivered at {event['delivered']}; {place} has it of"
            f" {', '.join(sorted(copy.delivered for copy in same))}"
        )
    if len(same) > 1:
        found.doubled.append(seq)


def _said(event: Mapping[str, Any]) -> str:
    return ", ".join(str(one) for one in (event["kind"], event["deployment"]) if one)


def spans(numbers: Iterable[int]) -> str:
    """Numbers in words.

    >>> spans([1, 2, 3, 7, 9, 10])
    'events 1 to 3, 7, 9, 10'
    """
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    said = [f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    count = sum(map(len, runs))
    return f"event{'' if count == 1 else 's'} {', '.join(said)}"
