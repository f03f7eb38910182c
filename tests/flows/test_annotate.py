# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``annotate``: who made what, and where it is."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from hgaurora.core.errors import InputError
from tests.engines import fresh_database
from tests.world import Repo, call, migration, query, settings, sql

ONE = migration("0001", None, sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD gross int"), sql("ALTER TABLE orders DROP gross"))
THREE = migration("0003", "0002", sql("ALTER TABLE orders ALTER gross TYPE bigint"), "pass")


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


def _rows(repo: Repo, **options: str) -> dict[str, list[str]]:
    lines = call(repo, "annotate", env="dev", **options).out
    assert lines[0].split()[:4] == ["object", "changeset", "author", "request"]
    return {line.split()[0]: line.split()[1:] for line in lines[1:]}


def test_two_environments(repo: Repo, pg_server: str, pg_database: str) -> None:
    with fresh_database(pg_server) as other:
        text = settings({"dev": pg_database, "prod": other}, project="change-request = '\\bOPS-\\d+\\b'")
        repo.commit({"hgaurora.toml": text})
        first = repo.commit({_v("0001_orders"): ONE}, "orders")
        second = repo.commit({_v("0002_gross"): TWO}, "gross (OPS-412)")
        tip = repo.commit({"README": "text"}, "no migration")
        call(repo, "deploy", env="dev", rev=tip)
        call(repo, "deploy", env="prod", rev=first)
        call(repo, "deploy", env="prod", rev=tip)
        call(repo, "revert", env="prod")
        rows = _rows(repo, object="orders")
        today = rows["orders"][3]
        assert rows == {
            "orders": [first[:12], "ana", "none", today, today],
            "orders.gross": [second[:12], "ana", "OPS-412", today, "reverted"],
        }
        assert list(_rows(repo)) == ["orders", "orders.gross"]
        with pytest.raises(InputError, match="has no nowhere"):
            call(repo, "annotate", env="dev", object="nowhere")


def test_the_whole_life_of_a_column(shop: Repo, pg_database: str) -> None:
    two = TWO.replace("ADD gross int", "ADD gross int, ADD note text")
    shop.commit({_v("0001_orders"): ONE, _v("0002_gross"): two, _v("0003_wider"): THREE})
    call(shop, "deploy", env="dev")
    query(pg_database, "ALTER TABLE orders RENAME gross TO brutto; CREATE INDEX by_hand ON orders (id)")
    shop.commit({"README": "x"})
    call(shop, "deploy", env="dev", accept_drift=True)
    (found, *_) = [
        one for one in call(shop, "annotate", env="dev", json=True).json() if one["object"].startswith("orders.by_hand")
    ]
    assert (found["cause"], found["node"], found["deploy"]) == ("drift", None, "dev-2")
    said = call(shop, "annotate", env="dev", object="orders", verbose=True).out
    assert any("dev-1, step 0003: changed column orders.gross" in line for line in said)
    assert any("dev-2, drift: renamed column orders.gross" in line for line in said)
    assert any("dev-2, drift: added index by_hand" in line for line in said)


def test_what_a_restore_took_back_is_no_past(repo: Repo, pg_database: str) -> None:
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "each"'})})
    first = repo.commit({_v("0001_orders"): ONE})
    repo.commit({_v("0002_gross"): TWO})
    call(repo, "deploy", env="dev", rev=first)
    call(repo, "deploy", env="dev")
    call(repo, "revert", env="dev", way="restore")
    assert list(_rows(repo)) == ["orders"]


ODD = """
CREATE TABLE "Order" (id int, "Total Net" int);
CREATE SCHEMA "Odd Schema";
CREATE TABLE "Odd Schema"."weird.table" ("a.b" int);
CREATE FUNCTION f(a integer, b text) RETURNS int LANGUAGE sql AS $$SELECT 1$$;
CREATE FUNCTION f(a integer) RETURNS int LANGUAGE sql AS $$SELECT 1$$;
CREATE VIEW late AS SELECT id FROM "Order";
CREATE TABLE a_table_with_a_name_as_long_as_postgresql_will_take_any_of_them (n int)
"""


def test_names_as_they_are_written(shop: Repo, pg_database: str) -> None:
    down = 'DROP SCHEMA "Odd Schema" CASCADE'
    shop.commit({_v("0001_odd"): migration("0001", None, sql(ODD), sql(down))})
    call(shop, "deploy", env="dev")
    query(pg_database, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public")
    shop.commit({"README": "x"})
    call(shop, "deploy", env="dev", accept_drift=True)

    def named(wanted: str) -> list[str]:
        return [one["object"] for one in call(shop, "annotate", env="dev", object=wanted, json=True).json()]

    assert named('"Order"."Total Net"') == ['"Order"."Total Net"']
    assert named("Order.Total Net") == ['"Order"."Total Net"']
    assert named('"Odd Schema"."weird.table"."a.b"') == ['"Odd Schema"."weird.table"."a.b"']
    assert named("f") == ["f(integer)", "f(integer, text)"]
    assert named("public.f(integer, text)") == ["f(integer, text)"]
    with pytest.raises(InputError, match="is no name"):
        named('"Order')
    for verbose in (False, True):
        said = call(shop, "annotate", env="dev", verbose=verbose).out
        assert [line for line in said if len(line) > 80 or not line.strip()] == []
        starts = [line.split("  ")[0] for line in said]
        assert {'"Order"', "function f(integer, text)", "view late", "database"} <= set(starts)
        assert '"Odd Schema"."weird.table"' in starts


def test_more_environments_than_fit(repo: Repo, pg_server: str, pg_database: str) -> None:
    names = ("integration", "acceptance", "production")
    with ExitStack() as stack:
        others = {name: stack.enter_context(fresh_database(pg_server)) for name in names}
        repo.commit({"hgaurora.toml": settings({"dev": pg_database, **others})})
        repo.commit({_v("0001_orders"): ONE}, "orders")
        call(repo, "deploy", env="dev")
        head, row, below = call(repo, "annotate", env="dev").out
        assert head.split() == ["object", "changeset", "author", "request"]
        assert row.split()[0] == "orders"
        assert below.split(", ")[1:] == ["integration no", "acceptance no", "production no"]
        assert len(below) <= 80


def test_what_a_revert_put_back_is_whose_it_was(shop: Repo, pg_database: str) -> None:
    """Dropped and changed, and taken back; but not where the way back made something else."""
    first = shop.commit({_v("0001_orders"): ONE.replace("(id int)", "(id int, note text, state text)")})
    second = shop.commit({_v("0002_gross"): TWO})
    gone = (
        "ALTER TABLE orders DROP gross, ALTER note TYPE varchar(40), ALTER state TYPE varchar(40);"
        "CREATE TABLE other (id int)"
    )
    back = "DROP TABLE other;ALTER TABLE orders ADD gross int, ALTER note TYPE text, ALTER state TYPE char(9)"
    third = shop.commit({_v("0003_gone"): migration("0003", "0002", sql(gone), sql(back))})
    for node in (first, second, third):
        call(shop, "deploy", env="dev", rev=node)
    assert {name: row[0] for name, row in _rows(shop).items()}["orders.note"] == third[:12]
    call(shop, "revert", env="dev", yes=True)
    assert {name: row[0] for name, row in _rows(shop, object="orders").items()} == {
        "orders": first[:12], "orders.gross": second[:12], "orders.state": third[:12],
    }  # fmt: skip
    life = call(shop, "annotate", env="dev", object="orders.gross", json=True).json()[0]["life"]
    assert [one["direction"] for one in life] == ["up", "up", "down"]


def test_each_run_of_a_repeatable_file_is_its_own(repo: Repo, pg_server: str, pg_database: str) -> None:
    """What a run leaves alone is still the earlier one's, here and where the later text never came."""
    vat = "CREATE OR REPLACE FUNCTION vat({}) RETURNS numeric LANGUAGE sql AS 'SELECT 1.0';\n"
    file = "migrations/repeatable/vat.sql"
    with fresh_database(pg_server) as other:
        repo.commit({"hgaurora.toml": settings({"dev": pg_database, "prod": other})})
        first = repo.commit({_v("0001_orders"): ONE, file: vat.format("n numeric")}, "vat")
        second = repo.commit({file: vat.format("n numeric, rate numeric DEFAULT 0.2")}, "any rate")
        call(repo, "deploy", env="dev", rev=first)
        call(repo, "deploy", env="prod", rev=first)
        call(repo, "deploy", env="dev", rev=second)

        def reached() -> list[tuple[str, str, str, str]]:
            found = call(repo, "annotate", env="dev", object="vat", json=True).json()
            return [(one["node"], one["deploy"], one["reached"]["dev"], one["reached"]["prod"]) for one in found]

        today = call(repo, "annotate", env="dev", object="orders", json=True).json()[0]["reached"]["dev"]
        assert reached() == [(first, "dev-1", today, today), (second, "dev-2", today, "no")]
        call(repo, "deploy", env="prod", rev=second)
        assert reached() == [(first, "dev-1", today, today), (second, "dev-2", today, today)]
        call(repo, "revert", env="prod")
        assert reached() == [(first, "dev-1", today, today), (second, "dev-2", today, "reverted")]
