# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``cluster = "..."``: one environment on an Aurora cluster, by the RDS API."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from ...core.errors import ConfigError, HgAuroraError, RemoteError, StateError
from ...core.gates import SERVING, ClusterFacts, Quota, unanswering
from ...core.model import Snapshot
from ...core.settings import Environment
from ...ports import Clock, Connection
from . import identity, tags
from .connect import ENGINES
from .connect import connection as connect
from .copies import Copies
from .errors import translated
from .gates import Gates
from .session import Aws
from .snapshots import ClusterSnapshots, Pace

PRODUCTS = {"aurora-postgresql": "Aurora PostgreSQL", "aurora-mysql": "Aurora MySQL"}
#: the parts of a host name that say it is no writer endpoint
_READERS = re.compile(r"\.cluster-(ro|custom)-")


class _SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)  # the port itself: who calls it asks AWS again after it, which tells nobody when it is done


@dataclass(frozen=True, kw_only=True)
class Described:
    """A cluster as RDS describes it, as far as reaching it needs to know; ``record`` is the whole."""

    id: str
    arn: str
    resource_id: str
    engine: str
    version: str
    status: str
    endpoint: str
    port: int
    record: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def words(self) -> str:
        """Such as ``Aurora PostgreSQL 16.4``."""
        return f"{PRODUCTS[self.engine]} {self.version}"


