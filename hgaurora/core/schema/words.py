# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Changes of a schema in words, and schemas as text to read and to compare line by line.

Words come from the table of kinds: a field says its name and its value, and what reads better otherwise stands in the
small tables below. On screens types are shortened (``varchar(20)``); in JSON and renderings they are as captured.
"""

from __future__ import annotations

import difflib
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from ..render import WIDTH, count, cut
from .delta import Change, Delta, Facts
from .form import parts, schema_of
from .kinds import KINDS, Field, Level, Refers, Value
from .model import Part, Path, Schema

#: longer free text is cut in a line of words
_FREE = 40
#: fields whose value says by itself what it is
_PLAIN = frozenset({"type", "columns", "labels", "attributes", "expression", "arguments", "timing", "events"})
#: said before what stands behind commas
_CLOSE = _PLAIN | {"references", "referenced_columns"}
#: fields with names of types, routines and tables in them
_NAMING = frozenset(
    {"type", "returns", "arguments", "attributes", "subtype", "function", "tables", "template", "parser", "handler"}
)
#: kinds whose names have types in them
_SIGNED = frozenset({"function", "procedure", "aggregate", "operator", "cast", "transform"})
#: lists of what has no order, and may be long: only what is other is said
_SETS = frozenset({"mappings"})
#: fields whose value is a word of the declaration
_ITSELF = frozenset({"volatility"})
#: of what is new these are not said; the order of a table's columns follows from the columns
_LONG = frozenset({"definition", "body"})
_UNSAID = _LONG | {
    "comment",
    "index_comment",
    "not_null_comment",
    "options",
    "settings",
    "definer",
    "sql_mode",
    "grants",
    "owner",
}
#: what a sequence has where nobody said anything
_USUAL: dict[tuple[str, str], frozenset[Value]] = {
    ("sequence", "start"): frozenset({1}),
    ("sequence", "increment"): frozenset({1}),
    ("sequence", "minimum"): frozenset({1}),
    ("sequence", "maximum"): frozenset({2**15 - 1, 2**31 - 1, 2**63 - 1, 2**63 - 2}),
    ("sequence", "cache"): frozenset({1}),
    ("function", "volatility"): frozenset({"volatile"}),
    ("procedure", "volatility"): frozenset({"volatile"}),
}
#: said within an index's columns
_KEYED = ("expressions", "order")
#: whose type is a word of its own
_TYPELESS = frozenset({"server", "access method"})
_COUNTED = frozenset({"table", "foreign table", "view", "materialized view"})
#: what stands in brackets
_BRACKETS = frozenset({"columns", "labels", "attributes", "expression", "referenced_columns"})
#: other words for a field, before its value
_LABELS = {
    "method": "using",
    "predicate": "where",
    "generated": "generated",
    "identity": "identity",
    "returns": "returns",
    "function": "runs",
    "level": "for each",
    "referenced_columns": "to columns",
}
_TYPES = (
    (re.compile(r"\bcharacter varying\b"), "varchar"),
    (re.compile(r"\bcharacter\("), "char("),
    (re.compile(r"\b(timestamp|time)(\(\d\))? with time zone\b"), r"\1tz\2"),
    (re.compile(r"\b(timestamp|time)(\(\d\))? without time zone\b"), r"\1\2"),
)
_TYPED = frozenset({"type", "returns", "arguments", "attributes", "subtype"})
_PLURALS = {"index": "indexes", "primary key": "primary keys", "policy": "policies", "statistics": "statistics"}


def short_type(type: str) -> str:
    """A type as people write it.

    >>> [short_type(t) for t in ("character varying(20)[]", "timestamp(3) with time zone")]
    ['varchar(20)[]', 'timestamptz(3)']
    """
    for long, short in _TYPES:
        type = long.sub(short, type)
    return type


def _near(text: str, schema: str) -> str:
    """Names in a type, a signature or a list without the schema that goes without saying."""
    return re.sub(rf'(?<![\w."]){re.escape(schema)}\.(?=[\w"])', "", text) if schema else text


def name_of(kind: str, path: Path, schema: str = "public") -> str:
    """What a thing is called: ``orders.vat``, ``orders_vat on orders``; ``schema`` is not said."""
    if kind == "database":
        return ""
    shown = path[1:] if len(path) > 1 and path[0] == schema else path
    if kind in _SIGNED:
        shown = (*shown[:-1], _near(shown[-1], schema))
    if KINDS[kind].nested and kind != "column" and len(shown) > 1:
        return f"{shown[-1]} on {'.'.join(shown[:-1])}"
    return ".".join(shown)


def words(change: Change, schema: str = "public", below: Mapping[str, int] | None = None) -> str:
    """One line, however long, such as ``added column orders.vat numeric(10,2) not null default 0``.

    :param schema: whose name goes without saying; none on MySQL, where paths have no schema.
    :param below: how many of each kind came or went with it.
    """
    kind, name = change.kind, name_of(change.kind, change.path, schema)
    thing = f"{kind} {name}" if name else kind
    before, after = (None if facts is None else _local(kind, facts, schema) for facts in (change.before, change.after))
    match change.action:
        case "renamed":
            assert change.to is not None
            old, on, relation = name.partition(" on ")
            return f"renamed {kind} {old} to {change.to[-1]}{on}{relation}"
        case "dropped":
            return f"dropped {thing}{_counts(below or {})}"
        case "added":
            said = _counts(below or {}) if kind in _COUNTED else _new(kind, _declared(kind, after or {}))
            return f"added {thing}{said}"
    return _changed(kind, thing, name, before or {}, after or {})


def _local(kind: str, facts: Facts, schema: str) -> Facts:
    """The facts with the names of relations as they are said."""

    def local(value: Value) -> Value:
        if isinstance(value, tuple):
            return tuple(map(local, value))
        return _near(value, schema) if isinstance(value, str) else value

    names = {field.name for field in KINDS[kind].fields if field.refers in (Refers.RELATION, Refers.COLUMN)}
    names |= _NAMING - ({"arguments"} if kind == "trigger" else set())  # those of a trigger are any text
    return {name: local(value) if name in names else value for name, value in facts.items()}


def _declared(kind: str, facts: Facts) -> Facts:
    """What is said in another way than it is kept."""
    match kind:
        case "index":
            return _keyed(facts)
        case "trigger":
            return _fired(facts)
        case "column" if facts.get("generated"):
            expression = _bare(_said(KINDS[kind].fields[KINDS[kind].at("default")], facts.get("default")))
            return {**facts, "default": None, "generated": f"always as ({expression}) {facts['generated']}"}
    return facts


def _fired(facts: Facts) -> Facts:
    """A trigger's events and function as they are declared: ``insert or update of net``, ``touch(a)``."""
    columns, events, arguments = (
        value if isinstance(value := facts.get(name), tuple) else () for name in ("columns", "events", "arguments")
    )
    of = f" of {_plain(columns)}" if columns else ""
    said = " or ".join(f"{event}{of}" if event == "update" else str(event) for event in events)
    shown = {name: value for name, value in facts.items() if name not in ("columns", "arguments")} | {"events": said}
    if facts.get("function") is not None:
        shown["function"] = f"{facts['function']}({_plain(arguments)})"
    return shown


