# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the server refused in an autocommit block on PostgreSQL: the migration is mended, or taken back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hgaurora.core.errors import MigrationFailed
from tests.world import Repo, call, migration, query, settings, sql

INDEX = "with op.get_context().autocommit_block():\n    op.execute('CREATE {} INDEX CONCURRENTLY {} ON big ({})')"
PATH = "migrations/versions/0002_index.py"


@pytest.fixture
def repo(pg_database: str, tmp_path: Path) -> Iterator[Repo]:
    """A table, deployed; two rows of it are equal."""
    made = Repo(tmp_path / "repo")
    table = sql("CREATE TABLE gate (n int); CREATE TABLE big AS SELECT 1 AS k FROM generate_series(1, 2)")
    made.commit({
        "hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "none"'}),
        "migrations/versions/0001_big.py": migration("0001", None, table, sql("DROP TABLE big, gate")),
    })  # fmt: skip
    call(made, "deploy", env="dev")
    yield made
    made.close()


def refused(repo: Repo, body: str) -> MigrationFailed:
    repo.commit({PATH: migration("0002", "0001", body)})
    with pytest.raises(MigrationFailed) as caught:
        call(repo, "deploy", env="dev")
    return caught.value


def indexes(url: str) -> list[tuple[object, ...]]:
    return query(
        url, "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'big'::regclass ORDER BY 1"
    )


@pytest.mark.parametrize("name", ["by_k", ""])
def test_nothing_is_left_of_a_typo(repo: Repo, pg_database: str, name: str) -> None:
    error = refused(repo, INDEX.format("", name, "kk"))
    assert error.state == "dev is at heads 0001; nothing of dev-2 was done"
    assert query(pg_database, "SELECT count(*) FROM hgaurora.statement") == [(0,)]
    repo.commit({PATH: migration("0002", "0001", INDEX.format("", name, "k"))})
    call(repo, "deploy", env="dev")
    assert indexes(pg_database) == [(name or "big_k_idx", True)]


def test_it_is_no_obstacle_to_a_revert(repo: Repo, pg_database: str) -> None:
    refused(repo, INDEX.format("", "by_k", "kk"))
    call(repo, "revert", env="dev")
    assert query(pg_database, "SELECT to_regclass('big')::text") == [(None,)]
    assert call(repo, "drift", env="dev").code == 0


def test_what_stands_before_it_is_counted_and_not_sent_again(repo: Repo, pg_database: str) -> None:
    update = INDEX.replace("    op", "    op.execute('UPDATE big SET k = k + 1')\n    op", 1)
    error = refused(repo, update.format("", "by_k", "kk"))
    assert error.state == "dev is between heads: 0002 ran in part, 1 statement of it stands"
    repo.commit({PATH: migration("0002", "0001", update.format("", "by_k", "k"))})
    done = call(repo, "deploy", env="dev")
    assert "took up after 1 of 2 statements" in "\n".join(done.out)
    assert query(pg_database, "SELECT sum(k) FROM big") == [(4,)]
    assert indexes(pg_database) == [("by_k", True)]


@pytest.mark.parametrize("other", ["by_k", "on_k"])
def test_what_it_left_goes_where_the_script_goes_another_way(repo: Repo, pg_database: str, other: str) -> None:
    error = refused(repo, INDEX.format("UNIQUE", "by_k", "k"))
    assert error.state == "dev is between heads: 0002 ran in part, what the refused one left: index by_k, invalid"
    assert indexes(pg_database) == [("by_k", False)]
    repo.commit({PATH: migration("0002", "0001", INDEX.format("", other, "k"))})
    call(repo, "deploy", env="dev")
    assert indexes(pg_database) == [(other, True)]
    assert call(repo, "drift", env="dev").code == 0


def test_one_without_a_name_is_shown(repo: Repo, pg_database: str) -> None:
    refused(repo, INDEX.format("UNIQUE", "", "k"))
    with pytest.raises(MigrationFailed, match="cannot prove") as caught:
        call(repo, "deploy", env="dev")
    assert str(caught.value.hint).startswith("look (index big_k_idx, invalid: DROP it); if it did, ")


def test_a_script_that_caught_it_is_taken_up(repo: Repo, pg_database: str) -> None:
    body = (
        "with op.get_context().autocommit_block():\n"
        "    try:\n        op.execute('CREATE INDEX CONCURRENTLY by_k ON big (kk)')\n"
        "    except sa.exc.ProgrammingError:\n        op.execute('UPDATE big SET k = k + 1')\n"
        "op.execute('SELECT 1 / (SELECT count(*) FROM gate)')"
    )
    error = refused(repo, body)
    assert error.state == "dev is between heads: 0002 ran in part, 1 statement of it stands"
    query(pg_database, "INSERT INTO gate VALUES (1)")
    call(repo, "deploy", env="dev")
    assert query(pg_database, "SELECT sum(k) FROM big") == [(4,)]
