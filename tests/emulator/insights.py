# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of the query language of CloudWatch Logs Insights as hgaurora and its documentation use.

``fields``, ``display``, ``filter``, ``sort``, ``limit``, ``stats … by …``; what is not known is a malformed query, not
one that returns everything.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
_WORD = r"@?[\w.]+"
_TOKEN = re.compile(
    r"\s*(?:(?P<op>!=|<=|>=|=|<|>|[(),\[\]])"
    r"|/(?P<regex>(?:[^/\\]|\\.)*)/"
    r'|"(?P<text>(?:[^"\\]|\\.)*)"|\'(?P<text2>[^\']*)\''
    r"|(?P<number>-?\d+(?:\.\d+)?(?![\w.]))|(?P<word>@?[\w.*]+))"
)
_CALL = re.compile(r"(\w+)\(\s*([^)]*?)\s*\)(?:\s+as\s+(\w+))?\s*(?:,|$)")


class Malformed(ValueError):
    """The query cannot be read."""


def row(message: str, timestamp: int, stream: str, group: str) -> Row:
    """What is known of an event: fields of its JSON by dotted name, and those with ``@``."""
    found: Row = {"@timestamp": timestamp, "@message": message, "@logStream": stream, "@log": group}
    try:
        value = json.loads(message)
    except ValueError:
        return found
    _flatten("", value, found)
    return found


def run(query: str, rows: Iterable[Row], limit: int = 10_000) -> list[list[dict[str, str]]]:
    """The answer as GetQueryResults gives it.

    :raises Malformed: the query cannot be read.
    """
    found = sorted(rows, key=lambda one: one["@timestamp"], reverse=True)
    shown = ["@timestamp", "@message"]
    for command in _commands(query):
        verb, _, rest = command.partition(" ")
        verb, rest = verb.lower(), rest.strip()
        if verb in ("fields", "display"):
            shown = [name.strip() for name in rest.split(",")]
            if not all(re.fullmatch(_WORD, name) for name in shown):
                raise Malformed(f"fields {rest}")
        elif verb == "filter":
            test = _condition(rest)
            found = [one for one in found if test(one)]
        elif verb == "sort":
            found = _sorted(found, rest)
        elif verb == "limit":
            limit = int(rest)
        elif verb == "stats":
            found, shown = _stats(found, rest)
        else:
            raise Malformed(f"unexpected {verb}")
    return [
        [{"field": name, "value": _text(name, one[name])} for name in shown if one.get(name) is not None]
        for one in found[:limit]
    ]


def _commands(query: str) -> list[str]:
    """Split at bars that stand outside of quotes and slashes."""
    parts = re.findall(r'(?:"(?:[^"\\]|\\.)*"|/(?:[^/\\]|\\.)*/|[^|"/])+', query)
    return [part.strip() for part in parts if part.strip()]


def _flatten(prefix: str, value: Any, into: Row) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _flatten(f"{prefix}.{key}" if prefix else str(key), inner, into)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _flatten(f"{prefix}.{number}", inner, into)
    elif prefix:
        into[prefix] = value


def _text(name: str, value: Any) -> str:
    if name == "@timestamp":
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, bool):
        return "1" if value else "0"
    return str(value)


def _sorted(rows: list[Row], rest: str) -> list[Row]:
    for part in reversed(rest.split(",")):
        name, _, order = part.strip().partition(" ")
        there = [one for one in rows if one.get(name) is not None]
        there.sort(key=lambda one: _key(one[name]), reverse=order.strip().lower() != "asc")
        rows = there + [one for one in rows if one.get(name) is None]
    return rows


def _key(value: Any) -> tuple[int, Any]:
    number = _number(value)
    return (1, str(value)) if number is None else (0, number)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


_FUNCTIONS: Mapping[str, Callable[[Sequence[Any], float], Any]] = {
    "count": lambda values, _: len(values),
    "count_distinct": lambda values, _: len(set(values)),
    "sum": lambda values, _: sum(map(float, values)),
    "avg": lambda values, _: sum(map(float, values)) / len(values),
    "min": lambda values, _: min(values, key=_key),
    "max": lambda values, _: max(values, key=_key),
    "pct": lambda values, share: sorted(map(float, values))[max(0, math.ceil(len(values) * share / 100) - 1)],
    # rows come newest first
    "latest": lambda values, _: values[0],
    "earliest": lambda values, _: values[-1],
}


