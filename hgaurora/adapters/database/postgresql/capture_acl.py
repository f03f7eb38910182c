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


def grants(acl: Sequence[str], usual: Sequence[str] | None) -> tuple[tuple[str, str], ...]:
    """Pairs of grantee and privilege: ``("shop", "select")``, and of what somebody would have if nobody had said
    anything and has not, ``("public", "no execute")``. In order; what is as usual is left out.

    :param acl: items as the server writes them: ``shop=ar*/owner``.
    :param usual: the same of the default.
    """
    return _grants(tuple(acl), tuple(usual or ()))


@lru_cache(maxsize=4096)
def _grants(acl: tuple[str, ...], usual: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    own, default = _held(acl), _held(usual)
    pairs = []
    for who in own.keys() | default.keys():
        has, would = own.get(who, {}), default.get(who, {})
        for word in has.keys() | would.keys():
            if word not in has:
                pairs.append((who, f"no {word}"))
            elif has[word] != would.get(word):
                pairs.append((who, word + (" with grant option" if has[word] else "")))
    return tuple(sorted(pairs))


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
        f"{role}: {privilege} on {_OBJECTS.get(letter, letter)} to {who}" for role, letter, acl, usual in rows
        for who, privilege in grants(acl or (), usual)
    ))  # fmt: skip
