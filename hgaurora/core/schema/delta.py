# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What differs between two captured schemas, as a list of changes that makes one of the other.

In this order: what was dropped, dependents first (kinds from the last to the first); what has another name; what was
added or changed, kinds from the first to the last, columns in the table's order. Carried out in this order (a new name
moves what hangs on a relation, and holds wherever a field refers to it; a dropped column leaves the table's order of
columns and an added one comes last), the changes make the second schema of the first, exactly. So a table's order of
columns is a change only where it does not follow from that.

A rename is one where nothing else explains what is seen, else it is a drop and an addition. Below one parent, one
thing of a kind is gone and one has come that are equal in everything but the name, and

- of a relation: all that hangs on it is equal too, and something other than columns does, so that names which were
  made from the old name are still there;
- of a column: it stands between the same two columns as before, and either has another column behind it (which
  PostgreSQL cannot give to an added one) or is in an index or a constraint that kept its name;
- of anything else: it has what could hardly be the same by chance (:data:`TELLING`), or a comment.

Kinds that are not listed there, such as schemas and extensions, are never renamed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .form import frozen
from .kinds import KINDS, Kind, Level, Refers, Value
from .model import Path, Schema, Values

Action = Literal["added", "dropped", "changed", "renamed"]
Facts = Mapping[str, Value]

#: kinds whose columns are objects of their own, and whose field ``columns`` is the order of those
ORDERED = ("table", "foreign table")
#: kinds on which nested objects hang
HOLDERS = (*ORDERED, "view", "materialized view")

#: fields of which one that is not empty tells a thing from others of its kind
TELLING: dict[str, tuple[str, ...]] = {
    "enum": ("labels",),
    "domain": ("checks",),
    "composite type": ("attributes",),
    "range type": (),
    "sequence": ("owned_by",),
    "primary key": ("columns",),
    "unique constraint": ("columns",),
    "foreign key": ("columns",),
    "check constraint": ("expression",),
    "exclusion constraint": ("definition",),
    "index": ("columns",),
    "statistics": ("columns",),
    "trigger": ("function", "body"),
    "policy": ("using", "check"),
    "rule": ("definition",),
    "view": ("definition",),
    "materialized view": ("definition",),
    "function": ("body", "definition"),
    "procedure": ("body", "definition"),
    "aggregate": ("definition",),
    "event trigger": ("function",),
    "event": ("body",),
}
_PREFIX = re.compile(r"(.+)(\(\d+\))", re.DOTALL)


@dataclass(frozen=True)
class Change:
    """One thing that is other than before.

    :ivar path: where it is; of something renamed, where it was.
    :ivar before: by field: of something dropped what was unusual of it; of something changed what differs. A text that
        refers to a renamed thing has the new name already.
    :ivar after: likewise, of something added or changed.
    :ivar to: of something renamed, where it is now.
    """

    action: Action
    kind: str
    path: Path
    before: Facts | None = None
    after: Facts | None = None
    to: Path | None = None

    @property
    def now(self) -> Path:
        """Where it is after the change, or was where it is gone."""
        return self.to or self.path

    def to_json(self) -> dict[str, Any]:
        """As JSON has it; tuples are lists there."""
        said: dict[str, Any] = {"action": self.action, "kind": self.kind, "path": list(self.path)}
        for name in ("before", "after"):
            facts: Facts | None = getattr(self, name)
            if facts is not None:
                said[name] = {field: thawed(value) for field, value in facts.items()}
        if self.to is not None:
            said["to"] = list(self.to)
        return said

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Change:
        """The inverse of :meth:`to_json`.

        :raises KeyError: something is missing.
        """
        before, after = (
            None if said.get(name) is None else {field: frozen(value) for field, value in said[name].items()}
            for name in ("before", "after")
        )
        to = said.get("to")
        return cls(said["action"], said["kind"], tuple(said["path"]), before, after, None if to is None else tuple(to))


