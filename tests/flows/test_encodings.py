# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Databases whose encoding is not UTF-8: names and comments of a migration come back as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from hgaurora.core.errors import ConfigError, MigrationFailed
from tests.world import Repo, call, migration, query, settings
from tests.world import sql as sends


@contextmanager
def database(server_url: str, encoding: str) -> Iterator[str]:
    """The URL of an empty database with an encoding of its own."""
    name = f"hgaurora_test_{os.getpid()}_{encoding.lower()}"
    statement = "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE 'C' LC_CTYPE 'C'"
    with psycopg.connect(server_url, autocommit=True) as server:
        if server.info.server_version >= 150000:
            statement += " LOCALE_PROVIDER libc"
        server.execute(sql.SQL(statement).format(sql.Identifier(name), sql.Literal(encoding)))
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(server_url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.mark.parametrize(("encoding", "table"), [("LATIN1", "größe"), ("EUC_JP", "注文")])
def test_a_delta_is_recorded_in_the_database_s_encoding(
    encoding: str, table: str, pg_server: str, tmp_path: Path
) -> None:
    with database(pg_server, encoding) as url:
        repo = Repo(tmp_path / "repo")
        up = f'CREATE TABLE "{table}" (id integer PRIMARY KEY); COMMENT ON TABLE "{table}" IS $$100 % {table}$$'
        repo.commit({
            "hgaurora.toml": settings({"dev": url}),
            "migrations/versions/r1.py": migration("r1", None, sends("CREATE TABLE plain (id integer)")),
        })  # fmt: skip
        repo.commit({"migrations/versions/r2.py": migration("r2", "r1", sends(up))})
        call(repo, "deploy", env="dev")
        said = "\n".join(call(repo, "log", env="dev", verbose=True).out)
        assert f"added table {table}" in said, said
        assert call(repo, "drift", env="dev").code == 0
        assert call(repo, "journal", verb="verify", env="dev").code == 0
        query(url, f'COMMENT ON TABLE "{table}" IS NULL')
        assert call(repo, "drift", env="dev").code == 1
        repo.close()


def test_a_database_without_an_encoding_is_refused(pg_server: str, tmp_path: Path) -> None:
    """psycopg gives bytes of it, and JSON cannot name a letter."""
    with database(pg_server, "SQL_ASCII") as url:
        repo = Repo(tmp_path / "repo")
        repo.commit({
            "hgaurora.toml": settings({"dev": url}),
            "migrations/versions/r1.py": migration("r1", None, sends("CREATE TABLE plain (id integer)")),
        })  # fmt: skip
        with pytest.raises(ConfigError, match="is SQL_ASCII"):
            call(repo, "deploy", env="dev")
        assert query(url, "SELECT to_regclass('plain')::text") == [(None,)]
        repo.close()


HALF = """\
with op.get_context().autocommit_block():
    name = op.get_bind().execute(sa.text("SELECT 'größe'::text AS größe")).scalar()
    op.execute(f'CREATE INDEX CONCURRENTLY "nach {name}" ON größe (id)')
op.execute("INSERT INTO gate SELECT 1 / min(n) FROM gate")
"""


def test_a_run_is_taken_up_in_the_database_s_encoding(pg_server: str, tmp_path: Path) -> None:
    """What it was answered, and what the catalogue says of names, is read in the session's encoding."""
    with database(pg_server, "LATIN1") as url:
        query(url, 'CREATE TABLE "größe" (id integer); CREATE TABLE gate (n integer); INSERT INTO gate VALUES (0)')
        repo = Repo(tmp_path / "repo")
        repo.commit({
            "hgaurora.toml": settings({"dev": url}),
            "migrations/versions/r1.py": migration("r1", None, HALF),
        })  # fmt: skip
        with pytest.raises(MigrationFailed, match="division by zero"):
            call(repo, "deploy", env="dev")
        query(url, "UPDATE gate SET n = 1")
        done = call(repo, "deploy", env="dev")
        assert "took up after 2 of 3 statements" in "\n".join(done.out)
        assert query(url, "SELECT indexname FROM pg_indexes WHERE tablename = 'größe'") == [("nach größe",)]
        repo.close()


def test_a_letter_that_a_database_cannot_hold_is_named(pg_server: str, tmp_path: Path) -> None:
    with database(pg_server, "LATIN1") as url:
        repo = Repo(tmp_path / "repo")
        repo.commit({
            "hgaurora.toml": settings({"dev": url}),
            "migrations/versions/r1.py": migration("r1", None, sends("CREATE TABLE plain (id integer)")),
        })  # fmt: skip
        repo.commit({"migrations/versions/r2.py": migration("r2", "r1", "pass", title="Łódź")})
        with pytest.raises(MigrationFailed, match=r"r2: .* could not be translated to the server's encoding LATIN1"):
            call(repo, "deploy", env="dev")
        repo.hg("commit", "-q", "--amend", "-m", "one", "-u", "Łucja")
        with pytest.raises(ConfigError, match="'Ł' is not in the database's encoding, latin-1"):
            call(repo, "deploy", env="dev")
        repo.close()


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_what_a_database_has_set_for_every_session(
    encoding: str, pg_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the shell: a deploy takes as long as it needs, and dates and names are read as they are."""
    name = urlsplit(pg_database).path[1:]
    given = {"datestyle": "German", "idle_session_timeout": "200ms", "client_encoding": encoding}
    if int(query(pg_database, "SHOW server_version_num")[0][0]) >= 170000:
        given["transaction_timeout"] = "300ms"
    query(pg_database, "; ".join(f"ALTER DATABASE {name} SET {key} = '{value}'" for key, value in given.items()))
    monkeypatch.setenv("PGDATESTYLE", "German")
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    repo = Repo(tmp_path / "repo")
    repo.commit({
        "hgaurora.toml": settings({"dev": pg_database}),
        "migrations/versions/r1.py": migration("r1", None, sends("CREATE TABLE größe AS SELECT FROM pg_sleep(0.6)")),
    })  # fmt: skip
    call(repo, "deploy", env="dev")
    assert "added table größe" in "\n".join(call(repo, "log", env="dev", verbose=True).out)
    assert call(repo, "drift", env="dev").code == 0
    assert call(repo, "trace", env="dev").code == 0
    repo.close()
