# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of :mod:`capture_sql` made into objects of a captured schema. No connection: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, cast

from ....core.schema.form import frozen
from ....core.schema.kinds import KINDS, Value
from ....core.schema.model import Path, Values
from .capture_acl import default_privileges, grants
from .catalogue_sql import STAMP

_Words = tuple[str, ...]
_PERSISTENCE = {"p": "permanent", "u": "unlogged", "t": "temporary"}
_IDENTITY = {"a": "always", "d": "by default"}
_GENERATED = {"s": "stored", "v": "virtual"}
_STORAGE = {"p": "plain", "e": "external", "m": "main", "x": "extended"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_REPLICA = {"d": "default", "n": "nothing", "f": "full", "i": "index"}
_MATCH = {"s": "simple", "f": "full", "p": "partial"}
_ACTION = {"a": "no action", "r": "restrict", "c": "cascade", "n": "set null", "d": "set default"}
_ENABLED = {"O": "origin", "D": "disabled", "R": "replica", "A": "always"}
_VOLATILE = {"i": "immutable", "s": "stable", "v": "volatile"}
_PARALLEL = {"s": "safe", "r": "restricted", "u": "unsafe"}
_MODE = {"o": "out ", "b": "inout ", "v": "variadic ", "t": "table "}
#: pg_collation.dat
DEFAULT_COLLATION = 100
_TYPES = {"e": "enum", "d": "domain", "c": "composite type", "r": "range type", "b": "base type", "p": "base type"}
#: indoption (catalog/pg_index.h): bit 1 descending, bit 2 nulls first; the usual one is nulls last where it ascends
_ORDER = {0: "", 1: "desc nulls last", 2: "nulls first", 3: "desc"}


class Rows:
    """Collects the objects of one capture, full or of some relations.

    :param version_table: schema and name of Alembic's table, which is outside with everything on it.
    :param opclasses: where no row will say them.
    """

    def __init__(self, version_table: Path, opclasses: dict[int, tuple[str, bool]] | None = None) -> None:
        self.version_table = version_table
        self.objects: dict[str, dict[Path, Values]] = {name: {} for name in KINDS}
        #: relations and sequences by OID
        self.paths: dict[int, Path] = {}
        #: OIDs of what is not a relation: kind, path
        self.others: dict[int, tuple[str, Path]] = {}
        #: catalogue and OID of what extensions have: its identity
        self.members: dict[tuple[str, int], str] = {}
        #: relation: column number: name, OID of its collation
        self._names: dict[int, dict[int, tuple[str, int]]] = {}
        self._backing: dict[int, Path] = {}
        #: name of an operator class, and whether it is the default one
        self.opclasses = opclasses or {}
        self._collations: dict[int, str] = {}
        self._type_names: dict[str, str] = {}
        self._relations: dict[int, Sequence[Any]] = {}

    def columns_of(self, oid: int) -> tuple[str, ...]:
        """Names of a relation's columns, in order."""
        names = self._names.get(oid, {})
        return tuple(names[number][0] for number in sorted(names))

    def take(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """The rows of one query, by its name in :mod:`capture_sql`; in the order that is given there."""
        getattr(self, "_take_" + query)(rows)

    def finish(self) -> dict[str, dict[Path, Values]]:
        """Relations, which need their columns; then everything, by kind."""
        for oid, row in self._relations.items():
            self._relation(oid, row)
        self._relations.clear()
        return {kind: found for kind, found in self.objects.items() if found}

    def _put(self, kind: str, path: Path, facts: dict[str, Any]) -> None:
        """By the names of the fields; what has none goes into ``definition``, as pairs of word and value."""
        acl, usual = facts.pop("acl", None), facts.pop("acl_default", None)
        if acl is not None:
            facts["grants"] = grants(acl, usual)
        fields = KINDS[kind].fields
        rest = facts.keys() - {field.name for field in fields}
        if said := [(word, frozen(facts[word])) for word in sorted(rest) if facts[word] not in (None, "-", False)]:
            facts["definition"] = tuple(said)
        values = []
        for field in fields:
            value = facts.get(field.name)
            values.append(field.usual if value is None else frozen(value))
        self.objects[kind][path] = tuple(values)

    def _take_relations(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            path = (row[1], row[2])
            if path != self.version_table:
                self.paths[row[0]] = path
                self._relations[row[0]] = row

    def _relation(self, oid: int, row: Sequence[Any]) -> None:
        (_, schema, name, kind, persistence, owner, acl, acl_default, comment, space, method, options, toast, secured,
         forced, replica, of_type, partition_by, is_partition, bound, parents, definition, populated,
         foreign) = row  # fmt: skip
        path, columns = (schema, name), self.columns_of(oid)
        said = grants(acl, acl_default) if acl is not None else ()
        every = _options(options)
        if toast:
            every = tuple(sorted((*every, *("toast." + one for one in toast))))
        if kind == "v":
            values: Values = (columns, _text(definition), every, None, None, None, None, comment, owner, said)
            self.objects["view"][path] = values
        elif kind == "m":
            values = (columns, _text(definition), every, populated, method, space, comment, owner, said)
            self.objects["materialized view"][path] = values
        elif kind == "f":
            server, options = foreign
            self._put("foreign table", path, {
                "columns": columns, "server": server, "options": _options(options), "comment": comment, "owner": owner,
                "grants": said, "partition_of": parents[0] if is_partition else None, "bound": bound,
                "inherits": () if is_partition else tuple(parents or ()),
            })  # fmt: skip
        else:
            security = ("forced" if secured else "off, forced") if forced else "on" if secured else "off"
            self.objects["table"][path] = (
                columns, _PERSISTENCE[persistence], partition_by, parents[0] if is_partition else None, bound,
                () if is_partition or not parents else tuple(parents), of_type, every, security, _REPLICA[replica],
                None, None, method, space, None, None, comment, owner, said,
            )  # fmt: skip

    def _take_type_names(self, rows: Iterable[Sequence[Any]]) -> None:
        self._type_names = dict(rows)  # type: ignore[arg-type]

    def _take_columns(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, found, names, types = self.paths, self.objects["column"], self._names, self._type_names
        for (oid, number, name, type_, not_null, default, identity, generated, options, foreign, comment, collation,
             other, storage, compression, statistics, acl, own) in rows:  # fmt: skip
            names.setdefault(oid, {})[number] = (name, collation)
            path = paths.get(oid)
            if path is None:
                continue
            every = _options([*(options or ()), *(foreign or ())]) if options or foreign else ()
            found[(*path, name)] = (
                types.get(type_, type_), not_null, default, _IDENTITY.get(identity), _GENERATED.get(generated),
                False, None, False, every, comment, other, None,
                _STORAGE.get(storage), _COMPRESSION.get(compression), statistics,
                grants(acl, ()) if acl is not None else (), own, True, False, None,
            )  # fmt: skip

    def _take_referenced(self, rows: Iterable[Sequence[Any]]) -> None:
        for oid, number, name in rows:
            self._names.setdefault(oid, {}).setdefault(number, (name, 0))

    def _take_members(self, rows: Iterable[Sequence[Any]]) -> None:
        self.members = {(catalog, oid): identity for catalog, oid, identity in rows}

    def _take_opclasses(self, rows: Iterable[Sequence[Any]]) -> None:
        self.opclasses = {oid: (name, usual) for oid, name, usual in rows}

    def _take_collations(self, rows: Iterable[Sequence[Any]]) -> None:
        self._collations = dict(rows)  # type: ignore[arg-type]

    def _take_indexes(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, found = self.paths, self.objects["index"]
        orders: dict[tuple[str, int], tuple[str, ...]] = {}
        opclasses: dict[tuple[str, int], tuple[str, ...]] = {}
        for (index, oid, name, method, keys, order, classes, collations, count, unique, distinct, valid, clustered,
             replica, options, space, expressions, predicate, class_options, comment,
             attached) in rows:  # fmt: skip
            path = paths.get(oid)
            if path is None:
                continue
            names, numbers = self._names[oid], _numbers(keys)
            if (said := orders.get((order, count))) is None:
                each = [_ORDER[one & 3] for one in _numbers(order)[:count]]
                said = orders[order, count] = tuple(each) if any(each) else ()
            if (opclass := opclasses.get((classes, count))) is None:
                known = [self.opclasses[one] for one in _numbers(classes)[:count]]
                each = ["" if usual else one for one, usual in known]
                opclass = opclasses[classes, count] = tuple(each) if any(each) else ()
            if class_options:
                opclass = self._with_options(opclass, _numbers(classes)[:count], class_options)
            at = (*path, name)
            found[at] = (
                tuple([names[one][0] if one else None for one in numbers[:count]]),
                tuple(expressions) if expressions else (), said, opclass,
                tuple([names[one][0] for one in numbers[count:]]), unique, distinct, method, predicate, valid, True,
                _options(options),
                (*(("clustered",) if clustered else ()), *(("replica identity",) if replica else ()),
                 *((f"{attached} attached",) if attached else ())), None, comment,
                self._unusual(names, numbers, _numbers(collations)), space,
            )  # fmt: skip
            self._backing[index] = at

    def _with_options(
        self, opclass: tuple[str, ...], classes: Sequence[int], options: dict[str, list[str]]
    ) -> tuple[str, ...]:
        """Operator classes with their own options, such as ``tsvector_ops (siglen=100)``."""
        each = list(opclass) or [""] * len(classes)
        for number, given in options.items():
            if own := _options(given):
                each[int(number) - 1] = f"{self.opclasses[classes[int(number) - 1]][0]} ({', '.join(own)})"
        return tuple(each) if any(each) else ()

    def _unusual(
        self, names: dict[int, tuple[str, int]], numbers: Sequence[int], collations: Sequence[int]
    ) -> tuple[str, ...]:
        """Collations of an index that are not those of its columns; of an expression, the default one is usual."""
        each = []
        for number, wanted in zip(numbers, collations, strict=False):
            usual = not wanted or (wanted == names[number][1] if number else wanted == DEFAULT_COLLATION)
            each.append("" if usual else self._collations.get(wanted, ""))
        return tuple(each) if any(each) else ()

    def _take_constraints(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, objects, names = self.paths, self.objects, self._names
        index = {field.name: n for n, field in enumerate(KINDS["index"].fields)}
        not_null = KINDS["column"].at("validated")
        for (oid, name, kind, keys, others, target, referenced, match, update, delete, only, deferrable, deferred,
             validated, enforced, period, no_inherit, backing, expression, comment) in rows:  # fmt: skip
            relation = paths.get(oid)
            if relation is None:
                continue
            path, own = (*relation, name), names[oid]
            when = ("initially deferred" if deferred else "deferrable") if deferrable else "no"
            if kind == "f":
                columns = tuple([own[one][0] for one in _numbers(keys)])
                there = tuple([names[target][one][0] for one in _numbers(others)])
                does = _ACTION[delete] + (f" ({', '.join(own[one][0] for one in _numbers(only))})" if only else "")
                objects["foreign key"][path] = (
                    columns, referenced, there, _MATCH[match], _ACTION[update], does, when, validated, enforced,
                    comment, period,
                )  # fmt: skip
            elif kind == "c":
                objects["check constraint"][path] = (expression, validated, no_inherit, enforced, comment)
            elif kind == "n":
                column = (*relation, own[_numbers(keys)[0]][0])
                facts = objects["column"][column]
                objects["column"][column] = (
                    *facts[:not_null], validated, no_inherit, comment, *facts[not_null + 3 :],
                )  # fmt: skip
            else:
                facts = objects["index"].pop(self._backing[backing])
                flags, about = cast("_Words", facts[index["flags"]]), facts[index["comment"]]
                if not facts[index["valid"]]:
                    flags += ("invalid",)
                if kind == "x":
                    # options are in its definition
                    objects["exclusion constraint"][path] = (
                        expression, when, comment, flags, about, facts[index["tablespace"]],
                    )  # fmt: skip
                    continue
                options = (*cast("_Words", facts[index["options"]]), *flags)
                columns, include = tuple([own[one][0] for one in _numbers(keys)]), facts[index["include"]]
                said, about = (comment, about) if comment else (about, None)
                if kind == "p":
                    objects["primary key"][path] = (
                        columns, include, when, options, said, facts[index["tablespace"]], period, about,
                    )  # fmt: skip
                else:
                    objects["unique constraint"][path] = (
                        columns, include, facts[index["nulls_not_distinct"]], when, options, said,
                        facts[index["tablespace"]], period, about,
                    )  # fmt: skip
        self._backing.clear()

    def _take_triggers(self, rows: Iterable[Sequence[Any]]) -> None:
        for (oid, name, bits, function, arguments, numbers, definition, enabled, deferrable, deferred, old, new,
             constraint, source, comment) in rows:  # fmt: skip
            path = self.paths.get(oid)
            if path is None:
                continue
            # tgtype (catalog/pg_trigger.h)
            timing = "before" if bits & 2 else "instead of" if bits & 64 else "after"
            events = tuple(word for bit, word in ((4, "insert"), (16, "update"), (8, "delete"), (32, "truncate"))
                           if bits & bit)  # fmt: skip
            given = (
                tuple(one.decode("utf-8", "backslashreplace") for one in arguments.split(b"\0")[:-1])
                if arguments
                else ()
            )
            transition = tuple(f"{word} table {one}" for word, one in (("old", old), ("new", new)) if one)
            self.objects["trigger"][(*path, name)] = (
                timing, events, "row" if bits & 1 else "statement", function, given,
                tuple(self._names[oid][one][0] for one in numbers), _when(definition), _ENABLED[enabled],
                ("initially deferred" if deferred else "deferrable") if deferrable else "no",
                ", ".join(transition) or None, None, None, comment, None, None, constraint, source,
            )  # fmt: skip

    def _take_hanging(self, rows: Iterable[Sequence[Any]]) -> None:
        for kind, oid, name, facts in rows:
            path = self.paths.get(oid)
            if path is not None:
                self._put(kind, (*path, name), facts)

    def _take_sequences(self, rows: Iterable[Sequence[Any]]) -> None:
        for (oid, schema, name, type_, start, increment, minimum, maximum, cache, cycle, owned, owner_oid, persistence,
             comment, owner, acl, acl_default) in rows:  # fmt: skip
            path = (schema, name)
            if owner_oid is not None and owned.startswith(self._tool_table):
                continue
            self.paths[oid] = path
            self.objects["sequence"][path] = (
                type_, start, increment, minimum, maximum, cache, cycle, owned, _PERSISTENCE[persistence], comment,
                owner, grants(acl, acl_default) if acl is not None else (),
            )  # fmt: skip

    @property
    def _tool_table(self) -> str:
        return ".".join(self.version_table) + "."

    def _take_routines(self, rows: Iterable[Sequence[Any]]) -> None:
        for _, oid, schema, name, facts in rows:
            path = (schema, name)
            modes, names = facts.pop("modes") or (), facts.pop("names") or ()
            arguments = tuple(
                _MODE.get(modes[n] if modes else "i", "") + (f"{names[n]} " if names and names[n] else "") + type_
                for n, type_ in enumerate(facts.pop("types"))
            )
            facts["arguments"] = arguments
            if facts["prokind"] == "a":
                facts["definition"] = "\n".join(
                    f"{word}: {value}" for word, value in facts["aggregate"].items()
                    if value is not None and value != "-" and value is not False and value != 0
                )  # fmt: skip
                facts["parallel"] = _PARALLEL[facts["parallel"]]
                self._put("aggregate", path, {one: facts.get(one) for one in ("arguments", "returns", "definition",
                          "comment", "owner", "acl", "acl_default", "parallel")})  # fmt: skip
                kind = "aggregate"
            else:
                kind = "procedure" if facts["prokind"] == "p" else "function"
                self._put(kind, path, _routine(facts))
            self.others[oid] = (kind, path)

    def _take_types(self, rows: Iterable[Sequence[Any]]) -> None:
        for letter, oid, schema, name, facts in rows:
            kind, path = _TYPES[letter], (schema, name)
            domain, attributes = facts.pop("domain"), facts.pop("attributes")
            span, base = facts.pop("range"), facts.pop("base")
            if domain:
                checks = domain.pop("checks") or ()
                facts |= domain
                facts["checks"] = [f"{one} {text}" + (f" -- {said}" if said else "") for one, text, said in checks]
            if attributes is not None or kind == "composite type":
                each = attributes or ()
                facts["attributes"] = [f"{one} {type_}" + (f" collate {other}" if other else "")
                                       for one, type_, other, _ in each]  # fmt: skip
                facts["attribute_comments"] = [[one, said] for one, _, _, said in each if said]
            if span:
                span["options"] = [pair for pair in span["options"] if pair[1] is not None]
                facts |= span
            if base:
                facts |= base
            self._put(kind, path, {word: value for word, value in facts.items() if value is not None})
            self.others[oid] = (kind, path)

    def _take_rare(self, rows: Iterable[Sequence[Any]]) -> None:
        for kind, oid, names, facts in rows:
            path = tuple(names)
            if kind in ("database", "schema"):
                facts["default_privileges"] = default_privileges(facts.get("default_privileges") or ())
            elif kind == "publication":
                facts["operations"] = [one for one in ("insert", "update", "delete", "truncate") if facts.pop(one)]
            elif kind == "event trigger":
                facts["tags"] = sorted(facts["tags"] or ())
            if "options" in facts and isinstance(facts["options"], list):
                facts["options"] = sorted(facts["options"])
            self._put(kind, path, facts)
            self.others[oid] = (kind, path)


def _routine(facts: dict[str, Any]) -> dict[str, Any]:
    """Facts of a function or procedure by the names of the fields."""
    internal = facts["language"] in ("internal", "c")
    facts["volatility"] = _VOLATILE[facts["volatility"]]
    facts["security"] = "definer" if facts.pop("definer") else "invoker"
    facts["parallel"] = _PARALLEL[facts["parallel"]]
    facts["settings"] = sorted(facts["settings"] or ())
    if facts["cost"] == (1 if internal else 100):
        facts["cost"] = None
    if facts["rows"] == (1000 if facts.pop("returns_set") else 0):
        facts["rows"] = None
    facts["cost"], facts["rows"] = (None if one is None else f"{one:g}" for one in (facts["cost"], facts["rows"]))
    if binary := facts.pop("binary"):
        facts["body"] = f"{binary}, {facts['body']}"
    support, transforms = facts.pop("support"), facts.pop("transforms")
    facts["options"] = [
        *(["window"] if facts.pop("prokind") == "w" else ()),
        *([f"support {support}"] if support else ()),
        *(f"transform for type {one}" for one in transforms),
    ]
    facts.pop("aggregate")
    return facts


@lru_cache(maxsize=4096)
def _numbers(text: str) -> tuple[int, ...]:
    """Of a vector or an array as the server writes it: ``1 2`` or ``{1,2}``."""
    return tuple(map(int, text.strip("{}").replace(",", " ").split()))


def _options(options: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(sorted(one for one in options if not one.startswith(STAMP))) if options else ()


def _text(definition: str) -> str:
    return definition.strip().removesuffix(";")


def _when(definition: str | None) -> Value:
    """The condition of a trigger out of its deparsed definition, which ends in the function's name."""
    if definition is None:
        return None
    return definition.split(" WHEN (", 1)[1].rsplit(") EXECUTE FUNCTION ", 1)[0]
