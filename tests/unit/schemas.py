# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random captured schemas with objects of every kind, and random edits of them.

Everything is a function of a :class:`random.Random`, so a seed names an example outside of hypothesis too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from hypothesis import strategies as st

from hgaurora.core.schema.kinds import KINDS, Field, Value
from hgaurora.core.schema.model import Path, Schema, Values

Objects = dict[str, dict[Path, Values]]

WORDS = ("a", "b", "total", "vat", "Od d", "n\u00e4me", "x.y", "\U0001f40d", "now()", "0", "", "'it''s'", "\u2028")
_NAMES = ("orders", "items", "Users", "z\u00fcrich", "a.b", "t1", "t2", "big table")
#: fields that hold names of columns or labels: lists although they have no usual value
_LISTS = ("columns", "referenced_columns", "labels", "attributes", "kinds", "events")
_NUMBERS = ("cache", "start", "increment", "minimum", "maximum", "statistics")
HOLDS_COLUMNS = ("table", "foreign table")


def values(kind: str, **given: Value) -> Values:
    """The values of an object of which these fields are unusual."""
    fields = KINDS[kind].fields
    unknown = given.keys() - {field.name for field in fields}
    assert not unknown, f"{kind} has no {unknown}"
    return tuple(given.get(field.name, field.usual) for field in fields)


def schema(*objects: tuple[str, str, dict[str, Value]], engine: str = "postgresql", major: str = "16") -> Schema:
    """A schema of (kind, dotted path, fields)."""
    made: Objects = {}
    for kind, path, given in objects:
        made.setdefault(kind, {})[tuple(path.split("."))] = values(kind, **given)
    return Schema(engine, major, made)


def random_value(rng: random.Random, field: Field) -> Value:
    """A value of the type that a field has."""
    if rng.random() < 0.3:
        return field.usual
    if isinstance(field.usual, bool):
        return rng.random() < 0.5
    if field.name == "grants":
        return tuple((rng.choice(("app", "ana", "public")), word) for word in rng.sample(("select", "insert"), 1))
    if isinstance(field.usual, tuple) or field.name in _LISTS:
        return tuple(rng.choice(WORDS) for _ in range(rng.randint(0, 3)))
    if field.name in _NUMBERS:
        return rng.randint(-1, 2**63)
    return rng.choice(WORDS)


def other_value(rng: random.Random, field: Field, now: Value) -> Value:
    """Another value of the same type."""
    while (value := random_value(rng, field)) == now:
        pass
    return value


def _random_values(rng: random.Random, kind: str) -> Values:
    return tuple(random_value(rng, field) for field in KINDS[kind].fields)


def random_schema(rng: random.Random, size: int = 12) -> Schema:
    """About ``size`` objects of random kinds, each below a parent where its kind needs one."""
    objects: Objects = {}
    for _ in range(rng.randint(0, size)):
        add(rng, objects)
    return Schema("postgresql", "16", objects)


def relations(objects: Objects) -> list[tuple[str, Path]]:
    """What nested objects can hang on."""
    return [(k, p) for k in (*HOLDS_COLUMNS, "view", "materialized view") for p in objects.get(k, ())]


def _free(rng: random.Random, taken: Callable[[str], bool]) -> str:
    free = [name for name in (*_NAMES, *(f"n{i}" for i in range(40))) if not taken(name)]
    return rng.choice(free[:6])


def add(rng: random.Random, objects: Objects, kind: str | None = None) -> None:
    """One more object; what it needs to hang on comes with it."""
    kind = kind or rng.choice((*KINDS, "table", "foreign table", "column", "column", "index", "trigger"))
    known = KINDS[kind]
    if known.nested:
        if not any(objects.get(k) for k in HOLDS_COLUMNS):
            add(rng, objects, "table")
        on = [p for k, p in relations(objects) if k in HOLDS_COLUMNS]
        parent = rng.choice(on)
        path = (*parent, _free(rng, lambda name: (*parent, name) in objects.get(kind, {})))
    else:
        group = [k.name for k in KINDS.values() if k.group == known.group and not k.nested]
        at = (rng.choice(("public", "shop")),)
        path = (*at, _free(rng, lambda name: any((*at, name) in objects.get(k, {}) for k in group)))
    objects.setdefault(kind, {})[path] = _random_values(rng, kind)
    if kind == "column":
        _columns(objects, path[:-1], lambda now: _inserted(rng, now, path[-1]))
    elif kind in HOLDS_COLUMNS:
        set_field(objects, kind, path, "columns", ())
        for _ in range(rng.randint(0, 3)):
            name = _free(rng, lambda name: (*path, name) in objects.get("column", {}))
            objects.setdefault("column", {})[(*path, name)] = _random_values(rng, "column")
            _columns(objects, path, lambda now, name=name: (*now, name))  # type: ignore[misc]


