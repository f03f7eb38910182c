# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``trace``: by the ledger, by the schema alone, or what is nearest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg import sql as names

from hgaurora.core.errors import InputError, SecurityError
from tests.engines import fresh_database, with_database
from tests.world import Repo, bare, call, dump, migration, query, settings, sql

ONE = migration(
    "0001",
    None,
    sql("CREATE TABLE orders (id serial PRIMARY KEY, note text DEFAULT 'none' CHECK (note <> ''))"),
    sql("DROP TABLE orders"),
)
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))
THREE = migration("0003", "0002", sql("CREATE INDEX orders_net ON orders (net)"), sql("DROP INDEX orders_net"))


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


@pytest.fixture
def nodes(repo: Repo, pg_database: str) -> list[str]:
    """Three changesets with a migration each, all deployed, with a snapshot before each migration."""
    text = settings(
        {"dev": pg_database},
        extra={"dev": 'snapshot = "each"'},
        project="change-request = '\\bOPS-\\d+\\b'",
    )
    repo.commit({"hgaurora.toml": text}, "settings")
    made = [
        repo.commit({_v("0001_orders"): ONE}, "orders"),
        repo.commit({_v("0002_net"): TWO}, "orders: net (OPS-412)"),
        repo.commit({_v("0003_index"): THREE}, "orders by net"),
    ]
    for node in made:
        call(repo, "deploy", env="dev", rev=node)
    return made


@contextmanager
def _copied(url: str, server: str, *, options: str = "") -> Iterator[str]:
    """A copy of a database as it is: what a restored snapshot is."""
    name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
    copy = f"{name}_copy"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        text = names.SQL("CREATE DATABASE {} TEMPLATE {}").format(names.Identifier(copy), names.Identifier(str(name)))
        connection.execute(text)
    try:
        yield with_database(server, copy)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(names.SQL("DROP DATABASE {} WITH (FORCE)").format(names.Identifier(copy)))


def _trace(repo: Repo, url: str) -> dict:
    (found,) = call(repo, "trace", url=url, json=True).json()
    return found


