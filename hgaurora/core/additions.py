# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What runs of repeatable files added to a schema, by the deltas that the ledger has, and what drops it again;
and what others dropped under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .repeatable import FOLDER, Repeatable, creates
from .schema.delta import Change
from .schema.model import Path

#: kind and path, as deltas have them
Key = tuple[str, Path]

#: what a file replaces as a whole, in the order in which it is dropped: users first
_KINDS = ("trigger", "view", "materialized view", "function", "procedure")


def additions(deltas: Iterable[Mapping[str, Any]]) -> tuple[dict[Key, str], dict[Key, str]]:
    """Views, routines and triggers that runs of files added and that are still there, each with the path of its file.

    :param deltas: payloads of the events, in order.
    :returns: all of them; and those alone that were not there before the first delta.
    """
    made: dict[Key, str] = {}
    came: set[Key] = set()
    before: set[Key] = set()
    for payload in deltas:
        up = payload["direction"] == "up" and str(payload["revision"]).startswith(f"{FOLDER}/")
        for change in map(Change.from_json, payload["changes"]):
            if change.kind not in _KINDS:
                continue
            key, now = (change.kind, change.path), (change.kind, change.now)
            if change.action != "added" and key not in came:
                before.add(key)
            if change.action == "changed":
                continue
            maker = made.pop(key, None)
            if change.action != "dropped":
                came.add(now)
                if file := payload["revision"] if up else maker if change.action == "renamed" else None:
                    made[now] = file
    return made, {key: file for key, file in made.items() if key not in before}


def orphans(
    steps: Iterable[tuple[str, Iterable[Change]]], files: Iterable[Repeatable], engine: str, schema: str
) -> Iterator[tuple[str, Change, Repeatable]]:
    """What steps dropped, and none made again, that files create: the step, the change, the file.

    :param schema: where names without one go, on PostgreSQL.
    """
    gone: dict[Key, tuple[str, Change]] = {}
    for step, changes in steps:
        for change in changes:
            key = plain(engine, change.kind, change.now)
            gone.pop(key, None)
            if change.action == "dropped":
                gone[key] = step, change
    for file in files:
        for one in creates(file.sql.encode(), engine, schema):
            if found := gone.get(plain(engine, *one)):
                yield *found, file


def plain(engine: str, kind: str, path: Path) -> Key:
    """As files name it: a routine without its argument types, a trigger of MySQL without its table."""
    if kind in ("function", "procedure"):
        return kind, bare(path)
    return kind, path[-1:] if kind == "trigger" and engine != "postgresql" else path


def bare(path: Path) -> Path:
    """A routine's path without its argument types; on MySQL letters' case does not count."""
    return tuple(one.partition("(")[0].lower() for one in path)


def drops(engine: str, keys: Iterable[Key]) -> tuple[str, ...]:
    """The statements that drop them. On PostgreSQL one for all of a kind, which may use each other."""
    found = []
    wanted = sorted(keys)
    for kind in _KINDS:
        names = [_named(engine, *key) for key in wanted if key[0] == kind]
        if engine == "postgresql" and kind != "trigger" and names:
            names = [", ".join(names)]
        found += [f"DROP {kind.upper()} IF EXISTS {name}" for name in names]
    return tuple(found)


def _named(engine: str, kind: str, path: Path) -> str:
    *above, last = path
    if engine != "postgresql":
        return "`" + last.replace("`", "``") + "`"
    if kind == "trigger":
        return f"{_quoted(last)} ON {'.'.join(map(_quoted, above))}"
    bare, bracket, types = last.partition("(") if kind in ("function", "procedure") else (last, "", "")
    return ".".join(map(_quoted, (*above, bare))) + bracket + types


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
