# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Filter patterns of CloudWatch Logs: words, phrases, regular expressions, and selectors on JSON.

``ERROR -debug``, ``?A ?B``, ``"two words"``, ``%re.*%``, ``{ $.event = "step" && ($.ms > 5 || $.x NOT EXISTS) }``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Match = Callable[[str], bool]
_Test = Callable[[Any], bool]
_TOKEN = re.compile(
    r"""\s*(?:(?P<op>&&|\|\||[()]|!=|<=|>=|=|<|>)|(?P<select>\$[\w.\-\[\]"]*)|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s()=!<>&|]+))"""
)
_MISSING = object()


class BadPattern(ValueError):
    """It cannot be read."""


def compiled(pattern: str) -> Match:
    """Whether a message matches.

    :raises BadPattern: the pattern cannot be read.
    """
    text = pattern.strip()
    if not text:
        return lambda message: True
    if text.startswith("{"):
        if not text.endswith("}"):
            raise BadPattern(pattern)
        return _json(text[1:-1])
    return _words(text)


def _words(pattern: str) -> Match:
    needed: list[Match] = []
    optional: list[Match] = []
    for mark, phrase, regex, word in re.findall(r'([?-]?)(?:"([^"]*)"|%([^%]*)%|(\S+))', pattern):
        test = _term(phrase or word) if not regex else _regex(regex)
        if mark == "?":
            optional.append(test)
        else:
            needed.append(_not(test) if mark == "-" else test)
    return lambda message: (
        all(test(message) for test in needed) and (not optional or any(test(message) for test in optional))
    )


def _term(text: str) -> Match:
    return lambda message: text in message


def _regex(text: str) -> Match:
    found = re.compile(text)
    return lambda message: found.search(message) is not None


def _not(test: Match) -> Match:
    return lambda message: not test(message)


def _json(text: str) -> Match:
    tokens, at = [], 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadPattern(text)
        tokens.append((str(found.lastgroup), str(found[found.lastgroup or 0])))
        at = found.end()
    test, rest = _either(tokens)
    if rest:
        raise BadPattern(text)

    def matches(message: str) -> bool:
        try:
            value = json.loads(message)
        except ValueError:
            return False
        return test(value)

    return matches


_Tokens = list[tuple[str, str]]


def _either(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    first, tokens = _both(tokens)
    tests = [first]
    while tokens[:1] == [("op", "||")]:
        following, tokens = _both(tokens[1:])
        tests.append(following)
    return (lambda value: any(test(value) for test in tests)), tokens


def _both(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    first, tokens = _one(tokens)
    tests = [first]
    while tokens[:1] == [("op", "&&")]:
        following, tokens = _one(tokens[1:])
        tests.append(following)
    return (lambda value: all(test(value) for test in tests)), tokens


def _one(tokens: _Tokens) -> tuple[_Test, _Tokens]:
    if tokens[:1] == [("op", "(")]:
        test, tokens = _either(tokens[1:])
        if tokens[:1] != [("op", ")")]:
            raise BadPattern("a parenthesis is open")
        return test, tokens[1:]
    if not tokens or tokens[0][0] != "select":
        raise BadPattern(f"a selector is missing before {tokens[:1]}")
    path = tokens[0][1]
    words = [word.upper() for kind, word in tokens[1:3] if kind == "word"]
    if words == ["NOT", "EXISTS"]:
        return (lambda value: select(value, path) is _MISSING), tokens[3:]
    if words[:1] == ["IS"]:
        constant = {"NULL": None, "TRUE": True, "FALSE": False}.get(words[1], _MISSING)
        return (lambda value: select(value, path) is constant is not _MISSING), tokens[3:]
    if len(tokens) < 3 or tokens[1][0] != "op" or tokens[2][0] not in ("text", "word"):
        raise BadPattern(f"a comparison is missing after {path}")
    test = _comparison(tokens[1][1], tokens[2][1], quoted=tokens[2][0] == "text")
    return (lambda value: (found := select(value, path)) is not _MISSING and test(found)), tokens[3:]


def _comparison(operator: str, wanted: str, *, quoted: bool) -> _Test:
    if operator in ("=", "!="):
        number = None if quoted else _number(wanted)
        glob = re.compile(".*".join(map(re.escape, wanted.split("*"))), re.DOTALL)

        def equal(found: Any) -> bool:
            if number is not None and isinstance(found, int | float) and not isinstance(found, bool):
                return found == number
            return isinstance(found, str) and glob.fullmatch(found) is not None

        return equal if operator == "=" else (lambda found: not equal(found))
    number = _number(wanted)
    if number is None:
        raise BadPattern(f"{wanted} is no number")
    limit = number
    compare: dict[str, Callable[[float], bool]] = {
        "<": lambda found: found < limit,
        ">": lambda found: found > limit,
        "<=": lambda found: found <= limit,
        ">=": lambda found: found >= limit,
    }
    return lambda found: isinstance(found, int | float) and not isinstance(found, bool) and compare[operator](found)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def select(value: Any, path: str) -> Any:
    """What ``$.a.b[0]`` stands for; a private mark where it is not there."""
    for name, index in re.findall(r'\.?([\w\-]+|"[^"]*")|\[(\d+)\]', path.removeprefix("$")):
        name = name.strip('"')
        if index:
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else _MISSING
        else:
            value = value.get(name, _MISSING) if isinstance(value, dict) else _MISSING
    return value
