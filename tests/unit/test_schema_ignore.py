# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a project leaves out of comparisons."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.core.errors import ConfigError
from hgaurora.core.schema.delta import delta
from hgaurora.core.schema.ignore import FIELDS, ignoring, read
from hgaurora.core.schema.kinds import KINDS
from hgaurora.core.schema.model import Schema

from .schemas import pairs, schema, schemas

SHOP = schema(
    ("table", "public.orders", {"columns": ("id", "tmp_x"), "owner": "shop", "grants": (("app", "select"),)}),
    ("column", "public.orders.id", {"type": "bigint", "comment": "c"}),
    ("column", "public.orders.tmp_x", {"type": "text"}),
    ("table", "public.orders_p202601", {"columns": ("id",), "owner": "cron"}),
    ("column", "public.orders_p202601.id", {"type": "bigint"}),
    ("index", "public.orders_p202601.tmp_i", {"columns": ("id",)}),
    ("view", "public.orders_v", {"definition": "select 1", "owner": "shop"}),
    ("materialized view", "public.m", {"definition": "select 1"}),
)


def left(*patterns: str) -> set[str]:
    return {f"{kind} {'.'.join(path)}" for kind, paths in ignoring(SHOP, patterns).objects.items() for path in paths}


ALL = left()


@pytest.mark.parametrize(
    ("pattern", "gone"),
    [
        (
            "public.orders_*",
            {
                "table public.orders_p202601", "column public.orders_p202601.id", "index public.orders_p202601.tmp_i",
                "view public.orders_v",
            },
        ),
        (
            "table public.orders_p2026*",
            {"table public.orders_p202601", "column public.orders_p202601.id", "index public.orders_p202601.tmp_i"},
        ),
        ("index *.tmp_*", {"index public.orders_p202601.tmp_i"}),
        ("view *", {"view public.orders_v"}),
        ("materialized view *.m", {"materialized view public.m"}),
        ("PUBLIC.*", set()),
        ("public.order?", {"table public.orders", "column public.orders.id", "column public.orders.tmp_x"}),
    ],
)  # fmt: skip
def test_objects(pattern: str, gone: set[str]) -> None:
    assert ALL - left(pattern) == gone


def test_a_column_leaves_its_tables_order_too() -> None:
    without = ignoring(SHOP, ["column *.tmp_*"])
    assert without.objects["table"]["public", "orders"][0] == ("id",)
    assert delta(without, ignoring(without, ["column *.tmp_*"])).changes == ()


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("owner", []),
        ("owner of table", ["public.orders_v"]),
        ("owner of *.orders", ["public.orders_p202601", "public.orders_v"]),
        ("owner of view *", ["public.orders", "public.orders_p202601"]),
        ("grants", ["public.orders", "public.orders_p202601", "public.orders_v"]),
    ],
)
def test_facts(pattern: str, kept: list[str]) -> None:
    one = ignoring(SHOP, [pattern])
    assert {f"{kind} {'.'.join(path)}" for kind, paths in one.objects.items() for path in paths} == ALL
    owned = (
        ".".join(path)
        for kind, paths in one.objects.items()
        if "owner" in {field.name for field in KINDS[kind].fields}
        for path, values in paths.items()
        if values[KINDS[kind].at("owner")]
    )
    assert sorted(owned) == kept


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (" ", "it is empty"),
        ("tabel public.x", "tabel is no kind of object"),
        ("table", "table is a kind: write table * for all of them"),
        ("owner of", "nothing stands behind of"),
        ("labels of table", "a table has no labels"),
        ("public.a public.b", "public.a is no kind of object"),
        ("table a b", "a is no kind of object"),
    ],
)
def test_a_bad_pattern(pattern: str, why: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ignoring(SHOP, [pattern])
    assert caught.value.message == f"ignore: {pattern!r} is no pattern: {why}"
    assert caught.value.hint


@given(schemas())
def test_nothing_is_ignored_unasked(one: Schema) -> None:
    assert ignoring(one, []) == one
    assert not ignoring(one, ["*"]).objects


@given(pairs(), st.sampled_from(sorted(FIELDS)))
def test_an_ignored_fact_is_in_no_change(pair: tuple[Schema, Schema], field: str) -> None:
    assert read(field).field == field
    for change in delta(*(ignoring(one, [field]) for one in pair)).changes:
        assert field not in {*(change.before or ()), *(change.after or ())}
