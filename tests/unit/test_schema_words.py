# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a person reads of a change, and of a schema."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given

from hgaurora.core.schema import words as say
from hgaurora.core.schema.delta import Change, Delta, Unjudged, delta
from hgaurora.core.schema.form import parts
from hgaurora.core.schema.kinds import KINDS
from hgaurora.core.schema.model import Schema

from . import schemas as make
from .schemas import pairs, schema, schemas

A = ("public", "orders", "a")
ORDERS = ("public", "orders")


def added(kind: str, path: tuple[str, ...], **facts: object) -> Change:
    return Change("added", kind, path, after=facts)  # type: ignore[arg-type]


def changed(kind: str, path: tuple[str, ...], **facts: tuple[object, object]) -> Change:
    before, after = ({name: pair[i] for name, pair in facts.items()} for i in (0, 1))
    return Change("changed", kind, path, before, after)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (changed("database", (), collation=("C", "C.UTF-8")), "changed database: collation C to C.UTF-8"),
        (
            changed(
                "text search configuration",
                ("public", "mine"),
                mappings=(("asciiword: simple", "int: simple"), ("asciiword: english_stem", "int: simple", "url: a")),
            ),
            "changed text search configuration mine: mappings asciiword: simple dropped; "
            "mappings asciiword: english_stem, url: a added",
        ),
        (
            added("column", ("public", "orders", "vat"), type="numeric(10,2)", not_null=True, default="0"),
            "added column orders.vat numeric(10,2) not null default 0",
        ),
        (
            added("column", ("shop", "orders", "at"), type="timestamp with time zone", comment="when", storage="plain"),
            "added column shop.orders.at timestamptz null",
        ),
        (
            added("index", ("public", "customers", "customers_email_key"), columns=("email",), unique=True),
            "added index customers_email_key on customers (email), unique",
        ),
        (
            added(
                "index", A, columns=("b", None, "c"), order=("desc", "", ""), expressions=("lower(d)",), method="gin"
            ),
            "added index a on orders (b desc, lower(d), c), using gin",
        ),
        (
            added("foreign key", A, columns=("b",), references="public.items", referenced_columns=("id",)),
            "added foreign key a on orders (b) references items (id)",
        ),
        (
            added("check constraint", A, expression="b > 0", validated=False),
            "added check constraint a on orders (b > 0), not validated",
        ),
        (
            added("function", ("public", "vat(numeric)"), arguments=(("in", "x", "numeric"),), returns="numeric"),
            "added function vat(numeric), returns numeric",
        ),
        (
            added("function", ("public", "f(public.mood)"), returns="public.mood", volatility="immutable"),
            "added function f(mood), returns mood, immutable",
        ),
        (
            added(
                "sequence", ("public", "s"), type="bigint", start=5, increment=1, minimum=1, maximum=2**63 - 1, cache=1
            ),
            "added sequence s bigint, start 5",
        ),
        (
            added("column", A, type="bigint", not_null=True, identity="always"),
            "added column orders.a bigint not null generated always as identity",
        ),
        (added("check constraint", A, expression="((a) > (b))"), "added check constraint a on orders ((a) > (b))"),
        (added("check constraint", A, expression="(a) > (b)"), "added check constraint a on orders ((a) > (b))"),
        (added("check constraint", A, expression="(b <> ')')"), "added check constraint a on orders (b <> ')')"),
        (
            added("column", A, type="int", default="`b` * 2", generated="virtual"),
            "added column orders.a int null generated always as (`b` * 2) virtual",
        ),
        (
            added(
                "trigger",
                A,
                timing="before",
                events=("insert", "update"),
                columns=("b", "c"),
                level="row",
                function="public.touch",
                arguments=("x", "public.y"),
            ),
            "added trigger a on orders before insert or update of b, c, for each row, runs touch(x, public.y)",
        ),
        (added("server", ("far",), type="old"), "added server far, type old"),
        (Change("dropped", "column", A, before={"type": "text"}), "dropped column orders.a"),
        (Change("dropped", "trigger", A, before={}), "dropped trigger a on orders"),
        (Change("renamed", "column", A, to=("public", "orders", "b")), "renamed column orders.a to b"),
        (Change("renamed", "table", ORDERS, to=("public", "sales")), "renamed table orders to sales"),
        (Change("renamed", "index", A, to=("public", "orders", "b")), "renamed index a to b on orders"),
        (
            changed("column", ("public", "c", "phone"), type=("character varying(20)", "character varying(40)")),
            "changed column c.phone varchar(20) to varchar(40)",
        ),
        (
            changed("column", A, type=("integer", "bigint"), not_null=(False, True), default=("0", "1")),
            "changed column orders.a integer to bigint; not null added; default 0 to 1",
        ),
        (changed("column", A, not_null=(True, False)), "changed column orders.a: not null dropped"),
        (changed("column", A, default=(None, "now()")), "changed column orders.a: default now() added"),
        (changed("column", A, comment=("x", None)), "changed column orders.a: comment x dropped"),
        (changed("table", ORDERS, row_security=("off", "on")), "changed table orders: row security off to on"),
        (changed("table", ORDERS, owner=("shop", "ana")), "changed table orders: owner shop to ana"),
        (
            changed("table", ORDERS, columns=(("b", "a"), ("a", "b"))),
            "changed table orders: columns b, a to a, b",
        ),
        (
            changed("table", ORDERS, partition_of=(None, "public.all_orders")),
            "changed table orders: partition of all_orders added",
        ),
        (
            changed("table", ORDERS, grants=((("app", "insert"),), (("app", "insert"), ("app", "select")))),
            "granted select on orders to app",
        ),
        (
            changed("table", ORDERS, grants=((("app", "insert"), ("ana", "select")), ())),
            "revoked insert on orders from app; revoked select on orders from ana",
        ),
        (
            changed("table", ORDERS, owner=("shop", "ana"), grants=((), (("app", "select with grant option"),))),
            "changed table orders: owner shop to ana; granted select with grant option to app",
        ),
        (
            changed("function", ("public", "f()"), grants=((), (("public", "no execute"),))),
            "revoked execute on f() from public",
        ),
        (
            changed("table", ORDERS, grants=((("app", "no select"), ("app", "no update")), (("app", "trigger"),))),
            "granted trigger, select, update on orders to app",
        ),
        (changed("database", (), comment=("x", "y")), "changed database: comment x to y"),
        (changed("database", (), grants=((), (("app", "select"),))), "granted select on database to app"),
        (
            changed("index", A, columns=(("b", None), ("b",)), order=((), ("desc", ""))),
            "changed index a on orders: columns an expression dropped; order desc, asc added",
        ),
        (changed("index", A, valid=(True, False)), "changed index a on orders: now not valid"),
        (
            changed("enum", ("public", "state"), labels=(("new",), ("new", "paid"))),
            "changed enum state: labels paid added",
        ),
        (changed("view", ("public", "v"), definition=("select 1", "select 2")), "changed view v: definition changed"),
        (changed("trigger", A, arguments=((), ("x",))), "changed trigger a on orders: arguments x added"),
    ],
)
def test_words(change: Change, words: str) -> None:
    assert say.words(change) == words


