# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What others change is found, stops a deploy, is said in a revert, and is recorded where it is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from hgaurora import app
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import DriftError, Interrupted, MigrationFailed, RemoteError, StateError
from hgaurora.core.schema.record import Cause, DeltaRow
from hgaurora.ports import Connection
from tests.adapters.test_capture_postgresql import CASTS
from tests.world import Recorder, Repo, call, command, migration, query, settings, sql, versions

ONE = migration("0001", None, sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))


def _v(name: str) -> str:
    return f"migrations/versions/{name}.py"


def _deltas(url: str) -> list[tuple[str, str | None]]:
    """Cause and migration of each delta that is recorded, in order."""
    return query(
        url,
        "SELECT payload::json ->> 'cause', payload::json ->> 'revision' FROM hgaurora.event WHERE kind = 'delta'"
        " ORDER BY seq",
    )


@pytest.fixture
def nodes(shop: Repo) -> list[str]:
    """Two changesets with a migration each; the first is deployed."""
    made = [shop.commit({_v("0001_orders"): ONE}, "orders"), shop.commit({_v("0002_net"): TWO}, "net")]
    call(shop, "deploy", env="dev", rev=made[0])
    return made


def test_each_migration_has_its_delta(shop: Repo, pg_database: str) -> None:
    shop.commit({_v("0001_orders"): ONE, _v("0002_net"): TWO}, "both")
    said = call(shop, "deploy", env="dev")
    assert any("added table orders" in line for line in said.out)
    assert any("added column orders.net" in line for line in said.out)
    assert _deltas(pg_database) == [("adopted", None), ("step", "0001"), ("step", "0002")]
    assert call(shop, "drift", env="dev").out[0].startswith("dev is what dev-1 recorded at ")


def test_drift_answers_by_its_exit_code(shop: Repo, nodes: list[str], pg_database: str) -> None:
    assert command(shop, "drift", "dev").returncode == 0
    query(pg_database, "CREATE INDEX orders_id ON orders (id)")
    found = command(shop, "drift", "dev")
    assert found.returncode == 1
    lines = found.stdout.splitlines()
    assert lines[0].startswith("dev differs from what dev-1 recorded at ")
    assert lines[0].endswith(": 1 change")
    assert lines[1].startswith("  added index orders_id on orders (id)")
    assert lines[2].startswith(("when: between ", "when: at "))
    assert lines[-1] == "(hgaurora diff dev-1 dev --text shows the text)"
    (found_json,) = call(shop, "drift", env="dev", json=True).json()
    assert (found_json["drift"], found_json["recorded_by"]) == (True, "dev-1")
    assert [(one["action"], one["kind"]) for one in found_json["changes"]] == [("added", "index")]


def test_one_that_could_not_be_compared_is_no_drift(repo: Repo, pg_database: str) -> None:
    nobody = "postgresql://nobody@127.0.0.1:1/shop"
    repo.commit({"hgaurora.toml": settings({"far": nobody, "dev": pg_database}), _v("0001_orders"): ONE})
    call(repo, "deploy", env="dev")
    seen = call(repo, "drift", json=True)
    assert (seen.code, [one["drift"] for one in seen.json()]) == (RemoteError.exit_code, [None, False])
    query(pg_database, "CREATE TABLE by_hand (n int)")
    assert call(repo, "drift").code == 1


def test_a_deploy_onto_drift_stops_and_says_so(shop: Repo, nodes: list[str], pg_database: str) -> None:
    query(pg_database, "CREATE TABLE by_hand (n int); ALTER TABLE orders ADD hand text")
    with pytest.raises(DriftError) as caught:
        call(shop, "deploy", env="dev")
    assert caught.value.exit_code == 22
    assert "added column orders.hand text" in caught.value.message
    assert "added table by_hand" in caught.value.message
    assert "--accept-drift" in str(caught.value.hint)
    assert versions(pg_database) == {"0001"}
    assert query(pg_database, "SELECT count(*) FROM hgaurora.deployment") == [(1,)]
    dry = command(shop, "deploy", "dev", "-n")
    assert dry.returncode == 22
    assert "without -n the deploy stops here" in dry.stderr
    assert "without -n" not in dry.stdout
    call(shop, "deploy", env="dev", accept_drift=True)
    assert versions(pg_database) == {"0002"}
    assert _deltas(pg_database)[-2:] == [("drift", None), ("step", "0002")]
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False


