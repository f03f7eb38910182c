# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots, and going back to one: on a local server, and on any PostgreSQL or MySQL by URL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hgaurora.core.errors import InputError, StateError
from tests.world import Repo, call, migration, query, settings, sql

ONE = migration("0001", None, sql("CREATE TABLE customers (id int)"), sql("DROP TABLE customers"))
TWO = migration("0002", "0001", sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
NO_WAY_BACK = migration("0003", "0002", sql("DROP TABLE customers"), 'raise NotImplementedError("no way back")')


class Place:
    """An environment named dev, and how to look into it."""

    def __init__(self, repo: Repo, url: str | None) -> None:
        self.repo = repo
        self._url = url

    def url(self) -> str:
        """Where it is now; a local server may answer elsewhere after a restore."""
        if self._url is not None:
            return self._url
        return str(call(self.repo, "engine", verb="start", env="dev", json=True).json()[0]["socket"])

    def tables(self) -> set[str]:
        """Tables but Alembic's and the ledger's."""
        if self.url().startswith("mysql"):
            names = {name for (name,) in query(self.url(), "SHOW TABLES")}
            return {name for name in names if not name.startswith(("alembic_version", "hgaurora_"))}
        rows = query(self.url(), "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name for (name,) in rows} - {"alembic_version"}


@pytest.fixture(params=[pytest.param("local", marks=pytest.mark.whole), "url", "mysql"])
def place(request: pytest.FixtureRequest, repo: Repo) -> Iterator[Place]:
    """Each kind of environment."""
    if request.param != "local":
        url = request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database")
        repo.commit({"hgaurora.toml": settings({"dev": url}, extra={"dev": 'snapshot = "each"'})}, "settings")
        yield Place(repo, url)
        return
    repo.commit({"hgaurora.toml": '[environments.dev]\ntarget = "local"\n'}, "settings")
    try:
        yield Place(repo, None)
    finally:
        call(repo, "engine", verb="stop")


def test_there_and_back(place: Place) -> None:
    repo = place.repo
    first = repo.commit({"migrations/versions/0001.py": ONE, "migrations/versions/0002.py": TWO}, "two")
    call(repo, "deploy", env="dev")
    query(place.url(), "INSERT INTO customers VALUES " + ", ".join(f"({n})" for n in range(500)))
    repo.commit({"migrations/versions/0003.py": NO_WAY_BACK}, "no way back")
    call(repo, "deploy", env="dev")
    assert place.tables() == {"orders"}
    with pytest.raises(StateError, match="no downgrade") as refused:
        call(repo, "revert", env="dev")
    assert "--way restore" in str(refused.value.hint)
    query(place.url(), "INSERT INTO orders VALUES (1)")
    preview = call(repo, "revert", env="dev", way="restore", dry_run=True)
    assert preview.out[-1] == "nothing was changed; without -n these 6 steps run, in this order"
    assert place.tables() == {"orders"}
    said = call(repo, "revert", env="dev", way="restore", json=True).json()[0]
    assert (said["way"], said["node"], said["heads"]) == ("restore", first, ["0002"])
    assert place.tables() == {"orders", "customers"}
    assert query(place.url(), "SELECT count(*) FROM customers") == [(500,)]
    assert query(place.url(), "SELECT count(*) FROM orders") == [(0,)]
    log = call(repo, "log", env="dev", json=True).json()
    assert [(one["deploy"], one["kind"], one["result"]) for one in log] == [
        ("dev-3", "revert", "ok"), ("dev-2", "deploy", "ok"), ("dev-1", "deploy", "ok"),
    ]  # fmt: skip
    status = call(repo, "status", env="dev", json=True).json()[0]
    assert (status["node"], status["heads"], status["state"]) == (first, ["0002"], "deployed")
    assert [one["revision"] for one in status["pending"]] == ["0003"]
    call(repo, "deploy", env="dev")
    assert place.tables() == {"orders"}
    call(repo, "revert", env="dev", way="restore")
    assert place.tables() == {"orders", "customers"}


def test_into_the_middle_of_the_first_deploy(repo: Repo, pg_database: str) -> None:
    """It is at no changeset, and not empty: that is what is said everywhere."""
    repo.commit({"hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "each"'})}, "settings")
    repo.commit({"migrations/versions/0001.py": ONE, "migrations/versions/0002.py": TWO}, "two")
    call(repo, "deploy", env="dev")
    assert call(repo, "snapshots", env="dev").out[1].split()[-3:] == ["none", "0001", "0002"]
    back = call(repo, "revert", env="dev", to="dev-1-2", way="restore")
    assert back.out[-1].startswith("dev is now at no changeset, heads 0001")
    assert call(repo, "status", env="dev").out[0].startswith("dev is at no changeset since ")
    said = "\n".join(call(repo, "trace", env="dev").out)
    assert "dev is at no changeset: ledger and schema agree" in said
    assert "a revert to no changeset" in said
    assert "empty" not in said


def test_an_event_is_back_and_is_no_drift(repo: Repo, my_database: str) -> None:
    """It is not in the copy, where it would run: only what serves again is compared."""
    repo.commit({"hgaurora.toml": settings({"dev": my_database}, extra={"dev": 'snapshot = "each"'})}, "settings")
    event = "CREATE EVENT tidy ON SCHEDULE EVERY 1 YEAR STARTS '2037-01-01 00:00:00' DO DELETE FROM customers"
    up = sql("CREATE TABLE customers (id int)") + "\n" + sql(event)
    repo.commit({"migrations/versions/0001.py": migration("0001", None, up, sql("DROP TABLE customers"))}, "an event")
    call(repo, "deploy", env="dev")
    repo.commit({"migrations/versions/0002.py": TWO}, "two")
    call(repo, "deploy", env="dev")
    back = call(repo, "revert", env="dev", way="restore", yes=True)
    assert not [line for line in back.err if "warning" in line]
    assert any("verify" in line and "schema is the one recorded then" in line for line in back.out + back.err)
    assert [
        name
        for (name,) in query(
            my_database, "SELECT event_name FROM information_schema.events WHERE event_schema = DATABASE()"
        )
    ] == ["tidy"]
    assert call(repo, "drift", env="dev").code == 0
    call(repo, "deploy", env="dev")


def test_to_a_named_snapshot(place: Place) -> None:
    repo = place.repo
    repo.commit({"migrations/versions/0001.py": ONE, "migrations/versions/0002.py": TWO}, "two")
    call(repo, "deploy", env="dev")
    listed = call(repo, "snapshots", env="dev", json=True).json()
    assert [(one["snapshot"], one["state"], one["before"], one["heads"]) for one in listed] == [
        ("dev-1-2", "available", "0002", ["0001"]), ("dev-1-1", "available", "0001", []),
    ]  # fmt: skip
    said = call(repo, "revert", env="dev", to="dev-1-2", json=True).json()[0]
    assert (said["way"], said["heads"]) == ("restore", ["0001"])
    assert place.tables() == {"customers"}
    call(repo, "deploy", env="dev")
    assert place.tables() == {"customers", "orders"}


def test_a_protected_restore_wants_the_age(repo: Repo) -> None:
    repo.commit({"hgaurora.toml": '[environments.prod]\ntarget = "local"\nprotected = true\n'}, "settings")
    (repo.root / ".hg" / "hgrc").write_text(f"[hgaurora]\nconfig = {Path('hgaurora.toml')}\n")
    repo.commit({"migrations/versions/0001.py": ONE}, "one")
    try:
        call(repo, "deploy", env="prod")
        with pytest.raises(InputError, match="nobody can be asked"):
            call(repo, "revert", env="prod", way="restore")
        asked = call(repo, "revert", env="prod", way="restore", dry_run=True)
        assert any("lost" in line for line in asked.out)
        call(repo, "revert", env="prod", way="restore", yes=True)
        assert call(repo, "status", env="prod", json=True).json()[0]["heads"] == []
    finally:
        call(repo, "engine", verb="stop")
