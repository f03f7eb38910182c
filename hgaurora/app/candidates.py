# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Schemas that are known to have been, with what made them: from ledgers, and from builds of changesets.

A source is a line of stages, each with what became another since the one before; so that a thousand of them are
compared in the time of their changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import zip_longest
from typing import Any

from ..adapters.database import ledger
from ..core import render
from ..core.errors import HgAuroraError, InputError
from ..core.model import Deployment, Kind, Outcome
from ..core.schema.form import fingerprints, parts, schema_of
from ..core.schema.model import Fingerprints, Part
from . import build
from .context import Context, Target
from .states import Contents, Held

#: how many heads of the repository are built where nothing else is equal
TIPS = 3


@dataclass
class Candidate:
    """One schema that was, or that a changeset makes."""

    fingerprints: Fingerprints
    #: the hash of each part that became another; None: gone. With ``whole``: all there are
    changed: Mapping[str, str | None]
    whole: bool
    heads: tuple[str, ...] | None
    environment: str | None = None
    deployment: Deployment | None = None
    #: the migration it is the state after, where that is not the end of a deploy or a changeset
    after: str | None = None
    at: datetime | None = None
    #: the deployment only found it so when it began: it made nothing of it
    found_so: bool = False
    #: the deployments that recorded what no migration made and is in it still
    by_hand: tuple[str, ...] = ()
    #: asked for where it is shown
    find: Callable[[], tuple[str | None, str | None]] = lambda: (None, None)
    #: asked for where it is equal or nearest, and then in ``after``
    find_after: Callable[[], str | None] | None = None
    line: Line | None = None
    _found: tuple[str | None, str | None] | None = None

    @property
    def node(self) -> str | None:
        """The changeset; None: an empty database, or one from before the first deploy."""
        return self._changeset()[0]

    @property
    def branch(self) -> str | None:
        """Its branch."""
        return self._changeset()[1]

    def _changeset(self) -> tuple[str | None, str | None]:
        if self._found is None:
            self._found = self.find()
        return self._found

    @property
    def place(self) -> str:
        """As screens call it."""
        said = render.place(self.node, self.branch)
        if self.after is None:
            return said
        to = f" to {render.place(self.deployment.node, self.deployment.branch)}" if self.deployment else ""
        return f"{said}, half way{to}: after {self.after}"

    def settle(self) -> Candidate:
        """Itself, with what is only asked for where it matters."""
        if self.find_after is not None:
            self.after, self.find_after = self.find_after(), None
        return self

    @property
    def made_by(self) -> Deployment | None:
        """The deployment that led to it, where one did."""
        return None if self.found_so else self.deployment

    @property
    def where(self) -> str:
        """Where and when it was seen."""
        if self.environment is None:
            return ""
        when = f", {render.utc(self.at)}" if self.at else ""
        return f"{self.environment}, recorded by {self.deployment.id if self.deployment else 'its ledger'}{when}"

    def held(self) -> Held:
        """To be compared."""
        assert self.line is not None
        known: dict[str, str] = {}
        for one in self.line.stages:
            _apply(known, one)
            if one is self:
                break
        prints = self.fingerprints
        return Held(self.place, prints.engine, prints.major, known, self.line.contents, self.node)


def _apply(known: dict[str, str], one: Candidate) -> None:
    if one.whole:
        known.clear()
    for id, now in one.changed.items():
        known.pop(id, None)
        if now is not None:
            known[id] = now


@dataclass
class Line:
    """Candidates in the order in which they came."""

    contents: Contents
    stages: list[Candidate] = field(default_factory=list)

    def add(self, one: Candidate) -> None:
        """The next one."""
        one.line = self
        self.stages.append(one)