def test_what_a_half_done_migration_changed_is_no_drift(shop: Repo, pg_database: str) -> None:
    """Its own statements stand before an autocommit block, and on MySQL always."""
    block = (
        "op.add_column('orders', sa.Column('net', sa.Integer))\n"
        "with op.get_context().autocommit_block():\n"
        "    op.create_index('orders_net', 'orders', ['net'], postgresql_concurrently=True)\n"
    )
    broken, mended = (
        migration("0002", "0001", block + sql(f"INSERT INTO {table} VALUES (1)")) for table in ("o", "orders")
    )
    shop.commit({_v("0001_orders"): ONE, _v("0002_net"): broken}, "broken")
    with pytest.raises(MigrationFailed):
        call(shop, "deploy", env="dev")
    half = call(shop, "drift", env="dev")
    assert half.code == StateError.exit_code
    assert half.out == [
        "dev: 0002 stands half done: not compared",
        "(the next deploy or revert goes on with it)",
    ]
    shop.commit({_v("0002_net"): mended}, "mended")
    call(shop, "deploy", env="dev")
    assert _deltas(pg_database) == [("adopted", None), ("step", "0001"), ("step", "0002")]
    ((changes,),) = query(
        pg_database,
        "SELECT payload::json -> 'changes' FROM hgaurora.event WHERE kind = 'delta' ORDER BY seq DESC LIMIT 1",
    )
    assert [(one["action"], one["kind"]) for one in changes] == [("added", "column"), ("added", "index")]


def test_a_message_shows_ten_changes_and_counts_the_rest(shop: Repo, nodes: list[str], pg_database: str) -> None:
    query(pg_database, "; ".join(f"CREATE TABLE hand{n:02} (n int)" for n in range(14)))
    with pytest.raises(DriftError) as caught:
        call(shop, "deploy", env="dev")
    assert "14 changes" in caught.value.message
    assert len(caught.value.message.splitlines()) == 12
    assert caught.value.message.splitlines()[-1] == "  and 4 more"