@dataclass(frozen=True)
class Unjudged:
    """Texts that differ, and would if nothing had been changed: servers of different versions made them."""

    kind: str
    path: Path
    fields: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"kind": self.kind, "path": list(self.path), "fields": list(self.fields)}

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Unjudged:
        """The inverse of :meth:`to_json`."""
        return cls(said["kind"], tuple(said["path"]), tuple(said["fields"]))


@dataclass(frozen=True)
class Delta:
    """What differs, in order, and what cannot be judged."""

    changes: tuple[Change, ...] = ()
    unjudged: tuple[Unjudged, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "changes": [change.to_json() for change in self.changes],
            "unjudged": [one.to_json() for one in self.unjudged],
        }

    @classmethod
    def from_json(cls, said: Mapping[str, Any]) -> Delta:
        """The inverse of :meth:`to_json`."""
        return cls(
            tuple(map(Change.from_json, said["changes"])), tuple(map(Unjudged.from_json, said.get("unjudged", ())))
        )


def thawed(value: Value) -> Any:
    """Tuples as lists."""
    return [thawed(one) for one in value] if isinstance(value, tuple) else value


def unusual(kind: str, values: Values) -> dict[str, Value]:
    """By field, what of an object is not as usual."""
    fields = KINDS[kind].fields
    return {field.name: value for field, value in zip(fields, values, strict=True) if value != field.usual}


def delta(before: Schema, after: Schema) -> Delta:
    """The changes that make ``after`` of ``before``. Both are whole, or the same parts of two schemas."""
    return _Comparison(before, after).delta()