def test_a_sequence_goes_with_the_column_that_owns_it() -> None:
    column = added("column", ("public", "a", "id"), type="integer")
    sequence = added("sequence", ("public", "a_id_seq"), type="integer", owned_by="public.a.id")
    assert say.lines(Delta((sequence, column))) == ["added column a.id integer null"]
    table = added("table", ("public", "a"), columns=("id",))
    assert say.lines(Delta((sequence, table, column))) == ["added table a (1 column, 1 sequence)"]
    assert say.lines(Delta((sequence,))) == ["added sequence a_id_seq integer, owned by a.id"]


def test_a_schema_that_goes_without_saying() -> None:
    change = Change("dropped", "column", ("public", "a", "b"))
    assert say.words(change) == "dropped column a.b"
    assert say.words(change, schema="shop") == "dropped column public.a.b"
    assert say.words(Change("dropped", "schema", ("public",))) == "dropped schema public"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_and_every_field_has_words(kind: str) -> None:
    rng = random.Random(kind)
    objects: make.Objects = {}
    make.add(rng, objects, kind)
    path = next(iter(objects[kind]))
    name = say.name_of(kind, path)
    one, none = Schema("postgresql", "16", objects), Schema("postgresql", "16", {})
    for action, changes in (("added", delta(none, one).changes), ("dropped", delta(one, none).changes)):
        mine = [say.words(change) for change in changes if (change.kind, change.path) == (kind, path)]
        assert len(mine) == 1
        assert mine[0].startswith(f"{action} {kind} {name}".rstrip())
    for field in KINDS[kind].fields:
        for _ in range(8):
            now = objects[kind][path][KINDS[kind].at(field.name)]
            other = make.other_value(rng, field, now)
            words = say.words(Change("changed", kind, path, {field.name: now}, {field.name: other}))
            back = say.words(Change("changed", kind, path, {field.name: other}, {field.name: now}))
            assert name in words
            assert words != back or words.endswith(" changed"), "there and back are two things"
            if field.name == "grants":
                assert words.startswith(("granted ", "revoked "))
            else:
                assert words.startswith(f"changed {kind} {name}".rstrip())
                label = field.name.replace("_", " ")
                assert label in words or (kind, field.name) == ("column", "type")


