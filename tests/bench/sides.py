# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The two sides of a measurement: bare Alembic and hgaurora, each with a database, over one repository."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import psycopg
from psycopg import sql

from tests import engines

from . import history
from .install import Installed
from .measure import Command


@dataclass(frozen=True)
class Sides:
    """Commands that bring a database to the newest migration; ``fresh`` empties it before."""

    alembic: Command
    hgaurora: Command
    fresh: tuple[Callable[[], None], Callable[[], None]]

    @property
    def from_empty(self) -> tuple[Command, Command]:
        """The same, each time on an empty database."""
        return replace(self.alembic, before=self.fresh[0]), replace(self.hgaurora, before=self.fresh[1])


@contextmanager
def sides(
    server: str, installed: Installed, folder: Path, count: int, *, through: Callable[[str], str] = str
) -> Iterator[Sides]:
    """Both sides over a history of ``count`` migrations.

    :param server: a superuser's libpq URL.
    :param through: makes the URL that is used of the server's, such as one that leads through a proxy.
    """
    names = [f"bench_{os.getpid()}_{secrets.token_hex(3)}_{side}" for side in ("alembic", "hgaurora")]
    try:
        bare, ours = (through(engines.with_database(server, name)) for name in names)
        repo = history.make(folder / f"history-{count}", count, ours)
        env = installed.environ()
        yield Sides(
            Command("alembic", [*installed.alembic, "-x", f"url={bare}", "upgrade", "head"], repo.root, env),
            Command("hgaurora", [*installed.hgaurora, "deploy", "dev"], repo.root, env),
            (partial(_empty, server, names[0]), partial(_empty, server, names[1])),
        )
    finally:
        for name in names:
            _drop(server, name)


def _drop(server: str, name: str) -> None:
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _empty(server: str, name: str) -> None:
    """A new database in place of the old; what the server still has to write is written now."""
    _drop(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        connection.execute("CHECKPOINT")
