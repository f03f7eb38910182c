# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a ledger keeps of schemas, as values: what was recorded last, and one delta as it is recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from ..model import Direction
from .model import Fingerprints, Part, PartHashes


class Cause(StrEnum):
    """Why the schema became another one."""

    STEP = "step"
    #: by somebody else, found when a deployment began
    DRIFT = "drift"
    #: it was there when the ledger first looked
    ADOPTED = "adopted"
    #: a snapshot's copy took over
    RESTORED = "restored"


class Pending(NamedTuple):
    """A committed migration without its delta: whoever ran it was stopped right after the commit."""

    seq: int  # of the step's event
    deployment: str
    revision: str
    direction: Direction
    path: str


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """The schema as the ledger last recorded it."""

    fingerprints: Fingerprints
    parts: Mapping[str, PartHashes]
    at: datetime
    #: of the delta that recorded it
    seq: int
    #: of the server's catalogue then, see Database.mark; None: not known
    mark: str | None = None
    pending: tuple[Pending, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AsOf:
    """The schema as recorded at some point of the ledger: part id to the hash of its content."""

    fingerprints: Fingerprints
    parts: Mapping[str, str]
    at: datetime
    seq: int


@dataclass(frozen=True, kw_only=True)
class DeltaRow:
    """One delta as it is recorded.

    ``parts`` are those that changed: id to the part as it is now, or None where it is gone; ``before`` has the hashes
    of contents that they had (None: there was none). ``changes`` are JSON objects. ``fingerprints`` are of the whole
    schema after it.
    """

    cause: Cause
    parts: Mapping[str, Part | None]
    before: Mapping[str, str | None]
    changes: Sequence[Mapping[str, object]]
    fingerprints: Fingerprints
    step: Pending | None = None
    #: of the server's catalogue after it; None: not known
    mark: str | None = None
    #: facts beside it, such as that it was made up later
    more: Mapping[str, object] = field(default_factory=dict)

    def payload(self) -> dict[str, object]:
        """The event's payload; JSON-safe."""
        prints = self.fingerprints
        return {
            "cause": self.cause.value,
            "step": self.step.seq if self.step else None,
            "revision": self.step.revision if self.step else None,
            "direction": self.step.direction.value if self.step else None,
            "parts": {
                id: [self.before.get(id), part.full if part is not None else None] for id, part in self.parts.items()
            },
            "changes": list(self.changes),
            "engine": prints.engine,
            "major": prints.major,
            "fingerprint": {"structure": prints.structure, "text": prints.text, "full": prints.full},
            **({"mark": self.mark} if self.mark else {}),
            **self.more,
        }
