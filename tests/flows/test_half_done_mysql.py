# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration that stands half done on MariaDB or MySQL, and the way back that its error names."""

from __future__ import annotations

import pytest

from hgaurora.core.errors import MigrationFailed
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