def test_an_environment_by_its_ledger(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    call(repo, "revert", env="dev")
    said = call(repo, "trace", env="dev").out
    assert said[0] == f"dev is at {nodes[1][:12]} (default): ledger and schema agree"
    assert said[1].startswith("  made by   dev-4, ana; author ana: orders: net (OPS-412)")
    (found,) = call(repo, "trace", env="dev", json=True).json()
    shown = call(repo, "trace", env="dev", verbose=True).out
    assert f"  structure {found['fingerprints']['structure']}" in shown
    with _copied(pg_database, pg_server) as copy:
        query(copy, "DROP SCHEMA hgaurora CASCADE")
        assert _trace(repo, copy)["fingerprints"]["structure"] == found["fingerprints"]["structure"]
    query(pg_database, "CREATE TABLE by_hand (n int)")
    said = call(repo, "trace", env="dev").out
    assert said[0].endswith("says its ledger; the schema differs: 1 change")
    assert said[1].startswith("  added table by_hand")


def test_a_copy_with_its_ledger(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    with _copied(pg_database, pg_server) as copy:
        found = _trace(repo, copy)
        assert (found["node"], found["deploy"], found["sure"]) == (nodes[2], "dev-3", "ledger and schema agree")
        assert found["copy_of"]["environment"] == "dev"


def test_a_copy_without_a_ledger(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    """Another owner, other grants, no ledger, no version table."""
    with _copied(pg_database, pg_server) as copy:
        query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version")
        role = f"r_{psycopg.conninfo.conninfo_to_dict(copy)['dbname']}"
        query(copy, f"CREATE ROLE {role}")
        try:
            query(copy, f"ALTER TABLE orders OWNER TO {role}; GRANT SELECT ON orders TO public")
            found = _trace(repo, copy)
            assert (found["by"], found["node"], found["deploy"]) == ("schema", nodes[2], "dev-3")
            assert found["sure"] == "structure and texts are equal"
            assert (found["author"], found["environment"]) == ("ana", "dev")
            said = call(repo, "trace", url=copy).out
            assert said[0] == f"this database is at {nodes[2][:12]} (default), by schema alone"
            query(copy, "DROP INDEX orders_net")
            found = _trace(repo, copy)
            assert (found["node"], found["change_request"]) == (nodes[1], "OPS-412")
        finally:
            query(copy, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_every_snapshot_is_traced(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    """A restored one is in the environment's place; the schema of each is that of the changeset before."""
    for snapshot, node in (("dev-3-1", nodes[1]), ("dev-2-1", nodes[0])):
        call(repo, "revert", env="dev", to=snapshot, way="restore")
        (found,) = call(repo, "trace", env="dev", json=True).json()
        assert (found["node"], found["sure"]) == (node, "ledger and schema agree")
        assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False
        with _copied(pg_database, pg_server) as copy:
            query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version")
            assert _trace(repo, copy)["node"] == node


def test_what_is_nearest(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    with _copied(pg_database, pg_server) as copy:
        query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version; CREATE TABLE by_hand (n int)")
        said = call(repo, "trace", url=copy).out
        assert said[0] == f"nearest is {nodes[2][:12]} (default), by schema alone; 1 difference:"
        assert said[1].startswith("  added table by_hand")


def test_by_the_migrations_of_the_repository_alone(repo: Repo, pg_server: str, pg_database: str) -> None:
    """Nothing was deployed: the newest changesets are built, and each state on the way to them is known."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database})}, "settings")
    first = repo.commit({_v("0001_orders"): ONE}, "orders")
    second = repo.commit({_v("0002_net"): TWO}, "net")
    tip = repo.commit({"README": "text"}, "no migration")
    with fresh_database(pg_server) as copy:
        query(copy, "CREATE TABLE orders (id serial PRIMARY KEY, note text DEFAULT 'none' CHECK (note <> ''))")
        assert _trace(repo, copy)["node"] == first
        query(copy, "ALTER TABLE orders ADD net int")
        found = _trace(repo, copy)
        assert found["node"] == second != tip


def test_another_collation_and_another_major(repo: Repo, nodes: list[str], pg_database: str, other_major: str) -> None:
    """The schema dumped and loaded elsewhere: texts of another major are not judged, and that is said."""
    with psycopg.connect(other_major, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS hgaurora_trace WITH (FORCE)")
        connection.execute("CREATE DATABASE hgaurora_trace TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    copy = with_database(other_major, "hgaurora_trace")
    try:
        query(copy, dump(pg_database))
        found = _trace(repo, copy)
        assert found["node"] == nodes[2]
        assert found["sure"].startswith("structure is equal; texts of postgresql")
        query(copy, "DROP INDEX orders_net")
        assert _trace(repo, copy)["node"] == nodes[1]
    finally:
        with psycopg.connect(other_major, autocommit=True) as connection:
            connection.execute("DROP DATABASE hgaurora_trace WITH (FORCE)")


def test_an_empty_database_is_nobodys(repo: Repo, nodes: list[str], pg_server: str) -> None:
    with fresh_database(pg_server) as empty:
        found = _trace(repo, empty)
        assert (found["node"], found["deploy"], found.get("author"), found["sure"]) == (None, None, None, "empty")
        assert call(repo, "trace", url=empty).out == ["this database is empty: nothing says what it was made by"]


def test_owners_and_grants_are_no_distance(repo: Repo, nodes: list[str], pg_server: str, pg_database: str) -> None:
    with _copied(pg_database, pg_server) as copy:
        query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version; CREATE TABLE by_hand (n int)")
        query(copy, "GRANT SELECT ON orders TO public")
        query(copy, "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO public")
        said = call(repo, "trace", url=copy).out
        assert said[0] == f"nearest is {nodes[2][:12]} (default), by schema alone; 1 difference:"
        assert said[1].startswith("  added table by_hand")
        assert said[2].startswith("  besides   ")
        assert said[2].endswith("not counted")
        assert {one["kind"] for one in _trace(repo, copy)["besides"]} >= {"table"}


def test_a_state_with_an_accepted_change_says_so(
    repo: Repo, nodes: list[str], pg_server: str, pg_database: str
) -> None:
    query(pg_database, "CREATE TABLE by_hand (n int)")
    repo.commit({"README": "text"}, "no migration")
    call(repo, "deploy", env="dev", accept_drift=True)
    with _copied(pg_database, pg_server) as copy:
        query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version")
        assert _trace(repo, copy)["by_hand"] == ["dev-4"]
        said = call(repo, "trace", url=copy).out
        assert "  by hand   the changeset alone does not make it: see log -v of dev-4" in said
        query(copy, "DROP TABLE by_hand")
        assert _trace(repo, copy)["by_hand"] == []


def test_what_was_there_before_the_first_deploy(repo: Repo, pg_server: str, pg_database: str) -> None:
    """The first deploy found it so, and made nothing of it."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001_orders"): ONE}, "orders")
    query(pg_database, "CREATE TABLE legacy (n int)")
    call(repo, "deploy", env="dev")
    with fresh_database(pg_server) as other:
        query(other, "CREATE TABLE legacy (n int)")
        said = call(repo, "trace", url=other).out
        assert said[0] == "this database is as dev was before its first deploy, dev-1, by schema alone"
        assert not any("made by" in line or "author" in line for line in said)


@pytest.mark.parametrize("url", ["foo", "postgresql://u:geheim%zz@host/shop", "postgresql://host/shop?geheim=1"])
def test_what_is_no_url(repo: Repo, url: str) -> None:
    with pytest.raises(InputError, match="the url of the database cannot be read") as caught:
        call(repo, "trace", url=url)
    assert "mysql://user@host/shop" in caught.value.hint
    assert "geheim" not in str(caught.value)


def test_a_reader_who_may_not_read_the_ledger(repo: Repo, nodes: list[str], pg_database: str) -> None:
    """The schema is everybody's to see."""
    role = f"r_{psycopg.conninfo.conninfo_to_dict(pg_database)['dbname']}"
    query(pg_database, f"CREATE ROLE {role} LOGIN PASSWORD 'reads'")
    try:
        parts = psycopg.conninfo.conninfo_to_dict(pg_database) | {"user": role, "password": "reads"}
        found = _trace(repo, psycopg.conninfo.make_conninfo(**parts))
        assert (found["by"], found["node"]) == ("schema", nodes[2])
    finally:
        query(pg_database, f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_a_ledger_of_another_user_names_that_one(repo: Repo, nodes: list[str], pg_database: str) -> None:
    """As the master user of a copy meets it, who is no superuser on Aurora."""
    parts = psycopg.conninfo.conninfo_to_dict(pg_database)
    owner, reader = f"o_{parts['dbname']}", f"r_{parts['dbname']}"
    query(pg_database, f"CREATE ROLE {owner}; CREATE ROLE {reader} LOGIN PASSWORD 'reads'")
    query(pg_database, f"ALTER SCHEMA hgaurora OWNER TO {owner}; GRANT USAGE ON SCHEMA hgaurora TO {reader}")
    try:
        with pytest.raises(SecurityError, match=f"belongs to {owner}") as caught:
            _trace(repo, psycopg.conninfo.make_conninfo(**parts | {"user": reader, "password": "reads"}))
        assert caught.value.hint == f"name {owner}, the user of deploys, as the user in the url"
    finally:
        query(
            pg_database,
            f"REASSIGN OWNED BY {owner} TO CURRENT_USER; DROP OWNED BY {reader}; DROP ROLE {owner}; DROP ROLE {reader}",
        )


def test_a_changeset_of_two_migrations_of_which_one_ran(repo: Repo, pg_database: str, pg_server: str) -> None:
    """Half of a changeset is not the changeset: by a build, and by a ledger."""
    made = {
        f"migrations/versions/{n}_t.py": migration(n, before, sql(f"CREATE TABLE t{n} (id int)"))
        for n, before in (("0001", None), ("0002", "0001"))
    }
    node = repo.commit({"hgaurora.toml": settings({"dev": pg_database}), **made}, "both")
    with fresh_database(pg_server) as other:
        query(other, "CREATE TABLE t0001 (id int)")
        for deployed in (False, True):
            if deployed:
                call(repo, "deploy", env="dev")
            said = call(repo, "trace", url=bare(other))
            assert "half way" in said.out[0]
            assert ": after 0001, by schema alone" in said.out[0]
            assert node[:12] in said.out[0]
            assert call(repo, "trace", url=bare(other), json=True).json()[0]["after"] == "0001"
        query(other, "CREATE TABLE t0002 (id int)")
        assert call(repo, "trace", url=bare(other)).out[0].startswith(f"this database is at {node[:12]} (default), by")
