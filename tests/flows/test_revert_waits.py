# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A revert that meets itself: another one of the same, or its own server session that outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hgaurora.core.errors import LockHeld
from tests.flows.test_blocking import running, until
from tests.world import Repo, call, migration, query, settings, sql, versions

#: seconds that the server works on a statement of the downgrade
LONG = 4


@pytest.fixture(params=["pg_database", "my_database"], ids=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A fresh database on each engine."""
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def twice(repo: Repo, url: str) -> Repo:
    """Two deploys of one migration each; the second one takes long to take back."""
    sleep = f"SELECT SLEEP({LONG})" if url.startswith("mysql") else f"SELECT pg_sleep({LONG})"
    first = migration("0001", None, sql("CREATE TABLE a (id int)"), sql("DROP TABLE a"))
    down = f"{sql('DROP TABLE b')}\n{sql(sleep)}"
    second = migration("0002", "0001", sql("CREATE TABLE b (id int)"), down)
    repo.commit({"hgaurora.toml": settings({"dev": url}), "migrations/versions/0001_a.py": first}, "a")
    call(repo, "deploy", env="dev")
    repo.commit({"migrations/versions/0002_b.py": second}, "b")
    call(repo, "deploy", env="dev")
    return repo


def _asleep(url: str) -> bool:
    if url.startswith("mysql"):
        text = "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%' AND db = DATABASE()"
    else:
        text = (
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'"
            " AND datname = current_database()"
        )
    return bool(query(url, text))


@contextmanager
def _under_way(repo: Repo, url: str) -> Iterator[int]:
    with running(repo, "revert", "dev", "--yes") as process:
        until(lambda: _asleep(url), "the statement that takes long")
        yield process.pid


def test_a_killed_one_is_taken_up(twice: Repo, url: str) -> None:
    """The same command again, at once: the server is still at work for the one that was killed."""
    with _under_way(twice, url) as pid:
        os.kill(pid, signal.SIGKILL)
    assert _asleep(url)
    said = call(twice, "revert", env="dev", yes=True)
    assert any("waiting   dev is locked by" in line for line in said.err)
    assert versions(url) == {"0001"}
    outcomes = query(url, f"SELECT outcome FROM {_ledger(url)}deployment ORDER BY number")
    assert outcomes == [("ok",), ("ok",), ("ok",)]


def test_one_that_goes_on_is_waited_for_and_not_repeated(twice: Repo, url: str) -> None:
    """Two people take the newest deploy back: it is taken back once."""
    with _under_way(twice, url):
        said = call(twice, "revert", env="dev", yes=True)
        assert said.out[-1].endswith("nothing to do, done by dev-3")
    assert versions(url) == {"0001"}


def test_a_dry_run_does_not_wait(twice: Repo, url: str) -> None:
    with _under_way(twice, url), pytest.raises(LockHeld, match="waited 0"):
        call(twice, "revert", env="dev", dry_run=True)


def _ledger(url: str) -> str:
    return "hgaurora_" if url.startswith("mysql") else "hgaurora."


def test_another_way_does_not_wait(twice: Repo, url: str) -> None:
    """A restore is another decision than the downgrade that is under way."""
    with _under_way(twice, url), pytest.raises(LockHeld, match="waited 0"):
        call(twice, "revert", env="dev", way="restore", yes=True)