def _keyed(facts: Facts) -> Facts:
    """An index's columns as they are declared: each with its order, expressions in their places."""
    columns = facts.get("columns")
    if not isinstance(columns, tuple):
        return facts
    expressions, order = (iter(value) if isinstance(value := facts.get(name), tuple) else iter(()) for name in _KEYED)
    keys = tuple(
        f"{_key(next(expressions, None)) if column is None else column} {next(order, None) or ''}".rstrip()
        for column in columns
    )
    return {name: value for name, value in facts.items() if name not in _KEYED} | {"columns": keys}


def _key(expression: Value) -> str:
    """An expression in an index, with one pair of brackets where the server has any."""
    text = "an expression" if expression is None else str(expression)
    bare = _bare(text)
    return text if bare == text else f"({bare})"


def _counts(below: Mapping[str, int]) -> str:
    kinds = sorted((kind for kind in KINDS if below.get(kind)), key=lambda kind: not KINDS[kind].nested)
    each = ", ".join(count(below[kind], kind, _PLURALS.get(kind)) for kind in kinds)
    return f" ({each})" if each else ""


def _new(kind: str, facts: Facts) -> str:
    """What is said of something new: its structure, as far as it is not usual."""
    close, apart = [], []
    for field in KINDS[kind].fields:
        value = facts.get(field.name, field.usual)
        if kind == "column" and field.name == "not_null":
            close.append("not null" if value else "null")
        elif (
            field.name in _UNSAID
            or (field.name == "arguments" and KINDS[kind].group == "routine")
            or field.level is Level.FULL
            or value == field.usual
            or value in _USUAL.get((kind, field.name), ())
        ):
            continue
        elif kind == "column" or (field.name in _CLOSE and kind not in _TYPELESS):
            close.append(_bracketed(field, value))
        else:
            apart.append(_fact(field, value))
    return "".join(f" {one}" for one in close if one) + "".join(f", {one}" for one in apart)


def _bracketed(field: Field, value: Value) -> str:
    if field.name in _BRACKETS:
        return f"({_bare(_said(field, value))})"
    return _said(field, value) if field.name in _PLAIN else _fact(field, value)


