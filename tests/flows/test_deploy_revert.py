# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Deploy, revert, status and log, from the changeset to the tables."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from hgaurora.core.errors import Declined, InputError, MigrationFailed, PolicyError, StateError
from tests.world import Repo, call, command, dump, migration, query, settings, sql, versions

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
    """True where there is a table of that name, or an index on PostgreSQL."""
    if url.startswith("mysql"):
        return bool(query(url, f"SHOW TABLES LIKE '{table}'"))
    return query(url, f"SELECT to_regclass('{table}') IS NOT NULL") == [(True,)]


@pytest.fixture
def nodes(shop: Repo) -> list[str]:
    """Three changesets with a migration each."""
    return [
        shop.commit({_v("0001_customers"): ONE}, "customers"),
        shop.commit({_v("0002_orders"): TWO}, "orders"),
        shop.commit({_v("0003_net"): THREE}, "net"),
    ]


def test_from_nothing_to_tip_and_back(shop: Repo, nodes: list[str], url: str) -> None:
    said = call(shop, "deploy", env="dev")
    assert said.out[-1].startswith(f"dev is now at {nodes[2][:12]} (default), heads 0003")
    assert versions(url) == {"0003"}
    again = call(shop, "deploy", env="dev")
    assert again.out == [f"dev is at {nodes[2][:12]} (default): nothing to do"]
    back = call(shop, "revert", env="dev")
    assert back.out[-1].startswith("dev is now at no changeset, no heads")
    assert versions(url) == set()
    assert "CREATE TABLE" not in dump(url)


def test_revert_takes_back_one_deploy_at_a_time(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[0])
    call(shop, "deploy", env="dev", rev=nodes[2])
    first = call(shop, "revert", env="dev", json=True).json()[0]
    assert (first["node"], first["heads"], first["reverts"]) == (nodes[0], ["0001"], ["dev-2"])
    second = call(shop, "revert", env="dev", json=True).json()[0]
    assert (second["node"], second["heads"], second["reverts"]) == (None, [], ["dev-1"])
    with pytest.raises(StateError, match="nothing to take back"):
        call(shop, "revert", env="dev")


@pytest.mark.parametrize("name", ["deploy id", "changeset", "short node"])
def test_revert_to_a_named_point(shop: Repo, nodes: list[str], url: str, name: str) -> None:
    for node in nodes:
        call(shop, "deploy", env="dev", rev=node)
    to = {"deploy id": "dev-1", "changeset": nodes[0], "short node": nodes[0][:12]}[name]
    found = call(shop, "revert", env="dev", to=to, json=True).json()[0]
    assert (found["node"], found["heads"]) == (nodes[0], ["0001"])
    assert found["reverts"] == ["dev-2", "dev-3"]
    assert versions(url) == {"0001"}


def test_revert_passes_over_a_deploy_that_left_nothing(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[0])
    call(shop, "deploy", env="dev", rev=nodes[1])
    shop.update(nodes[1])
    broken = shop.commit({_v("0009_broken"): migration("0009", "0002", sql("SELECT * FROM nowhere"))}, "broken")
    with pytest.raises(MigrationFailed):
        call(shop, "deploy", env="dev", rev=broken)
    found = call(shop, "revert", env="dev", json=True).json()[0]
    assert (found["node"], found["reverts"]) == (nodes[0], ["dev-2", "dev-3"])
    assert versions(url) == {"0001"}


def test_an_interpreter_is_relative_to_the_repository(shop: Repo, nodes: list[str], url: str) -> None:
    own = shop.root / ".venv" / "bin" / "python"
    own.parent.mkdir(parents=True)
    own.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    own.chmod(0o755)
    shop.write({"hgaurora.toml": settings({"dev": url}, project='python = ".venv/bin/python"')})
    call(shop, "deploy", env="dev", rev=nodes[0])
    assert versions(url) == {"0001"}


def test_nothing_to_follow(shop: Repo, nodes: list[str]) -> None:
    with pytest.raises(InputError, match="dev has no deploy dev-1"):
        call(shop, "status", follow="dev-1")
    call(shop, "deploy", env="dev", rev=nodes[0])
    assert "dev-1 ended: ok" in call(shop, "status", follow="dev-1").out[-1]


def test_revert_to_what_never_was(shop: Repo, nodes: list[str]) -> None:
    call(shop, "deploy", env="dev", rev=nodes[2])
    with pytest.raises(InputError, match="never deployed"):
        call(shop, "revert", env="dev", to=nodes[1])
    with pytest.raises(InputError, match="no changeset, deploy or snapshot"):
        call(shop, "revert", env="dev", to="nonsense")


