# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that stands half done on MariaDB or MySQL, and the way back that its error names."""

from __future__ import annotations

import pytest

from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import MigrationFailed
from hgaurora.core.model import State
from hgaurora.ports import Connection, Database
from tests.world import Repo, call, migration, query, settings, sql

BODY = """import uuid
op.execute("CREATE TABLE w (t varchar(40))")
op.execute(f"INSERT INTO w VALUES ('{uuid.uuid4()}')")
op.execute("SELECT 1 FROM gate")"""


@pytest.mark.parametrize("policy", ["each", "none"])
def test_the_way_back_is_named_where_there_is_one(repo: Repo, my_database: str, policy: str) -> None:
    config = settings({"dev": my_database}, extra={"dev": f'snapshot = "{policy}"'})
    first = migration("0001", None, BODY, sql("DROP TABLE w"))
    repo.commit({"hgaurora.toml": config, "migrations/versions/0001_w.py": first}, "w")
    with pytest.raises(MigrationFailed, match="gate"):
        call(repo, "deploy", env="dev")
    repo.commit({"readme": "x"}, "another changeset, whose deployment takes a snapshot of what stands half done")
    for _ in range(2):
        with pytest.raises(MigrationFailed, match="statement 2 is not the one an earlier run sent") as caught:
            call(repo, "deploy", env="dev")
    hint = caught.value.hint or ""
    assert "another text or other values each time" in hint
    if policy == "none":
        assert hint.endswith("; there is no snapshot from before it")
        return
    assert hint.endswith("revert dev --way restore --to dev-1-1 goes back to before it")
    call(repo, "revert", env="dev", way="restore", to="dev-1-1", yes=True)
    assert query(my_database, "SHOW TABLES LIKE 'w'") == []


class _LateAdapters(Adapters):
    """The first look is that of a moment ago, between two looks of another deploy that has ended by now."""

    def __init__(self) -> None:
        self.before: State | None = None

    def database(self, connection: Connection, environment: str) -> Database:
        made = super().database(connection, environment)
        assert isinstance(made, MysqlDatabase)
        return _Late(made.connection, environment=environment, before=self.before)


class _Late(MysqlDatabase):
    def __init__(self, connection: Connection, *, environment: str, before: State | None) -> None:
        super().__init__(connection, environment=environment)
        self._before = before

    def state(self) -> State:
        before, self._before = self._before, None
        return before or super().state()


def test_what_was_half_done_a_moment_ago_is_looked_at_again(repo: Repo, my_database: str) -> None:
    """As a deploy that waited sees it, whose first look met the other's migration in its midst, and no lock."""
    first = migration("0001", None, BODY.replace("uuid.uuid4()", "'fixed'"), sql("DROP TABLE w"))
    repo.commit({"hgaurora.toml": settings({"dev": my_database}), "migrations/versions/0001_w.py": first}, "w")
    with pytest.raises(MigrationFailed, match="gate"):
        call(repo, "deploy", env="dev")
    adapters = _LateAdapters()
    database = adapters.database(from_url(my_database), "dev")
    adapters.before = database.state()
    database.close()
    assert adapters.before.half
    assert adapters.before.lock is None
    query(my_database, "CREATE TABLE gate (a int)")
    call(repo, "deploy", env="dev")
    for command in ("status", "deploy"):
        said = call(repo, command, adapters=adapters, env="dev")
        assert "half" not in "\n".join(said.out + said.err), command
    assert any("nothing to do" in line for line in said.out + said.err)


def test_status_says_why_it_stopped_until_it_goes_on(repo: Repo, my_database: str) -> None:
    body = BODY.replace("uuid.uuid4()", "'fixed'")
    repo.commit(
        {
            "hgaurora.toml": settings({"dev": my_database}),
            "migrations/versions/0001_w.py": migration("0001", None, body),
        },
        "w",
    )
    with pytest.raises(MigrationFailed, match="gate"):
        call(repo, "deploy", env="dev")
    said = call(repo, "status", env="dev").out
    (error,) = (line for line in said if line.startswith("  error   "))
    assert "gate" in error
    assert said[-1].startswith("(mend the migration, then ")
    (found,) = call(repo, "status", env="dev", json=True).json()
    assert (found["interrupted"], "gate" in found["stopped"]["error"]) == ("dev-1", True)
    query(my_database, "CREATE TABLE gate (a int)")
    call(repo, "deploy", env="dev")
    (found,) = call(repo, "status", env="dev", json=True).json()
    assert (found["state"], found["stopped"]) == ("deployed", None)
    assert not any("error" in line for line in call(repo, "status", env="dev").out)