def _stats(rows: list[Row], rest: str) -> tuple[list[Row], list[str]]:
    asked, *by = re.split(r"\s+by\s+", rest)
    groups = [name.strip() for name in by[0].split(",")] if by else []
    calls = []
    while asked:
        found = _CALL.match(asked)
        if found is None or found[1].lower() not in _FUNCTIONS:
            raise Malformed(f"stats {asked}")
        calls.append((found[1].lower(), [part.strip() for part in found[2].split(",")], found))
        asked = asked[found.end() :].strip()
    buckets: dict[tuple[Any, ...], list[Row]] = {}
    for one in sorted(rows, key=lambda one: one["@timestamp"], reverse=True):
        buckets.setdefault(tuple(one.get(name) for name in groups), []).append(one)
    names = [found[3] or re.sub(r"\s*(?:,|as\s.*)?$", "", found[0].strip()) for _, _, found in calls]
    answer = []
    for key, members in buckets.items():
        made: Row = dict(zip(groups, key, strict=True))
        for name, (function, arguments, _) in zip(names, calls, strict=True):
            field = arguments[0]
            values = members if field in ("*", "") else [one[field] for one in members if one.get(field) is not None]
            share = float(arguments[1]) if len(arguments) > 1 else 0
            if values or function == "count":
                made[name] = _FUNCTIONS[function](values, share)
        answer.append(made)
    return answer, [*groups, *names]


_Test = Callable[[Row], bool]
_Tokens = list[tuple[str, str]]


def _condition(text: str) -> _Test:
    tokens: _Tokens = []
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise Malformed(text[at:])
        kind = str(found.lastgroup)
        tokens.append((kind.rstrip("2"), str(found[kind])))
        at = found.end()
    test, rest = _either(tokens)
    if rest:
        raise Malformed(text)
    return test


def _is(tokens: _Tokens, word: str) -> bool:
    return bool(tokens) and tokens[0][0] in ("word", "op") and tokens[0][1].lower() == word


def _either(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    first, tokens = _both(tokens)
    tests = [first]
    while _is(tokens, "or"):
        following, tokens = _both(tokens[1:])
        tests.append(following)
    return (lambda one: any(test(one) for test in tests)), tokens


def _both(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    first, tokens = _one(tokens)
    tests = [first]
    while _is(tokens, "and"):
        following, tokens = _one(tokens[1:])
        tests.append(following)
    return (lambda one: all(test(one) for test in tests)), tokens


def _one(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    if _is(tokens, "not"):
        inner, rest = _one(tokens[1:])
        return (lambda one: not inner(one)), rest
    if _is(tokens, "("):
        inner, rest = _either(tokens[1:])
        if not _is(rest, ")"):
            raise Malformed("a parenthesis is open")
        return inner, rest[1:]
    if _is(tokens, "ispresent") and len(tokens) > 3:
        name = tokens[2][1]
        return (lambda one: one.get(name) is not None), tokens[4:]
    if len(tokens) < 3 or tokens[0][0] != "word":
        raise Malformed(f"a comparison is missing at {tokens[:1]}")
    name, operator, (kind, value) = tokens[0][1], tokens[1][1].lower(), tokens[2]
    if operator == "like":
        wanted = re.compile(value if kind == "regex" else re.escape(value))
        return (lambda one: wanted.search(str(one.get(name, ""))) is not None), tokens[3:]
    if operator == "in" and value == "[":
        end = next((at for at, token in enumerate(tokens) if token == ("op", "]")), None)
        if end is None:
            raise Malformed("a list is open")
        values = {text for kind, text in tokens[3:end] if kind != "op"}
        return (lambda one: str(one.get(name)) in values), tokens[end + 1 :]
    return _compared(name, operator, value), tokens[3:]


def _compared(name: str, operator: str, value: str) -> _Test:
    def order(one: Row) -> tuple[Any, Any] | None:
        had = one.get(name)
        if had is None:
            return None
        left, right = _number(had), _number(value)
        return (str(had), value) if left is None or right is None else (left, right)

    compare: Mapping[str, Callable[[Any, Any], bool]] = {
        "=": lambda left, right: left == right,
        "!=": lambda left, right: left != right,
        "<": lambda left, right: left < right,
        ">": lambda left, right: left > right,
        "<=": lambda left, right: left <= right,
        ">=": lambda left, right: left >= right,
    }
    if operator not in compare:
        raise Malformed(f"{name} {operator}")
    return lambda one: (pair := order(one)) is not None and compare[operator](*pair)
