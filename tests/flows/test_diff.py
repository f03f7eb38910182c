# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``diff`` of environments, deploys, snapshots and changesets; ``log -v``; a ledger of the first version."""

from __future__ import annotations

from pathlib import Path

import pytest

from hgaurora.core.errors import InputError, MigrationFailed
from tests.engines import fresh_database
from tests.world import ROOT, Repo, call, migration, query, settings, sql, versions

ONE = migration("0001", None, sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))
THREE = migration("0003", "0002", sql("CREATE INDEX orders_net ON orders (net)"), sql("DROP INDEX orders_net"))


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


@pytest.fixture
def nodes(shop: Repo) -> list[str]:
    return [
        shop.commit({_v("0001_orders"): ONE}, "orders"),
        shop.commit({_v("0002_net"): TWO}, "net"),
        shop.commit({_v("0003_index"): THREE}, "index"),
    ]


def _said(repo: Repo, a: str, b: str) -> list[str]:
    (found,) = call(repo, "diff", a=a, b=b, json=True).json()
    return [f"{one['action']} {one['kind']} {one['path'][-1]}" for one in found["changes"]]


def test_deploys_and_the_live_database(shop: Repo, nodes: list[str], pg_database: str) -> None:
    for node in nodes:
        call(shop, "deploy", env="dev", rev=node)
    assert _said(shop, "dev-1", "dev-2") == ["added column net"]
    assert _said(shop, "dev-3", "dev-1") == ["dropped index orders_net", "dropped column net"]
    assert _said(shop, "dev-3", "dev") == []
    query(pg_database, "CREATE TABLE by_hand (n int)")
    assert "added table by_hand" in _said(shop, "dev-3", "dev")
    said = call(shop, "diff", a="dev-1", b="dev-2").out
    assert said[0] == f"from dev-1 {nodes[0][:12]} (default) to dev-2 {nodes[1][:12]} (default): 1 change"
    assert said[1].startswith("  added column orders.net integer")


def test_two_environments(repo: Repo, pg_server: str, pg_database: str) -> None:
    with fresh_database(pg_server) as other:
        repo.commit({"hgaurora.toml": settings({"dev": pg_database, "prod": other})})
        first = repo.commit({_v("0001_orders"): ONE})
        repo.commit({_v("0002_net"): TWO})
        call(repo, "deploy", env="prod", rev=first)
        call(repo, "deploy", env="dev")
        assert _said(repo, "prod", "dev") == ["added column net"]
        assert call(repo, "diff", a="dev", b="dev").out[0].endswith(": no difference")


def test_the_schema_written_out(shop: Repo, nodes: list[str]) -> None:
    call(shop, "deploy", env="dev", rev=nodes[0])
    call(shop, "deploy", env="dev", rev=nodes[1])
    said = call(shop, "diff", a="dev-1", b="dev-2", text=True).out
    assert said[0].startswith("--- dev-1")
    assert said[1].startswith("+++ dev-2")
    assert any(line.startswith("+") and "net" in line for line in said[2:])


def test_a_changeset_is_built_once(shop: Repo, nodes: list[str]) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    built = call(shop, "diff", a="dev", b=nodes[2], json=True)
    assert any("building" in line for line in built.err)
    assert [(one["action"], one["kind"]) for one in built.json()[0]["changes"]] == [("added", "index")]
    again = call(shop, "diff", a="dev", b=nodes[2], json=True)
    assert (again.err, again.out) == ([], built.out)
    # the same migrations in another changeset are the same build
    tip = shop.commit({"README": "text"}, "no migration")
    assert call(shop, "diff", a=nodes[2], b=tip).err == []


def test_a_changeset_that_cannot_be_built(shop: Repo, nodes: list[str]) -> None:
    bad = shop.commit({_v("0004_bad"): migration("0004", "0003", sql("SELECT * FROM nowhere"))}, "bad")
    with pytest.raises(MigrationFailed) as caught:
        call(shop, "diff", a=bad, b=nodes[0])
    assert "cannot be built from an empty database" in str(caught.value.state)


def test_a_word_that_names_nothing(shop: Repo, nodes: list[str]) -> None:
    with pytest.raises(InputError, match="no environment, deploy, snapshot or changeset"):
        call(shop, "diff", a="nonsense", b="dev")


def test_a_snapshot_is_known_without_a_restore(repo: Repo, pg_database: str) -> None:
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "each"'})})
    repo.commit({_v("0001_orders"): ONE, _v("0002_net"): TWO})
    call(repo, "deploy", env="dev")
    assert _said(repo, "dev-1-2", "dev") == ["added column net"]
    (newest, _) = call(repo, "snapshots", env="dev", json=True).json()
    assert newest["snapshot"] == "dev-1-2"


def test_log_shows_deltas(shop: Repo, nodes: list[str], pg_database: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[0])
    query(pg_database, "CREATE TABLE by_hand (n int)")
    call(shop, "deploy", env="dev", rev=nodes[1], accept_drift=True)
    said = call(shop, "log", env="dev", verbose=True).out
    assert any(line.strip().startswith("added column orders.net") for line in said)
    assert said[said.index("    drift") + 1].startswith("      added table by_hand")
    found = call(shop, "log", env="dev", json=True).json()
    assert [one["delta"][0]["path"][-1] for one in found[0]["migrations"]] == ["net"]
    assert [one["cause"] for one in found[0]["beside"]] == ["drift"]


def test_a_ledger_of_the_first_version_goes_on(shop: Repo, pg_database: str) -> None:
    """dev-1 to dev-4 were made by the version before; what is younger has deltas."""
    query(pg_database, (ROOT / "tests/adapters/ledger_v1.sql").read_text("utf-8"))
    files = {
        _v("0001_customers"): migration("0001", None, sql("CREATE TABLE customers (id int)"), "pass"),
        _v("0002_orders"): migration("0002", "0001", sql("CREATE TABLE orders (id int)"), "pass"),
        _v("0003_net"): migration(
            "0003", "0002", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net")
        ),
    }
    files[_v("0001_customers")] = files[_v("0001_customers")].replace(
        "    pass", "    op.execute('DROP TABLE customers')"
    )
    files[_v("0002_orders")] = files[_v("0002_orders")].replace("    pass", "    op.execute('DROP TABLE orders')")
    tip = shop.commit(files, "all three")
    assert call(shop, "drift", env="dev").out == ["dev has no recorded schema yet: the next deploy records it"]
    call(shop, "deploy", env="dev", rev=tip, reapply=True)
    assert versions(pg_database) == {"0003"}
    assert query(pg_database, "SELECT ledger_version FROM hgaurora.environment") == [(3,)]
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False
    call(shop, "revert", env="dev")
    assert versions(pg_database) == {"0002"}


def test_the_folder_of_builds_is_private(shop: Repo, nodes: list[str]) -> None:
    call(shop, "diff", a=nodes[0], b=nodes[0])
    folder = Path(shop.root) / ".hg" / "hgaurora" / "built"
    assert folder.stat().st_mode & 0o077 == 0
    assert len(list(folder.glob("*.json.z"))) == 1