class Judged:
    """Candidates against one schema."""

    def __init__(self, seen: Held, versions: Sequence[str] | None = None) -> None:
        self._seen = seen
        self._versions = None if versions is None else tuple(sorted(versions))
        self._parts: Mapping[str, Part] = parts(seen.schema())
        self._prints = fingerprints(seen.engine, seen.major, self._parts)
        self._lines: list[Line] = []
        #: those that are equal, best first
        self.equal: list[Candidate] = []

    @property
    def texts(self) -> bool:
        """True where texts are equal too, and could be judged."""
        return bool(self.equal) and self._texts(self.equal[0]) is True

    def add(self, lines: Iterable[Line]) -> None:
        """Judge more candidates."""
        for line in lines:
            engines = {one.fingerprints.engine == "postgresql" for one in line.stages}
            if engines != {self._seen.engine == "postgresql"}:
                continue  # nothing of the other engine's is near
            self._lines.append(line)
            for one in line.stages:
                if one.fingerprints.structure == self._prints.structure and self._texts(one) is not False:
                    self.equal.append(one.settle())
        self.equal.sort(key=self._rank, reverse=True)

    def best(self) -> Candidate | None:
        """The best of those that are equal, else the nearest."""
        if self.equal:
            return self.equal[0]
        nearest = [(distance, one) for line in self._lines for distance, one in self._distances(line)]
        if not nearest:
            return None
        least = min(distance for distance, _ in nearest)
        return max((one.settle() for distance, one in nearest if distance == least), key=self._rank)

    def _texts(self, one: Candidate) -> bool | None:
        """Whether texts are equal; None: not to be judged."""
        if (one.fingerprints.engine, one.fingerprints.major) != (self._prints.engine, self._prints.major):
            return None
        return one.fingerprints.text == self._prints.text

    def _rank(self, one: Candidate) -> tuple[Any, ...]:
        heads = None if one.heads is None else tuple(sorted(one.heads))
        return (
            self._versions is not None and heads == self._versions,
            one.fingerprints.full == self._prints.full,
            self._texts(one) is True,
            not one.by_hand,
            one.after is None,
            one.environment is not None,
            bool(one.changed),  # what made the schema, before what left it as it was
            one.at.timestamp() if one.at else 0.0,
        )

    def _distances(self, line: Line) -> Iterator[tuple[int, Candidate]]:
        """Of each stage: in how many parts its structure differs."""
        hashes = {hash for one in line.stages for hash in one.changed.values() if hash is not None}
        structure: dict[str, str] = {}
        for hash, content in line.contents(hashes).items():
            (part,) = parts(schema_of(self._seen.engine, self._seen.major, [content])).values()
            structure[hash] = part.structure
        wanted = {id: part.structure for id, part in self._parts.items()}
        known: dict[str, str] = {}
        apart = set(wanted)
        for one in line.stages:
            _apply(known, one)
            for id in (*known, *wanted) if one.whole else one.changed:
                same = structure.get(known.get(id, "")) == wanted.get(id)
                (apart.discard if same else apart.add)(id)
            if one.whole:
                apart.intersection_update({*known, *wanted})
            yield len(apart), one


# ---- ledgers


def of_ledger(context: Context, target: Target) -> Iterator[Line]:
    """What an environment's ledger recorded; nothing where it cannot be asked, which is said."""
    try:
        if target.state().ledger is None:
            return
        deployments = target.database.deployments()
        events = sorted(
            (*target.database.events(kind="delta"), *target.database.events(kind="rebased")),
            key=lambda event: int(str(event["seq"])),
        )
    except HgAuroraError as error:
        context.ui.status(f"warning: {target.name} could not be asked: {error.message}")
        return
    line = Line(target.database.contents)
    for one in _recorded(target.name, events, {one.id: one for one in deployments}):
        line.add(one)
    yield line


def _recorded(
    environment: str, events: Sequence[Mapping[str, Any]], deployments: Mapping[str, Deployment]
) -> Iterator[Candidate]:
    last = {event["deployment"]: event["seq"] for event in events if event["kind"] == "delta"}
    rebases: list[tuple[int, int]] = []
    gone_by: list[tuple[int, Mapping[str, Any]]] = []
    quiet = sorted(
        (one for one in deployments.values() if one.id not in last and one.outcome is Outcome.OK),
        key=lambda one: one.started,
    )
    prints: Fingerprints | None = None
    hand = ByHand()
    for event in events:
        payload, when = event["payload"], datetime.fromisoformat(str(event["at"]))
        while quiet and quiet[0].started < when:
            one = quiet.pop(0)
            if prints is not None:
                yield _quiet(environment, one, prints, hand.found())
        if event["kind"] == "rebased":
            rebases.append((event["seq"], int(payload["snapshot"]["seq"])))
            continue
        gone_by.append((event["seq"], event))
        said = payload["fingerprint"]
        prints = Fingerprints(payload["engine"], payload["major"], said["structure"], said["text"], said["full"])
        made = deployments.get(event["deployment"])
        ended = made is not None and made.outcome is Outcome.OK and last[event["deployment"]] == event["seq"]
        began = payload["step"] is None and not ended
        node, branch = (None, None)
        if made is not None:
            node, branch = (made.from_node, made.from_branch) if not ended else (made.node or None, made.branch)
        restored = payload["cause"] == "restored"
        if restored:
            hand = ByHand()
            for past in _counting(gone_by, rebases):
                hand.follow(past, deployments)
        else:
            hand.follow(event, deployments)
        yield Candidate(
            prints,
            _folded(gone_by, rebases) if restored else {id: now for id, (_, now) in payload["parts"].items()},
            restored,
            (made.heads_after if ended else made.heads_before if began else None) if made else None,
            environment,
            made,
            None if ended or began else str(payload["revision"]),
            when,
            began,
            hand.found(),
            lambda node=node, branch=branch: (node, branch),  # type: ignore[misc]
        )
    for one in quiet:
        if prints is not None:
            yield _quiet(environment, one, prints, hand.found())


