# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Protections taken out, one at a time. A run that nobody disturbs does not notice; a strike must."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hgaurora import execute
from hgaurora.adapters.aws import errors
from hgaurora.adapters.aws.snapshots import ClusterSnapshots, Row
from hgaurora.core.errors import HgAuroraError


def _no_look() -> None:
    """An error is taken for what it says: nothing was begun."""

    def told(self: ClusterSnapshots, snapshot: str, error: HgAuroraError, *, again: bool) -> None:
        raise error

    ClusterSnapshots._look_after = told  # type: ignore[method-assign]


def _no_intent() -> None:
    """A snapshot is in the ledger only when it is there."""
    take = execute.Run._begin

    def begin(self: execute.Run, before: str | None, tags: Mapping[str, str]) -> str:
        later: list[tuple[Any, ...]] = []
        event = self.database.event
        self.database.event = lambda *given: later.append(given)  # type: ignore[method-assign,assignment]
        try:
            return take(self, before, tags)
        finally:
            self.database.event = event  # type: ignore[method-assign]
            for given in later:
                event(*given)

    execute.Run._begin = begin  # type: ignore[method-assign]


def _no_wait() -> None:
    """What is being made counts as made."""
    judged = ClusterSnapshots._judged

    def ready(self: ClusterSnapshots, snapshot: str, row: Row | None, waited: float) -> tuple[str, int | None]:
        state, percent = judged(self, snapshot, row, waited)
        return ("available", 100) if state in ("creating", "failed") and row is not None else (state, percent)

    ClusterSnapshots._judged = ready  # type: ignore[method-assign]


def _new_name() -> None:
    """Each run names its snapshots anew instead of taking up what was begun."""
    found = execute.snapshot_id

    def anew(*args: Any, **more: Any) -> tuple[str, bool]:
        more["again"] = True
        return found(*args, **more)

    execute.snapshot_id = anew


def _no_remedy() -> None:
    """What AWS says is passed on as it is."""
    errors.DENIED = frozenset()


@dataclass(frozen=True)
class Control:
    """What is taken out, a strike that notices, and by what."""

    name: str
    take_out: Callable[[], None]
    cell: str
    notices: str


_CREATE = "rds:CreateDBClusterSnapshot #1"
CONTROLS = (
    Control("a lost answer is looked after", _no_look, f"done but 500, each attempt: {_CREATE}", "remedy|orphan|twice"),
    Control(
        "a snapshot is in the ledger before it is asked for", _no_intent, f"kill -9 after: {_CREATE}", "orphan|twice"
    ),
    Control(
        "nothing runs before the snapshot is available",
        _no_wait,
        f"snapshots stay in creating, from before it: {_CREATE}",
        "r2 ran, and the snapshot before it was creating",
    ),
    Control("a snapshot that was begun is taken up", _new_name, f"kill -9 after: {_CREATE}", "twice"),
    Control("a refusal names what is missing", _no_remedy, f"AccessDenied from here on: {_CREATE}", "remedy"),
)
BY_NAME = {control.name: control for control in CONTROLS}
