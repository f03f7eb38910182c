# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from typing import Any

import pytest

from hgaurora.core.additions import additions, drops, orphans
from hgaurora.core.repeatable import read
from hgaurora.core.schema.delta import Change

FILE, OTHER = "repeatable/a.sql", "repeatable/b.sql"
F, G = ("function", ("public", "f(integer)")), ("function", ("public", "g(integer)"))


def _ran(revision: str | None, *changes: tuple[Any, ...], direction: str = "up") -> dict[str, Any]:
    """A delta; each change is its action, kind and path, and of a renamed thing the new path."""
    said = [
        {"action": action, "kind": kind, "path": list(path), **({"to": list(to[0])} if to else {})}
        for action, (kind, path), *to in changes
    ]
    return {"revision": revision, "direction": direction if revision else None, "changes": said}


@pytest.mark.parametrize(
    ("deltas", "made", "new"),
    [
        ([_ran(FILE, ("added", F))], {F: FILE}, {F: FILE}),
        ([_ran("0002", ("added", F))], {}, {}),
        ([_ran(None, ("added", F))], {}, {}),
        ([_ran(FILE, ("changed", F))], {}, {}),
        ([_ran(FILE, ("added", ("table", ("public", "t"))))], {}, {}),
        ([_ran(FILE, ("added", F)), _ran(OTHER, ("changed", F))], {F: FILE}, {F: FILE}),
        # it was there before: its file drops it when it goes, a text that comes back makes it again
        ([_ran(FILE, ("dropped", F)), _ran(OTHER, ("added", F))], {F: OTHER}, {}),
        ([_ran(FILE, ("added", F)), _ran(FILE, ("dropped", F))], {}, {}),
        ([_ran(FILE, ("added", F)), _ran(FILE, ("dropped", F), direction="down")], {}, {}),
        ([_ran(FILE, ("dropped", F)), _ran("0002", ("added", F))], {}, {}),
        ([_ran(FILE, ("renamed", F, G[1]))], {G: FILE}, {G: FILE}),
        ([_ran(FILE, ("added", F)), _ran("0002", ("renamed", F, G[1]))], {G: FILE}, {G: FILE}),
        ([_ran("0002", ("renamed", F, G[1])), _ran(FILE, ("added", F))], {F: FILE}, {}),
    ],
)
def test_additions(deltas: list[dict[str, Any]], made: dict[Any, str], new: dict[Any, str]) -> None:
    assert additions(deltas) == (made, new)


def test_orphans() -> None:
    """Not what a later step or the same one made again."""
    files = read({
        FILE: b"create or replace view v as select 1;\n-- down\ndrop view v;",
        OTHER: b"create function f(n int) returns int as ''; create function g() returns int as ''",
    })  # fmt: skip
    dropped = [Change("dropped", *F), Change("dropped", "view", ("public", "v")), Change("dropped", *G)]
    steps = [("1", dropped), ("2", [Change("added", "function", ("public", "f(bigint)"))])]
    found = [(step, change.path[-1], file.path) for step, change, file in
             orphans(steps, files.values(), "postgresql", "public")]  # fmt: skip
    assert found == [("1", "v", FILE), ("1", "g(integer)", OTHER)]


def test_drops() -> None:
    keys = [F, G, ("view", ("s", 'the "v"')), ("trigger", ("s", "t", "seen")), ("procedure", ("s", "p()"))]
    assert drops("postgresql", keys) == (
        'DROP TRIGGER IF EXISTS "seen" ON "s"."t"',
        'DROP VIEW IF EXISTS "s"."the ""v"""',
        'DROP FUNCTION IF EXISTS "public"."f"(integer), "public"."g"(integer)',
        'DROP PROCEDURE IF EXISTS "s"."p"()',
    )
    assert drops("mysql", [("trigger", ("t", "seen")), ("view", ("a",)), ("view", ("b`",))]) == (
        "DROP TRIGGER IF EXISTS `seen`",
        "DROP VIEW IF EXISTS `a`",
        "DROP VIEW IF EXISTS `b```",
    )
