# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The canonical form of a captured schema: the same schema is the same bytes, in whatever order it was read.

A schema falls into parts (:class:`~hgaurora.core.schema.model.Part`), and every hash is made of those: after a
migration only the parts that it touched are made anew, and the fingerprints follow from the hashes of all.

Names are ordered by code point. Values at the end of an object that are the usual ones are left out: so a field that
a later version adds changes no bytes and no hash of what has nothing unusual there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from operator import itemgetter
from typing import Any, NamedTuple

from .kinds import KINDS, Kind, Level, Value
from .model import Fingerprints, Part, PartHashes, Path, Schema, Values

#: not circular, as it came out of tuples; ASCII, no blanks
_encode = json.JSONEncoder(check_circular=False, separators=(",", ":")).encode
#: the same for one string
_quoted = json.encoder.encode_basestring_ascii

_Row = tuple[str, Path, Values]


class _Shape(NamedTuple):
    """What is needed of a kind for each of its objects, made once."""

    kind: Kind
    usual: Values
    structure: Callable[[Values], Values]
    structure_usual: Values
    text: Callable[[Values], Values] | None
    text_usual: Values


def _picker(indices: list[int]) -> Callable[[Values], Values]:
    if len(indices) > 1:
        return itemgetter(*indices)
    return lambda values: tuple(values[i] for i in indices)


def _shape(kind: Kind) -> _Shape:
    structure, text = (
        [i for i, field in enumerate(kind.fields) if field.level is level] for level in (Level.STRUCTURE, Level.TEXT)
    )
    usual = tuple(field.usual for field in kind.fields)
    of_structure, of_text = _picker(structure), _picker(text)
    return _Shape(kind, usual, of_structure, of_structure(usual), of_text if text else None, of_text(usual))


_SHAPES = {kind.name: _shape(kind) for kind in KINDS.values()}


def owner_of(kind: str, path: Path) -> tuple[str, Path]:
    """Group and path of the part to which an object belongs."""
    known = KINDS[kind]
    return known.group, path[:-1] if known.nested else path


def part_id(kind: str, path: Path) -> str:
    """The id of the part to which an object belongs.

    >>> part_id("column", ("public", "orders", "vat"))
    '["relation","public","orders"]'
    """
    group, top = owner_of(kind, path)
    return _encode((group, *top))


def parts(schema: Schema) -> dict[str, Part]:
    """The parts of a schema by id, ids in order.

    :raises ValueError: a kind that is not in :data:`~hgaurora.core.schema.kinds.KINDS`, or values that do not have one
        for each of its fields.
    """
    unknown = schema.objects.keys() - KINDS.keys()
    if unknown:
        raise ValueError(f"a schema has no objects of kind {', '.join(sorted(unknown))}")
    rows: dict[tuple[str, Path], list[_Row]] = {}
    for name, kind in KINDS.items():
        objects = schema.objects.get(name)
        if not objects:
            continue
        for path in sorted(objects):
            top = path[:-1] if kind.nested else path
            rows.setdefault((kind.group, top), []).append((name, path, objects[path]))
    said: dict[tuple[str, Values], _Said] = {}
    made = (_part(_encode((group, *top)), rows.pop((group, top)), said) for group, top in list(rows))
    return {part.id: part for part in sorted(made, key=lambda part: part.id)}


class _Said(NamedTuple):
    """The values of an object as JSON, as far as each level goes; ``text`` alone, and None where all of it is usual."""

    full: str
    structure: str
    text: str | None


def _part(id: str, rows: list[_Row], known: dict[tuple[str, Values], _Said]) -> Part:
    """``known``: what was made of values, by kind. Most columns of a schema say what others say already, and one field
    has values of one type, so that 1 is not taken for true."""
    full: list[str] = []
    structure: list[str] = []
    text: list[str] = []
    for name, path, values in rows:
        said = known.get((name, values))
        if said is None:
            said = known[name, values] = _say(name, path, values)
        where = f'["{name}",[{",".join(map(_quoted, path))}],'
        full.append(f"{where}{said.full}]")
        structure.append(f"{where}{said.structure}]")
        if said.text is not None:
            text.append(f"{where}{said.text}]")
    content = f"[{','.join(full)}]".encode("ascii")
    by_structure = sha256(f"[{','.join(structure)}]".encode("ascii"))
    by_text = by_structure.copy()
    by_text.update(f"[{','.join(text)}]".encode("ascii"))
    return Part(id, content, by_structure.hexdigest(), by_text.hexdigest(), sha256(content).hexdigest())


