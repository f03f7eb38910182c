# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A delta makes the second schema of the first, says no more than that, and calls a rename only what is one."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgaurora.core.schema.delta import TELLING, Change, Delta, Unjudged, delta
from hgaurora.core.schema.form import parts
from hgaurora.core.schema.kinds import KINDS, Level
from hgaurora.core.schema.model import Schema

from . import schemas as make
from .schema_checker import Form, apply, form_of
from .schemas import pairs, schema, schemas

Given = tuple[str, str, dict[str, object]]


def form(one: Schema) -> Form:
    return form_of([row for part in parts(one).values() for row in json.loads(part.content)])


def said(before: list[Given], after: list[Given], engine: str = "postgresql") -> list[tuple[str, str, str]]:
    """Action, kind and dotted path of each change."""
    one, other = (schema(*objects, engine=engine) for objects in (before, after))
    changes = delta(one, other).changes
    assert apply([change.to_json() for change in changes], form(one)) == form(other)
    return [(change.action, change.kind, ".".join(change.path)) for change in changes]


def table(name: str, *columns: str, **more: object) -> list[Given]:
    """A table of text columns."""
    return [
        ("table", name, {"columns": columns, **more}),
        *(("column", f"{name}.{column}", {"type": "text"}) for column in columns),
    ]


@given(schemas(), st.randoms(use_true_random=False))
def test_nothing_differs_from_itself(one: Schema, rng: random.Random) -> None:
    assert delta(one, make.shuffled(rng, one)) == Delta()


@settings(max_examples=400)
@given(pairs())
def test_a_delta_makes_the_second_of_the_first(pair: tuple[Schema, Schema]) -> None:
    before, after = pair
    changes = json.loads(json.dumps(delta(before, after).to_json()))["changes"]
    assert apply(changes, form(before)) == form(after)
    assert bool(changes) == (form(before) != form(after))


@settings(max_examples=200)
@given(pairs(), st.randoms(use_true_random=False))
def test_the_checker_misses_any_change_that_is_not_there(pair: tuple[Schema, Schema], rng: random.Random) -> None:
    """The control of the test above."""
    before, after = pair
    changes = delta(before, after).to_json()["changes"]
    if changes:
        del changes[rng.randrange(len(changes))]
        try:
            made = apply(changes, form(before))
        except (AssertionError, KeyError):
            return
        assert made != form(after)


@given(pairs(), st.randoms(use_true_random=False))
def test_the_order_of_reading_does_not_count(pair: tuple[Schema, Schema], rng: random.Random) -> None:
    one, other = (make.shuffled(rng, each) for each in pair)
    assert delta(one, other).to_json() == delta(*pair).to_json()


@given(pairs())
def test_json_and_back(pair: tuple[Schema, Schema]) -> None:
    for major in ("16", "17"):
        one = delta(pair[0], replace(pair[1], major=major))
        assert Delta.from_json(json.loads(json.dumps(one.to_json()))) == one


@settings(max_examples=200)
@given(pairs())
def test_texts_of_another_version_are_not_judged(pair: tuple[Schema, Schema]) -> None:
    before, after = pair
    found = delta(before, replace(after, major="17"))
    texts = {name: {f.name for f in kind.fields if f.level is Level.TEXT} for name, kind in KINDS.items()}
    for change in found.changes:
        if change.action == "changed":
            assert change.after is not None
            assert not change.after.keys() & texts[change.kind]
    same = delta(before, after)
    judged = {(c.kind, c.path, f) for c in same.changes if c.action == "changed" for f in c.after or ()}
    assert {(one.kind, one.path, field) for one in found.unjudged for field in one.fields} == {
        (kind, path, field) for kind, path, field in judged if field in texts[kind]
    }
    assert not same.unjudged


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_of_every_kind(kind: str) -> None:
    rng = random.Random(kind)
    objects: make.Objects = {}
    make.add(rng, objects, kind)
    path = next(iter(objects[kind]))
    before = Schema("mariadb", "10.11", objects)
    for field in KINDS[kind].fields:
        if field.name == "columns" and kind in make.HOLDS_COLUMNS:
            continue
        after = make.copied(before)
        now = objects[kind][path][KINDS[kind].at(field.name)]
        value = make.other_value(rng, field, now)
        make.set_field(after, kind, path, field.name, value)
        assert delta(before, Schema("mariadb", "10.11", after)) == Delta(
            (Change("changed", kind, path, {field.name: now}, {field.name: value}),)
        )
        other = delta(before, Schema("mysql", "9.7", after))
        if field.level is Level.TEXT:
            assert other == Delta((), (Unjudged(kind, path, (field.name,)),))
        else:
            assert len(other.changes) == 1


def test_the_generator_makes_everything() -> None:
    """The properties above say nothing of what is not generated."""
    actions: Counter[tuple[str, str]] = Counter()
    for seed in range(1500):
        rng = random.Random(seed)
        before = make.random_schema(rng, 14)
        for change in delta(before, make.edited(rng, before, 6)).changes:
            actions[change.action, change.kind] += 1
    for action in ("added", "dropped", "changed"):
        assert {kind for a, kind in actions if a == action} == set(KINDS), action
    assert {kind for a, kind in actions if a == "renamed"} == {*TELLING, "table", "foreign table", "column"}


def test_order_dependents_go_first_and_come_last() -> None:
    view = ("view", "public.v", {"definition": "select 1"})
    enum = ("enum", "public.state", {"labels": ("a",)})
    index = ("index", "public.t.i", {"columns": ("b",)})
    everything = [*table("public.t", "b", "a"), index, view, enum]
    added = said([], everything)
    assert added == [
        ("added", "enum", "public.state"),
        ("added", "table", "public.t"),
        ("added", "column", "public.t.b"),
        ("added", "column", "public.t.a"),
        ("added", "index", "public.t.i"),
        ("added", "view", "public.v"),
    ]
    kinds = ["view", "index", "column", "column", "table", "enum"]
    assert [kind for _, kind, _ in said(everything, [])] == kinds