def test_a_revert_says_drift_and_goes_on(shop: Repo, nodes: list[str], pg_database: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    query(pg_database, "CREATE TABLE by_hand (n int)")
    said = call(shop, "revert", env="dev")
    assert any(line.startswith("warning: dev differs from what was recorded: 1 change") for line in said.err)
    assert any("added table by_hand" in line for line in said.err)
    assert any(line.startswith("warning: schema is not the one recorded before dev-2: 1 change") for line in said.err)
    assert versions(pg_database) == {"0001"}
    assert _deltas(pg_database)[-2:] == [("drift", None), ("step", "0002")]


def test_a_revert_leads_to_the_schema_that_was_recorded(shop: Repo, nodes: list[str], pg_database: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    said = call(shop, "revert", env="dev")
    assert any("schema is the one recorded before dev-2" in line for line in said.out)
    (found,) = call(shop, "revert", env="dev", json=True).json()
    assert found["schema"]["same"] is True
    assert [step["delta"][0]["action"] for step in found["steps"]] == ["dropped"]


def test_a_downgrade_that_is_no_inverse_is_said(shop: Repo, nodes: list[str], pg_database: str) -> None:
    leaves = migration("0002", "0001", sql("CREATE TABLE a (n int); CREATE TABLE b (n int)"), sql("DROP TABLE a"))
    call(shop, "deploy", env="dev", rev=shop.commit({_v("0002_net"): leaves}, "leaves"))
    (found,) = call(shop, "revert", env="dev", json=True).json()
    assert found["schema"]["same"] is False
    assert [(one["action"], one["path"][-1]) for one in found["schema"]["changes"] if one["kind"] == "table"] == [
        ("added", "b")
    ]


def test_what_is_ignored_is_recorded_and_no_drift(repo: Repo, pg_database: str) -> None:
    text = settings({"dev": pg_database}, extra={"dev": 'snapshot = "none"\nignore = ["public.log_p*"]'})
    repo.commit({"hgaurora.toml": text, _v("0001_orders"): ONE})
    call(repo, "deploy", env="dev")
    query(pg_database, "CREATE TABLE log_p2026 (n int)")
    assert call(repo, "drift", env="dev", json=True).json()[0]["drift"] is False
    repo.commit({_v("0002_net"): TWO})
    call(repo, "deploy", env="dev")
    assert _deltas(pg_database)[-2:] == [("drift", None), ("step", "0002")]
    assert query(pg_database, "SELECT count(*) FROM hgaurora.part WHERE id LIKE '%log_p2026%'") == [(1,)]


def test_a_step_says_what_its_log_says(repo: Repo, pg_database: str) -> None:
    """What is ignored is no drift; of a migration it is counted in the line of the step as in the log."""
    text = settings({"dev": pg_database}, extra={"dev": 'snapshot = "none"\nignore = ["public.log_p*"]'})
    made = migration("0001", None, sql("CREATE TABLE log_p1 (n int); CREATE TABLE orders (n int)"), "pass")
    repo.commit({"hgaurora.toml": text, _v("0001_two"): made})
    assert any("added table log_p1 and 1 more" in line for line in call(repo, "deploy", env="dev").out)
    said = call(repo, "log", env="dev", verbose=True).out
    assert [line.split()[2] for line in said if "added table" in line] == ["log_p1", "orders"]


def test_a_changeset_without_migrations_stops_on_drift_too(shop: Repo, nodes: list[str], pg_database: str) -> None:
    call(shop, "deploy", env="dev", rev=nodes[1])
    tip = shop.commit({"README": "text"}, "no migration")
    query(pg_database, "CREATE TABLE by_hand (n int)")
    with pytest.raises(DriftError):
        call(shop, "deploy", env="dev", rev=tip)
    call(shop, "deploy", env="dev", rev=tip, accept_drift=True)
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False


def test_before_anything_was_deployed(shop: Repo) -> None:
    with pytest.raises(StateError, match="dev holds nothing of hgaurora"):
        call(shop, "drift", env="dev")
    every = call(shop, "drift")
    said = ["dev holds nothing of hgaurora: there is no record to compare it with"]
    assert (every.code, every.out) == (StateError.exit_code, said)


def test_a_database_with_things_of_its_own_is_no_drift(shop: Repo, pg_database: str) -> None:
    query(pg_database, "CREATE TABLE there_before (n int)")
    shop.commit({_v("0001_orders"): ONE})
    call(shop, "deploy", env="dev")
    assert _deltas(pg_database) == [("adopted", None), ("step", "0001")]
    assert query(pg_database, "SELECT count(*) FROM hgaurora.part WHERE id LIKE '%there_before%'") == [(1,)]


class _Cut(PostgresDatabase):
    """The server is gone right after a migration's commit."""

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        if delta.cause is Cause.STEP:
            raise RemoteError("the server does not answer")
        super().record_delta(delta, deployment=deployment, epoch=epoch)


class _CutAdapters(Adapters):
    def database(self, connection: Connection, environment: str) -> PostgresDatabase:
        return _Cut(connection, environment=environment)


def test_a_delta_that_could_not_be_recorded_is_made_up_first(shop: Repo, nodes: list[str], pg_database: str) -> None:
    history = HglibHistory(shop.root)
    with pytest.raises(Interrupted, match="was committed, but what it changed could not be recorded"):
        app.run("deploy", {"env": "dev"}, history=history, ui=Recorder(), adapters=_CutAdapters())
    history.close()
    assert versions(pg_database) == {"0002"}
    assert "was stopped before it recorded what 0002_net changed" in call(shop, "drift", env="dev").out[0]
    said = call(shop, "deploy", env="dev")
    assert "dev-2 was stopped before it recorded what 0002_net changed: added column orders.net" in said.err
    assert _deltas(pg_database)[-1] == ("step", "0002")
    assert query(
        pg_database,
        "SELECT payload::json ->> 'made_up' FROM hgaurora.event WHERE kind = 'delta' ORDER BY seq DESC LIMIT 1",
    ) == [("true",)]
    assert call(shop, "drift", env="dev", json=True).json()[0]["drift"] is False


def test_drift_is_accepted_where_there_is_nothing_to_run(shop: Repo, nodes: list[str], pg_database: str) -> None:
    """A deploy that has nothing to do does not look; told to accept, it looks and records, and only where it must."""
    call(shop, "deploy", env="dev")
    before = query(pg_database, "SELECT count(*) FROM hgaurora.deployment")
    assert call(shop, "deploy", env="dev", accept_drift=True).out[-1].endswith("nothing to do")
    assert query(pg_database, "SELECT count(*) FROM hgaurora.deployment") == before
    query(pg_database, "CREATE TABLE by_hand (n int)")
    assert call(shop, "deploy", env="dev").out[-1].endswith("nothing to do")
    dry = call(shop, "deploy", env="dev", dry_run=True)
    assert "nothing was changed; without -n nothing runs" in dry.out
    assert any("differs from what was recorded" in line for line in dry.err)
    said = call(shop, "deploy", env="dev", accept_drift=True)
    assert said.out[-1].startswith(f"dev is now at {nodes[1][:12]}")
    assert _deltas(pg_database)[-1] == ("drift", None)
    assert call(shop, "drift", env="dev").out[0].startswith("dev is what ")


def test_casts_of_a_user_s_make_nothing_that_is_asked_ambiguous(pg_database: str, tmp_path: Path) -> None:
    """Made by a migration: of the run that makes them, and of each command after it."""
    made = "\n".join(sql(text) for text in CASTS)
    repo = Repo(tmp_path / "repo")
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}), _v("0001"): migration("0001", None, made)})
    call(repo, "deploy", env="dev")
    table = sql("CREATE TABLE t (id int PRIMARY KEY, n text REFERENCES t (n) UNIQUE); GRANT SELECT ON t TO PUBLIC")
    repo.commit({_v("0002"): migration("0002", "0001", table, sql("DROP TABLE t"))})
    call(repo, "deploy", env="dev")
    assert call(repo, "drift", env="dev").code == 0
    for name in ("status", "trace", "annotate", "log"):
        assert call(repo, name, env="dev").code == 0
    assert call(repo, "journal", verb="verify", env="dev").code == 0
    call(repo, "revert", env="dev")
    assert call(repo, "drift", env="dev").code == 0
    repo.close()