class _Renames:
    """Names that are certain to have taken the place of others."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        #: by kind, new path to old path, also of what moved along
        self.origins: dict[str, dict[Path, Path]] = defaultdict(dict)
        self._relations: dict[str, str] = {}
        self._columns: dict[str, dict[str, str]] = {}

    def add(self, kind: str, old: Path, new: Path) -> None:
        """From now on the one is the other."""
        self.changes.append(Change("renamed", kind, old, to=new))
        self.origins[kind][new] = old
        if kind == "column":
            self._columns.setdefault(".".join(old[:-1]), {})[old[-1]] = new[-1]
        elif KINDS[kind].group == "relation" and not KINDS[kind].nested:
            self._relations[".".join(old)] = ".".join(new)

    def followed(self, kind: Kind, path: Path, values: Values) -> Values:
        """The values of an object, at its old path, with the new names."""
        new: list[Value] | None = None
        for i, field in enumerate(kind.fields):
            if field.refers is not None and values[i]:
                relation = ".".join(path[:-1] if kind.nested else path)
                if field.refers is Refers.REFERENCED:
                    relation = str(values[kind.at("references")])
                renamed = self._renamed(field.refers, relation, values[i])
                if renamed != values[i]:
                    new = new or list(values)
                    new[i] = renamed
        return values if new is None else tuple(new)

    def _renamed(self, refers: Refers, relation: str, value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(self._renamed(refers, relation, one) for one in value)
        if not isinstance(value, str):
            return value
        if refers is Refers.RELATION:
            return self._relations.get(value, value)
        if refers is Refers.COLUMN:
            relation, dot, column = value.rpartition(".")
            return self._relations.get(relation, relation) + dot + self._column(relation, column)
        return self._column(relation, value)

    def _column(self, relation: str, name: str) -> str:
        columns = self._columns.get(relation, {})
        if name not in columns and (prefix := _PREFIX.fullmatch(name)):
            return columns.get(prefix[1], prefix[1]) + prefix[2]
        return columns.get(name, name)


class _Comparison:
    """Two schemas while they are compared."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._before, self._after = before, after
        self._text = (before.engine, before.major) == (after.engine, after.major)
        # most deltas are of a table or two: of most kinds there is nothing
        self._kinds = [kind for kind in KINDS if before.objects.get(kind) or after.objects.get(kind)]
        self._dropped = defaultdict(dict, {kind: _only(kind, before, after) for kind in self._kinds})
        self._added = defaultdict(dict, {kind: _only(kind, after, before) for kind in self._kinds})
        self._renames = _Renames()
        self._unjudged: list[Unjudged] = []

    def delta(self) -> Delta:
        """The whole."""
        # what others refer to comes first; a renamed table may refer to another one
        while any(self._rename(kind) for kind in HOLDERS):
            pass
        for kind in ("column", *(kind for kind in TELLING if kind not in HOLDERS)):
            self._rename(kind)
        changes = [
            Change("dropped", kind, path, before=unusual(kind, self._dropped[kind][path]))
            for kind in reversed(self._kinds)
            for path in sorted(self._dropped[kind])
        ]
        changes += self._renames.changes
        for kind in self._kinds:
            changes += self._sorted(kind, [*self._additions(kind), *self._changes(KINDS[kind])])
        return Delta(tuple(changes), tuple(sorted(self._unjudged, key=lambda one: (one.kind, one.path))))

    def _rename(self, name: str) -> bool:
        """Find the renames of a kind, and take them out of what was dropped and added."""
        kind = KINDS[name]
        old, new = (self._by_content(kind, objects) for objects in (self._dropped, self._added))
        found = False
        for content in sorted(old.keys() & new.keys(), key=lambda content: old[content]):
            if len(old[content]) == len(new[content]) == 1:
                one, other = old[content][0], new[content][0]
                if self._certain(kind, one, other):
                    self._take(name, one, other)
                    found = True
        return found

    def _by_content(
        self, kind: Kind, objects: Mapping[str, Mapping[Path, Values]]
    ) -> dict[tuple[Path, Values, frozenset[object]], list[Path]]:
        """By parent and by all of it but the name, what there is of a kind: with what hangs on it, or its place."""
        old = objects is self._dropped
        there: dict[tuple[Path, Values, frozenset[object]], list[Path]] = defaultdict(list)
        # nothing can be found where the other side has nothing
        if not self._dropped[kind.name] or not self._added[kind.name]:
            return there
        below: dict[Path, list[tuple[Kind, Path, Values]]] = defaultdict(list)
        if kind.name in HOLDERS:
            for one in (one for one in KINDS.values() if one.nested):
                for path, values in objects[one.name].items():
                    below[path[:-1]].append((one, path, values))
        for path, values in objects[kind.name].items():
            hangs: set[object] = set()
            if kind.name == "column":
                hangs.add(self._neighbours(path, old))
            elif path in below:
                itself = _Renames()
                itself.add(kind.name, path, ("",))
                for one, at, known in below[path]:
                    followed = self._renames.followed(one, at, known) if old else known
                    hangs.add((one.name, at[-1], itself.followed(one, at, followed)))
            followed = self._renames.followed(kind, path, values) if old else values
            there[path[:-1], followed, frozenset(hangs)].append(path)
        return there

    def _neighbours(self, path: Path, old: bool) -> tuple[str | None, str | None] | None:
        """The nearest columns before and behind one, among those that stay."""
        before, after = _order(self._before, path[:-1]), _order(self._after, path[:-1])
        order = before if old else after
        if path[-1] not in order:
            return None
        at = order.index(path[-1])
        stays = set(before) & set(after)
        front = next((one for one in reversed(order[:at]) if one in stays), None)
        return front, next((one for one in order[at + 1 :] if one in stays), None)

    def _certain(self, kind: Kind, old: Path, new: Path) -> bool:
        if kind.name in HOLDERS and any(
            old in self._after.objects.get(name, {}) or new in self._before.objects.get(name, {}) for name in HOLDERS
        ):
            return False
        if kind.name == "column":
            return self._column_stayed(old, new)
        if kind.name in ORDERED:
            return any(
                path[:-1] == old for one in KINDS.values() if one.nested and one.name != "column"
                for path in self._dropped[one.name]
            )  # fmt: skip
        values = self._dropped[kind.name][old]
        return any(values[kind.at(field)] for field in (*TELLING[kind.name], "comment"))

    def _column_stayed(self, old: Path, new: Path) -> bool:
        """Whether a column in another one's place cannot have been added there."""
        place = self._neighbours(old, True)
        if place is None:
            return False
        if place[1] is not None and self._after.engine == "postgresql":
            return True
        alone = _Renames()
        alone.add("column", old, new)
        for kind in (kind for kind in KINDS.values() if kind.nested and kind.name != "column"):
            there, here = (one.objects.get(kind.name, {}) for one in (self._before, self._after))
            for path in (path for path in there if path[:-1] == old[:-1] and path in here):
                followed = alone.followed(kind, path, there[path])
                if followed != there[path] and followed == here[path]:
                    return True
        return False

    def _take(self, kind: str, old: Path, new: Path) -> None:
        self._renames.add(kind, old, new)
        del self._dropped[kind][old], self._added[kind][new]
        if kind in HOLDERS:
            for name in (one.name for one in KINDS.values() if one.nested):
                for path in [path for path in self._dropped[name] if path[:-1] == old]:
                    moved = (*new, path[-1])
                    del self._dropped[name][path], self._added[name][moved]
                    self._renames.origins[name][moved] = path

    def _additions(self, kind: str) -> Iterator[Change]:
        for path, values in self._added[kind].items():
            yield Change("added", kind, path, after=unusual(kind, values))

    def _changes(self, kind: Kind) -> Iterator[Change]:
        before, after = (one.objects.get(kind.name, {}) for one in (self._before, self._after))
        origins = self._renames.origins[kind.name]
        renamed = self._renames.changes and any(field.refers for field in kind.fields)
        for path, now in after.items():
            old = origins.get(path, path)
            was = before.get(old)
            if was is not None and renamed:
                was = self._renames.followed(kind, old, was)
            if was is not None and was != now and (change := self._change(kind, path, was, now)):
                yield change

    def _change(self, kind: Kind, path: Path, was: Values, now: Values) -> Change | None:
        before: dict[str, Value] = {}
        after: dict[str, Value] = {}
        unjudged = []
        for field, old, new in zip(kind.fields, was, now, strict=True):
            if kind.name in ORDERED and field.name == "columns":
                old, follows = self._columns(path, old)
                if follows == new:
                    continue
            if old == new:
                continue
            if field.level is Level.TEXT and not self._text:
                unjudged.append(field.name)
            else:
                before[field.name], after[field.name] = old, new
        if unjudged:
            self._unjudged.append(Unjudged(kind.name, path, tuple(unjudged)))
        return Change("changed", kind.name, path, before, after) if after else None

    def _columns(self, path: Path, order: Value) -> tuple[Value, Value]:
        """A table's columns without those that are gone, and then with those that came behind them."""
        if not isinstance(order, tuple):
            return order, order
        left = tuple(name for name in order if (*path, name) not in self._dropped["column"])
        came = (name for name in _order(self._after, path) if (*path, name) in self._added["column"])
        return left, (*left, *(name for name in came if name not in left))

    def _sorted(self, kind: str, changes: list[Change]) -> list[Change]:
        """By path, but columns as their tables have them."""
        if kind != "column":
            return sorted(changes, key=lambda change: change.path)
        orders = {
            relation: {name: at for at, name in enumerate(_order(self._after, relation))}
            for relation in {change.path[:-1] for change in changes}
        }
        return sorted(changes, key=lambda one: (one.path[:-1], orders[one.path[:-1]].get(one.path[-1], -1), one.path))


def _only(kind: str, one: Schema, other: Schema) -> dict[Path, Values]:
    here, there = one.objects.get(kind, {}), other.objects.get(kind, {})
    return {path: here[path] for path in here.keys() - there.keys()}


def _order(schema: Schema, path: Path) -> tuple[str, ...]:
    """A table's columns in order; nothing for a view."""
    for name in ORDERED:
        values = schema.objects.get(name, {}).get(path)
        if values is not None:
            order = values[KINDS[name].at("columns")]
            return tuple(map(str, order)) if isinstance(order, tuple) else ()
    return ()
