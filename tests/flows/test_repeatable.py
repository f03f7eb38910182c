# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Repeatable files from the changeset to the database and back."""

from __future__ import annotations

import pytest

from hgaurora.core.errors import InputError, MigrationFailed, StateError
from tests.world import Repo, call, dump, migration, query, sql

TABLE = migration("0001", None, sql("CREATE TABLE orders (id int, net int, vat int)"), sql("DROP TABLE orders"))
GROSS = "CREATE OR REPLACE VIEW gross AS SELECT id, net + vat AS gross FROM orders;\n"
CHEAP = "CREATE OR REPLACE VIEW gross AS SELECT id, net + 2 * vat AS gross FROM orders;\n"
COUNT = """-- how many, with a ; in it and 100%
CREATE OR REPLACE FUNCTION how_many() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM gross; $$;
GRANT EXECUTE ON FUNCTION how_many() TO pg_monitor;
"""


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


def _r(name: str) -> str:
    return f"migrations/repeatable/{name}.sql"


def gross(url: str) -> str | None:
    """The view's definition, or None where it is not there."""
    rows = query(url, "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relname = 'gross'")
    return str(rows[0][0]) if rows else None


def lines(said: list[str], verb: str) -> list[str]:
    return [line.split()[2] for line in said if f" {verb} " in line and "/" in line.split()[0]]


def test_they_run_after_the_migrations_again_when_they_change_and_go_back(shop: Repo, pg_database: str) -> None:
    first = shop.commit({_v("0001_orders"): TABLE, _r("a_gross"): GROSS, _r("b_count"): COUNT}, "orders")
    said = call(shop, "deploy", env="dev", verbose=True)
    assert lines(said.out, "repeat") == ["a_gross.sql", "b_count.sql"]
    assert query(pg_database, "SELECT how_many()") == [(0,)]
    assert call(shop, "deploy", env="dev").out == [f"dev is at {first[:12]} (default): nothing to do"]

    same = shop.commit({"readme": "x"}, "no migration")
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == []
    changed = shop.commit({_r("a_gross"): CHEAP}, "vat doubled")
    assert "1: a_gross.sql" in "\n".join(call(shop, "status", env="dev").out)
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == ["a_gross.sql"]
    assert "2" in (gross(pg_database) or "")
    assert {same, changed}.isdisjoint({first})

    back = call(shop, "revert", env="dev", json=True).json()[0]
    assert (back["node"], [one["verb"] for one in back["steps"] if one["verb"] != "snapshot"]) == (same, ["repeat"])
    assert "2" not in (gross(pg_database) or "")
    assert lines(call(shop, "revert", env="dev", to="dev-1").out, "repeat") == []
    call(shop, "revert", env="dev")
    assert gross(pg_database) is None
    assert "CREATE" not in dump(pg_database)


def test_one_that_is_removed_is_taken_back_before_what_it_stands_on(shop: Repo, pg_database: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("gross"): GROSS}, "orders")
    call(shop, "deploy", env="dev")
    more = migration("0002", "0001", sql("ALTER TABLE orders DROP vat"), sql("ALTER TABLE orders ADD vat int"))
    shop.commit({_v("0002_flat"): more, _r("gross"): None}, "no vat")
    said = call(shop, "deploy", env="dev").out
    assert lines(said, "undo") == ["gross.sql"]
    assert gross(pg_database) is None
    call(shop, "revert", env="dev")
    assert gross(pg_database) is not None


def test_a_failing_one_leaves_what_was_and_the_next_run_goes_on(shop: Repo, pg_database: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("gross"): GROSS}, "orders")
    call(shop, "deploy", env="dev")
    shop.commit({_r("gross"): "DROP VIEW gross;\nCREATE VIEW gross AS SELECT nothing FROM orders;\n"}, "broken")
    with pytest.raises(MigrationFailed, match="gross") as caught:
        call(shop, "deploy", env="dev")
    assert "nothing" in caught.value.message
    assert gross(pg_database) is not None
    shop.commit({_r("gross"): CHEAP}, "mended")
    assert lines(call(shop, "deploy", env="dev").out, "repeat") == ["gross.sql"]


def test_transaction_control_and_bad_files_are_refused(shop: Repo, pg_database: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("x"): "CREATE VIEW x AS SELECT 1; COMMIT;"}, "commits")
    with pytest.raises(MigrationFailed, match="COMMIT"):
        call(shop, "deploy", env="dev")
    assert "VIEW" not in dump(pg_database)
    shop.commit({_r("x"): b"\xff"}, "no text")
    with pytest.raises(InputError) as caught:
        call(shop, "deploy", env="dev")
    assert caught.value.message == "migrations/repeatable/x.sql:1: this is not UTF-8"


def test_what_nothing_takes_back_is_said_before_anything_runs(shop: Repo, pg_database: str) -> None:
    shop.commit({_v("0001_orders"): TABLE, _r("x"): "INSERT INTO orders VALUES (1, 2, 3);"}, "data")
    call(shop, "deploy", env="dev")
    with pytest.raises(StateError, match=r"repeatable/x\.sql would have to be taken back, and nothing says how"):
        call(shop, "revert", env="dev")
    assert query(pg_database, "SELECT count(*) FROM orders") == [(1,)]
