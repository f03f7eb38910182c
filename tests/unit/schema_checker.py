# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Carries out the JSON of a delta on the JSON form of a schema, as the documentation says, and is strict about it.

It knows the table of kinds and nothing else of what it checks.
"""

from __future__ import annotations

import copy
import re
from typing import Any

from hgaurora.core.schema.kinds import KINDS, Refers

#: kind, then path, to field, to value: as JSON has it
Form = dict[str, dict[tuple[str, ...], dict[str, Any]]]


def form_of(rows: list[list[Any]]) -> Form:
    """From what JSON has of the parts of a schema."""
    form: Form = {kind: {} for kind in KINDS}
    for kind, path, values in rows:
        usual = [_lists(field.usual) for field in KINDS[kind].fields]
        names = [field.name for field in KINDS[kind].fields]
        form[kind][tuple(path)] = dict(zip(names, values + usual[len(values) :], strict=True))
    return form


def _lists(value: Any) -> Any:
    return [_lists(one) for one in value] if isinstance(value, tuple) else value


def apply(changes: list[dict[str, Any]], form: Form) -> Form:
    """The schema after the changes.

    :raises AssertionError: a change does not fit what is there, or they come in an impossible order.
    """
    now: Form = copy.deepcopy(form)
    ranks = ["dropped", "renamed", "added", "changed"]
    stages = [min(ranks.index(change["action"]), 2) for change in changes]
    assert stages == sorted(stages), "drops, then renames, then the rest"
    for change in changes:
        if change["action"] == "dropped":
            _drop(now, change, form)
    now = _renamed(now, [change for change in changes if change["action"] == "renamed"])
    for change in changes:
        if change["action"] == "added":
            _add(now, change)
        elif change["action"] == "changed":
            facts = now[change["kind"]][tuple(change["path"])]
            assert change["before"].keys() == change["after"].keys()
            assert change["before"], "a change without a difference"
            for field, value in change["before"].items():
                assert facts[field] == value != change["after"][field]
            facts.update(change["after"])
    return now


def _orders(now: Form, path: tuple[str, ...]) -> list[list[str]]:
    return [now[kind][path[:-1]]["columns"] for kind in ("table", "foreign table") if path[:-1] in now[kind]]


def _drop(now: Form, change: dict[str, Any], form: Form) -> None:
    kind, path = change["kind"], tuple(change["path"])
    del now[kind][path]
    facts = form[kind][path]
    usual = {field.name: _lists(field.usual) for field in KINDS[kind].fields}
    assert facts == usual | change["before"]
    if kind == "column":
        for order in _orders(now, path):
            order[:] = [name for name in order if name != path[-1]]


def _add(now: Form, change: dict[str, Any]) -> None:
    kind, path = change["kind"], tuple(change["path"])
    assert path not in now[kind]
    now[kind][path] = {field.name: _lists(field.usual) for field in KINDS[kind].fields} | change["after"]
    if kind == "column":
        for order in _orders(now, path):
            if path[-1] not in order:
                order.append(path[-1])


def _renamed(form: Form, changes: list[dict[str, Any]]) -> Form:
    paths: dict[tuple[str, tuple[str, ...]], tuple[str, ...]] = {}
    relations: dict[str, tuple[str, ...]] = {}
    columns: dict[tuple[str, str], str] = {}
    for change in changes:
        kind, old, new = change["kind"], tuple(change["path"]), tuple(change["to"])
        assert old in form[kind]
        assert old[:-1] == new[:-1], "below the same parent"
        paths[kind, old] = new
        if kind == "column":
            columns[".".join(old[:-1]), old[-1]] = new[-1]
        elif KINDS[kind].group == "relation" and not KINDS[kind].nested:
            relations[".".join(old)] = new

    def column(relation: str, name: str) -> str:
        if (relation, name) in columns:
            return columns[relation, name]
        prefix = re.fullmatch(r"(.+)(\(\d+\))", name, re.DOTALL)
        return columns.get((relation, prefix[1]), prefix[1]) + prefix[2] if prefix else name

    def dotted(name: str) -> str:
        return ".".join(relations[name]) if name in relations else name

    def owner(name: str) -> str:
        if "." not in name:
            return column("", name)
        relation, _, last = name.rpartition(".")
        return f"{dotted(relation)}.{column(relation, last)}"

    now: Form = {kind: {} for kind in KINDS}
    for kind, known in KINDS.items():
        for path, facts in form[kind].items():
            own = ".".join(path[:-1] if known.nested else path)
            rules = {
                Refers.COLUMNS: lambda name, own=own: column(own, name),
                Refers.REFERENCED: lambda name, facts=facts: column(facts["references"], name),
                Refers.RELATION: dotted,
                Refers.COLUMN: owner,
            }
            to = paths.get((kind, path), path)
            if known.nested and ".".join(to[:-1]) in relations:
                to = (*relations[".".join(to[:-1])], to[-1])
            assert to not in now[kind]
            now[kind][to] = {
                field.name: _each(rules[field.refers], facts[field.name]) if field.refers else facts[field.name]
                for field in known.fields
            }
    return now


def _each(rule: Any, value: Any) -> Any:
    if isinstance(value, list):
        return [_each(rule, one) for one in value]
    return rule(value) if isinstance(value, str) else value
