# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What of a schema is left out of a comparison, by patterns such as a project gives for its environments.

A pattern is one of::

    public.part_*             objects by their dotted name, of any kind
    table public.orders_p*    objects of one kind
    table *                   all of them
    grants                    one fact of every object: a field of the table of kinds
    owner of table            of one kind
    owner of public.part_*    of objects by name
    owner of table part_*     of both

Names match as in a shell, case counts: ``*`` is anything, dots too, ``?`` one character, ``[ab]`` one of those. A name
has the schema where the engine has one, and below a relation the relation's: ``public.orders.vat``. A relation that is
left out takes along what hangs on it. The words of a pattern that are a kind's or a field's name are taken as such;
a name that has blanks or is such a word is written with a ``?`` or as ``[o]wner``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import NamedTuple

from ..errors import ConfigError
from .delta import ORDERED
from .kinds import KINDS, Value
from .model import Path, Schema, Values

#: the names of all facts that are kept of some kind
FIELDS = frozenset(field.name for kind in KINDS.values() for field in kind.fields)


class Pattern(NamedTuple):
    """One pattern, read. None is any."""

    kind: str | None
    name: re.Pattern[str] | None
    field: str | None

    def matches(self, kind: str, path: Path) -> bool:
        """Whether an object is meant."""
        if self.kind not in (None, kind):
            return False
        return self.name is None or self.name.match(".".join(path)) is not None


def read(text: str) -> Pattern:
    """A pattern from its text.

    :raises ConfigError: it is none; the message says what is wrong with it.
    """
    words = text.split()
    if not words:
        raise _bad(text, "it is empty")
    field = None
    if words[0] in FIELDS and (len(words) == 1 or words[1] == "of"):
        field, words = words[0], words[2:]
        if len(text.split()) == 2:
            raise _bad(text, "nothing stands behind of")
    kind = next((" ".join(words[:n]) for n in range(len(words), 0, -1) if " ".join(words[:n]) in KINDS), None)
    rest = words[len(kind.split()) :] if kind else words
    if len(rest) > 1:
        raise _bad(text, f"{' '.join(rest[:-1])} is no kind of object")
    if kind and not rest and field is None:
        raise _bad(text, f"{kind} is a kind: write {kind} * for all of them")
    if field is not None and kind is not None and field not in {one.name for one in KINDS[kind].fields}:
        raise _bad(text, f"a {kind} has no {field}")
    return Pattern(kind, re.compile(translate(rest[0])) if rest else None, field)


def _bad(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"ignore: {text!r} is no pattern: {why}",
        hint="write a name such as public.part_*, a kind and a name such as table part_*, or a fact such as grants",
    )


def ignoring(schema: Schema, patterns: Iterable[str]) -> Schema:
    """The schema without what the patterns match. Both sides of a comparison go through this.

    :raises ConfigError: a bad pattern.
    """
    known = [read(pattern) for pattern in patterns]
    if not known:
        return schema
    things = [pattern for pattern in known if pattern.field is None]
    gone: dict[str, set[Path]] = {
        kind: {path for path in paths if any(one.matches(kind, path) for one in things)}
        for kind, paths in schema.objects.items()
    }
    relations = {
        path for kind, paths in gone.items() for path in paths
        if KINDS[kind].group == "relation" and not KINDS[kind].nested
    }  # fmt: skip
    kept: dict[str, dict[Path, Values]] = {}
    for kind, paths in schema.objects.items():
        facts = [one for one in known if one.field is not None and one.kind in (None, kind)]
        facts = [one for one in facts if any(field.name == one.field for field in KINDS[kind].fields)]
        nested = KINDS[kind].nested
        left = {}
        for path, values in paths.items():
            if path in gone[kind] or (nested and path[:-1] in relations):
                continue
            if kind in ORDERED and gone.get("column"):
                values = _ordered(kind, path, values, gone["column"])
            for one in facts:
                if one.matches(kind, path):
                    values = _usual(kind, values, one.field or "")
            left[path] = values
        if left:
            kept[kind] = left
    return Schema(schema.engine, schema.major, kept)


def _ordered(kind: str, path: Path, values: Values, gone: set[Path]) -> Values:
    """A table's order of columns without those that are left out."""
    at = KINDS[kind].at("columns")
    order = values[at]
    if not isinstance(order, tuple):
        return values
    return _set(values, at, tuple(name for name in order if (*path, name) not in gone))


def _usual(kind: str, values: Values, field: str) -> Values:
    at = KINDS[kind].at(field)
    return _set(values, at, KINDS[kind].fields[at].usual)


def _set(values: Values, at: int, value: Value) -> Values:
    return values if values[at] == value else (*values[:at], value, *values[at + 1 :])
