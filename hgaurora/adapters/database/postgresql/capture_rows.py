# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of :mod:`capture_sql` made into objects of a captured schema. No connection: values in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ....core.schema.form import frozen
from ....core.schema.kinds import KINDS, Value
from ....core.schema.model import Path, Values
from .capture_acl import default_privileges, grants
from .capture_sql import STAMP

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
        #: relation: column number: name, OID of its collation
        self._names: dict[int, dict[int, tuple[str, int]]] = {}
        self._backing: dict[int, Sequence[Any]] = {}
        #: name of an operator class, and whether it is the default one
        self.opclasses = opclasses or {}
        self._collations: dict[int, str] = {}
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
        names = {field.name for field in fields}
        if rest := sorted((word, frozen(value)) for word, value in facts.items() if word not in names and value is not None
                          and value != "-" and value is not False):  # fmt: skip
            facts["definition"] = tuple(rest)
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

    def _take_columns(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, found, names = self.paths, self.objects["column"], self._names
        for (oid, number, name, type_, not_null, default, identity, generated, options, foreign, comment, collation,
             other, storage, compression, statistics, acl) in rows:  # fmt: skip
            path = paths.get(oid)
            if path is None:
                continue
            names.setdefault(oid, {})[number] = (name, collation)
            if type_ == "-":
                continue
            every = _options([*(options or ()), *(foreign or ())]) if options or foreign else ()
            found[(*path, name)] = (
                type_, not_null, default, _IDENTITY.get(identity), _GENERATED.get(generated), False, None, False,
                every, comment, other, None, _STORAGE.get(storage), _COMPRESSION.get(compression), statistics,
                grants(acl, ()) if acl is not None else (),
            )  # fmt: skip

    def _take_referenced(self, rows: Iterable[Sequence[Any]]) -> None:
        for oid, number, name in rows:
            self._names.setdefault(oid, {}).setdefault(number, (name, 0))

    def _take_opclasses(self, rows: Iterable[Sequence[Any]]) -> None:
        self.opclasses = {oid: (name, usual) for oid, name, usual in rows}

    def _take_collations(self, rows: Iterable[Sequence[Any]]) -> None:
        self._collations = dict(rows)  # type: ignore[arg-type]

    def _take_indexes(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, found = self.paths, self.objects["index"]
        for row in rows:
            (index, oid, name, method, numbers, orders, classes, collations, keys, unique, distinct, valid, clustered,
             replica, options, space, expressions, predicate, class_options, comment) = row  # fmt: skip
            path = paths.get(oid)
            if path is None:
                continue
            names = self._names[oid]
            order: tuple[str, ...] = tuple(_ORDER[one & 3] for one in orders[:keys]) if any(orders) else ()
            opclass = tuple("" if self.opclasses[one][1] else self.opclasses[one][0] for one in classes[:keys])
            if class_options := {n: one for n, given in (class_options or {}).items() if (one := _options(given))}:
                opclass = tuple(
                    f"{self.opclasses[classes[n]][0]} ({', '.join(class_options[str(n + 1)])})"
                    if str(n + 1) in class_options else one for n, one in enumerate(opclass)
                )  # fmt: skip
            other = tuple(
                "" if not wanted or (number and names[number][1] == wanted) else self._collations.get(wanted, "")
                for number, wanted in zip(numbers, collations, strict=False)
            )
            if not all(numbers[:keys]):
                other = tuple("" if one == 'pg_catalog."default"' else one for one in other)
            found[(*path, name)] = (
                tuple(names[one][0] if one else None for one in numbers[:keys]), tuple(expressions or ()), order,
                opclass if any(opclass) else (), tuple(names[one][0] for one in numbers[keys:]), unique, distinct,
                method, predicate, valid, True, _options(options),
                (*(("clustered",) if clustered else ()), *(("replica identity",) if replica else ())), None, comment,
                other if any(other) else (), space,
            )  # fmt: skip
            self._backing[index] = (oid, name, found[(*path, name)])

    def _take_constraints(self, rows: Iterable[Sequence[Any]]) -> None:
        paths, objects, names = self.paths, self.objects, self._names
        index = {field.name: n for n, field in enumerate(KINDS["index"].fields)}
        for (oid, name, kind, keys, others, target, referenced, match, update, delete, only, deferrable, deferred,
             validated, enforced, period, no_inherit, backing, expression, comment) in rows:  # fmt: skip
            relation = paths.get(oid)
            if relation is None:
                continue
            path, own = (*relation, name), names[oid]
            when = ("initially deferred" if deferred else "deferrable") if deferrable else "no"
            if kind == "f":
                columns = tuple(own[one][0] for one in keys)
                there = tuple(names[target][one][0] for one in others) if target in names else ()
                does = _ACTION[delete] + (f" ({', '.join(own[one][0] for one in only)})" if only else "")
                objects["foreign key"][path] = (
                    columns, referenced, there, _MATCH[match], _ACTION[update], does, when, validated, enforced,
                    comment, period,
                )  # fmt: skip
            elif kind == "c":
                objects["check constraint"][path] = (expression, validated, no_inherit, enforced, comment)
            else:
                _, index_name, facts = self._backing[backing]
                objects["index"].pop((*relation, index_name), None)
                if kind == "x":
                    objects["exclusion constraint"][path] = (expression, when, comment)
                    continue
                options = (*facts[index["options"]], *facts[index["flags"]])
                if not facts[index["valid"]]:
                    options += ("invalid",)
                columns, include = tuple(own[one][0] for one in keys), facts[index["include"]]
                said = comment or facts[index["comment"]]
                if kind == "p":
                    objects["primary key"][path] = (
                        columns, include, when, options, said, facts[index["tablespace"]], period,
                    )  # fmt: skip
                else:
                    objects["unique constraint"][path] = (
                        columns, include, facts[index["nulls_not_distinct"]], when, options, said,
                        facts[index["tablespace"]], period,
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
                self._put("aggregate", path, {one: facts.get(one) for one in ("arguments", "returns", "definition",
                          "comment", "owner", "acl", "acl_default")})  # fmt: skip
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


def _options(options: Sequence[str] | None) -> tuple[str, ...]:
    return tuple(sorted(one for one in options if not one.startswith(STAMP))) if options else ()


def _text(definition: str) -> str:
    return definition.strip().removesuffix(";")


def _when(definition: str | None) -> Value:
    """The condition of a trigger out of its deparsed definition, which ends in the function's name."""
    if definition is None:
        return None
    return definition.split(" WHEN (", 1)[1].rsplit(") EXECUTE FUNCTION ", 1)[0]
