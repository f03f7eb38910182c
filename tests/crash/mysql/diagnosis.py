# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the product says where only a person can decide, read as a person would."""

from __future__ import annotations

import re
from dataclasses import dataclass

_UNKNOWN = re.compile(
    r"may have sent this, and nothing proves whether it took effect: (['\"])(?P<sql>.*?)\1 .*?is between"
)
_STAND = re.compile(r"ran in part, (?:(\d+) statements? of it stands?; )?whether its next statement took effect")
_WAYS = re.compile(r"if all of it, (?P<did>.+?); if nothing, (?P<did_not>.+?); .*?then run again")


@dataclass(frozen=True)
class Diagnosis:
    """``statement`` may have taken effect; ``stand`` others did; what to send in either case."""

    statement: str
    stand: int
    did: str
    did_not: str


def read(said: str) -> Diagnosis | None:
    """None: it is something else. Lines are folded at 80 columns."""
    flat = " ".join(said.split())
    unknown, ways, stand = _UNKNOWN.search(flat), _WAYS.search(flat), _STAND.search(flat)
    if not (unknown and ways and stand):
        return None
    return Diagnosis(unknown["sql"], int(stand[1] or 0), ways["did"], ways["did_not"])
