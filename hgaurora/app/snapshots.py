# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``snapshots``: what there is of an environment; which of it may go; what is not copied yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from ..core import keep, render
from ..core.errors import HgAuroraError, InputError, StateError
from ..core.model import Snapshot
from ..core.whose import Shares, shares
from . import copies
from .context import Context, Target
from .revert import confirm


def run(context: Context, options: Mapping[str, Any]) -> int:
    """List the snapshots of one environment, prune them, or copy them."""
    pruning, copying = bool(options.get("prune")), bool(options.get("copy"))
    for name in ("keep", "yes"):
        if options.get(name) is not None and options[name] is not False and not pruning:
            raise InputError(
                f"--{name} goes with --prune", state="nothing was done", hint="add --prune, or leave it out"
            )
    if options.get("keep") is not None and int(options["keep"]) < 1:
        raise InputError("--keep is 1 at least", state="nothing was done", hint="such as --keep 5")
    if pruning and copying:
        raise InputError(
            "--prune and --copy are two things", state="nothing was done", hint="first one, then the other"
        )
    if options.get("dry_run") and not pruning and not copying:
        raise InputError(
            "-n goes with --prune or --copy", state="nothing was done", hint="without -n nothing is changed"
        )
    target = context.target(options["env"], acting=(pruning or copying) and not options.get("dry_run"))
    if pruning:
        return _prune(context, target, options)
    if copying:
        return copies.run(context, target, dry_run=bool(options.get("dry_run")))
    found = _listed(context, target) if target.control.exists() else ()
    if context.json:
        context.ui.write(json.dumps([render.snapshot_json(one) for one in found]))
    elif not found:
        context.ui.write(f"{target.name} has no snapshots")
    else:
        for line in render.snapshot_lines(found):
            context.ui.write(line)
        if target.aurora is None:
            context.ui.write(
                f"({context.ui.front}revert {target.name} --to {found[0].id} --way restore goes back to one)"
            )
    return 0


def _listed(context: Context, target: Target) -> tuple[Snapshot, ...]:
    """What is shown, newest first: also what may be this ledger's, which is said. No ledger has to be there for it, for
    who looks for a snapshot may have lost the database."""
    if not target.settings.is_cluster:
        return target.snapshots()
    found = target.control.snapshots()
    try:
        ledger = target.database.uuid()
    except HgAuroraError as error:
        context.ui.status(f"warning: whose these are is not known, for the ledger can not be read: {error.message}")
        return tuple(found)
    if found and ledger is None:
        context.ui.status(
            f"{target.name} has no ledger: these are of earlier ones, or of another project's {target.name}"
        )
    parted = shares(found, ledger)
    _of_others(context, target, parted)
    if ledger is not None and parted.unknown:
        names = ", ".join(one.id for one in parted.unknown)
        context.ui.status(
            f"no ledger is named by the tags of {names}: hgaurora does nothing with what it is not sure of"
        )
    return tuple(one for one in found if one not in parted.others)


def _of_others(context: Context, target: Target, parted: Shares) -> None:
    """Say how many there are of the same name that are somebody else's: they fill the quota too."""
    if parted.others:
        number, cluster = render.count(len(parted.others), "snapshot"), target.settings.cluster
        context.ui.status(f"left alone: {number} of a {target.name} on {cluster} that has another ledger")


def _prune(context: Context, target: Target, options: Mapping[str, Any]) -> int:
    """Delete what nobody needs; first said, then asked, then done, one by one."""
    most = target.settings.keep if options.get("keep") is None else int(options["keep"])
    verdicts, parted = _judged(target, most) if target.control.exists() else ([], Shares())
    going = [one.snapshot for one in verdicts if one.why is None]
    deleted: list[str] = []
    if not context.json:
        _show(context, target, verdicts, most)
        _of_others(context, target, parted)
    if going and not options.get("dry_run"):
        _ask(context, target, options, len(going))
        # what was begun since is looked at again: somebody may need one now
        again = {one.snapshot.id for one in _judged(target, most)[0] if one.why is None}
        for one in going:
            if one.id in again:
                _delete(context, target, one, deleted)
    if context.json:
        rows = [
            {
                **render.snapshot_json(one.snapshot),
                "kept": one.why,
                "deleted": one.snapshot.id in deleted,
            }
            for one in verdicts
        ]
        context.ui.write(json.dumps(rows))
    elif going:
        said = f"deleted {render.count(len(deleted), 'snapshot')} of {target.name}"
        context.ui.write("nothing was changed; without -n these are deleted" if options.get("dry_run") else said)
    return 0


def _ask(context: Context, target: Target, options: Mapping[str, Any], number: int) -> None:
    """Where nobody can be asked, ``--yes`` has to be there; protected or not."""
    confirm(context, target, options, f"delete {render.count(number, 'snapshot')}", always=True)


def _judged(target: Target, most: int) -> tuple[list[keep.Verdict], Shares]:
    """What becomes of each that is this ledger's, or may be."""
    state = target.state()
    if state.ledger is None:
        raise StateError(
            f"{target.name} has no ledger, so nobody knows which of its snapshots are needed",
            state="nothing was deleted",
            hint="those that hgaurora made are tagged with hgaurora; delete them by hand if you are sure",
        )
    deployments = target.database.deployments()
    named: dict[str, set[str]] = {one.id: set() for one in deployments}
    for step in target.database.steps([one.id for one in deployments]):
        if step.snapshot:
            named[step.deployment].add(step.snapshot)
    for kind in ("snapshot-intent", "snapshot-available"):
        for event in target.database.events(kind=kind):
            payload: Any = event["payload"]
            named.setdefault(str(event["deployment"]), set()).add(str(payload["snapshot"]))
    for one in deployments:
        steps: Any = one.plan.get("steps") or ()
        named[one.id].update(str(step["snapshot"]) for step in steps if step.get("snapshot"))
    restoring = target.control.restoring()
    if restoring is not None:
        named.setdefault(restoring["deployment"], set()).add(restoring["snapshot"])
    parted = target.shares()
    tagged = state.uuid if target.settings.is_cluster else None
    found = keep.judge((*parted.ours, *parted.unknown), deployments, keep=most, named=named, ledger=tagged)
    return found, parted


def _show(context: Context, target: Target, verdicts: Iterable[keep.Verdict], most: int) -> None:
    found = list(verdicts)
    going = [one for one in found if one.why is None]
    if not going:
        context.ui.write(f"{target.name}: nothing to delete; {render.count(len(found), 'snapshot')} kept")
    if not found:
        return
    rows = [("snapshot", "deploy", "before", "taken", "")]
    for one in found:
        what = one.snapshot
        taken = render.utc(what.created)
        rows.append((what.id, what.deployment or "", what.before or "", taken, one.why or "goes"))
    for line in render.folded(rows):
        context.ui.write(line)


def _delete(context: Context, target: Target, one: Snapshot, deleted: list[str]) -> None:
    try:
        target.control.delete_snapshot(one.id)
    except HgAuroraError as error:
        error.state = f"{render.count(len(deleted), 'snapshot')} of {target.name} deleted, {one.id} is there"
        raise
    deleted.append(one.id)
