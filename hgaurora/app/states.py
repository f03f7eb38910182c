# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""States of a schema by name: a live environment, a deploy, a snapshot, a changeset.

Parts are compared by their hashes; contents are read for those alone that differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..core import render
from ..core.errors import InputError, StateError
from ..core.model import Changeset
from ..core.schema.delta import Delta, delta
from ..core.schema.form import parts, portable, schema_of
from ..core.schema.ignore import ignoring
from ..core.schema.model import Schema
from ..core.schema.record import AsOf
from .context import Context, Target

Contents = Callable[[Iterable[str]], Mapping[str, bytes]]


@dataclass(frozen=True)
class Held:
    """A schema that can be compared: hashes of its parts, and a way to their contents."""

    #: how screens call it, such as ``prod 5b8e21d07c93 (stable)``
    name: str
    engine: str
    major: str
    parts: Mapping[str, str]
    contents: Contents
    node: str | None = None
    ignore: Sequence[str] = ()

    def schema(self, ids: Iterable[str] | None = None) -> Schema:
        """The whole, or some parts of it."""
        hashes = [self.parts[id] for id in (self.parts if ids is None else ids) if id in self.parts]
        found = self.contents(hashes)
        missing = [one for one in hashes if one not in found]
        if missing:
            raise StateError(f"the contents of {render.count(len(missing), 'part')} of {self.name} are missing")
        return schema_of(self.engine, self.major, (found[one] for one in hashes))


def between(one: Held, other: Held, *, full: bool = True) -> Delta:
    """What makes the other of the one; without what either environment ignores.

    :param full: without it only what counts on another server too: no owners, grants, collations or places.
    """
    ids = {id for id in {*one.parts, *other.parts} if one.parts.get(id) != other.parts.get(id)}
    patterns = [*one.ignore, *other.ignore]
    before, after = (ignoring(held.schema(ids), patterns) for held in (one, other))
    return delta(before, after) if full else delta(portable(before), portable(after))


def whole(name: str, schema: Schema, *, node: str | None = None, ignore: Sequence[str] = ()) -> Held:
    """A schema that was captured."""
    found = parts(schema)
    by_hash = {part.full: part.content for part in found.values()}
    return Held(
        name,
        schema.engine,
        schema.major,
        {id: part.full for id, part in found.items()},
        lambda hashes: {one: by_hash[one] for one in hashes},
        node,
        ignore,
    )


def live(target: Target) -> Held:
    """An environment as it is now."""
    name = target.name
    node = None
    if target.control.exists():
        state = target.state()
        node = state.node
        name = f"{target.name} {render.place(node, state.branch)}" if node else target.name
    return whole(name, target.database.capture(), node=node, ignore=target.settings.ignore)


def recorded(target: Target, name: str, then: AsOf | None, *, node: str | None = None) -> Held:
    """An environment as its ledger recorded it.

    :raises StateError: it had recorded nothing by then.
    """
    if then is None:
        raise StateError(
            f"no schema was recorded for {name}: it is older than the ledger's memory of schemas",
            state="nothing was done",
            hint=f"{target.context.ui.front}log {target.name} shows what is younger",
        )
    prints = then.fingerprints
    return Held(
        name, prints.engine, prints.major, then.parts, target.database.contents, node, target.settings.ignore
    )  # fmt: skip


def both(context: Context, a: str, b: str) -> tuple[Held, Held]:
    """What two words mean, to be compared. A changeset is built on a server like the one of the other side.

    :raises InputError: a word means nothing.
    """
    from . import build

    one, other = _named(context, a), _named(context, b)
    like = next((build.Like.of(held) for held in (one, other) if isinstance(held, Held)), None)
    first, second = (held if isinstance(held, Held) else build.held(context, held, like) for held in (one, other))
    return first, second


def _named(context: Context, word: str) -> Held | Changeset:
    """What a word means, in this order: an environment, a deploy's id, a snapshot's id, a changeset.

    :raises InputError: it is none of them.
    """
    if word in context.names():
        return live(context.target(word))
    for environment in _perhaps(context, word):
        target = context.target(environment)
        if target.control.exists() and target.state().ledger is not None:
            found = _deploy(target, word) or _snapshot(target, word)
            if found is not None:
                return found
    try:
        return context.history.changeset(word)
    except InputError as error:
        clusters = {one.is_cluster for one in context.settings.environments.values()}
        called = {False: "prod-42-1", True: "hgaurora-shop-prod-42-1 on a cluster"}
        raise InputError(
            f"{word!r} is no environment, deploy, snapshot or changeset",
            state="nothing was done",
            hint=f"environments are {', '.join(context.names()) or 'not set up'}; deploys are called prod-42, "
            f"snapshots {' or '.join(called[one] for one in sorted(clusters or {False}))}",
        ) from error


def _perhaps(context: Context, word: str) -> list[str]:
    """Whose deploy or snapshot a word may be, by how it begins; a cluster's snapshots have names of their own."""
    own = [name for name in context.names() if word.startswith(f"{name}-")][:1]
    if not word.startswith("hgaurora-"):
        return own
    settings = context.settings.environments
    return own + [name for name in context.names() if settings[name].is_cluster and name not in own]


def _deploy(target: Target, word: str) -> Held | None:
    for one in target.database.deployments():
        if one.id == word:
            then = target.database.parts_of(word, inclusive=True)
            return recorded(target, f"{word} {render.place(one.node or None, one.branch)}", then, node=one.node)
    return None


def _snapshot(target: Target, word: str) -> Held | None:
    seq = taken_at(target, word)
    if seq is None:
        return None
    node = next((one.node for one in target.snapshots() if one.id == word), None)
    return recorded(target, word, target.database.parts_as_of(seq), node=node)


def taken_at(target: Target, snapshot: str) -> int | None:
    """The event of the ledger at which a snapshot was begun; None: the ledger knows no such snapshot."""
    for event in target.database.events(kind="snapshot-intent"):
        payload = event["payload"]
        if isinstance(payload, Mapping) and payload["snapshot"] == snapshot:
            return int(str(event["seq"]))
    return None
