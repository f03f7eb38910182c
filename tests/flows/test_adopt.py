# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``adopt``: a database that Alembic migrated, and one whose version table was edited by hand."""

from __future__ import annotations

import tomllib
from urllib.parse import urlsplit

import pytest

from hgaurora.core.errors import InputError, StateError
from tests.world import Repo, call, migration, query, settings, sql, versions

ONE = migration("0001", None, sql("CREATE TABLE customers (id int)"), sql("DROP TABLE customers"))
TWO = migration("0002", "0001", sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
THREE = migration("0003", "0002", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


@pytest.fixture(params=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A fresh database on each engine."""
    found: str = request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database")
    return found


@pytest.fixture
def shop(repo: Repo, url: str) -> Repo:
    """A repository whose environment ``dev`` is that database."""
    repo.commit({"hgaurora.toml": settings({"dev": url})}, "settings")
    return repo


def has(url: str, table: str) -> bool:
    """True where there is a table of that name; the ledger's are in a schema on PostgreSQL."""
    if url.startswith("mysql"):
        return bool(query(url, f"SHOW TABLES LIKE '{table}'"))
    table = table.replace("hgaurora_", "hgaurora.")
    return query(url, f"SELECT to_regclass('{table}') IS NOT NULL") == [(True,)]


def ledger(url: str, text: str) -> list[tuple[object, ...]]:
    """Rows of the ledger's tables, that are called {}step and so on."""
    return query(url, text.format("hgaurora_" if url.startswith("mysql") else "hgaurora."))


@pytest.fixture
def tip(shop: Repo) -> str:
    shop.commit({_v("0001_customers"): ONE, _v("0002_orders"): TWO}, "two")
    return shop.commit({_v("0003_net"): THREE}, "net")


@pytest.fixture
def foreign(shop: Repo, tip: str, url: str) -> str:
    """As Alembic leaves it after 0002."""
    for text in (
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('0002')",
        "CREATE TABLE customers (id int)",
        "CREATE TABLE orders (id int)",
        "INSERT INTO orders VALUES (7)",
    ):
        query(url, text)
    return url


def test_it_enters_the_ledger(shop: Repo, tip: str, foreign: str) -> None:
    with pytest.raises(StateError, match="there is no ledger") as caught:
        call(shop, "deploy", env="dev")
    assert "adopt dev" in str(caught.value.hint)
    dry = call(shop, "adopt", env="dev", dry_run=True)
    assert dry.out[-1] == "nothing was changed; without -n this is recorded, and no migration runs"
    assert not has(foreign, "hgaurora_event")
    said = call(shop, "adopt", env="dev", rev=tip)
    assert "2 migrations recorded as applied: 0001_customers, 0002_orders" in said.out[-2]
    assert said.out[-1].startswith(f"dev is now at {tip[:12]} (default), heads 0002")
    assert ledger(foreign, "SELECT revision, adopted FROM {}step ORDER BY id") == [("0001", True), ("0002", True)]
    assert ledger(foreign, "SELECT kind, outcome FROM {}deployment") == [("adopt", "ok")]
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False
    assert [one["migration"] for one in call(shop, "status", env="dev", json=True).json()[0]["pending"]] == ["0003_net"]
    call(shop, "deploy", env="dev", rev=tip)
    assert versions(foreign) == {"0003"}
    call(shop, "revert", env="dev")
    assert (versions(foreign), query(foreign, "SELECT id FROM orders")) == ({"0002"}, [(7,)])


def test_an_adopted_migration_goes_down_with_the_script_that_was_stored(shop: Repo, tip: str, foreign: str) -> None:
    call(shop, "adopt", env="dev", rev=tip)
    shop.update(tip)
    back = shop.commit({_v("0002_orders"): None, _v("0003_net"): None}, "gone")
    call(shop, "deploy", env="dev", rev=back)
    assert versions(foreign) == {"0001"}
    assert not has(foreign, "orders")


def test_what_cannot_be_adopted(shop: Repo, tip: str, foreign: str) -> None:
    query(foreign, "ALTER TABLE alembic_version RENAME TO other")
    with pytest.raises(StateError, match="Alembic has not migrated it") as caught:
        call(shop, "adopt", env="dev")
    schema = urlsplit(foreign).path[1:] if foreign.startswith("mysql") else "public"
    assert f"dev has no table {schema}.alembic_version" in caught.value.message
    query(foreign, "ALTER TABLE other RENAME TO alembic_version")
    call(shop, "adopt", env="dev")
    with pytest.raises(StateError, match="nothing to adopt"):
        call(shop, "adopt", env="dev")


@pytest.mark.parametrize(
    ("rows", "kind", "said"),
    [
        (["9999"], InputError, "says 9999, and"),
        (["0002", "9999"], InputError, "says 9999, and"),
        (["0001", "0002"], StateError, "0001 is below another"),
    ],
)
def test_rows_that_cannot_be(
    shop: Repo, tip: str, foreign: str, rows: list[str], kind: type[Exception], said: str
) -> None:
    query(foreign, "DELETE FROM alembic_version")
    for row in rows:
        query(foreign, f"INSERT INTO alembic_version VALUES ('{row}')")
    with pytest.raises(kind, match=said):
        call(shop, "adopt", env="dev")
    assert not has(foreign, "hgaurora_event")


@pytest.mark.parametrize("row", ["0002", "0001"])
def test_a_hand_edited_version_table_is_recorded_as_it_is(shop: Repo, tip: str, url: str, row: str) -> None:
    call(shop, "deploy", env="dev")
    query(url, f"UPDATE alembic_version SET version_num = '{row}'")
    query(url, "ALTER TABLE orders DROP net")
    call(shop, "adopt", env="dev")
    (state,) = call(shop, "status", env="dev", json=True).json()
    assert (state["heads"], state["problem"]) == ([row], None)
    query(url, "UPDATE alembic_version SET version_num = '0003'")
    call(shop, "adopt", env="dev")
    assert call(shop, "status", env="dev", json=True).json()[0]["heads"] == ["0003"]


def test_init_beside_a_projects_own_env(repo: Repo) -> None:
    repo.write({"alembic.ini": "[alembic]\nscript_location = %(here)s/db/alembic\n", "db/alembic/env.py": "# own\n"})
    said = call(repo, "init")
    assert said.out[0] == "laid down hgaurora.toml"
    project = tomllib.loads((repo.root / "hgaurora.toml").read_text())["project"]
    assert project == {"migrations": "db/alembic", "env": "project"}
    assert (repo.root / "db/alembic/env.py").read_text() == "# own\n"
    assert not (repo.root / "migrations").exists()


def test_init_twice_is_no_foreign_project(repo: Repo) -> None:
    call(repo, "init")
    (repo.root / "hgaurora.toml").unlink()
    call(repo, "init")
    assert tomllib.loads((repo.root / "hgaurora.toml").read_text())["project"] == {"migrations": "migrations"}


def test_init_beside_scripts_outside_of_the_repository(repo: Repo) -> None:
    repo.write({"alembic.ini": "[alembic]\nscript_location = ../elsewhere\n"})
    with pytest.raises(InputError, match="outside of the repository"):
        call(repo, "init")
