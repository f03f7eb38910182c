# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What stands behind each port."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from ..core.errors import InputError
from ..core.settings import Environment
from ..core.settings import values as settings_values
from ..ports import Connection, ControlPlane, Database, Journal, Migrator

if TYPE_CHECKING:
    from ..adapters.aws.cluster import AuroraCluster
    from ..adapters.aws.secrets import Secret
    from ..adapters.aws.session import Aws
    from ..adapters.local.scratch import Scratch
    from ..core.cluster_from import Reference, Source
    from ..core.doctor import Facts


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
        user: str = "",
    ) -> ControlPlane:
        """Snapshots and restores; for a local environment also its server.

        :param folder: the environment's private folder.
        :param trace: told of each action inside that a crash could follow.
        :param user: who asks, for a cluster: AWS logs it.
        """
        if settings.kind == "cluster":
            return self.cluster(environment, settings, user)
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
        from ..adapters.local.dump import DumpSnapshots

        url = _conninfo(settings)
        return DumpSnapshots(folder, environment=environment, url=url, schema=settings.schema, fsync=fsync, trace=trace)

    def cluster(self, environment: str, settings: Environment, user: str) -> AuroraCluster:
        """An Aurora cluster, by the RDS API."""
        from ..adapters.aws.cluster import AuroraCluster, Pace
        from ..adapters.aws.session import Aws

        aws = Aws(settings, environment=environment, user=user)
        return AuroraCluster(settings, aws, pace=Pace(limit=settings.snapshot_wait))

    def secret(self, control: ControlPlane) -> Secret:
        """The secret of an environment on a cluster.

        :raises ConfigError: it has none.
        """
        from ..adapters.aws.cluster import AuroraCluster
        from ..adapters.aws.connect import secret_of

        assert isinstance(control, AuroraCluster)
        return secret_of(control.aws, control.described().record)

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

    def posture(self, facts: Facts, *, user: str) -> Facts:
        """What AWS says of a cluster, for ``doctor``.

        :param user: who asks, as hg says it.
        """
        from ..adapters.aws.posture import gathered
        from ..adapters.aws.session import Aws

        return gathered(Aws(facts.settings, environment=facts.settings.name, user=user), facts)

    def discover(self, settings: Environment, source: Source, *, user: str) -> Reference:
        """The cluster that CloudFormation made.

        :raises NotFound: it names none.
        """
        from ..adapters.aws.discover import discovered
        from ..adapters.aws.session import Aws

        return discovered(Aws(settings, environment=settings.name, user=user), source)

    def migrator(self) -> Migrator:
        """Starts migration children."""
        from ..adapters.migrations.process import ChildMigrator

        return ChildMigrator()

    def journal(
        self,
        folder: Path,
        environment: str,
        settings: Environment,
        *,
        user: str,
        contents: Callable[[Iterable[str]], Mapping[str, bytes]],
        say: Callable[[str], None],
        aws: Aws | None = None,
    ) -> Journal:
        """The stream of events outside the database.

        :param folder: the environment's private folder.
        :param user: who asks.
        :param contents: of parts of schemas, by hash.
        :param say: told of what is other than configured.
        :param aws: the environment's, where there is one already.
        """
        if settings.log_group:
            from ..adapters.aws.journal import CloudWatchJournal
            from ..adapters.aws.session import Aws

            return CloudWatchJournal(
                aws or Aws(settings, environment=environment, user=user),
                environment=environment,
                group=settings.log_group,
                retention=settings.log_retention,
                key=settings.log_key,
                contents=contents,
                say=say,
            )
        from ..adapters.local.journal import FileJournal

        return FileJournal(folder / "journal.jsonl")


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