def _say(name: str, path: Path, values: Values) -> _Said:
    shape = _SHAPES[name]
    if len(values) != len(shape.usual):
        raise ValueError(f"{name} {'.'.join(path)} has {len(values)} values; its kind has {len(shape.usual)} fields")
    unusual = _trimmed(shape.text(values), shape.text_usual) if shape.text is not None else ()
    return _Said(
        _encode(_trimmed(values, shape.usual)),
        _encode(_trimmed(shape.structure(values), shape.structure_usual)),
        _encode(unusual) if unusual else None,
    )


def _trimmed(values: Values, usual: Values) -> Values:
    end = len(values)
    while end and values[end - 1] == usual[end - 1]:
        end -= 1
    return values[:end]


def schema_of(engine: str, major: str, contents: Iterable[bytes]) -> Schema:
    """The schema whose parts have these contents: the inverse of :func:`parts`.

    A field that the content does not have, as its version did not know it, has its usual value.

    :raises ValueError: a kind, or more fields of one, than this version knows.
    """
    objects: dict[str, dict[Path, Values]] = {}
    for content in contents:
        for name, path, values in json.loads(content):
            shape = _SHAPES.get(name)
            if shape is None or len(values) > len(shape.usual):
                raise ValueError(f"a {name} was captured by a later version of this tool, which knows more of it")
            known = tuple(map(frozen, values))
            objects.setdefault(name, {})[tuple(path)] = known + shape.usual[len(known) :]
    return Schema(engine, major, objects)


def frozen(value: Any) -> Value:
    """What JSON gave, with lists as tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def fingerprints(engine: str, major: str, parts: Mapping[str, PartHashes | Part]) -> Fingerprints:
    """Of a schema, from its parts' hashes alone."""
    return Prints(parts).of(engine, major)


class Prints:
    """The fingerprints of parts that change: a change costs what is near it, not the whole schema.

    Parts lie in 256 buckets, by the first byte of the sha256 of their id. A bucket's hash is the sha256 of its lines
    ``id hash``, ordered by id; a fingerprint is the sha256 of the lines ``bucket hash`` (bucket as two hex digits) of
    those that are not empty, in order. Each line ends with a newline.
    """

    def __init__(self, parts: Mapping[str, PartHashes | Part]) -> None:
        self._buckets: list[dict[str, PartHashes | Part]] = [{} for _ in range(256)]
        #: the lines of a bucket in the three fingerprints; None: to be made anew
        self._lines: list[tuple[str, str, str] | None] = [None] * 256
        for id, one in parts.items():
            self._buckets[_bucket(id)][id] = one

    def put(self, id: str, part: PartHashes | Part | None) -> None:
        """A part as it is now; None: it is gone."""
        number = _bucket(id)
        self._lines[number] = None
        if part is None:
            self._buckets[number].pop(id, None)
        else:
            self._buckets[number][id] = part

    def of(self, engine: str, major: str) -> Fingerprints:
        """As the parts are now."""
        made = [line or self._made(number) for number, line in enumerate(self._lines)]
        structure, text, full = (sha256("".join(each).encode("ascii")).hexdigest() for each in zip(*made, strict=True))
        return Fingerprints(engine, major, structure, text, full)

    def _made(self, number: int) -> tuple[str, str, str]:
        rows = sorted(self._buckets[number].items())
        made = (
            _line(number, "".join(f"{id} {one.structure}\n" for id, one in rows)),
            _line(number, "".join(f"{id} {one.text}\n" for id, one in rows)),
            _line(number, "".join(f"{id} {one.full}\n" for id, one in rows)),
        )
        self._lines[number] = made
        return made


def _line(number: int, lines: str) -> str:
    return f"{number:02x} {sha256(lines.encode('ascii')).hexdigest()}\n" if lines else ""


def _bucket(id: str) -> int:
    return sha256(id.encode("ascii")).digest()[0]


def portable(schema: Schema) -> Schema:
    """The schema without what only the full fingerprint has: those facts are as usual."""
    kept: dict[str, dict[Path, Values]] = {}
    for name, objects in schema.objects.items():
        fields = KINDS[name].fields
        kept[name] = {
            path: tuple(
                field.usual if field.level is Level.FULL else value
                for field, value in zip(fields, values, strict=True)
            )
            for path, values in objects.items()
        }  # fmt: skip
    return Schema(schema.engine, schema.major, kept)


def canonical(schema: Schema) -> bytes:
    """The whole schema as canonical JSON: engine, major, and the objects of its parts."""
    contents = b",".join(part.content for part in parts(schema).values())
    head = _encode([schema.engine, schema.major]).encode("ascii")
    return head[:-1] + b",[" + contents + b"]]"
