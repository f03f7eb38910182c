# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A revert that meets itself: another one of the same, or its own server session that outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from hgaurora.core.errors import LockHeld
from tests import engines
from tests.flows.test_blocking import running, until
from tests.reliability import both
from tests.world import Repo, call, migration, query, settings, sql, versions


@pytest.fixture(params=["pg_database", "my_database"], ids=["postgresql", "mysql"])
def url(request: pytest.FixtureRequest) -> str:
    """A fresh database on each engine."""
    found: str = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def twice(repo: Repo, url: str) -> Repo:
    """Two deploys of one migration each; a statement of the second one's downgrade waits for :func:`_gate`."""
    gate = "SELECT GET_LOCK(DATABASE(), 300)" if url.startswith("mysql") else "SELECT pg_advisory_lock(7)"
    first = migration("0001", None, sql("CREATE TABLE a (id int)"), sql("DROP TABLE a"))
    down = f"{sql('DROP TABLE b')}\n{sql(gate)}"
    second = migration("0002", "0001", sql("CREATE TABLE b (id int)"), down)
    repo.commit({"hgaurora.toml": settings({"dev": url}), "migrations/versions/0001_a.py": first}, "a")
    call(repo, "deploy", env="dev")
    repo.commit({"migrations/versions/0002_b.py": second}, "b")
    call(repo, "deploy", env="dev")
    return repo


@contextmanager
def _gate(url: str) -> Iterator[None]:
    """Closed within it."""
    if url.startswith("mysql"):
        with engines.my_connection(url) as session, session.cursor() as cursor:
            cursor.execute("SELECT GET_LOCK(DATABASE(), 0)")
            yield
    else:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("SELECT pg_advisory_lock(7)")
            yield


def _at_the_gate(url: str) -> bool:
    if url.startswith("mysql"):
        text = (
            "SELECT 1 FROM information_schema.processlist WHERE info LIKE 'SELECT GET_LOCK%%300)' AND db = DATABASE()"
        )
    else:
        text = (
            "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_advisory_lock(7)%' AND wait_event = 'advisory'"
            " AND datname = current_database()"
        )
    return bool(query(url, text))


@contextmanager
def _under_way(repo: Repo, url: str) -> Iterator[subprocess.Popen[str]]:
    with running(repo, "revert", "dev", "--yes") as process:
        until(lambda: _at_the_gate(url), "the statement that waits")
        yield process


@contextmanager
def _that_waits(repo: Repo) -> Iterator[subprocess.Popen[str]]:
    with running(repo, "revert", "dev", "--yes") as process:
        assert process.stderr is not None
        said = []
        for line in process.stderr:
            said.append(line)
            if "waiting   dev is locked by" in line:
                break
        else:
            raise AssertionError("".join(said))
        yield process


def test_a_killed_one_is_taken_up(twice: Repo, url: str) -> None:
    """The same command again, while the server is still at work for the one that was killed."""
    with _gate(url), _under_way(twice, url) as first:
        os.kill(first.pid, signal.SIGKILL)
    with ExitStack() as until_the_end:
        # stands for that session, which the server ends at a time of its own
        with both.holding(url, both.take_lock(url).replace(", 0)", ", 60)")):
            second = until_the_end.enter_context(_that_waits(twice))
        assert "is now at" in _ended(second)
    assert versions(url) == {"0001"}
    ledger = "hgaurora_" if url.startswith("mysql") else "hgaurora."
    outcomes = query(url, f"SELECT outcome FROM {ledger}deployment ORDER BY number")
    assert outcomes == [("ok",), ("ok",), ("ok",)]


def _ended(process: subprocess.Popen[str]) -> str:
    """Its last line, where it ends well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    return out.strip().rpartition("\n")[2]


def test_one_that_goes_on_is_waited_for_and_not_repeated(twice: Repo, url: str) -> None:
    """Two people take the newest deploy back: it is taken back once."""
    with ExitStack() as until_the_end:
        with _gate(url):
            first = until_the_end.enter_context(_under_way(twice, url))
            second = until_the_end.enter_context(_that_waits(twice))
        assert "is now at" in _ended(first)
        assert _ended(second).endswith(": nothing to do, done by dev-3")
    assert versions(url) == {"0001"}


def test_what_does_not_wait(twice: Repo, url: str) -> None:
    """A dry run; and a restore, which is another decision than the downgrade that is under way."""
    with _gate(url), _under_way(twice, url):
        for options in ({"dry_run": True}, {"way": "restore", "yes": True}):
            with pytest.raises(LockHeld, match="waited 0"):
                call(twice, "revert", env="dev", **options)
