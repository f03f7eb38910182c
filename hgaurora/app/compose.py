# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind each port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
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

    def reach(self, url: str) -> Connection:
        """A connection by a libpq URL, for a database that is no environment."""
        from ..adapters.database.postgresql import maintenance

        return maintenance.from_url(url)

    def scratch_major(self) -> str:
        """The engine and major version that :meth:`scratch` has."""
        from ..adapters.local.binaries import for_server

        return f"postgresql {for_server(None).major}"

    @contextmanager
    def scratch(self, folder: Path, *, schema: str) -> Iterator[Connection]:
        """An empty database on a local server of our own, which is stopped behind it. One at a time."""
        from ..adapters.local.binaries import for_server
        from ..adapters.local.engine import Engine

        found = for_server(None)
        # a data folder is of one major version
        engine = Engine(folder, name=f"data{found.major}", fsync=False, tcp=False, binaries=found)
        server = engine.start()
        try:
            with self._fresh(server, schema) as connection:
                yield connection
        finally:
            engine.stop()

    @contextmanager
    def _fresh(self, server: Connection, schema: str) -> Iterator[Connection]:
        from ..adapters.database.postgresql import maintenance

        with maintenance.connect(server) as maker:
            if maker.database("build") is not None:
                maker.drop("build")  # of a build that was cut off
            maker.create("build")
            if schema != "public":
                with maintenance.connect(server, "build") as inside:
                    inside.create_schema(schema)
            yield replace(maintenance.at(server, "build"), schema=schema)
            maker.drop("build")

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