def _inserted(rng: random.Random, now: tuple[Value, ...], name: str) -> tuple[Value, ...]:
    at = len(now) if rng.random() < 0.7 else rng.randint(0, len(now))
    return (*now[:at], name, *now[at:])


def _columns(objects: Objects, path: Path, change: Callable[[tuple[Value, ...]], tuple[Value, ...]]) -> None:
    for kind in HOLDS_COLUMNS:
        if path in objects.get(kind, {}):
            now = objects[kind][path][KINDS[kind].at("columns")]
            assert isinstance(now, tuple)
            set_field(objects, kind, path, "columns", change(now))


def set_field(objects: Objects, kind: str, path: Path, field: str, value: Value) -> None:
    """Change one field."""
    now = list(objects[kind][path])
    now[KINDS[kind].at(field)] = value
    objects[kind][path] = tuple(now)


def drop(rng: random.Random, objects: Objects, kind: str, path: Path) -> None:
    """One object less, and what hangs on it."""
    del objects[kind][path]
    if kind == "column":
        _columns(objects, path[:-1], lambda now: tuple(name for name in now if name != path[-1]))
    elif not KINDS[kind].nested and KINDS[kind].group == "relation":
        for nested in [k for k in objects if KINDS[k].nested]:
            for below in [p for p in objects[nested] if p[:-1] == path]:
                del objects[nested][below]


def rename(objects: Objects, kind: str, path: Path, name: str) -> None:
    """Another name, as a server gives it: what hangs on a relation moves with it."""
    to = (*path[:-1], name)
    objects[kind][to] = objects[kind].pop(path)
    if kind == "column":
        _columns(objects, path[:-1], lambda now: tuple(name if one == path[-1] else one for one in now))
    elif not KINDS[kind].nested and KINDS[kind].group == "relation":
        for nested in [k for k in objects if KINDS[k].nested]:
            for below in [p for p in objects[nested] if p[:-1] == path]:
                objects[nested][(*to, below[-1])] = objects[nested].pop(below)


def edited(rng: random.Random, before: Schema, edits: int = 5) -> Schema:
    """The schema after random additions, drops, renames, changes and reordered columns."""
    objects = copied(before)
    for _ in range(rng.randint(0, edits)):
        there = [(kind, path) for kind in objects for path in objects[kind]]
        if not there or rng.random() < 0.25:
            add(rng, objects)
            continue
        kind, path = rng.choice(there)
        fate = rng.random()
        if fate < 0.25:
            drop(rng, objects, kind, path)
        elif fate < 0.5:
            group = [k.name for k in KINDS.values() if k.group == KINDS[kind].group and k.nested == KINDS[kind].nested]
            taken = {p[-1] for k in group for p in objects.get(k, {}) if p[:-1] == path[:-1]}
            rename(objects, kind, path, _free(rng, taken.__contains__))
        elif fate < 0.6 and kind in HOLDS_COLUMNS:
            _columns(objects, path, lambda now: tuple(rng.sample(now, len(now))))
        else:
            fields = [f for f in KINDS[kind].fields if not (kind in HOLDS_COLUMNS and f.name == "columns")]
            field = rng.choice(fields)
            now = objects[kind][path][KINDS[kind].at(field.name)]
            set_field(objects, kind, path, field.name, other_value(rng, field, now))
    return Schema(before.engine, before.major, objects)


def copied(one: Schema) -> Objects:
    """Objects that can be changed."""
    return {kind: dict(paths) for kind, paths in one.objects.items()}


def shuffled(rng: random.Random, one: Schema) -> Schema:
    """The same schema with every mapping in another order."""

    def mixed(items: Iterable[tuple[str | Path, object]]) -> list[tuple[str | Path, object]]:
        there = list(items)
        rng.shuffle(there)
        return there

    objects = {kind: dict(mixed(paths.items())) for kind, paths in mixed(one.objects.items())}  # type: ignore[attr-defined]
    return Schema(one.engine, one.major, objects)  # type: ignore[arg-type]


@st.composite
def schemas(draw: st.DrawFn, size: int = 14) -> Schema:
    """Random schemas."""
    return random_schema(draw(st.randoms(use_true_random=False)), size)


@st.composite
def pairs(draw: st.DrawFn, size: int = 14, edits: int = 6) -> tuple[Schema, Schema]:
    """A schema, and what random edits made of it; at times one that has nothing to do with it."""
    rng = draw(st.randoms(use_true_random=False))
    before = random_schema(rng, size)
    if rng.random() < 0.1:
        return before, random_schema(rng, size)
    return before, edited(rng, before, edits)
