# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The two that are struck: ours, and bare Alembic. Each lays down a shape and says what its command is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit, urlunsplit

import pymysql

from tests.crash.mysql import controls
from tests.crash.mysql.shapes import BASE_REVISION, Shape
from tests.crash.mysql.warm import ALEMBIC, HGAURORA, Ended, Warm
from tests.world import Repo

ENV = "dev"


class Side(Protocol):
    """One tool with one shape, in a folder of its own."""

    name: str
    #: it has to see by itself to sessions of a killed run that go on in the server
    waits: bool
    #: of numbers that the server draws only the order counts
    ranks: bool
    command: Sequence[str]

    def before(self) -> list[Sequence[str]]:
        """What is run, undisturbed, to make the base."""

    def begin(self, warm: Warm, arguments: Sequence[str]) -> None:
        """Start a command."""

    def keep(self) -> None:
        """The base is made: remember what stands outside of the database."""

    def fresh(self) -> None:
        """Put that back."""

    def more(self, connection: pymysql.Connection[Any]) -> dict[str, Any]:
        """What else must be as after an undisturbed run."""


_ENV_PY = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

with create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


class Bare:
    """``alembic upgrade head``, or ``downgrade``, with the ``env.py`` of Alembic's tutorial."""

    name = "alembic"
    waits = False
    ranks = True

    def __init__(self, shape: Shape, folder: Path, url: str) -> None:
        self._folder = folder
        versions = folder / "migrations" / "versions"
        versions.mkdir(parents=True)
        base, rest = shape.scripts()
        for name, text in {**base, **rest}.items():
            (versions / name).write_text(text)
        (folder / "migrations" / "env.py").write_text(_ENV_PY)
        address = url.replace("mysql://", "mysql+pymysql://", 1) + "?charset=utf8mb4"
        (folder / "alembic.ini").write_text(
            f"[alembic]\nscript_location = migrations\nsqlalchemy.url = {address.replace('%', '%%')}\n"
        )
        self._shape = shape
        self.command = ["downgrade", BASE_REVISION] if shape.revert else ["upgrade", "head"]

    def before(self) -> list[Sequence[str]]:
        """The base; for a revert all."""
        return [["upgrade", "head" if self._shape.revert else BASE_REVISION]]

    def begin(self, warm: Warm, arguments: Sequence[str]) -> None:
        """As a person would."""
        warm.begin(ALEMBIC, arguments, self._folder)

    def keep(self) -> None:
        """Nothing."""

    def fresh(self) -> None:
        """Nothing."""

    def more(self, connection: pymysql.Connection[Any]) -> dict[str, Any]:
        """Nothing."""
        return {}


class Ours:
    """``hgaurora deploy``, or ``revert``."""

    name = "hgaurora"
    waits = True
    ranks = False

    def __init__(self, shape: Shape, folder: Path, url: str, server: str, *, without: str | None, cold: bool) -> None:
        self._folder = folder
        parts = urlsplit(url)
        self._options = {
            # the settings take no password in a url
            "password": unquote(parts.password or ""),
            "cold": cold,
            "program_of_child": str(controls.weakened(without, folder.parent)) if without else None,
        }
        #: the same database, not through the proxy
        self._direct = f"{server.rstrip('/')}/{url.rpartition('/')[2]}"
        repo = Repo(folder)
        base, rest = shape.scripts()
        repo.commit({f"migrations/versions/{name}": text for name, text in base.items()}, "base")
        repo.commit({f"migrations/versions/{name}": text for name, text in rest.items()}, shape.name)
        repo.close()
        bare = urlunsplit(parts._replace(netloc=f"{parts.username}@{parts.netloc.rpartition('@')[2]}"))
        (folder / "hgaurora.toml").write_text(
            f'[project]\nmigrations = "migrations"\n\n[environments.{ENV}]\nurl = "{bare}"\nsnapshot = "none"\n'
            # longer than a statement that is struck amid is made to wait
            'lock-timeout = "30s"\n'
        )
        self._shape = shape
        self._state = folder / ".hg" / "hgaurora"
        self.command = ["deploy", ENV, "-r", "1"]
        if shape.revert:
            self.command = ["revert", ENV, "--to", f"{ENV}-1", "--way", "downgrade", "--yes"]

    def before(self) -> list[Sequence[str]]:
        """The base; for a revert all."""
        return [["deploy", ENV, "-r", str(number)] for number in range(1 + self._shape.revert)]

    def begin(self, warm: Warm, arguments: Sequence[str]) -> None:
        """As a person would."""
        warm.begin(HGAURORA, arguments, self._folder, **self._options)

    def keep(self) -> None:
        """The folder beside the repository's own: the journal's file."""
        shutil.copytree(self._state, self._folder / "kept")

    def fresh(self) -> None:
        """That folder as it was."""
        shutil.rmtree(self._state, ignore_errors=True)
        shutil.copytree(self._folder / "kept", self._state)

    def more(self, connection: pymysql.Connection[Any]) -> dict[str, Any]:
        """The ledger: verified by its own rules; deployments, steps, where the environment is; nothing left open; what
        each migration changed, and the schema as recorded."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT payload FROM hgaurora_event WHERE kind = 'delta' ORDER BY seq")
            deltas = [json.loads(payload) for (payload,) in cursor.fetchall()]
            cursor.execute("SELECT id, `full` FROM hgaurora_part ORDER BY id")
            recorded = [list(row) for row in cursor.fetchall()]
        kept = ("cause", "revision", "direction", "changes", "fingerprint")
        said = [{key: delta[key] for key in kept} for delta in deltas]
        return {**_ledger(self._direct), "deltas": said, "recorded": recorded}


def _ledger(url: str) -> dict[str, Any]:
    from hgaurora.adapters.database.mysql import connection as ours
    from hgaurora.adapters.database.mysql.database import MysqlDatabase

    database = MysqlDatabase(ours.from_url(url), environment=ENV)
    try:
        state = database.state()
        deployments = database.deployments()
        return {
            "verify": list(database.verify()),
            "versions": sorted(state.versions or ()),
            "at": [state.node, state.deployed_by, sorted(state.applied)],
            "deployments": [[one.id, one.kind.value, one.outcome.value, one.node] for one in deployments],
            "steps": sorted(
                [step.deployment, step.revision, step.direction.value]
                for step in database.steps([one.id for one in deployments])
            ),
            "half": sorted(map(str, state.half)),
            "waiting": state.undelivered,
        }
    finally:
        database.close()


def finished(side: Side, warm: Warm, arguments: Sequence[str]) -> Ended:
    """A command, from start to end."""
    side.begin(warm, arguments)
    return warm.end()


def product(server: str) -> tuple[str, str]:
    """mariadb or mysql, and the version, as the server says."""
    with pymysql.connect(**reached(server)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT VERSION()")
        (said,) = cursor.fetchone() or ("",)
    return ("mariadb" if "MariaDB" in said else "mysql"), said


def reached(url: str, **more: Any) -> dict[str, Any]:
    """What ``pymysql.connect`` takes, without a database."""
    parts = urlsplit(url)
    return {
        "host": parts.hostname,
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
        "charset": "utf8mb4",
        "autocommit": True,
        "ssl_disabled": parts.hostname in {"127.0.0.1", "localhost"},  # see engines.my_connection
        **more,
    }
