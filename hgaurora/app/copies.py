# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Copies of snapshots elsewhere: begun after a deploy, and by ``snapshots --copy``."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core import render
from ..core.errors import HgAuroraError, InputError, StateError
from ..core.model import Snapshot
from .context import Context, Target

if TYPE_CHECKING:
    from ..adapters.aws.cluster import AuroraCluster


def copy_new(context: Context, target: Target, deployment: str) -> None:
    """After a deploy: let RDS begin to copy what it took. A copy that can not begin is said, and does no harm."""
    aurora = target.aurora
    if aurora is None or not target.settings.snapshot_copy:
        return
    try:
        ledger = _ledger(target)
        begun = _begin(aurora, ledger, [one for one in target.snapshots() if one.deployment == deployment])
    except HgAuroraError as error:
        context.ui.status(
            f"warning: snapshots of {deployment} are not all copied to {aurora.copies.where}: {error.message} "
            f"({context.ui.front}snapshots {target.name} --copy goes on)"
        )
    else:
        if begun and not context.json:
            context.ui.status(f"copying {render.count(len(begun), 'snapshot')} to {aurora.copies.where}")


def _ledger(target: Target) -> str:
    """The UUID of the ledger, which the snapshots to be copied have in their tags.

    :raises StateError: there is no ledger.
    """
    found = target.database.uuid()
    if found is None:
        raise StateError(
            f"{target.name} has no ledger, so nobody knows which snapshots are its own",
            state="nothing was copied",
            hint=f"{target.context.ui.front}snapshots {target.name} lists what may be; "
            "aws rds copy-db-cluster-snapshot copies one by hand",
        )
    return found


def _begin(aurora: AuroraCluster, ledger: str, snapshots: Iterable[Snapshot]) -> list[str]:
    """Begin what is missing; the ids. RDS goes on by itself."""
    there = aurora.copies.there(ledger)
    begun = []
    for one in snapshots:
        if one.state == "available" and there.get(one.id) in (None, "failed"):
            aurora.copies.begin(one.id)
            begun.append(one.id)
    return begun


def run(context: Context, target: Target, *, dry_run: bool) -> int:
    """Begin the copies that are missing, and show which there are."""
    aurora = target.aurora
    if aurora is None or not target.settings.snapshot_copy:
        raise InputError(
            f"{target.name} says nowhere that its snapshots are copied to",
            state="nothing was done",
            hint=f'add snapshot-copy = {{ region = "..." }} to [environments.{target.name}], which has to be a cluster',
        )
    ledger = _ledger(target)
    found, there = target.snapshots(), aurora.copies.there(ledger)
    missing = [one for one in found if one.state == "available" and there.get(one.id) in (None, "failed")]
    begun = [] if dry_run else _begin(aurora, ledger, missing)
    if context.json:
        rows = [
            {**render.snapshot_json(one), "copy": "copying" if one.id in begun else there.get(one.id)} for one in found
        ]
        context.ui.write(json.dumps(rows))
        return 0
    for one in found:
        state = "begun" if one.id in begun else there.get(one.id) or "missing"
        context.ui.write(render.right(one.id, state))
    if dry_run and missing:
        context.ui.write(f"nothing was changed; without -n {render.count(len(missing), 'copy', 'copies')} begin")
    return 0
