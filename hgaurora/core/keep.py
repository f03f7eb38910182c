# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which snapshots of an environment nobody needs any more. Pure; what is not sure is kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from .model import Deployment, Kind, Outcome, Snapshot


@dataclass(frozen=True)
class Verdict:
    """One snapshot: kept for a reason, or not needed (``why`` None)."""

    snapshot: Snapshot
    why: str | None = None


def judge(
    snapshots: Sequence[Snapshot],
    deployments: Sequence[Deployment],
    *,
    keep: int,
    named: Mapping[str, Collection[str]],
    ledger: str | None,
) -> list[Verdict]:
    """What becomes of each, in the order given.

    Kept are those that a row of the last ``keep`` deploys names or began, and of all that is younger than the oldest of
    these; those of a deployment that is open; those that are not available yet; those of no deployment of this ledger;
    and those whose tags do not have its UUID.

    :param deployments: the whole ledger, newest first.
    :param named: deployment to the snapshots that its rows and events name, whoever made them.
    :param ledger: the UUID that tags must have; None: these snapshots are not tagged with one, as those of no
        cluster are.
    """
    deploys = [one.number for one in deployments if one.kind is not Kind.REVERT]
    oldest = deploys[keep - 1] if len(deploys) >= keep else 0
    recent = [one for one in deployments if one.number >= oldest or one.outcome is Outcome.RUNNING]
    needed: dict[str, str] = {}
    for one in recent:
        for name in named.get(one.id, ()):
            needed.setdefault(name, one.id)
    ours = {one.id for one in deployments}
    ids = {one.id for one in recent}
    return [Verdict(one, _why(one, needed, ids, ours, ledger)) for one in snapshots]


def _why(
    one: Snapshot, needed: Mapping[str, str], recent: Collection[str], ours: Collection[str], ledger: str | None
) -> str | None:
    if one.state not in ("available", "failed"):
        return f"it is {one.state}"
    # before the deployments, whose ids another ledger has too
    if ledger is not None and one.ledger != ledger:
        return "of another ledger" if one.ledger else "its tags name no ledger"
    if one.id in needed:
        return f"{needed[one.id]} needs it"
    if one.deployment in recent:
        return f"of {one.deployment}"
    if one.deployment not in ours:
        return "of no deploy that the ledger has"
    return None
