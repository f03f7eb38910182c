# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind each port."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ..core.errors import InputError, StateError
from ..core.settings import Environment
from ..core.settings import values as settings_values
from ..ports import Connection, ControlPlane, Database, Journal, Migrator

if TYPE_CHECKING:
    from ..adapters.local.scratch import Scratch


def _quiet(action: str) -> None:
    """Nobody follows."""


class Adapters:
    """Makes an environment's adapters, each imported when it is asked for. Who wants to see what goes through a port
    overrides its method."""

    def control(
        self,
        folder: Path,
        environment: str,
        settings: Environment,
        *,
        fsync: bool = True,
        trace: Callable[[str], None] = _quiet,
    ) -> ControlPlane:
        """Snapshots and restores; for a local environment also its server.

        :param folder: the environment's private folder.
        :param trace: told of each action inside that a crash could follow.
        :raises StateError: no adapter for this kind of environment.
        """
        if settings.kind == "local":
            from ..adapters.local.cluster import LocalCluster

            return LocalCluster(
                folder,
                environment=environment,
                database=settings.database or "app",
                schema=settings.schema,
                port=settings.port,
                fsync=fsync,
                trace=trace,
            )
        if settings.kind == "url" and settings.engine == "mysql":
            from ..adapters.database.mysql.connection import from_parameters
            from ..adapters.local.mysql_dump import MysqlSnapshots

            connection = from_parameters(settings.parameters)
            return MysqlSnapshots(folder, environment=environment, connection=connection, fsync=fsync, trace=trace)
        if settings.kind == "url":
            from ..adapters.local.dump import DumpSnapshots

            url = _conninfo(settings)
            return DumpSnapshots(
                folder, environment=environment, url=url, schema=settings.schema, fsync=fsync, trace=trace
            )
        raise StateError(
            f"{environment} is an Aurora cluster; this version deploys to local servers and to databases by url",
            state="nothing was done",
            hint='set target = "local" or url = "..." for this environment',
        )

    def database(self, connection: Connection, environment: str) -> Database:
        """The ledger, the lock and the version table."""
        if connection.engine == "mysql":
            from ..adapters.database.mysql.database import MysqlDatabase

            return MysqlDatabase(connection, environment=environment)
        from ..adapters.database.postgresql.database import PostgresDatabase

        return PostgresDatabase(connection, environment=environment)

    def watch(self, connection: Connection, environment: str) -> Database:
        """A second connection, that looks while the child waits."""
        return Adapters.database(self, connection, environment)

    def reach(self, url: str) -> Connection:
        """A connection by a URL (or libpq's keywords), for a database that is no environment.

        :raises InputError: a URL of MySQL or MariaDB that is none.
        """
        if settings_values.engine(url) == "mysql":
            from ..adapters.database.mysql.connection import from_url

            _check(url)
            return from_url(url)
        from ..adapters.database.postgresql import maintenance

        return maintenance.from_url(url)

    def scratch(self, engine: str) -> Sequence[Scratch]:
        """Local servers to build in, best first: one for postgresql, those of the machine for mysql.

        :param engine: postgresql | mysql (MariaDB too).
        :raises StateError: there are none; with what to install.
        """
        from ..adapters.local import scratch

        return scratch.mysql() if engine == "mysql" else scratch.postgresql()

    def migrator(self) -> Migrator:
        """Starts migration children."""
        from ..adapters.migrations.process import ChildMigrator

        return ChildMigrator()

    def journal(self, path: Path) -> Journal:
        """The stream of events outside the database."""
        from ..adapters.local.journal import FileJournal

        return FileJournal(path)


def _conninfo(settings: Environment) -> str:
    """The url as libpq's keywords; the ``user`` key beside a url counts too."""
    pairs = settings.parameters.items()
    return " ".join("{}='{}'".format(k, v.replace("\\", "\\\\").replace("'", "\\'")) for k, v in pairs)


def _check(url: str) -> None:
    """A URL as the settings know it, but for a password, that may be in this one.

    :raises InputError: it is none.
    """
    try:
        parts = urlsplit(url)
        user, at, host = parts.netloc.rpartition("@")
        settings_values.url(urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}")))
    except settings_values.Invalid as error:
        raise InputError(f"--url {error.message}", state="nothing was done", hint=error.hint) from None
    except ValueError:
        raise InputError("--url is no url", state="nothing was done", hint="such as mysql://host/shop") from None
