# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``annotate``: like ``hg annotate``, for the schema: who made or last changed each object, and when it reached each
environment."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..core import render
from ..core.errors import HgAuroraError, InputError, StateError
from ..core.model import Changeset, Deployment, Direction, StepRow
from ..core.schema import words
from ..core.schema.delta import Change
from ..core.schema.kinds import KINDS
from .assess import change_request
from .context import Context, Target
from .revert import changeset_of, in_force

Key = tuple[str, tuple[str, ...]]

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_PLAIN_ANY = re.compile(r"[A-Za-z0-9_$]+")
_PART = re.compile(r"""(?:("(?:[^"]|"")+")|([^."(]+))(\(.*\))?(\.?)""", re.DOTALL)
#: columns for the names of objects, before other columns go to a line below
_NAMES = 24

#: what every database has; shown where something was done to it
_GIVEN = ("database", "schema", "extension")


@dataclass(frozen=True)
class Event:
    """One change of one object."""

    change: Change
    at: datetime
    cause: str
    deployment: Deployment | None
    revision: str | None
    direction: Direction | None
    #: the run that did it, by the number of its event
    step: int | None = None

    def takes_back(self, other: Event) -> bool:
        """Whether it is the downgrade of what another one's migration did here, and leaves what was there before."""
        if (self.direction, other.direction) != (Direction.DOWN, Direction.UP) or self.revision != other.revision:
            return False
        this, that = self.change, other.change
        if (this.before or {}, this.after or {}) != (that.after or {}, that.before or {}):
            return False
        return (this.path, this.now) == (that.now, that.path)


