# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``diff``, ``trace``, ``annotate`` and ``--accept-drift`` on MariaDB or MySQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.local import mysql_clients, scratch
from hgaurora.core.errors import DriftError, InputError, MigrationFailed, StateError
from tests.engines import fresh_my_database
from tests.world import Repo, call, migration, query, settings, sql, versions

ONE = migration(
    "0001",
    None,
    sql("CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, note varchar(40) DEFAULT 'none' CHECK (note <> ''))"),
    sql("DROP TABLE orders"),
)
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))
THREE = migration(
    "0003",
    "0002",
    sql("CREATE INDEX orders_net ON orders (net)")
    + "\n"
    + sql("CREATE VIEW dear AS SELECT id, concat(note, '!') AS said FROM orders WHERE net > 5"),
    sql("DROP VIEW dear") + "\n" + sql("DROP INDEX orders_net ON orders"),
)


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


@pytest.fixture
def shop(repo: Repo, my_database: str) -> Repo:
    """A repository whose environment ``dev`` is a fresh database."""
    text = settings({"dev": my_database}, project="change-request = '\\bOPS-\\d+\\b'")
    repo.commit({"hgaurora.toml": text}, "settings")
    return repo


@pytest.fixture
def nodes(shop: Repo) -> list[str]:
    """Three changesets with a migration each."""
    return [
        shop.commit({_v("0001_orders"): ONE}, "orders"),
        shop.commit({_v("0002_net"): TWO}, "orders: net (OPS-412)"),
        shop.commit({_v("0003_index"): THREE}, "orders by net"),
    ]


def _changes(repo: Repo, a: str, b: str) -> list[str]:
    (found,) = call(repo, "diff", a=a, b=b, json=True).json()
    return [f"{one['action']} {one['kind']} {one['path'][-1]}" for one in found["changes"]]


def _trace(repo: Repo, url: str) -> dict:
    (found,) = call(repo, "trace", url=url, json=True).json()
    return found


@contextmanager
def _restored(url: str, server: str, folder: Path) -> Iterator[str]:
    """A dump restored under another name, with another default collation, without ledger and version table."""
    connection = from_url(url)
    programs = mysql_clients.clients("mariadb" in query(url, "SELECT lower(version())")[0][0])
    name = connection.parameters["dbname"]
    ours = [table for (table,) in query(url, "SHOW TABLES") if table.startswith(("hgaurora_", "alembic_version"))]
    options = folder / "my.cnf"
    mysql_clients.option_file(connection, options, mariadb=programs.mariadb)
    argv = [programs.dump, f"--defaults-file={options}", *programs.options(), "--routines"]
    argv += [f"--ignore-table={name}.{table}" for table in ours]
    dumped = subprocess.run([*argv, name], check=True, capture_output=True).stdout
    with fresh_my_database(server, prefix="hgaurora_copy") as copy:
        query(copy, "ALTER DATABASE COLLATE latin1_general_ci")
        argv = [programs.client, f"--defaults-file={options}", urlsplit(copy).path[1:]]
        subprocess.run(argv, input=dumped, check=True)
        yield copy


def test_a_changeset_is_built_once(shop: Repo, nodes: list[str], my_database: str) -> None:
    """On a server that is gone afterwards; with the collation of the database it is compared with."""
    query(my_database, "ALTER DATABASE COLLATE latin1_swedish_ci")
    said = call(shop, "deploy", env="dev", rev=nodes[1])
    # mysql:// reaches either of them
    version = str(query(my_database, "SELECT version()")[0][0])
    assert f"{'MariaDB' if 'MariaDB' in version else 'MySQL'} at mysql://" in said.out[0]
    built = call(shop, "diff", a="dev", b=nodes[2], json=True)
    assert any("building" in line for line in built.err)
    changes = built.json()[0]["changes"]
    assert sorted(f"{one['action']} {one['kind']}" for one in changes) == ["added index", "added view"]
    assert list((shop.root / ".hg" / "hgaurora" / ".build").iterdir()) == []
    again = call(shop, "diff", a="dev", b=nodes[2], json=True)
    assert (again.err, again.out) == ([], built.out)
    assert _changes(shop, "dev", "dev-1") == []