def test_a_reorder_is_one_only_where_nothing_explains_it() -> None:
    assert said(table("t", "a", "b", "c"), table("t", "a", "c", "d", "e")) == [
        ("dropped", "column", "t.b"),
        ("added", "column", "t.d"),
        ("added", "column", "t.e"),
    ]
    assert said(table("t", "a", "b"), table("t", "b", "a")) == [("changed", "table", "t")]
    one, other = schema(*table("t", "a", "b", "c")), schema(*table("t", "d", "a", "c"))
    assert delta(one, other).changes[1] == Change(
        "changed", "table", ("t",), {"columns": ("a", "c")}, {"columns": ("d", "a", "c")}
    )


def test_a_renamed_table_is_one_line() -> None:
    more: list[Given] = [
        ("primary key", "public.{}.orders_pkey", {"columns": ("id",)}),
        ("foreign key", "public.{}.orders_up", {"columns": ("up",), "references": "public.{}"}),
    ]

    def shop(name: str) -> list[Given]:
        return [
            *table(f"public.{name}", "id", "up", comment="what was ordered"),
            *((kind, path.format(name), {k: _filled(v, name) for k, v in facts.items()}) for kind, path, facts in more),
            *table("public.items", "order"),
            ("foreign key", "public.items.items_fk", {"columns": ("order",), "references": f"public.{name}"}),
            ("sequence", "public.orders_id_seq", {"owned_by": f"public.{name}.id"}),
        ]

    assert said(shop("orders"), shop("purchases")) == [("renamed", "table", "public.orders")]
    without = [one for one in shop("purchases") if not one[1].startswith("public.purchases.orders_")]
    actions = {action for action, _, _ in said(shop("orders"), without)}
    assert "renamed" not in actions, "what hung on it is gone"


def _filled(value: object, name: str) -> object:
    return value.format(name) if isinstance(value, str) else value


def test_a_table_of_columns_alone_may_be_another_one() -> None:
    assert said(table("public.a", "id"), table("public.b", "id")) == [
        ("dropped", "column", "public.a.id"),
        ("dropped", "table", "public.a"),
        ("added", "table", "public.b"),
        ("added", "column", "public.b.id"),
    ]


def test_tables_renamed_together_that_refer_to_each_other() -> None:
    def shop(one: str, other: str) -> list[Given]:
        return [
            *table(one, "a"),
            *table(other, "b", comment="other"),
            ("foreign key", f"{one}.fk", {"columns": ("a",), "references": other}),
            ("index", f"{other}.i", {"columns": ("b",)}),
        ]

    assert said(shop("a", "b"), shop("x", "y")) == [("renamed", "table", "b"), ("renamed", "table", "a")]


def test_a_renamed_column_is_one_line() -> None:
    def shop(name: str, length: str = "") -> list[Given]:
        return [
            *table("orders", "id", name, "vat"),
            ("index", "orders.i", {"columns": (f"{name}{length}", None, "vat"), "include": (name,)}),
            *table("items", "x"),
            ("foreign key", "items.fk", {"columns": ("x",), "references": "orders", "referenced_columns": (name,)}),
        ]

    for engine, length in (("postgresql", ""), ("mysql", "(10)")):
        assert said(shop("gross", length), shop("net", length), engine) == [("renamed", "column", "orders.gross")]


@pytest.mark.parametrize(
    ("before", "after", "engine", "renamed"),
    [
        ("a old c", "a new c", "postgresql", True),  # nothing is ever added before c
        ("a old c", "a new c", "mariadb", False),  # but there: ADD COLUMN ... AFTER a
        ("a old", "a new", "postgresql", False),  # dropped and added at the end look the same
        ("a old c", "a c new", "postgresql", False),
        ("a old older c", "a new c", "postgresql", False),  # which one
        ("old c", "new c d", "postgresql", True),
        ("old c other", "new c", "postgresql", True),
    ],
)
def test_a_column_in_another_ones_place(before: str, after: str, engine: str, renamed: bool) -> None:
    changes = said(table("t", *before.split()), table("t", *after.split()), engine)
    assert (("renamed", "column", "t.old") in changes) is renamed


def test_a_column_in_an_index_that_kept_its_name() -> None:
    def shop(name: str) -> list[Given]:
        return [*table("t", "a", name), ("index", "t.i", {"columns": (name,)})]

    assert said(shop("old"), shop("new"), "mariadb") == [("renamed", "column", "t.old")]


@pytest.mark.parametrize("kind", TELLING)
def test_a_rename_of_anything_that_is_not_like_others(kind: str) -> None:
    known = KINDS[kind]
    parent = table("public.t", "a") if known.nested else []
    top = "public.t" if known.nested else "public"
    facts: dict[str, object] = {"comment": "the one"}
    assert said([*parent, (kind, f"{top}.a", facts)], [*parent, (kind, f"{top}.b", facts)]) == [
        ("renamed", kind, f"{top}.a")
    ]
    changes = said([*parent, (kind, f"{top}.a", {})], [*parent, (kind, f"{top}.b", {})])
    assert [action for action, _, _ in changes] == ["dropped", "added"], "nothing tells it from any other"
    two = [*parent, (kind, f"{top}.b", facts), (kind, f"{top}.c", facts)]
    assert "renamed" not in {action for action, _, _ in said([*parent, (kind, f"{top}.a", facts)], two)}


def test_what_tells_a_kind_is_kept_of_it() -> None:
    for kind, fields in TELLING.items():
        assert set(fields) <= {field.name for field in KINDS[kind].fields}