@given(pairs())
def test_lines_fit_a_screen(pair: tuple[Schema, Schema]) -> None:
    found = delta(*pair)
    for verbose in (False, True):
        for line in say.lines(found, verbose=verbose):
            assert "\n" not in line
            assert len(line) <= 78 or " " not in line.strip()
    assert bool(say.lines(found)) == bool(found.changes)


def test_what_comes_with_a_table_is_counted() -> None:
    notes = schema(
        ("table", "public.order_notes", {"columns": ("a", "b")}),
        ("column", "public.order_notes.a", {"type": "text"}),
        ("column", "public.order_notes.b", {"type": "text"}),
        ("index", "public.order_notes.i", {"columns": ("a",)}),
    )
    none = Schema("postgresql", "16", {})
    assert say.lines(delta(none, notes)) == ["added table order_notes (2 columns, 1 index)"]
    assert say.lines(delta(notes, none)) == ["dropped table order_notes (2 columns, 1 index)"]
    assert say.lines(delta(none, notes), verbose=True) == [
        "added table order_notes",
        "added column order_notes.a text null",
        "added column order_notes.b text null",
        "added index i on order_notes (a)",
    ]
    assert len(delta(none, notes).changes) == 4, "all of it is in the list"


def test_what_is_not_judged_is_said() -> None:
    one = Delta((), (Unjudged("view", ("public", "v"), ("definition",)), Unjudged("column", A, ("default",))))
    assert say.lines(one) == ["not judged: 2 texts that another server version wrote (-v lists them)"]
    assert say.lines(one, verbose=True) == [
        "not judged: definition of view v",
        "not judged: default of column orders.a",
    ]


@given(pairs())
def test_json_has_the_words(pair: tuple[Schema, Schema]) -> None:
    found = delta(*pair)
    said = json.loads(json.dumps(say.as_json(found)))
    assert [one.pop("words") for one in said["changes"]] == [say.words(change) for change in found.changes]
    assert said == found.to_json()


@given(schemas())
def test_a_rendering_says_all_that_is_unusual(one: Schema) -> None:
    text = "\n".join(say.rendering(one))
    for kind, paths in one.objects.items():
        for path in paths:
            assert f"{kind} {path[-1] if KINDS[kind].nested else '.'.join(path)}" in text
    assert say.rendering(one) == say.rendering(make.shuffled(random.Random(1), one))


def test_a_block_begins_with_what_the_rest_hangs_on() -> None:
    one = schema(("column", "public.v.a", {"type": "integer"}), ("view", "public.v", {"definition": "select 1 as a"}))
    assert say.rendering(one)[0] == "view public.v"


def test_a_unified_diff_is_of_what_differs() -> None:
    same = ("view", "public.same", {"definition": "select 1"})
    before = schema(
        same, ("function", "public.f()", {"body": "begin\n  x\nend", "owner": "shop"}), ("enum", "public.e", {})
    )
    after = schema(same, ("function", "public.f()", {"body": "begin\n  y\nend", "owner": "shop"}))
    assert say.unified(before, after, "prod-43", "prod") == [
        "--- prod-43/function public.f()",
        "+++ prod/function public.f()",
        "@@ -1,5 +1,5 @@",
        " function public.f()",
        "   body begin",
        "-    x",
        "+    y",
        "   end",
        "   owner shop",
        "--- prod-43/enum public.e",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-enum public.e",
    ]
    assert say.unified(before, before, "a", "b") == []


@given(pairs())
def test_a_unified_diff_has_every_difference(pair: tuple[Schema, Schema]) -> None:
    assert bool(say.unified(*pair, "a", "b")) == (parts(pair[0]) != parts(pair[1]))


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("character varying", "varchar"),
        ("character varying(20)[]", "varchar(20)[]"),
        ("character(3)", "char(3)"),
        ("timestamp(3) with time zone", "timestamptz(3)"),
        ("time without time zone", "time"),
        ("double precision", "double precision"),
    ],
)
def test_types_as_people_write_them(long: str, short: str) -> None:
    assert say.short_type(long) == short