def test_a_changeset_that_cannot_be_built(shop: Repo) -> None:
    bad = shop.commit({_v("0001_bad"): migration("0001", None, sql("SELECT * FROM nowhere"))}, "bad")
    with pytest.raises(MigrationFailed) as caught:
        call(shop, "diff", a=bad, b="dev")
    assert "cannot be built from an empty database" in str(caught.value.state)
    assert list((shop.root / ".hg" / "hgaurora" / ".build").iterdir()) == []


def test_without_a_server_to_build_on() -> None:
    with pytest.raises(StateError, match="no MariaDB or MySQL server is installed") as caught:
        scratch.mysql([])
    assert "apt-get install mariadb-server-core" in str(caught.value.hint)


@pytest.mark.whole
def test_a_copy_is_named(shop: Repo, nodes: list[str], my_server: str, my_database: str, tmp_path: Path) -> None:
    """With its ledger (a drop and a new name of the database), by the schema alone, and what is nearest."""
    for node in nodes:
        call(shop, "deploy", env="dev", rev=node)
    found = _trace(shop, my_database)
    assert (found["node"], found["deploy"], found["sure"]) == (nodes[2], "dev-3", "ledger and schema agree")
    with _restored(my_database, my_server, tmp_path) as copy:
        found = _trace(shop, copy.replace("mysql:", "mariadb:"))
        assert (found["by"], found["node"], found["deploy"]) == ("schema", nodes[2], "dev-3")
        assert (found["sure"], found["author"]) == ("structure and texts are equal", "ana")
        query(copy, "DROP VIEW dear")
        query(copy, "CREATE TABLE by_hand (n int)")
        said = call(shop, "trace", url=copy).out
        assert said[0].startswith(f"nearest is {nodes[2][:12]} (default), by schema alone; ")
        query(copy, "DROP TABLE by_hand")
        query(copy, "DROP INDEX orders_net ON orders")
        found = _trace(shop, copy)
        assert (found["node"], found["change_request"]) == (nodes[1], "OPS-412")


def test_by_the_migrations_of_the_repository_alone(shop: Repo, nodes: list[str], my_server: str) -> None:
    """Nothing was deployed: the newest changesets are built, and each state on the way to them is known."""
    tip = shop.commit({"README": "text"}, "no migration")
    with fresh_my_database(my_server) as copy:
        query(copy, "CREATE TABLE orders (id int AUTO_INCREMENT PRIMARY KEY, note varchar(40) DEFAULT 'none'"
              " CHECK (note <> ''))")  # fmt: skip
        assert _trace(shop, copy)["node"] == nodes[0]
        query(copy, "ALTER TABLE orders ADD net int")
        found = _trace(shop, copy)
        assert found["node"] == nodes[1] != tip


@pytest.mark.parametrize("url", ["mysql://127.0.0.1", "mysql://h/d?sslmode=require", "mariadb://u:p@[/d"])
def test_a_url_that_is_none(shop: Repo, url: str) -> None:
    with pytest.raises(InputError, match="--url "):
        call(shop, "trace", url=url)


def test_who_made_what_and_drift_that_is_accepted(shop: Repo, nodes: list[str], my_database: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    query(my_database, "CREATE INDEX by_hand ON orders (net)")
    with pytest.raises(DriftError, match="added index by_hand"):
        call(shop, "deploy", env="dev")
    assert versions(my_database) == {"0002"}
    call(shop, "deploy", env="dev", accept_drift=True)
    assert versions(my_database) == {"0003"}
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False
    rows = {one["object"]: one for one in call(shop, "annotate", env="dev", json=True).json()}
    assert (rows["orders.net"]["node"], rows["orders.net"]["change_request"]) == (nodes[1], "OPS-412")
    drifted = next(one for name, one in rows.items() if "by_hand" in name)
    assert (drifted["cause"], drifted["node"], drifted["deploy"]) == ("drift", None, "dev-2")
    said = call(shop, "annotate", env="dev", object="orders", verbose=True).out
    assert any("dev-2, drift: added index by_hand" in line for line in said)
    logged = call(shop, "log", env="dev", verbose=True).out
    assert logged[logged.index("    drift") + 1].startswith("      added index by_hand")
