# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Grants in one readable form: what differs from the grants there are where nobody said anything.

An ACL that is null and one that says the same as the default are equal. Source of the letters: PostgreSQL manual, 5.8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

_WORDS = {
    "r": "select", "a": "insert", "w": "update", "d": "delete", "D": "truncate", "x": "references", "t": "trigger",
    "X": "execute", "U": "usage", "C": "create", "c": "connect", "T": "temporary", "s": "set", "A": "alter system",
    "m": "maintain",
}  # fmt: skip
_OBJECTS = {"r": "tables", "S": "sequences", "f": "functions", "T": "types", "n": "schemas", "L": "large objects"}


def grants(acl: Sequence[str], usual: Sequence[str] | None) -> tuple[str, ...]:
    """``("insert, select to shop", "nothing to public")``: sorted; who has what he would have anyway is left out.

    :param acl: items as the server writes them: ``shop=ar*/owner``.
    :param usual: the same of the default.
    """
    return _grants(tuple(acl), tuple(usual or ()))


@lru_cache(maxsize=4096)
def _grants(acl: tuple[str, ...], usual: tuple[str, ...]) -> tuple[str, ...]:
    own, default = _held(acl), _held(usual)
    lines = []
    for who in own.keys() | default.keys():
        has = own.get(who, {})
        if has == default.get(who, {}):
            continue
        for option in (False, True):
            words = sorted(word for word, grantable in has.items() if grantable is option)
            if words:
                lines.append(f"{', '.join(words)}{' with grant option' if option else ''} to {who}")
        if not has:
            lines.append(f"nothing to {who}")
    return tuple(sorted(lines))


def _held(acl: Iterable[str]) -> dict[str, dict[str, bool]]:
    """Role to privileges; true where it may grant it on. Who granted it is not told."""
    held: dict[str, dict[str, bool]] = {}
    for item in acl:
        who, rest = _name(item)
        letters = rest[1:].split("/", 1)[0]
        mine = held.setdefault(who or "public", {})
        for n, letter in enumerate(letters):
            if letter != "*":
                word = _WORDS.get(letter, letter)
                mine[word] = mine.get(word, False) or letters[n + 1 : n + 2] == "*"
    return held


def _name(item: str) -> tuple[str, str]:
    """The role at the beginning of an item, and what is behind it; the server quotes what is not a plain name."""
    if not item.startswith('"'):
        who, _, rest = item.partition("=")
        return who, "=" + rest
    end = 1
    while item[end] != '"' or item[end + 1] == '"':
        end += 2 if item[end] == '"' else 1
    return item[1:end].replace('""', '"'), item[end + 1 :]


def default_privileges(rows: Iterable[Sequence[Any]]) -> tuple[str, ...]:
    """Of rows of pg_default_acl: role, letter of the kind, ACL, the default of it."""
    return tuple(sorted(
        f"{role}: {one} on {_OBJECTS.get(letter, letter)}" for role, letter, acl, usual in rows
        for one in grants(acl or (), usual)
    ))  # fmt: skip
