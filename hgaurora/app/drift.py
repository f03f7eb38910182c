# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``drift``: the live schema against what the ledger recorded last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core import render
from ..core.errors import HgAuroraError, LockHeld, StateError
from ..core.schema import words
from . import schema
from .assess import not_restoring
from .context import Context, Target


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Look at one environment, or at each.

    :returns: 1 where a difference was found; else 0 where every one was compared, else the code of why one was not.
    :raises StateError: the environment that was asked for by name has no ledger.
    """
    alone = bool(options.get("env"))
    objects = []
    for name in [options["env"]] if alone else context.names():
        target = context.target(name)
        try:
            objects.append(_look(context, target))
        except HgAuroraError as error:
            if alone:
                raise
            line = error.message if error.message.startswith(name) else f"{name}: {error.message}"
            objects.append({**error.as_json(), "environment": name, "drift": None, "lines": [line]})
    lines = [line for found in objects for line in found.pop("lines")]
    if context.json:
        context.ui.write(json.dumps(objects))
    else:
        for line in lines:
            context.ui.write(line)
    if any(found["drift"] for found in objects):
        return 1
    return next((found["exit"] for found in objects if found["drift"] is None), 0)


def _look(context: Context, target: Target) -> dict[str, Any]:
    """One environment: JSON, and the lines of the screen. ``drift`` is None where it was not compared, ``exit`` why."""
    name = target.name
    not_restoring(context, target)
    found: dict[str, Any] = {"environment": name, "drift": None, "changes": [], "unjudged": []}
    unknown = {**found, "exit": StateError.exit_code}
    state = target.state() if target.control.exists() else None
    if state is None or state.ledger is None:
        raise StateError(
            f"{name} holds nothing of hgaurora: there is no record to compare it with",
            state="nothing was compared",
            hint=f"{context.ui.front}deploy {name} makes a first record; a database that had one has lost it",
        )
    if state.lock is not None:
        busy = state.open.id if state.open else state.lock.application
        return {**unknown, "exit": LockHeld.exit_code, "lines": [f"{name} is being changed by {busy}: not compared"]}
    seen = schema.watch(target)
    known = seen.recorded
    if known is None:
        return {**unknown, "lines": [f"{name} has no recorded schema yet: the next deploy records it"]}
    deploy = _recorded_by(target, known.seq)
    looked = {"recorded_by": deploy, "recorded": render.iso(known.at), "read": render.iso(state.read)}
    found, unknown = found | looked, unknown | looked
    if state.half:
        names = ", ".join(sorted(revision for revision, _ in state.half))
        lines = [f"{name}: {names} stands half done: not compared", "(the next deploy or revert goes on with it)"]
        return {**unknown, "lines": lines}
    if known.pending:
        last = known.pending[-1]
        stem = last.path.rsplit("/", 1)[-1].removesuffix(".py")
        lines = [
            f"{name}: {last.deployment} was stopped before it recorded what {stem} changed: not compared",
            "(the next deploy or revert records it first)",
        ]
        return {**unknown, "pending": last.deployment, "lines": lines}
    drift = seen.drift()
    found |= {"drift": bool(drift.changes), **words.as_json(drift, target.settings.schema)}
    by = f"what {deploy} recorded at" if deploy else "what was recorded at"
    if not drift.changes:
        unjudged = f"; {render.count(len(drift.unjudged), 'text')} not judged" if drift.unjudged else ""
        return {**found, "lines": [f"{name} is {by} {render.utc(known.at)}{unjudged}"]}
    lines = [f"{name} differs from {by} {render.utc(known.at)}: {schema.count(drift)}"]
    lines += [f"  {line}" for line in words.lines(drift, schema=target.settings.schema, verbose=context.verbose)]
    begin, end = _clock(known.at, state.read), _clock(state.read, state.read)
    when = f"at {end}" if begin == end else f"between {begin} and {end}"
    lines.append(f"when: {when} (the server does not say it closer)")
    if deploy:
        lines.append(f"({context.ui.front}diff {deploy} {name} --text shows the text)")
    return {**found, "lines": lines}


def _clock(when: Any, now: Any) -> str:
    """The time alone where it is of the same day."""
    said = render.utc(when)
    return said[11:] if said[:10] == render.utc(now)[:10] else said


def _recorded_by(target: Target, seq: int) -> str | None:
    found = target.database.events(after=seq - 1, kind="delta")
    return str(found[0]["deployment"]) if found and found[0]["deployment"] else None
