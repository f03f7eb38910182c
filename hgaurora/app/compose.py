# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind each port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..core.errors import StateError
from ..core.settings import Environment
from ..ports import Connection, ControlPlane, Database, Journal, Migrator


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