class AuroraCluster:
    """:class:`~hgaurora.ports.ControlPlane` of one environment on a cluster.

    :param pace: how long and how often is looked at a snapshot.
    """

    def __init__(
        self,
        settings: Environment,
        aws: Aws,
        *,
        clock: Clock | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.settings = settings
        self.aws = aws
        self.environment = settings.name
        self.cluster = settings.cluster or ""
        self._connection: Connection | None = None
        self._clock = clock or _SystemClock()
        self._described: Described | None = None
        self._taken = ClusterSnapshots(
            aws,
            environment=self.environment,
            cluster=self.cluster,
            resource_id=lambda: self.described().resource_id,
            clock=self._clock,
            pace=pace or Pace(),
        )

        self.copies = Copies(aws, settings, self._taken)

    # the cluster

    def described(self, *, fresh: bool = False) -> Described:
        """The cluster, asked for once.

        :param fresh: ask again.
        :raises StateError: it is not there, or it is nothing that can be deployed to.
        :raises ConfigError: it is another one than ``cluster-from`` names.
        """
        if self._described is None or fresh:
            # with credentials of another account the cluster would not be found, which is not what is wrong
            identity.admitted(self.aws)
            self._described = self._named(self._judged(self._record()))
        return self._described

    def _named(self, found: Described) -> Described:
        """Where ``cluster-from`` names it by its endpoint, that has to be the cluster's: the account is a part of it.

        :raises ConfigError: it has another one.
        """
        wanted = self.settings.endpoint
        if wanted is not None and found.endpoint.lower() != wanted:
            raise ConfigError(
                f"{self.environment}: cluster-from says {wanted}, and the endpoint of {found.id} is {found.endpoint}",
                state="nothing was sent to the database",
                hint="correct cluster-from, or what it reads; or take the credentials of the account that it is of",
                data={"wanted": wanted, "endpoint": found.endpoint},
            )
        return found

    def _record(self) -> Mapping[str, Any]:
        region = self.settings.region
        try:
            with translated(f"describe cluster {self.cluster}", environment=self.environment, state="nothing was done"):
                found = self.aws.client("rds").describe_db_clusters(DBClusterIdentifier=self.cluster)
        except RemoteError as error:
            aws = error.data.get("aws")
            if isinstance(aws, Mapping) and aws.get("code") == "DBClusterNotFoundFault":
                raise StateError(
                    f"{self.environment}: there is no cluster {self.cluster} in {region}"
                    + (f", account {self.settings.account}" if self.settings.account else ""),
                    state="nothing was done",
                    hint=f"correct cluster, region or account of {self.environment} in hgaurora.toml",
                    data=error.data,
                ) from error
            raise
        rows: list[Mapping[str, Any]] = found["DBClusters"]
        return rows[0]

    def _judged(self, record: Mapping[str, Any]) -> Described:
        """:raises StateError: it is no cluster that takes writes."""
        engine = str(record.get("Engine", ""))
        if engine not in PRODUCTS:
            raise self._refused(
                f"{self.cluster} is no Aurora cluster: its engine is {engine or 'not known'}",
                f"name an Aurora cluster, or the database by url in [environments.{self.environment}]",
            )
        self._must_write(record)
        endpoint = record.get("Endpoint")
        if not endpoint:
            raise self._refused(
                f"{self.cluster} has no writer endpoint: it is {record.get('Status', 'in no known state')}",
                "a cluster without an instance, or one that was stopped for long, has none; add or start an instance",
            )
        if _READERS.search(str(endpoint)):
            raise self._refused(
                f"the endpoint of {self.cluster} is {endpoint}, which is not that of its writer",
                "cluster names the cluster's own identifier",
            )
        return Described(
            id=str(record["DBClusterIdentifier"]),
            arn=str(record["DBClusterArn"]),
            resource_id=str(record["DbClusterResourceId"]),
            engine=engine,
            version=str(record.get("EngineVersion", "")),
            status=str(record.get("Status", "")),
            endpoint=str(endpoint),
            port=int(record.get("Port") or ENGINES[engine][1]),
            record=record,
        )

    def _must_write(self, record: Mapping[str, Any]) -> None:
        """:raises StateError: another cluster of its global database takes the writes, or it follows another one."""
        arn = str(record["DBClusterArn"])
        name = record.get("GlobalClusterIdentifier")
        source = record.get("ReplicationSourceIdentifier")
        if name:
            with translated(f"describe global database {name}", environment=self.environment):
                found = self.aws.client("rds").describe_global_clusters(GlobalClusterIdentifier=name)
            members = [member for one in found["GlobalClusters"] for member in one["GlobalClusterMembers"]]
            writer = next((str(member["DBClusterArn"]) for member in members if member.get("IsWriter")), None)
            if writer is None:
                raise self._refused(
                    f"no cluster of global database {name} takes writes now",
                    "a failover of it may be under way; deploy again when it is over",
                )
            if writer == arn:
                return
            source = writer
        if source:
            _, _, _, region, _, _, *other = str(source).split(":")
            raise self._refused(
                f"{self.cluster} takes no writes: it follows {other[0] if other else source} in {region}",
                f"set cluster and region of {self.environment} to that one",
            )

    def _refused(self, message: str, hint: str) -> StateError:
        return StateError(f"{self.environment}: {message}", state="nothing was done", hint=hint)

    def connection(self) -> Connection:
        """How to reach the writer endpoint; see :func:`.connect.connection`."""
        if self._connection is None:
            made = connect(self.aws, self.described().record)
            self._connection = replace(made, silent=self._silent)
        return self._connection

    def _silent(self) -> tuple[str, str]:
        """Nobody answers: what state the cluster is in, and what to do. Where it served when it was described, AWS is
        asked once more."""
        status = self.described().status
        if status in SERVING:
            try:
                status = str(self._record().get("Status", ""))
            except HgAuroraError:
                status = ""
        return unanswering(self.cluster, status)

    def exists(self) -> bool:
        """A cluster is never made by looking; one that is not there is an error where it is asked for."""
        return True

    def facts(self, *, snapshots: int) -> ClusterFacts:
        """What the rules judge before a deploy that takes so many snapshots."""
        return Gates(self.aws, self.settings, self._clock).facts(self._record(), snapshots=snapshots)

    def quota(self) -> Quota | None:
        """How many manual cluster snapshots the account has in the region, and may have; None: AWS does not say."""
        return Gates(self.aws, self.settings, self._clock).quota()

    def mark(self) -> Mapping[str, object]:
        """A point in time that the cluster could be restored to: ``at`` (UTC now), and how far that reaches now."""
        latest = self._record().get("LatestRestorableTime")
        return {
            "cluster": self.cluster,
            "at": _stamp(self._clock.now()),
            "latest-restorable": _stamp(latest) if isinstance(latest, datetime) else None,
        }

    # snapshots

    def snapshot_name(self, deployment: str, number: int, *, again: bool = False) -> str:
        """See :func:`.tags.identifier`."""
        return tags.identifier(self.cluster, deployment, number, again=again)

    def start_snapshot(self, snapshot: str, *, tags: Mapping[str, str]) -> None:
        """Begin one of the whole cluster."""
        self._taken.start(snapshot, tags)

    def wait_snapshot(self, snapshot: str, *, progress: Callable[[str, int | None], None]) -> Snapshot:
        """See :meth:`.ClusterSnapshots.wait`."""
        return self._taken.wait(snapshot, progress)

    def snapshots(self) -> list[Snapshot]:
        """Those made for an environment of this name on this cluster, of any ledger; newest first."""
        return self._taken.list()

    def delete_snapshot(self, snapshot: str) -> None:
        """Delete one that this environment made."""
        self._taken.delete(snapshot)

    # restores: not on a cluster yet

    def no_restore(self, snapshot: str | None = None) -> StateError:
        """The error of a restore that is asked for."""
        which = snapshot or f"each snapshot of {self.environment}"
        return StateError(
            f"{self.environment} is an Aurora cluster, and this version reverts those by downgrade only; "
            f"AWS's own means restore {which} into a new cluster, and trace --url says which changeset that is at",
            state="nothing was done",
            hint=f"hgaurora revert {self.environment} --way downgrade",
            data={"environment": self.environment, "snapshot": snapshot},
        )

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        """:raises StateError: always."""
        raise self.no_restore(snapshot)

    def restore_close(self, *, deployment: str) -> None:
        """:raises StateError: always."""
        raise self.no_restore()

    def restore_open(self, *, deployment: str) -> None:
        """:raises StateError: always."""
        raise self.no_restore()

    def restore_swap(self, *, deployment: str) -> None:
        """:raises StateError: always."""
        raise self.no_restore()

    def restoring(self) -> Mapping[str, str] | None:
        """None: nothing is ever restored here."""
        return None

    def restore_note(self, *, deployment: str, action: str) -> None:
        """:raises StateError: always."""
        raise self.no_restore()

    def restore_done(self, *, deployment: str) -> None:
        """:raises StateError: always."""
        raise self.no_restore()


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
