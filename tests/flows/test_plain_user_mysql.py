# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A user with all rights on one MariaDB or MySQL database, and on nothing else."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from hgaurora.core.errors import StateError
from tests.engines import my_user
from tests.world import Repo, call, migration, query, settings, sql

ONE = migration("0001", None, sql("CREATE TABLE orders (id int PRIMARY KEY)"), sql("DROP TABLE orders"))
TWO = migration("0002", "0001", sql("ALTER TABLE orders ADD net int"), sql("ALTER TABLE orders DROP net"))


def test_rights_on_the_database_are_enough(repo: Repo, my_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with my_user(my_database) as url:
        monkeypatch.setenv("MYSQL_PWD", urlsplit(url).password or "")
        repo.commit({"hgaurora.toml": settings({"dev": url})}, "settings")
        repo.commit({"migrations/versions/0001_orders.py": ONE}, "orders")
        assert call(repo, "status", env="dev").code == 0
        call(repo, "deploy", env="dev")
        repo.commit({"migrations/versions/0002_net.py": TWO}, "orders: net")
        done = call(repo, "deploy", env="dev")
        assert [line for line in done.err if "not known" in line] == [
            "note whose transactions are open is not known: the user lacks the right PROCESS"
        ]
        assert call(repo, "drift", env="dev").code == 0
        query(my_database, "ALTER TABLE orders ADD hand int")
        assert call(repo, "drift", env="dev").code == 1
        query(my_database, "ALTER TABLE orders DROP hand")
        back = call(repo, "revert", env="dev")
        assert any("schema is the one recorded before dev-2" in line for line in back.out)
        lines = call(repo, "log", env="dev", verbose=True).out
        assert any("added column orders.net" in line for line in lines)
        assert call(repo, "status", env="dev", json=True).json()[0]["heads"] == ["0001"]


def test_trace_of_the_remains_of_a_ledger(repo: Repo, my_database: str) -> None:
    """They keep nobody from asking what a database is."""
    repo.commit({"hgaurora.toml": settings({"dev": my_database})}, "settings")
    query(my_database, "CREATE TABLE hgaurora_event (seq int PRIMARY KEY) ENGINE=InnoDB")
    query(my_database, "INSERT INTO hgaurora_event VALUES (1)")
    with pytest.raises(StateError, match="remains of a ledger"):
        call(repo, "adopt", env="dev")
    said = call(repo, "trace", url=my_database)
    assert any("remains of a ledger" in line and "by schema alone" in line for line in said.err)
