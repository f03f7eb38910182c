# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``adopt``: a database that Alembic migrated enters the ledger; one that is in it is recorded as its version table
says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import render
from ..core.errors import InputError, StateError
from ..core.graph import Graph, heads, topological
from ..core.identity import NORMAL_VERSION
from ..core.model import Applied, Changeset, Direction, Kind, Script, State
from ..core.plan import plan_from
from . import schema
from .assess import Sources, not_restoring, read_sources
from .context import Context, Target
from .delivery import deliver, prove
from .lock import locked, moved
from .migrate import new_deployment


@dataclass(frozen=True)
class Adoption:
    """What is recorded: revisions that are applied from now on, and those that are not any more."""

    changeset: Changeset
    sources: Sources
    up: tuple[Script, ...]
    down: tuple[Applied, ...]
    versions: tuple[str, ...]


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Adopt one environment."""
    started = context.clock.monotonic()
    target = context.target(options["env"], acting=not options.get("dry_run"))
    if not target.control.exists():
        raise StateError(
            f"{target.name} was never started: there is nothing to adopt",
            state="nothing was done",
            hint=f"{context.ui.front}deploy {target.name} makes a first deploy",
        )
    not_restoring(context, target)
    state = target.state()
    changeset = context.wanted(target, options.get("rev"))
    found = _adoption(context, target, state, changeset)
    if state.lock is not None:
        raise locked(context, target, 0.0)
    if not context.json:
        for line in _shown(target, state, found):
            context.ui.write(line)
    result: dict[str, Any] = {
        "environment": target.name,
        "node": changeset.node,
        "heads": list(heads({one.revision: one for one in (*_kept(state, found), *found.up)})),
        "adopted": [one.revision for one in found.up],
        "no_longer": [one.revision for one in found.down],
        "dry_run": bool(options.get("dry_run")),
    }
    if options.get("dry_run"):
        if not context.json:
            context.ui.write("nothing was changed; without -n this is recorded, and no migration runs")
    else:
        result["deploy"] = _record(context, target, state, found)
        if not context.json:
            took = render.duration(context.clock.monotonic() - started)
            now = render.at_line(
                target.name, changeset.node, changeset.branch, result["heads"], f"{result['deploy']}, {took}"
            )
            context.ui.write(now)
    if context.json:
        context.ui.write(json.dumps([result]))
    return 0


def _kept(state: State, found: Adoption) -> list[Applied]:
    gone = {one.revision for one in found.down}
    return [one for one in state.applied.values() if one.revision not in gone]


def _adoption(context: Context, target: Target, state: State, changeset: Changeset) -> Adoption:
    """What the version table says, in the graph of a changeset.

    :raises StateError: there is nothing to adopt, or something is half done.
    :raises InputError: the changeset does not have what the table says.
    """
    table = target.version_table
    untouched = f"{target.name} was not touched"
    if state.environment is not None and state.environment != target.name:
        raise StateError(
            f"the database of {target.name} holds the ledger of {state.environment}",
            state=untouched,
            hint=f"give {target.name} a database of its own in hgaurora.toml",
        )
    if state.half or state.open is not None:
        what = state.open.id if state.open else "a migration"
        raise StateError(
            f"{what} stopped half way on {target.name}: it is finished or taken back first",
            state=untouched,
            hint=f"{context.ui.front}status {target.name} says how",
        )
    if state.versions is None:
        raise StateError(
            f"{target.name} has no table {table}: Alembic has not migrated it",
            state=untouched,
            hint=f"{context.ui.front}deploy {target.name} makes a first deploy",
        )
    if state.ledger is not None and sorted(state.versions) == sorted(state.recorded):
        raise StateError(
            f"{target.name} is in the ledger, and {table} says what the ledger says: there is nothing to adopt",
            state=untouched,
            hint=f"{context.ui.front}status {target.name} shows where it is",
        )
    sources = read_sources(context, target, changeset.node, state.applied)
    graph = sources.graph
    unknown = sorted(set(state.versions) - set(graph.scripts))
    if unknown:
        raise InputError(
            f"{table} says {', '.join(unknown)}, and {render.place(changeset.node, changeset.branch)} has no such"
            " revision",
            state=untouched,
            hint="name the changeset that has its script with -r REV",
            data={"unknown": unknown},
        )
    wanted = _ancestors(graph, state.versions)
    tops = heads({one: graph.scripts[one] for one in wanted})
    if extra := sorted(set(state.versions) - set(tops)):
        raise StateError(
            f"{table} says {', '.join(sorted(state.versions))}, but {', '.join(extra)} is below another of them",
            state=untouched,
            hint=f"delete the row of {', '.join(extra)} from {table}",
        )
    down = [state.applied[one] for one in reversed(topological(state.applied)) if one not in wanted]
    up = [graph.scripts[one] for one in topological(graph.scripts) if one in wanted and one not in state.applied]
    return Adoption(changeset, sources, tuple(up), tuple(down), tuple(sorted(state.versions)))


def _ancestors(graph: Graph, versions: Sequence[str]) -> set[str]:
    """The revisions and all that they need."""
    found: set[str] = set()
    waiting = list(versions)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += graph.scripts[one].needs
    return found


def _shown(target: Target, state: State, found: Adoption) -> list[str]:
    pad = max(len(target.name), 4)
    known = "is in the ledger; its version table was written by something else" if state.ledger else "has no ledger"
    lines = [
        f"{target.name.ljust(pad)}  {target.where()}",
        f"{'now'.ljust(pad)}  {known}; version table: {', '.join(found.versions) or 'no revision'}",
        f"{'from'.ljust(pad)}  the scripts of {render.place(found.changeset.node, found.changeset.branch)}",
    ]
    if found.up:
        lines.append(
            f"{'up'.ljust(pad)}  {render.count(len(found.up), 'migration')} recorded as applied: {_span(found.up)}"
        )
    if found.down:
        down = f"{render.count(len(found.down), 'migration')} recorded as not applied: {_span(found.down)}"
        lines.append(f"{'down'.ljust(pad)}  {down}")
    return lines


def _span(steps: Sequence[Script | Applied]) -> str:
    names = [one.name for one in steps]
    return ", ".join(names) if len(names) < 3 else f"{names[0]} to {names[-1]}"


def _record(context: Context, target: Target, state: State, found: Adoption) -> str:
    """Under the lock: the deployment, the steps, the schema as it is."""
    after = heads({one.revision: one for one in (*_kept(state, found), *found.up)})
    plan = plan_from(target.name, state, kind=Kind.ADOPT, heads_after=after, target=found.changeset)
    if not target.database.acquire():
        raise locked(context, target, 0.0)
    try:
        again = target.database.state()
        if (again.epoch, again.versions) != (state.epoch, state.versions):
            raise moved(context, target, "looked", f"adopt {target.name} -n shows it")
        prove(context, target)
        seen = schema.watch(target)
        begun, epoch = target.database.begin(
            new_deployment(context, target, plan), base_epoch=state.epoch, scripts=found.up
        )
        steps = [*((one, Direction.DOWN) for one in found.down), *((one, Direction.UP) for one in found.up)]
        payloads = [
            _payload(one, direction, number, found) for number, (one, direction) in enumerate(steps, 1)
        ]  # fmt: skip
        target.database.adopt(payloads, deployment=begun.id, epoch=epoch, versions=found.versions)
        seen.adopt(begun.id, epoch)
        target.database.finish(begun.id, epoch=epoch, ok=True, heads_after=after, target=found.changeset)
        deliver(context, target)
    finally:
        target.database.close()
    return begun.id


def _payload(one: Script | Applied, direction: Direction, number: int, found: Adoption) -> dict[str, object]:
    """A step's event, as a child would have written it."""
    return {
        "revision": one.revision,
        "direction": direction.value,
        "path": one.path,
        "message": one.message.replace("\0", ""),
        "parents": list(one.parents),
        "depends_on": list(one.depends_on),
        "branch_labels": list(one.branch_labels),
        "raw": one.raw,
        "normal": one.normal,
        "normal_version": one.normal_version if isinstance(one, Applied) else NORMAL_VERSION,
        "irreversible": one.irreversible,
        "node": one.node if isinstance(one, Applied) else found.changeset.node,
        "ordinal": number,
        "snapshot": None,
        "kind": "migration",
        "versions": list(found.versions),
        "statements": 0,
        "replayed": 0,
        "adopted": True,
    }