@dataclass
class Life:
    """One object that is there, with all that happened to it under its names."""

    kind: str
    path: tuple[str, ...]
    events: list[Event] = field(default_factory=list)

    #: what nobody has to say: the schema that goes without saying
    default: str = ""
    #: whether names with upper case letters need quotes
    folds: bool = True

    @property
    def standing(self) -> list[Event]:
        """The events without round trips: changes that a revert took back exactly, and the taking back."""
        kept: list[Event] = []
        for event in self.events:
            undone = next((one for one in reversed(kept) if event.takes_back(one)), None)
            if undone is None:
                kept.append(event)
            else:
                kept.remove(undone)
        return kept

    @property
    def near(self) -> tuple[str, ...]:
        """The path without a schema that goes without saying."""
        return self.path[1:] if len(self.path) > 1 and self.path[0] == self.default else self.path

    @property
    def holder(self) -> tuple[str, ...]:
        """What it hangs on, or itself."""
        return self.near[:-1] if KINDS[self.kind].nested else self.near

    @property
    def name(self) -> str:
        """As it can be given, quoted where it has to be."""
        if self.kind == "database":
            return ""
        *above, last = self.near
        bare, bracket, rest = last.partition("(") if KINDS[self.kind].group == "routine" else (last, "", "")
        return ".".join([*(self._quoted(one) for one in above), self._quoted(bare) + bracket + rest])

    @property
    def shown(self) -> str:
        """As screens call it: with its kind, where it is neither a table nor a column."""
        return self.name if self.kind in ("table", "column") else f"{self.kind} {self.name}".rstrip()

    def _quoted(self, name: str) -> str:
        plain = _PLAIN if self.folds else _PLAIN_ANY
        return name if plain.fullmatch(name) else '"' + name.replace('"', '""') + '"'

    def means(self, wanted: Sequence[str]) -> bool:
        """Whether a name is this one's; of a routine it may be without the types of its arguments."""
        paths = [self.path, self.near]
        if KINDS[self.kind].group == "routine":
            paths += [(*path[:-1], path[-1].partition("(")[0]) for path in paths]
        return tuple(wanted) in paths


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Annotate the objects of one environment."""
    target = context.target(options["env"])
    if not target.control.exists() or target.state().ledger is None:
        raise StateError(
            f"{target.name} holds nothing of hgaurora yet: there is no history of its schema", state="nothing was done"
        )
    lives = _chosen(target, list(_lives(target)), options.get("object"))
    who = _Who(context, target)
    reached = _Reached(context)
    if context.json:
        context.ui.write(json.dumps([_json(target, life, who, reached) for life in lives]))
        return 0
    rows = [_row(context, target, life, who, reached) for life in lives]
    for line, number in _laid_out(("object", "changeset", "author", "request"), context.names(), rows):
        context.ui.write(line)
        if context.verbose and number is not None:
            for event in lives[number].events:
                by = event.deployment.id if event.deployment else "not known"
                said = words.words(event.change, schema=target.settings.schema)
                script = f" {_stem(event.revision)}" if event.revision else ""
                text = f"{render.utc(event.at)}  {by}, {event.cause}{script}: {said}"
                for one in _wrapped(text, "    ", "      "):
                    context.ui.write(one)
    return 0


def _laid_out(
    head: Sequence[str], environments: Sequence[str], rows: Sequence[Sequence[str]]
) -> Iterator[tuple[str, int | None]]:
    """The lines of the table, at most 80 columns, each with the number of the row that it ends.

    Where all columns do not fit, the environments stand on a line below; a long name has a line of its own.
    """
    if not _fits([(*head, *environments), *rows]):
        below: list[list[str]] = []
        for row in rows:
            dates = [f"{name} {date}" for name, date in zip(environments, row[len(head) :], strict=True) if date]
            below.append(_wrapped(", ".join(dates), "  ", "  ") if dates else [])
        rows, environments = [row[: len(head)] for row in rows], ()
    else:
        below = [[] for _ in rows]
    table = [(*head, *environments), *rows]
    room = max(_room(table), len(head[0]))
    apart = [row[0] if len(row[0]) > room else None for row in table]
    lines = render.table([("" if alone else row[0], *row[1:]) for row, alone in zip(table, apart, strict=True)])
    yield lines[0], None
    for number, (alone, line, more) in enumerate(zip(apart[1:], lines[1:], below, strict=True)):
        said = [*([alone] if alone else []), line, *more]
        yield from ((one, None) for one in said[:-1])
        yield said[-1], number


def _room(table: Sequence[Sequence[str]]) -> int:
    """Columns that are left for the names."""
    return render.WIDTH - sum(2 + max(len(row[i]) for row in table) for i in range(1, len(table[0])))


def _fits(table: Sequence[Sequence[str]]) -> bool:
    return _room(table) >= min(_NAMES, max(len(row[0]) for row in table))


def _wrapped(text: str, first: str, others: str) -> list[str]:
    return textwrap.wrap(
        text,
        render.WIDTH,
        initial_indent=first,
        subsequent_indent=others,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _stem(revision: str) -> str:
    return revision.rsplit("/", 1)[-1]


# ---- lives, from the deltas of the ledger


def _lives(target: Target) -> Iterator[Life]:
    """Every object that is there, in order."""
    known = target.database.recorded()
    if known is None:
        raise StateError(
            f"{target.name} has no recorded schema yet",
            state="nothing was done",
            hint=f"{target.context.ui.front}deploy {target.name} records it",
        )
    found: dict[Key, Life] = {}
    gone: dict[tuple[str | None, Key], list[Life]] = {}
    for event in _events(target):
        _live(found, gone, event)
    # what was there when the ledger first looked has no change of its own
    from ..core.schema.form import schema_of

    prints = known.fingerprints
    contents = target.database.contents(one.full for one in known.parts.values())
    there = schema_of(prints.engine, prints.major, contents.values())
    for kind, objects in there.objects.items():
        for path in objects:
            life = found.get((kind, path))
            if life is not None or kind not in _GIVEN:
                yield life or Life(kind, path)


def _events(target: Target) -> Iterator[Event]:
    deployments = {one.id: one for one in target.database.deployments()}
    for event in target.database.events(kind="delta"):
        if event["carried"]:
            continue  # of a past that a restore took back
        payload: Any = event["payload"]
        direction = payload["direction"]
        for change in payload["changes"]:
            yield Event(
                Change.from_json(change),
                datetime.fromisoformat(str(event["at"])),
                payload["cause"],
                deployments.get(str(event["deployment"])),
                payload["revision"],
                Direction(direction) if direction else None,
                payload.get("step"),
            )


def _live(found: dict[Key, Life], gone: dict[tuple[str | None, Key], list[Life]], event: Event) -> None:
    """The next event.

    :param gone: what a migration dropped, with what hung on it, to come back where that is taken back.
    """
    change = event.change
    if change.action == "renamed" and change.to is not None:
        _moved(found, change)
    key = (change.kind, change.now)
    if change.action == "dropped":
        life = found.pop(key, None) or Life(*key)
        life.events.append(event)
        lives = [life]
        if not KINDS[change.kind].nested:
            below = [other for other in found if KINDS[other[0]].nested and other[1][:-1] == change.path]
            lives += [found.pop(other) for other in below]
        if event.direction is Direction.UP:
            gone[event.revision, key] = lives
        return
    if change.action == "added" and event.direction is Direction.DOWN:
        for life in gone.pop((event.revision, key), ()):
            found[life.kind, life.path] = life
    elif change.action == "added":
        found.pop(key, None)
    found.setdefault(key, Life(*key)).events.append(event)


def _moved(found: dict[Key, Life], change: Change) -> None:
    """A new name: the object and what hangs on it keep their past."""
    assert change.to is not None
    old, new = change.path, change.to
    for kind, path in list(found):
        same = kind == change.kind and path == old
        if same or (not KINDS[change.kind].nested and KINDS[kind].nested and path[:-1] == old):
            life = found.pop((kind, path))
            life.path = new if same else (*new, path[-1])
            found[kind, life.path] = life


def _chosen(target: Target, lives: Sequence[Life], wanted: str | None) -> list[Life]:
    """Without a name: things that stand alone, and what was changed after them. With one: it and all below it."""
    order = {kind: number for number, kind in enumerate(KINDS)}
    for life in lives:
        life.default = target.settings.schema
        life.folds = target.engine == "postgresql"
    lives = sorted(lives, key=lambda life: (life.holder, KINDS[life.kind].nested, order[life.kind], life.near))
    tops = {life.path: life for life in lives if not KINDS[life.kind].nested and KINDS[life.kind].group == "relation"}
    if wanted is not None:
        parts = _parsed(wanted)
        named = [life for life in lives if life.means(parts)]
        if not named:
            raise InputError(
                f"{target.name} has no {wanted}",
                state="nothing was done",
                hint=f"{target.context.ui.front}annotate {target.name} lists what there is",
            )
        holders = {life.path for life in named if life.path in tops}
        lives = [life for life in lives if life in named or (KINDS[life.kind].nested and life.path[:-1] in holders)]
    else:
        named = [life for life in lives if not KINDS[life.kind].nested]
    return [life for life in lives if life in named or _own(life, tops.get(life.path[:-1]))]


def _parsed(wanted: str) -> list[str]:
    """A dotted name by its parts, of which any may be quoted; types in brackets belong to the last one.

    :raises InputError: a quote is not closed, or a part is empty.

    >>> _parsed('"Odd Schema"."a.b".c'), _parsed("f(shop.money)")
    (['Odd Schema', 'a.b', 'c'], ['f(shop.money)'])
    """
    names, at = [], 0
    while found := _PART.match(wanted, at):
        quoted, plain, types, dot = found.groups()
        name = plain if quoted is None else quoted[1:-1].replace('""', '"')
        names.append(name + (types or ""))
        at = found.end()
        if not dot:
            break
    if at != len(wanted) or not names or wanted.endswith("."):
        raise InputError(
            f"{wanted} is no name",
            state="nothing was done",
            hint="""write orders, orders.gross, 'f(integer, text)' or '"Order"."Total Net"'""",
        )
    return names


def _own(life: Life, top: Life | None) -> bool:
    """Whether a nested thing has a past of its own: it came or changed later than what it hangs on."""
    if top is None or not life.standing:
        return top is None
    return not top.standing or life.standing[-1].at != top.standing[0].at


# ---- who, and where else


class _Who:
    """The changeset behind a change, asked once for each run of a migration or a repeatable file."""

    def __init__(self, context: Context, target: Target) -> None:
        self._context, self._target = context, target
        self._known: dict[tuple[int | None, str], tuple[Changeset | None, str | None]] = {}
        self._steps = {one.seq: one for one in _steps(target)}

    def ran(self, event: Event | None) -> StepRow | None:
        """The run that made a change."""
        return self._steps.get(event.step) if event is not None and event.step is not None else None

    def of(self, event: Event | None) -> tuple[Changeset | None, str | None]:
        """The changeset that wrote the migration (else the one that was deployed), and its change request."""
        if event is None or event.deployment is None:
            return None, None
        key = event.step, event.deployment.id
        if key not in self._known:
            self._known[key] = self._find(event, event.deployment)
        return self._known[key]

    def _find(self, event: Event, made: Deployment) -> tuple[Changeset | None, str | None]:
        if event.revision is None:
            return None, None
        ran = self.ran(event)
        node = ran.node if ran else made.node
        found = changeset_of(self._context, node or None, made.branch)
        if ran and node and self._context.history.known(node):
            file = f"{self._target.project.migrations}/{ran.path}"
            # under another name then: the changeset that was deployed stands
            with suppress(InputError):
                found = self._context.history.changeset(f"max(::{node} and file('path:{file}'))")
        request = change_request(self._target, found) if found else None
        return found, request or made.change_request


def _steps(target: Target) -> list[StepRow]:
    return target.database.steps([one.id for one in target.database.deployments()])


class _Reached:
    """When a migration, or a text of a repeatable file, came to each environment."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._known: dict[str, Mapping[tuple[str, str], str] | None] = {}

    def when(self, environment: str, ran: StepRow | None) -> str:
        """A date, ``reverted``, ``no``, or ``not known`` where it cannot be asked."""
        if ran is None:
            return ""
        if environment not in self._known:
            self._known[environment] = self._ask(environment)
        known = self._known[environment]
        return "not known" if known is None else known.get(_what(ran), "no")

    def _ask(self, environment: str) -> Mapping[tuple[str, str], str] | None:
        target = self._context.target(environment)
        try:
            if not target.control.exists() or target.state().ledger is None:
                return {}
            state = target.state()
            standing = {one.id for one in in_force(target.database.deployments())}
            steps = _steps(target)
        except HgAuroraError as error:
            self._context.ui.status(f"warning: {environment} could not be asked: {error.message}")
            return None
        found: dict[tuple[str, str], str] = {}
        for one in steps:
            # a restore takes steps back without a step of its own; what a file's text made stays when a later one runs
            file = one.revision == one.path
            there = one.path in state.repeated and one.deployment in standing if file else one.revision in state.applied
            if there and not (file and found.get(_what(one), "reverted") != "reverted"):
                found[_what(one)] = one.ended.strftime("%Y-%m-%d")
            else:
                found.setdefault(_what(one), "reverted")
        return found


