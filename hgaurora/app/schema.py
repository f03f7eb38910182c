# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What deploys and reverts do about the schema: look, stop on drift or say it, record, compare with what was before."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..core import render
from ..core.additions import Key, additions, bare, orphans, plain
from ..core.errors import DriftError
from ..core.repeatable import Repeatable, Stood, creates
from ..core.schema import views, words
from ..core.schema.delta import Change, Delta
from ..core.schema.form import schema_of
from ..core.schema.model import Path
from ..watch import Watch
from .context import Context, Target

#: lines of changes that a message shows; the rest is counted
SHOWN = 10


def watch(target: Target, *, half: bool = False, trusting: bool = False) -> Watch:
    """Capture the live schema, and read what the ledger recorded. ``half``: a migration stands half done; ``trusting``:
    as :meth:`~hgaurora.watch.Watch.begin` has it, for runs that have somebody waiting."""
    found = Watch.begin(target.database, target.settings.ignore, trusting=trusting)
    found.half = half
    return found


def brief(found: Delta, *, default: str = "public") -> str:
    """A delta in a few words, for the line of a step: its weightiest change, and how many more there are."""
    changes = [change for change, _ in words.folded(found.changes)]
    if not changes:
        return "no change of the schema"
    first = min(changes, key=lambda change: _WEIGHT.get(change.kind, len(_WEIGHT)))
    said = f"{first.action} {first.kind} {words.name_of(first.kind, first.path, default)}".rstrip()
    if first.to is not None:
        said += f" to {first.to[-1]}"
    return said if len(changes) == 1 else f"{said} and {len(changes) - 1:,} more"


#: what a line about several changes names first
_WEIGHT = {kind: rank for rank, kind in enumerate(("table", "view", "materialized view", "column"))}


def listed(target: Target, found: Delta) -> list[str]:
    """The changes of a delta, a line each, indented; those beyond the first are counted."""
    return cut(found, target.settings.schema)


def cut(found: Delta, default: str) -> list[str]:
    """The first changes of a delta, indented; the rest is counted."""
    shown = list(words.folded(found.changes))
    lines = [line for change, below in shown[:SHOWN] for line in _wrapped(words.words(change, default, below))]
    more = [f"  and {len(shown) - SHOWN:,} more"] if len(shown) > SHOWN else []
    return [f"  {line}" for line in lines] + more


def count(found: Delta, singular: str = "change") -> str:
    """``2 changes``, as the lines say them."""
    return render.count(len(list(words.folded(found.changes))), singular)


def stop_on_drift(context: Context, target: Target, seen: Watch, *, accept: bool, dry_run: bool = False) -> None:
    """A deploy does not begin on a schema that is not the recorded one.

    :raises DriftError: it is not, and that is not accepted.
    """
    drift = seen.drift()
    if not drift.changes:
        return
    if accept:
        say_drift(context, target, seen)
        return
    raise DriftError(
        f"{target.name} differs from what was recorded: {count(drift)}\n" + "\n".join(listed(target, drift)),
        state="nothing was changed; without -n the deploy stops here" if dry_run else "this run changed nothing",
        hint=f"{context.ui.front}drift {target.name} says more; --accept-drift records it and goes on",
        data={"environment": target.name, **drift.to_json()},
    )


def say_drift(context: Context, target: Target, seen: Watch) -> None:
    """A warning with the changes; for a run that goes on in spite of them."""
    drift = seen.drift()
    if drift.changes:
        said = f"warning: {target.name} differs from what was recorded: {count(drift)}"
        for line in [said, *listed(target, drift)]:
            context.ui.status(line)


def say_restored(context: Context, target: Target, found: Delta | None) -> None:
    """A copy of a snapshot that is not what was recorded when it was taken."""
    if found is not None and found.changes:
        changes = count(found)
        context.ui.status(f"warning: the copy differs from what was recorded for the snapshot: {changes}")
        for line in listed(target, found):
            context.ui.status(line)


def settle(context: Context, target: Target, seen: Watch, deployment: str, epoch: str) -> None:
    """Record what was found when the run began, where the ledger does not have it."""
    pending = seen.recorded.pending[-1] if seen.recorded and seen.recorded.pending else None
    made_up = seen.settle(deployment, epoch)
    if made_up is not None and pending is not None:
        name = pending.path.rsplit("/", 1)[-1].removesuffix(".py")
        said = brief(made_up, default=target.settings.schema)
        context.ui.status(f"{pending.deployment} was stopped before it recorded what {name} changed: {said}")


def last_look(context: Context, target: Target, seen: Watch, deployment: str, epoch: str) -> None:
    """Where it is cheap: the whole schema once more. What differs was changed beside this run, and is recorded so."""
    found = seen.last_look(deployment, epoch)
    if found is not None:
        say_beside(context, target, found)


def say_beside(context: Context, target: Target, found: Delta) -> None:
    """What somebody else changed while a run lasted; a warning where there is something."""
    if found.changes:
        changes = count(found)
        context.ui.status(f"warning: {target.name} was changed beside this run: {changes}")
        for line in listed(target, found):
            context.ui.status(line)