_Deltas = Sequence[tuple[int, Mapping[str, Any]]]


def _counting(deltas: _Deltas, rebases: Sequence[tuple[int, int]]) -> Iterator[Mapping[str, Any]]:
    """Those of some deltas that no restore took back."""
    spans = ledger.spans(rebases, deltas[-1][0])
    for seq, event in deltas:
        if any(after < seq <= upto for after, upto in spans):
            yield event


def _folded(deltas: _Deltas, rebases: Sequence[tuple[int, int]]) -> dict[str, str]:
    """The parts after some deltas, where restores went back in between."""
    known: dict[str, str] = {}
    for event in _counting(deltas, rebases):
        for id, (_, now) in event["payload"]["parts"].items():
            known.pop(id, None)
            if now is not None:
                known[id] = now
    return known


class ByHand:
    """What no migration made: drift that was accepted, and what was there before the first deploy.

    A part counts until it is what it was before again, or until a migration drops it.
    """

    def __init__(self) -> None:
        #: by id of a part: its hash before, and the deployment that recorded it
        self._parts: dict[str, tuple[str | None, str]] = {}

    def follow(self, event: Mapping[str, Any], deployments: Mapping[str, Deployment]) -> None:
        """The next delta."""
        cause, made = event["payload"]["cause"], deployments.get(event["deployment"])
        # what adopt took over was compared with the changeset then
        counts = cause == "drift" or (cause == "adopted" and made is not None and made.kind is not Kind.ADOPT)
        given = ("database",) if cause == "drift" else ("database", "schema", "extension")
        for id, (before, now) in event["payload"]["parts"].items():
            known = self._parts.get(id)
            if known is not None and (now == known[0] or (now is None and not counts)):
                del self._parts[id]
            elif counts and known is None and json.loads(id)[0] not in given:
                self._parts[id] = before, str(event["deployment"])

    def found(self) -> tuple[str, ...]:
        """The deployments that recorded what is there of it."""
        return tuple(dict.fromkeys(deployment for _, deployment in self._parts.values()))


def _quiet(environment: str, one: Deployment, prints: Fingerprints, by_hand: tuple[str, ...]) -> Candidate:
    """A deploy that left the schema as it was."""
    return Candidate(
        prints,
        {},
        False,
        one.heads_after,
        environment,
        one,
        None,
        one.started,
        by_hand=by_hand,
        find=lambda: (one.node or None, one.branch),
    )


# ---- builds


def of_builds(context: Context) -> Iterator[Line]:
    """Builds that are kept."""
    for one in build.kept(context):
        yield _line(context, one)


def of_tips(context: Context, like: build.Like) -> Iterator[Line]:
    """Builds of the newest heads of the repository, on a server like one; one that cannot be built is said."""
    seen: list[str] = []
    while len(seen) < TIPS:
        but = " or ".join(seen)
        newest = context.history.newest("head() and not closed()" + (f" and not ({but})" if but else ""))
        if newest is None:
            return
        seen.append(newest.node)
        try:
            yield _line(context, build.build(context, newest, like))
        except HgAuroraError as error:
            context.ui.status(f"warning: {newest.short} could not be built: {error.message}")


def _line(context: Context, built: build.Built) -> Line:
    line = Line(lambda hashes: {one: built.contents[one] for one in hashes if one in built.contents})
    for stage, following in zip_longest(built.stages, built.stages[1:]):
        find = partial(_made, context, built.node, stage.path, following is None)
        half = partial(_half, context, built.node, stage, following) if following is not None else None
        line.add(Candidate(stage.fingerprints, stage.changed, False, stage.heads, find=find, find_after=half))
    return line


def _half(context: Context, node: str, stage: build.Stage, following: build.Stage) -> str | None:
    """The migration that a stage ends with, where the changeset that brought it brought the next one too."""
    same = _made(context, node, stage.path, False) == _made(context, node, following.path, False)
    return stage.revision if same else None


def _made(context: Context, node: str, path: str, end: bool) -> tuple[str | None, str | None]:
    """The changeset that has a stage's migrations: the one that brought its last one; of the last stage, the newest
    that touched the migrations."""
    folder = context.settings.project.migrations
    revset = f"max(::{node} and file('path:{folder}'))" if end else f"min(::{node} and adds('path:{folder}/{path}'))"
    try:
        found = context.history.changeset(revset)
    except InputError:
        try:
            found = context.history.changeset(node)
        except InputError:
            return node, None
    return found.node, found.branch