def _what(ran: StepRow) -> tuple[str, str]:
    """A migration is one thing wherever it ran, each text of a repeatable file another."""
    return ran.revision, ran.raw if ran.revision == ran.path else ""


def _row(context: Context, target: Target, life: Life, who: _Who, reached: _Reached) -> tuple[str, ...]:
    event = next(reversed(life.standing), None)
    changeset, request = who.of(event)
    if changeset is None:
        cause = event.cause if event else "adopted"
        by = f"{cause} ({event.deployment.id})" if event and event.deployment else "there before"
        return (life.shown, by, "", "", *("" for _ in context.names()))
    author = render.cut(changeset.author.split("<", 1)[0].strip(), 12) or "not known"
    ran = who.ran(event)
    return (
        life.shown,
        changeset.short,
        author,
        request or "none",
        *(reached.when(name, ran) for name in context.names()),
    )


def _json(target: Target, life: Life, who: _Who, reached: _Reached) -> dict[str, Any]:
    event = next(reversed(life.standing), None)
    changeset, request = who.of(event)
    return {
        "environment": target.name,
        "object": life.name or life.kind,
        "kind": life.kind,
        "path": list(life.path),
        "node": changeset.node if changeset else None,
        "author": changeset.author if changeset else None,
        "change_request": request,
        "cause": event.cause if event else "adopted",
        "deploy": event.deployment.id if event and event.deployment else None,
        "revision": event.revision if event else None,
        "reached": {name: reached.when(name, who.ran(event)) or None for name in target.context.names()},
        "life": [
            {
                "at": render.iso(one.at),
                "cause": one.cause,
                "deploy": one.deployment.id if one.deployment else None,
                "revision": one.revision,
                "direction": one.direction.value if one.direction else None,
                "change": one.change.to_json(),
            }
            for one in life.events
        ],
    }