def _bare(text: str) -> str:
    """An expression without the brackets around the whole of it, of which servers write one pair or two.

    >>> [_bare("((id + 1))"), _bare("(a) + (b)"), _bare("(a = ')')")]
    ['id + 1', '(a) + (b)', "a = ')'"]
    """
    while text.startswith("(") and text.endswith(")"):
        code = re.sub(r"'[^']*'", lambda quoted: "'" * len(quoted[0]), text)
        depths = list(accumulate({"(": 1, ")": -1}.get(one, 0) for one in code))
        if 0 in depths[:-1]:
            break
        text = text[1:-1]
    return text


def _label(field: Field) -> str:
    return _LABELS.get(field.name, field.name.replace("_", " "))


def _fact(field: Field, value: Value) -> str:
    if isinstance(value, bool):
        return _label(field) if value else f"not {_label(field)}"
    if field.name in _ITSELF:
        return _said(field, value)
    if field.name == "identity":
        return f"generated {_said(field, value)} as identity"
    return f"{_label(field)} {_said(field, value)}"


def _said(field: Field, value: Value, *, whole: bool = False) -> str:
    """A value on one line; ``whole`` neither cuts nor shortens."""
    text = _plain(value)
    if whole:
        return text
    if field.name in _TYPED:
        text = short_type(text)
    text = " ".join(text.split())
    free = field.name == "comment" or field.level is Level.TEXT
    return cut(text, _FREE) if free else text


def _plain(value: Value) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(" ".join(map(_plain, one)) if isinstance(one, tuple) else _plain(one) for one in value)
        case _:
            return str(value) if value != "" else "''"


def _changed(kind: str, thing: str, name: str, before: Facts, after: Facts) -> str:
    fields = [field for field in KINDS[kind].fields if field.name in after]
    if [field.name for field in fields] == ["grants"]:
        return "; ".join(_granted(before["grants"], after["grants"], f" on {name or kind}"))
    facts: list[str] = []
    for field in fields:
        old, new = before[field.name], after[field.name]
        if field.name == "grants":
            facts += _granted(old, new, "")
        else:
            facts.append(_difference(kind, field, _entries(field, old), _entries(field, new)))
    bare = fields[0].name == "type" and kind == "column"
    return f"changed {thing}{' ' if bare else ': '}{'; '.join(facts)}"


def _entries(field: Field, value: Value) -> Value:
    """What stands for an expression, and for the order that needs no words, in lists of an index."""
    if not isinstance(value, tuple) or field.name not in ("columns", "order"):
        return value
    return tuple("an expression" if one is None else "asc" if one == "" else one for one in value)


def _difference(kind: str, field: Field, old: Value, new: Value) -> str:
    label = field.name.replace("_", " ")
    if field.name in _LONG:
        return f"{label} {'added' if old is None else 'dropped' if new is None else 'changed'}"
    if isinstance(old, bool) and isinstance(new, bool):
        if field.usual is True:
            return f"now {'' if new else 'not '}{label}"
        return f"{label} {'added' if new else 'dropped'}"
    if isinstance(old, tuple) and isinstance(new, tuple):
        if field.name in _SETS and (moved := [_without(old, new), _without(new, old)]) != [[], []]:
            pairs = zip(moved, ("dropped", "added"), strict=True)
            return "; ".join(f"{label} {_said(field, tuple(some))} {verb}" for some, verb in pairs if some)
        if new[: len(old)] == old or old[: len(new)] == new:
            more = new[len(old) :] or old[len(new) :]
            return f"{label} {_said(field, more)} {'added' if len(new) > len(old) else 'dropped'}"
    elif old is None or new is None:
        return f"{label} {_said(field, new if old is None else old)} {'added' if old is None else 'dropped'}"
    one, other = _said(field, old), _said(field, new)
    if one == other:
        return f"{label} changed"
    return f"{one} to {other}" if field.name == "type" and kind == "column" else f"{label} {one} to {other}"


def _granted(before: Value, after: Value, on: str) -> Iterator[str]:
    """``granted insert, select on orders to app``, for each grantee; what has become ``no execute`` was revoked."""
    old, new = (value if isinstance(value, tuple) else () for value in (before, after))
    said: dict[tuple[str, str], dict[str, list[str]]] = {}
    came, went = ("granted", "to"), ("revoked", "from")
    for how, opposite, pairs in ((came, went, _without(new, old)), (went, came, _without(old, new))):
        for pair in pairs:
            grantee, *privilege = pair if isinstance(pair, tuple) else (pair,)
            word = _plain(tuple(privilege))
            taken = word.removeprefix("no ")
            by_grantee = said.setdefault(how if taken == word else opposite, {})
            by_grantee.setdefault(_plain(grantee), []).append(taken)
    for (verb, to), by_grantee in sorted(said.items()):
        for grantee, each in by_grantee.items():
            yield f"{verb} {', '.join(each)}{on} {to} {grantee}"