def test_revert_to_what_is_no_state(shop: Repo, nodes: list[str], url: str) -> None:
    """A deploy that failed, one that was taken back, and what is no deploy."""
    broken = migration("0002", "0001", sql("SELECT nothing"))
    shop.update(nodes[0])
    wrong = shop.commit({_v("0002_broken"): broken}, "broken")
    with pytest.raises(MigrationFailed):
        call(shop, "deploy", env="dev", rev=wrong)
    call(shop, "deploy", env="dev", rev=nodes[0])
    call(shop, "deploy", env="dev", rev=nodes[1])
    call(shop, "revert", env="dev")
    for to, why in {"dev-1": "failed", "dev-3": "was taken back by dev-4", "dev-4": "is a revert"}.items():
        with pytest.raises(InputError, match=f"^{to} {why}: there is no state of it to go back to$") as caught:
            call(shop, "revert", env="dev", to=to)
        assert "hgaurora log dev" in str(caught.value.hint)
    assert versions(url) == {"0001"}


def test_deploy_back_and_across_branches(shop: Repo, nodes: list[str], url: str) -> None:
    shop.update(nodes[0])
    other = migration("0009", "0001", sql("CREATE TABLE refunds (id int)"), sql("DROP TABLE refunds"))
    side = shop.commit({_v("0009_refunds"): other}, "refunds", branch="side")
    call(shop, "deploy", env="dev", rev=nodes[2])
    query(url, "INSERT INTO customers VALUES (7)")
    call(shop, "deploy", env="dev", rev=side)
    assert versions(url) == {"0009"}
    assert query(url, "SELECT id FROM customers") == [(7,)]
    call(shop, "deploy", env="dev", rev=nodes[0])
    assert versions(url) == {"0001"}


def test_the_working_copy_does_not_matter(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[2])
    shop.update("null")
    (shop.root / "hgaurora.toml").write_text(settings({"dev": url}))
    assert not (shop.root / "migrations").exists()
    call(shop, "revert", env="dev")
    assert versions(url) == set()


