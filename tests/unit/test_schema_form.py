# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The same schema is the same bytes; each hash sees what its level has, and nothing else."""

from __future__ import annotations

import json
import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.core.schema.form import Prints, canonical, fingerprints, part_id, parts, schema_of
from hgaurora.core.schema.kinds import KINDS, Level
from hgaurora.core.schema.model import Fingerprints, PartHashes, Schema

from . import schemas as make
from .schemas import pairs, schema, schemas

ORDERS = (
    ("table", "public.orders", {"columns": ("id", "vat"), "owner": "shop"}),
    ("column", "public.orders.id", {"type": "bigint", "not_null": True}),
    ("column", "public.orders.vat", {"type": "numeric(10,2)", "default": "0"}),
    ("index", "public.orders.orders_vat", {"columns": ("vat",)}),
)


def prints(one: Schema) -> Fingerprints:
    return fingerprints(one.engine, one.major, parts(one))


def test_a_part_is_a_table_with_all_that_hangs_on_it() -> None:
    shop = schema(*ORDERS, ("view", "public.totals", {"definition": "select 1"}))
    made = parts(shop)
    assert list(made) == ['["relation","public","orders"]', '["relation","public","totals"]']
    part = made[part_id("index", ("public", "orders", "orders_vat"))]
    assert [row[:2] for row in json.loads(part.content)] == [
        ["table", ["public", "orders"]],
        ["column", ["public", "orders", "id"]],
        ["column", ["public", "orders", "vat"]],
        ["index", ["public", "orders", "orders_vat"]],
    ]
    assert json.loads(part.content)[1][2] == ["bigint", True], "usual values at the end are left out"
    assert part.full == sha256(part.content).hexdigest()


@given(schemas(), st.randoms(use_true_random=False))
def test_the_order_of_reading_does_not_count(one: Schema, rng: random.Random) -> None:
    assert canonical(make.shuffled(rng, one)) == canonical(one)
    assert prints(make.shuffled(rng, one)) == prints(one)


@given(schemas())
def test_parts_are_read_back(one: Schema) -> None:
    made = parts(one)
    assert all(part.content.isascii() for part in made.values())
    back = schema_of(one.engine, one.major, (part.content for part in made.values()))
    assert back == Schema(one.engine, one.major, {kind: paths for kind, paths in one.objects.items() if paths})


@given(pairs())
def test_full_hashes_are_equal_where_parts_are(pair: tuple[Schema, Schema]) -> None:
    before, after = (parts(one) for one in pair)
    for id in before.keys() & after.keys():
        same = before[id].content == after[id].content
        assert same == (before[id].full == after[id].full)
        assert not same or before[id] == after[id]
    assert (prints(pair[0]).full == prints(pair[1]).full) == (before == after)


@pytest.mark.parametrize("kind", KINDS)
def test_each_hash_sees_the_fields_of_its_level(kind: str) -> None:
    rng = random.Random(kind)
    objects: make.Objects = {}
    make.add(rng, objects, kind)
    path = next(iter(objects[kind]))
    one = prints(Schema("postgresql", "16", objects))
    for field in KINDS[kind].fields:
        changed = make.copied(Schema("", "", objects))
        now = objects[kind][path][KINDS[kind].at(field.name)]
        make.set_field(changed, kind, path, field.name, make.other_value(rng, field, now))
        other = prints(Schema("postgresql", "16", changed))
        expected = {
            Level.STRUCTURE: (False, False, False),
            Level.TEXT: (True, False, False),
            Level.FULL: (True, True, False),
        }[field.level]
        same = (other.structure == one.structure, other.text == one.text, other.full == one.full)
        assert same == expected, field.name


def test_fingerprints_need_the_hashes_alone() -> None:
    made = parts(schema(*ORDERS))
    hashes = {id: PartHashes(part.structure, part.text, part.full) for id, part in made.items()}
    assert fingerprints("postgresql", "16", hashes) == fingerprints("postgresql", "16", made)
    assert fingerprints("postgresql", "16", {}).full == sha256(b"").hexdigest()


def test_fingerprints_follow_what_changes() -> None:
    made = parts(schema(*ORDERS))
    id = '["relation","public","orders"]'
    changing = Prints(made)
    before = changing.of("postgresql", "16")
    assert before == fingerprints("postgresql", "16", made)
    changing.put(id, PartHashes("1" * 64, "2" * 64, "3" * 64))
    assert changing.of("postgresql", "16") == fingerprints(
        "postgresql", "16", {**made, id: PartHashes("1" * 64, "2" * 64, "3" * 64)}
    )
    changing.put(id, None)
    assert changing.of("postgresql", "16") == fingerprints(
        "postgresql", "16", {one: part for one, part in made.items() if one != id}
    )
    changing.put(id, made[id])
    assert changing.of("postgresql", "16") == before


def test_fingerprints_as_somebody_else_would_make_them() -> None:
    """The rule in the docs, written down a second time."""
    made = parts(schema(*ORDERS))
    buckets: dict[str, list[str]] = {}
    for id in sorted(made):
        buckets.setdefault(sha256(id.encode()).hexdigest()[:2], []).append(f"{id} {made[id].structure}\n")
    lines = [f"{name} {sha256(''.join(buckets[name]).encode()).hexdigest()}\n" for name in sorted(buckets)]
    assert fingerprints("postgresql", "16", made).structure == sha256("".join(lines).encode()).hexdigest()


def test_a_field_that_came_later_changes_nothing_where_it_is_usual() -> None:
    """The last field of an index that has nothing unusual: as if its version had not known it."""
    content = parts(schema(*ORDERS))['["relation","public","orders"]'].content
    assert b'["index",["public","orders","orders_vat"],[["vat"]]]' in content
    older = b'[["index",["public","orders","orders_vat"],[["vat"]]]]'
    assert schema_of("postgresql", "16", [older]).objects["index"] == schema(ORDERS[3]).objects["index"]


def test_names_are_ordered_by_code_point() -> None:
    names = ["Z", "a", "_", "\u00e4", "\U0001f40d", "\uffee"]
    one = schema(*(("column", f"t.{name}", {"type": "int"}) for name in names))
    (part,) = parts(one).values()
    assert [row[1][1] for row in json.loads(part.content)] == sorted(names)


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(ValueError, match="no objects of kind tabel"):
        parts(Schema("postgresql", "16", {"tabel": {}}))
    with pytest.raises(ValueError, match=r"column t\.c has 1 values; its kind has"):
        parts(Schema("postgresql", "16", {"column": {("t", "c"): ("int",)}}))
    for content in (b'[["cube",["c"],[]]]', json.dumps([["view", ["v"], [None] * 99]]).encode()):
        with pytest.raises(ValueError, match="captured by a later version"):
            schema_of("postgresql", "16", [content])