def _oldest(deployments: Sequence[str]) -> str | None:
    return min(deployments, key=lambda one: int(one.rpartition("-")[2]), default=None)


def added(target: Target, reverts: Sequence[str]) -> tuple[dict[Key, str], dict[Key, str]]:
    """As :func:`~hgaurora.core.additions.additions` has it, since the oldest of the deploys that are taken back."""
    first = _oldest(reverts)
    if first is None:
        return {}, {}
    database = target.database
    # newest first; a run that was stopped may have its delta in a later deployment
    ids = [one.id for one in database.deployments()]
    ran = {one.seq for one in database.steps(ids[: ids.index(first) + 1])}
    begin = next((int(str(one["seq"])) for one in database.events(deployment=first)), 1)
    payloads: list[Any] = [one["payload"] for one in database.events(kind="delta", after=begin) if not one["carried"]]
    return additions(one for one in payloads if one.get("step") is None or one["step"] in ran)


def stood(
    target: Target, reverts: Sequence[str], gone: Iterable[bytes], again: Iterable[bytes], added: Iterable[Key]
) -> Stood:
    """What was there, before the oldest of the deploys that are taken back, of the views, routines and triggers that
    repeatable files create; empty where nothing was recorded then.

    :param gone: the files that are taken back.
    :param again: those that run instead.
    :param added: what runs of those that are taken back added, and is there: they replaced nothing.
    """
    engine, default = target.engine, target.settings.schema
    create = Counter(one for content in gone for one in creates(content, engine, default))
    made = set(create)
    first = _oldest(reverts)
    then = target.database.parts_of(first, inclusive=False) if first and made else None
    if then is None:
        return {}
    ids = {tuple(json.loads(id)): hash for id, hash in then.parts.items()}
    found: dict[tuple[str, Path], str | None] = {}
    for kind, path in made:
        if kind in ("function", "procedure"):
            if any(one[:1] == ("routine",) and bare(one[1:]) == bare(path) for one in ids):
                found[kind, path] = None
            continue
        # a trigger stands with its table, which MySQL does not say
        place = ("relation", *(path[:-1] if kind == "trigger" else path))
        hashes = [hash for id, hash in ids.items() if id == place or (id[0] == "relation" and len(place) == 1)]
        prints = then.fingerprints
        objects = schema_of(prints.engine, prints.major, target.database.contents(hashes).values()).objects
        for there, values in objects.get(kind, {}).items():
            if there[-len(path) :] == path:
                found[kind, path] = views.created(engine, path, values) if kind == "view" else None
    fresh = Counter(plain(engine, *one) for one in added)
    others = {plain(engine, *one) for content in again for one in creates(content, engine, default)}
    for one in [one for one, text in found.items() if text is None]:
        name = plain(engine, *one)
        # on MySQL nothing depends on it, and few texts can replace it
        if create[one] <= fresh[name] or (name in others and engine != "postgresql"):
            del found[one]
        elif name in others:
            found[one] = ""
    return found


def say_orphans(context: Context, target: Target, done: Mapping[str, Any], files: Iterable[Repeatable]) -> None:
    """A warning for each thing that a deploy dropped under a file that it did not run.

    :param done: the JSON object of the deploy.
    """
    steps = [(one["what"], map(Change.from_json, one.get("delta", ()))) for one in done["steps"]]
    for what, change, file in orphans(steps, files, target.engine, target.settings.schema):
        name = words.name_of(change.kind, change.path, target.settings.schema)
        context.ui.status(
            f"warning: {what} dropped {change.kind} {name}; {file.path}, which creates one of that name, did not run"
        )
        context.ui.status("(it runs when its text is another one: change it, be it in a comment, and deploy that)")


def compare_before(context: Context, target: Target, seen: Watch, reverts: Sequence[str]) -> dict[str, Any]:
    """Whether a revert led to the schema that was recorded before the oldest deploy it took back; said, never silent.

    :returns: the JSON object of this look.
    """
    first = _oldest(reverts)
    then = target.database.parts_of(first, inclusive=False) if first else None
    verb = "verify".ljust(8)
    if then is None:
        said = f"schema not compared: none was recorded before {first}" if first else "schema not compared"
        if not context.json:
            context.ui.write(f"    {verb}  {said}")
        return {"before": first, "same": None}
    found = seen.against(then)
    if not found.changes:
        said = f"schema is the one recorded before {first}"
        unjudged = f" ({render.count(len(found.unjudged), 'text')} of another server version not judged)"
        if not context.json:
            context.ui.write(f"    {verb}  {said}{unjudged if found.unjudged else ''}")
        return {"before": first, "same": True, **found.to_json()}
    said = f"schema is not the one recorded before {first}"
    context.ui.status(f"warning: {said}: {count(found)}")
    for line in listed(target, found):
        context.ui.status(line)
    return {"before": first, "same": False, **found.to_json()}


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, render.WIDTH - 2, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )  # fmt: skip