def test_a_stripped_changeset_is_reverted(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    call(shop, "deploy", env="dev", rev=nodes[2])
    shop.update(nodes[1])
    shop.hg("--config", "extensions.strip=", "strip", "-q", "--no-backup", nodes[2])
    status = call(shop, "status", env="dev", json=True).json()[0]
    assert status["node"] == nodes[2]
    found = call(shop, "revert", env="dev", json=True).json()[0]
    assert (found["node"], found["heads"]) == (nodes[1], ["0002"])


def test_even_a_stripped_goal_is_reached(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    call(shop, "deploy", env="dev", rev=nodes[2])
    shop.update(nodes[0])
    shop.hg("--config", "extensions.strip=", "strip", "-q", "--no-backup", nodes[1])
    found = call(shop, "revert", env="dev", to=nodes[1][:12], json=True).json()[0]
    assert (found["node"], found["heads"]) == (nodes[1], ["0002"])


def test_a_fresh_clone_of_an_older_state_reverts(shop: Repo, nodes: list[str], url: str, tmp_path: Path) -> None:
    call(shop, "deploy", env="dev", rev=nodes[0])
    call(shop, "deploy", env="dev", rev=nodes[2])
    clone = Repo(tmp_path / "clone")
    clone.hg("pull", "-q", "-r", nodes[0], str(shop.root))
    clone.update(nodes[0])
    shop.close()
    shutil.rmtree(shop.root)
    found = call(clone, "revert", env="dev", json=True).json()[0]
    assert (found["node"], found["heads"]) == (nodes[0], ["0001"])
    clone.close()


def test_a_failing_migration_leaves_what_came_before(shop: Repo, nodes: list[str], url: str) -> None:
    bad = migration("0004", "0003", sql("CREATE TABLE notes (id int)") + "\n" + sql("ALTER TABLE nowhere ADD a int"))
    tip = shop.commit({_v("0004_bad"): bad}, "bad")
    with pytest.raises(MigrationFailed) as caught:
        call(shop, "deploy", env="dev", rev=tip)
    assert "nowhere" in caught.value.message
    mysql = url.startswith("mysql")
    in_part = "0004 ran in part, 1 statement of it stands"
    assert (in_part if mysql else "heads 0003") in str(caught.value.state)
    assert versions(url) == {"0003"}
    # DDL stands where it ran on MySQL; the journal has it, and the mended script goes on behind it
    assert has(url, "notes") == mysql
    log = call(shop, "log", env="dev", json=True).json()
    assert [(one["deploy"], one["result"]) for one in log] == [("dev-1", "running" if mysql else "failed")]
    good = migration("0004", "0003", sql("CREATE TABLE notes (id int)"), sql("DROP TABLE notes"))
    mended = shop.commit({_v("0004_bad"): good}, "mended")
    call(shop, "deploy", env="dev", rev=mended)
    assert versions(url) == {"0004"}
    call(shop, "revert", env="dev")
    assert versions(url) == {"0003"}
    call(shop, "revert", env="dev")
    assert versions(url) == set()


def test_edited_reparented_and_removed(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev")
    edited = TWO.replace("orders (id int)", "orders (id bigint)")
    tip = shop.commit({_v("0002_orders"): edited}, "edited")
    with pytest.raises(PolicyError, match="edited-script"):
        call(shop, "deploy", env="dev", rev=tip)
    said = call(shop, "deploy", env="dev", rev=tip, reapply=True, json=True).json()[0]
    assert [(s["verb"], s["what"]) for s in said["steps"]] == [
        ("down", "0003_net"), ("down", "0002_orders"), ("run", "0002_orders"), ("run", "0003_net"),
    ]  # fmt: skip
    types = "SELECT data_type FROM information_schema.columns WHERE table_name = 'orders' AND column_name = 'id'"
    schema = "table_schema = DATABASE()" if url.startswith("mysql") else "table_schema = 'public'"
    assert query(url, f"{types} AND {schema}") == [("bigint",)]
    between = migration("0015", "0001", sql("CREATE TABLE between_them (id int)"), sql("DROP TABLE between_them"))
    moved = edited.replace("down_revision = '0001'", "down_revision = '0015'")
    tip = shop.commit({_v("0015_between"): between, _v("0002_orders"): moved}, "re-parented")
    call(shop, "deploy", env="dev", rev=tip)
    assert query(url, "SELECT count(*) FROM between_them") == [(0,)]
    tip = shop.commit({_v("0003_net"): None}, "removed")
    call(shop, "deploy", env="dev", rev=tip)
    assert versions(url) == {"0002"}


def test_a_protected_environment_wants_its_policy_and_its_name(repo: Repo, url: str) -> None:
    repo.commit({"hgaurora.toml": settings({"prod": url}, extra={"prod": 'protected = true\nsnapshot = "none"'})})
    first = repo.commit({_v("0001_customers"): ONE}, "customers")
    refused = command(repo, "deploy", "prod")
    assert refused.returncode == 30
    assert "config" in refused.stderr
    (repo.root / ".hg" / "hgrc").write_text(f"[hgaurora]\nconfig = {repo.root / 'hgaurora.toml'}\n")
    call(repo, "deploy", env="prod", rev=first)
    second = repo.commit({_v("0001_customers"): ONE.replace("id int", "id bigint")}, "edited")
    with pytest.raises(PolicyError, match="edited-script"):
        call(repo, "deploy", env="prod", rev=second)
    with pytest.raises(InputError, match="nobody can be asked"):
        call(repo, "revert", env="prod")
    with pytest.raises(Declined):
        call(repo, "revert", env="prod", answers=["staging"])
    assert versions(url) == {"0001"}
    call(repo, "revert", env="prod", answers=["prod"])
    assert versions(url) == set()


def test_a_hand_edited_version_table_stops(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev")
    query(url, "UPDATE alembic_version SET version_num = '0002'")
    with pytest.raises(StateError) as caught:
        call(shop, "deploy", env="dev")
    assert "0002" in caught.value.message
    assert "0003" in caught.value.message
    hint = str(caught.value.hint)
    query(url, hint.partition("set it back: ")[2].rstrip(";"))
    assert call(shop, "deploy", env="dev").out[-1].endswith("nothing to do")


def test_a_changeset_without_migrations_is_recorded(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev")
    tip = shop.commit({"readme": "text"}, "a word")
    found = call(shop, "deploy", env="dev", rev=tip, json=True).json()[0]
    assert (found["node"], found["steps"]) == (tip, [])
    assert call(shop, "status", env="dev", json=True).json()[0]["node"] == tip


def test_dry_run_changes_nothing(shop: Repo, nodes: list[str], url: str) -> None:
    said = call(shop, "deploy", env="dev", dry_run=True)
    assert said.out[-1] == "nothing was changed; without -n these 3 steps run, in this order"
    assert not has(url, "hgaurora_environment" if url.startswith("mysql") else "hgaurora.environment")


def test_autocommit_block_runs_and_reverts(repo: Repo, pg_database: str) -> None:
    up = (
        "with op.get_context().autocommit_block():\n"
        "    op.create_index('orders_id', 'orders', ['id'], postgresql_concurrently=True)\n"
        "op.execute('CREATE TABLE after_it (id int)')"
    )
    down = "op.drop_index('orders_id', 'orders')\nop.execute('DROP TABLE after_it')"
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001_customers"): ONE, _v("0002_orders"): TWO})
    tip = repo.commit({_v("0003_net"): THREE, _v("0004_index"): migration("0004", "0003", up, down)}, "index")
    call(repo, "deploy", env="dev", rev=tip)
    assert has(pg_database, "orders_id")
    call(repo, "revert", env="dev", to="previous")
    assert versions(pg_database) == set()


def test_a_revert_brings_the_edited_script_back(shop: Repo, nodes: list[str], url: str) -> None:
    """Down with the script that ran last, up with the one that ran before: the same id, the same file name."""
    call(shop, "deploy", env="dev")
    edited = TWO.replace("orders (id int)", "invoices (id int)").replace("DROP TABLE orders", "DROP TABLE invoices")
    three = THREE.replace("orders", "invoices")
    tip = shop.commit({_v("0002_orders"): edited, _v("0003_net"): three}, "edited")
    call(shop, "deploy", env="dev", rev=tip, reapply=True)
    assert (has(url, "orders"), has(url, "invoices")) == (False, True)
    said = call(shop, "revert", env="dev", json=True).json()[0]
    assert [(s["verb"], s["what"]) for s in said["steps"]] == [
        ("down", "0003_net"), ("down", "0002_orders"), ("run", "0002_orders"), ("run", "0003_net"),
    ]  # fmt: skip
    assert (has(url, "orders"), has(url, "invoices")) == (True, False)


def test_status_follow_and_log(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev")
    followed = call(shop, "status", follow="dev-1")
    assert followed.out[-1] == "dev-1 ended: ok, heads 0003"
    with pytest.raises(InputError, match="no deploy dev-9"):
        call(shop, "status", follow="dev-9")
    text = call(shop, "log", env="dev", verbose=True).out
    assert text[0].split() == ["deploy", "when", "who", "what", "result"]
    assert any("0002_orders" in line for line in text[2:])


def test_a_failed_deploy_is_seen_and_gone_back_from(shop: Repo, nodes: list[str], url: str) -> None:
    """What stands of it is beyond the changeset that the environment is said to be at."""
    call(shop, "deploy", env="dev", rev=nodes[0])
    shop.commit({_v("0004_bad"): migration("0004", "0003", sql("ALTER TABLE nowhere ADD a int"))}, "bad")
    with pytest.raises(MigrationFailed):
        call(shop, "deploy", env="dev")
    found = call(shop, "status", env="dev", json=True).json()[0]
    assert (found["heads"], found["failed"]) == (["0003"], "dev-2")
    assert any("dev-2" in line and "failed" in line for line in call(shop, "status", env="dev").out)
    said = call(shop, "deploy", env="dev", rev=nodes[0], json=True).json()[0]
    assert (said["changed"], said["heads"]) == (True, ["0001"])
    assert versions(url) == {"0001"}


def test_a_folder_that_is_not_there_is_no_empty_one(shop: Repo, nodes: list[str], url: str) -> None:
    config = (shop.root / "hgaurora.toml").read_text()
    (shop.root / "hgaurora.toml").write_text(config.replace('"migrations"', '"migratons"'))
    with pytest.raises(InputError, match="has no migratons/versions/"):
        call(shop, "deploy", env="dev")
    (shop.root / "hgaurora.toml").write_text(config)
    assert call(shop, "deploy", env="dev", json=True).json()[0]["heads"] == ["0003"]


def test_status_speaks_where_nothing_can_be_planned(shop: Repo, nodes: list[str], url: str) -> None:
    call(shop, "deploy", env="dev")
    shop.commit({_v("0004_broken"): "def upgrade(:"}, "broken")
    found = call(shop, "status", env="dev", json=True).json()[0]
    assert (found["node"], found["heads"], found["pending"]) == (nodes[2], ["0003"], None)
    assert "0004_broken.py" in found["problem"]
    for options in ({}, {"env": "dev"}):
        said = call(shop, "status", **options)
        assert any("0004_broken.py" in line for line in said.out)
        assert said.code == 10, "a script that looks at the exit code alone is not told that nothing is pending"