def _without(one: tuple[Value, ...], other: tuple[Value, ...]) -> list[Value]:
    return [value for value in one if value not in other]


def folded(changes: Iterable[Change]) -> Iterator[tuple[Change, dict[str, int]]]:
    """The changes without those of what came or went with a relation or a column; instead the count of those by kind.

    What hangs on a relation came or went with it, and a sequence with the column that owns it.
    """
    listed = list(changes)
    whole: dict[tuple[str, Path], Counter[str]] = {
        (change.action, change.path): Counter()
        for change in listed
        if change.action in ("added", "dropped")
        if KINDS[change.kind].group == "relation" and (not KINDS[change.kind].nested or change.kind == "column")
    }
    owners = {(action, ".".join(path)): path for action, path in whole}
    kept = []
    for change in listed:
        at = change.path[:-1] if KINDS[change.kind].nested else None
        if change.kind == "sequence":
            column = str((change.after or change.before or {}).get("owned_by") or "")
            table = column.rpartition(".")[0]
            at = owners.get((change.action, table)) or owners.get((change.action, column))
        on = None if at is None else whole.get((change.action, at))
        if on is None:
            kept.append(change)
        else:
            on[change.kind] += 1
    for change in kept:
        nested = KINDS[change.kind].nested
        yield change, dict(whole.get((change.action, change.path), ())) if not nested else {}


def lines(delta: Delta, schema: str = "public", *, verbose: bool = False, width: int = WIDTH - 2) -> list[str]:
    """A delta on a screen: a line each, wrapped where it is longer than ``width`` columns.

    :param verbose: also what hangs on added and dropped tables, and each text that is not judged.
    """
    shown = ((change, {}) for change in delta.changes) if verbose else folded(delta.changes)
    said = [words(change, schema, below) for change, below in shown]
    if verbose:
        for one in delta.unjudged:
            fields = ", ".join(field.replace("_", " ") for field in one.fields)
            said.append(f"not judged: {fields} of {one.kind} {name_of(one.kind, one.path, schema)}")
    elif delta.unjudged:
        texts = sum(len(one.fields) for one in delta.unjudged)
        said.append(f"not judged: {count(texts, 'text')} that another server version wrote (-v lists them)")
    return [line for one in said for line in _wrapped(one, width)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def as_json(delta: Delta, schema: str = "public") -> dict[str, Any]:
    """The delta for scripts: each change with its words."""
    said = delta.to_json()
    for change, one in zip(delta.changes, said["changes"], strict=True):
        one["words"] = words(change, schema)
    return said


def rendering(schema: Schema) -> list[str]:
    """The whole schema to read: a block for each part, in the order of their ids, an empty line between."""
    said: list[str] = []
    for part in parts(schema).values():
        said += [*([""] if said else []), *block(part.content)]
    return said


def block(content: bytes) -> list[str]:
    """One part to read: everything that is not usual of each of its objects, a line each; long texts as they are."""
    said: list[str] = []
    objects = schema_of("", "", [content]).objects
    # what others hang on comes first: it names the block
    for name, kind in sorted(KINDS.items(), key=lambda one: one[1].nested):
        for path, values in sorted(objects.get(name, {}).items()):
            indent = "  " if kind.nested else ""
            facts, texts = [], []
            for field, value in zip(kind.fields, values, strict=True):
                if value == field.usual:
                    continue
                fact = f"{field.name.replace('_', ' ')} {_said(field, value, whole=True)}"
                if field.name in _LONG or "\n" in fact:
                    texts += [f"{indent}  {line}".rstrip() for line in fact.split("\n")]
                elif kind.nested:
                    facts.append(fact)
                else:
                    texts.append(f"  {fact}")
            shown = path[-1] if kind.nested else ".".join(path)
            said += [f"{indent}{name} {shown}{': ' if facts else ''}{'; '.join(facts)}", *texts]
    return said


def unified(before: Schema, after: Schema, from_name: str, to_name: str) -> list[str]:
    """What differs between two renderings, as ``diff -u`` of a file for each part."""
    return unified_parts(parts(before), parts(after), from_name, to_name)


def unified_parts(before: Mapping[str, Part], after: Mapping[str, Part], from_name: str, to_name: str) -> list[str]:
    """The same of parts; those with equal hashes are not looked at."""
    said: list[str] = []
    for id in sorted(before.keys() | after.keys()):
        one, other = before.get(id), after.get(id)
        if one is not None and other is not None and one.full == other.full:
            continue
        old, new = (block(part.content) if part else [] for part in (one, other))
        title = (new or old)[0]
        names = (f"{from_name}/{title}" if old else "/dev/null", f"{to_name}/{title}" if new else "/dev/null")
        said += difflib.unified_diff(old, new, *names, lineterm="")
    return said
