# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Accounts and rights in migrations and repeatable files on MySQL and MariaDB."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from hgaurora.core import repeatable
from hgaurora.core.model import Direction
from hgaurora.core.steps import Repeat
from tests.adapters.migrating import Bench, bench, chain


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    made.query("CREATE TABLE t (n int)")
    made.query("CREATE VIEW v AS SELECT n FROM t")
    yield made
    made.database.close()


@pytest.fixture
def app(dev: Bench) -> Iterator[str]:
    """The name of a user that is not there; dropped in the end."""
    name = f"app_{secrets.token_hex(4)}"
    yield name
    dev.query(f"DROP USER IF EXISTS {name}@localhost")


def rights(dev: Bench, app: str) -> list[tuple[str, str]]:
    """Table and right, of what the user holds here."""
    return dev.query(
        "SELECT table_name, privilege_type FROM information_schema.table_privileges"
        f" WHERE table_schema = DATABASE() AND grantee LIKE '%{app}%' ORDER BY 1, 2"
    )


def test_accounts_and_rights(dev: Bench, app: str) -> None:
    body = f"""
op.execute("CREATE USER {app}@localhost IDENTIFIED BY 'Xy-12345678'")
op.execute("GRANT SELECT, INSERT ON t TO {app}@localhost")
op.execute("GRANT SELECT ON v TO {app}@localhost")
op.execute("ALTER USER {app}@localhost ACCOUNT LOCK")
op.execute("REVOKE INSERT ON t FROM {app}@localhost")
"""
    (result,) = dev.deploy(chain(body))
    assert (result.statements, result.replayed) == (5, 0)
    assert rights(dev, app) == [("t", "SELECT"), ("v", "SELECT")]
    dev.query(f"DROP USER {app}@localhost")


def test_a_repeatable_file_grants(dev: Bench, app: str) -> None:
    dev.query(f"CREATE USER {app}@localhost IDENTIFIED BY 'Xy-12345678'")
    text = f"CREATE OR REPLACE VIEW v AS SELECT n + 1 AS n FROM t;\nGRANT SELECT ON v TO {app}@localhost;\n"
    (one,) = repeatable.read({"repeatable/v.sql": text.encode()}).values()
    step = Repeat(
        path=one.path,
        direction=Direction.UP,
        raw=one.raw,
        sql=one.sql,
        recorded=False,
        node="a" * 40,
        versions=(),
    )
    with dev.child([]) as session:
        dev.begin(session, [one])
        result = session.run(step, ordinal=1, snapshot=None)
    assert result.statements == 2
    assert rights(dev, app) == [("v", "SELECT")]
