# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is killed: small histories in which each migration leaves a row each time it runs, so that twice shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.crash.runner import Command
from tests.world import Repo, migration

ENV = "dev"


@dataclass(frozen=True)
class Scenario:
    """A history, what is done before, and the command that is killed."""

    name: str
    title: str
    history: Callable[[Repo], None]
    command: Command
    before: tuple[Command, ...] = ()
    local: bool = False
    snapshot: str = "none"


def _says(*rows: str) -> str:
    return "\n".join(f"op.execute(\"INSERT INTO effects VALUES ('{row}')\")" for row in rows)


_FIRST = migration(
    "0001",
    None,
    "op.create_table('effects', sa.Column('what', sa.Text))\n"
    "op.create_table('account', sa.Column('id', sa.Integer, primary_key=True), sa.Column('balance', sa.Integer))\n"
    "op.execute('INSERT INTO account VALUES (1, 100), (2, 200)')\n" + _says("0001 up"),
    "op.drop_table('account')\nop.drop_table('effects')",
)
_SECOND = migration(
    "0002",
    "0001",
    "op.add_column('account', sa.Column('note', sa.Text))\n"
    "op.execute('UPDATE account SET balance = balance + 10')\n" + _says("0002 up"),
    "op.execute('UPDATE account SET balance = balance - 9')\nop.drop_column('account', 'note')\n" + _says("0002 down"),
)
_THIRD = migration(
    "0003",
    "0002",
    "op.execute('UPDATE account SET balance = balance * 2')\n" + _says("0003 up"),
    "op.execute('UPDATE account SET balance = balance / 2 + 1')\n" + _says("0003 down"),
)
#: data before the block, in it and behind it, a result that a later statement holds, an index no transaction may make
_BLOCK = migration(
    "0002",
    "0001",
    "bind = op.get_bind()\n"
    "op.execute('UPDATE account SET balance = balance + 10')\n"
    "total = bind.execute(sa.text('SELECT sum(balance) FROM account')).scalar()\n"
    "with op.get_context().autocommit_block():\n"
    "    op.create_index('account_balance', 'account', ['balance'], postgresql_concurrently=True)\n"
    "    op.execute(\"INSERT INTO effects VALUES ('0002 inside')\")\n"
    "op.execute('UPDATE account SET balance = balance * 2')\n"
    "op.execute(f\"INSERT INTO effects VALUES ('0002 saw {total}')\")",
    "op.execute('UPDATE account SET balance = balance / 2 + 3')\n"
    "with op.get_context().autocommit_block():\n"
    "    op.drop_index('account_balance', 'account', postgresql_concurrently=True)\n"
    "    op.execute(\"INSERT INTO effects VALUES ('0002 out')\")\n"
    "op.execute('UPDATE account SET balance = balance + 1')",
)
_SIDE = migration(
    "0009",
    "0001",
    "op.execute('UPDATE account SET balance = balance + 7')\n" + _says("0009 up"),
    "op.execute('UPDATE account SET balance = balance - 7')\n" + _says("0009 down"),
)


def _file(name: str) -> str:
    return f"migrations/versions/{name}.py"


def _line(second: str) -> Callable[[Repo], None]:
    """Revision 0: the first migration; 1: the second and third."""

    def history(repo: Repo) -> None:
        repo.commit({_file("0001_accounts"): _FIRST}, "accounts")
        repo.commit({_file("0002_second"): second, _file("0003_third"): _THIRD}, "more")

    return history


def _branches(repo: Repo) -> None:
    """Revision 0: the first; 1: two more; 2: on the first, another one on a branch."""
    _line(_SECOND)(repo)
    repo.update("0")
    repo.commit({_file("0009_side"): _SIDE}, "side", branch="side")


def _repeated(repo: Repo) -> None:
    """Revision 0: the first migration and two repeatable files; 1: one changed, one gone, one new, and a migration."""

    def file(name: str, view: str) -> dict[str, str]:
        ran = f"INSERT INTO effects VALUES ('{name} {len(view)}');\n"
        back = f"-- down\nDROP VIEW {name};\nINSERT INTO effects VALUES ('{name} undone');\n"
        return {f"migrations/repeatable/{name}.sql": f"CREATE OR REPLACE VIEW {name} AS {view};\n{ran}{back}"}

    repo.commit(
        {
            _file("0001_accounts"): _FIRST,
            **file("changed", "SELECT id FROM account"),
            **file("gone", "SELECT id, balance FROM account"),
        },
        "accounts",
    )
    repo.commit(
        {
            _file("0002_second"): _SECOND,
            **file("changed", "SELECT id, note FROM account"),
            **file("new", "SELECT note FROM account"),
            "migrations/repeatable/gone.sql": None,
        },
        "more",
    )


def _deploy(rev: str) -> Command:
    return "deploy", {"env": ENV, "rev": rev}


SCENARIOS = (
    Scenario("deploy", "deploy of three migrations from an empty database", _line(_SECOND), _deploy("1")),
    Scenario("block", "deploy with an autocommit block", _line(_BLOCK), _deploy("1"), (_deploy("0"),)),
    Scenario("across", "deploy across branches, down and up", _branches, _deploy("2"), (_deploy("1"),)),
    Scenario(
        "snapshots",
        "deploy with a snapshot before each migration, local engine",
        _line(_SECOND),
        _deploy("1"),
        (_deploy("0"),),
        local=True,
        snapshot="each",
    ),
    Scenario(
        "downgrade",
        "revert by downgrade, with an autocommit block",
        _line(_BLOCK),
        ("revert", {"env": ENV, "to": "dev-1", "way": "downgrade"}),
        (_deploy("0"), _deploy("1")),
    ),
    Scenario("repeat", "deploy with repeatable files", _repeated, _deploy("1"), (_deploy("0"),)),
    Scenario(
        "restore",
        "revert by restore, PostgreSQL by url",
        _line(_SECOND),
        ("revert", {"env": ENV, "to": "dev-1", "way": "restore"}),
        (_deploy("0"), _deploy("1")),
        snapshot="deploy",
    ),
    Scenario(
        "restore-local",
        "revert by restore, local engine",
        _line(_SECOND),
        ("revert", {"env": ENV, "to": "dev-1", "way": "restore"}),
        (_deploy("0"), _deploy("1")),
        local=True,
        snapshot="deploy",
    ),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
