# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every kind of object: what is added, changed and dropped by hand is found by ``drift``, in words a person reads.

Two databases are deployed once each, one with all the objects and one without. What is done by hand to all of them is
on one screen, which has to be what is written here, line by line, and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.core.schema.kinds import KINDS
from tests.adapters.test_capture_mysql import product, session
from tests.adapters.test_capture_postgresql import ELSEWHERE
from tests.engines import fresh_database, fresh_my_database
from tests.world import Repo, call, migration, settings, sql

from . import hand_mysql, hand_postgresql
from .hand_postgresql import Hand

#: what a MySQL or MariaDB server does not have; a foreign table there is one of another engine
NOT_ON_MYSQL = {
    "schema", "extension", "enum", "domain", "composite type", "range type", "base type", "foreign table",
    "unique constraint", "exclusion constraint", "statistics", "policy", "rule", "materialized view", "aggregate",
    "event trigger", "operator", "operator class", "operator family", "cast", "collation", "conversion",
    "text search parser", "text search template", "text search dictionary", "text search configuration", "language",
    "transform", "access method", "foreign-data wrapper", "server", "publication", "subscription",
}  # fmt: skip
NOT_ON_MYSQL_ALONE = {"sequence", "package", "package body"}
#: what is always there, and can only be changed
ALWAYS = {"database"}

Run = Callable[[str], None]


@pytest.mark.parametrize(
    ("hands", "kinds"),
    [
        pytest.param(hand_postgresql.HANDS, set(KINDS) - ELSEWHERE, id="postgresql"),
        pytest.param([one for one in hand_mysql.HANDS if one.only != "mysql"], set(KINDS) - NOT_ON_MYSQL, id="mariadb"),
        pytest.param(
            [one for one in hand_mysql.HANDS if one.only != "mariadb"],
            set(KINDS) - NOT_ON_MYSQL - NOT_ON_MYSQL_ALONE,
            id="mysql",
        ),
    ],
)
def test_every_kind_has_a_case(hands: Sequence[Hand], kinds: set[str]) -> None:
    assert {one.kind for one in hands if one.changed and one.says_changed} == kinds
    assert {
        one.kind for one in hands if one.made and one.dropped and one.says_made and one.says_dropped
    } == kinds - ALWAYS


def test_on_postgresql(repo: Repo, pg_server: str) -> None:
    @contextmanager
    def opened(url: str) -> Iterator[Run]:
        with psycopg.connect(url, autocommit=True) as connection:
            yield lambda statement: connection.execute(statement.encode()).close()

    with (
        fresh_database(pg_server) as without,
        fresh_database(pg_server) as full,
        opened(without) as one,
        opened(full) as other,
    ):
        try:
            one(hand_postgresql.GROUND)
            other(hand_postgresql.GROUND)
            by_hand(repo, {"without": without, "full": full}, one, other, hand_postgresql.HANDS)
        finally:
            # a database that has one is not dropped
            for run in (one, other):
                run("DROP SUBSCRIPTION IF EXISTS reader")


def test_on_mariadb_or_mysql(repo: Repo, my_server: str) -> None:
    def runner(cursor: Any) -> Run:
        return lambda statement: cursor.execute(statement)

    with (
        fresh_my_database(my_server) as without,
        fresh_my_database(my_server) as full,
        session(without) as one,
        session(full) as other,
    ):
        there = [hand for hand in hand_mysql.HANDS if hand.only in ("", product(one))]
        try:
            for cursor in (one, other):
                for statement in (*hand_mysql.GROUND, *(text for hand in there for text in hand.before)):
                    cursor.execute(statement)
            by_hand(repo, {"without": without, "full": full}, runner(one), runner(other), there)
        finally:
            one.execute(f"DROP USER IF EXISTS {hand_mysql.USER}")


def by_hand(repo: Repo, urls: dict[str, str], without: Run, full: Run, hands: Sequence[Hand]) -> None:
    """Deploy both databases once; then add to the one, change and drop in the other, and look."""
    made = migration("0001", None, sql("CREATE TABLE deployed (id int)"))
    repo.commit({"hgaurora.toml": settings(urls), "migrations/versions/0001.py": made})
    history = HglibHistory(repo.root)

    def each(run: Run, statements: Sequence[str]) -> None:
        for statement in (one for text in statements for one in text.split(";; ") if one):
            run(statement)

    try:
        each(full, [hand.made for hand in hands])
        for name in urls:
            call(repo, "deploy", env=name, history=history)
        each(without, [hand.made for hand in hands])
        compare(found(repo, "without", history), [hand.says_made for hand in hands])
        each(full, [hand.changed for hand in hands])
        compare(found(repo, "full", history), [hand.says_changed for hand in hands])
        each(full, [hand.dropped for hand in reversed(hands)])
        compare(found(repo, "full", history), [hand.says_dropped for hand in hands])
        # nothing is left of what was undone
        each(full, [hand.made for hand in hands])
        each(without, [hand.dropped for hand in reversed(hands)])
        for name in urls:
            assert found(repo, name, history) == []
    finally:
        history.close()


def compare(lines: Sequence[str], texts: Sequence[str]) -> None:
    """What the cases say is on the screen, each once, and nothing else is."""
    seen, wanted = Counter(lines), Counter(line for text in texts for line in text.splitlines())
    assert (list((seen - wanted).elements()), list((wanted - seen).elements())) == ([], [])


def found(repo: Repo, environment: str, history: HglibHistory) -> list[str]:
    """The changes that ``drift`` shows, each on one line. Whether there are any is its exit code."""
    seen = call(repo, "drift", env=environment, history=history)
    assert all(len(line) <= 80 for line in seen.out)
    changes: list[str] = []
    for line in seen.out[1:]:
        if line.startswith("    "):
            changes[-1] += f" {line.strip()}"
        elif line.startswith("  "):
            changes.append(line.strip())
    assert seen.code == (1 if changes else 0)
    return changes
