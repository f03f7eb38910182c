# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which endpoints there are, where each listens, and who is behind it; kept as clusters come, go and change names."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from moto.rds.models import rds_backends

from .front import Fronts, Maker, Plain
from .iamfront import Front, Keys, Target
from .myfront import MyFront
from .names import Hosts
from .pgfront import PgFront
from .plane_postgresql import PostgresqlPlane
from .store import Cluster, Region
from .tls import Authority, Certificate

_FORCE = ("rds.force_ssl", "require_secure_transport")


class Endpoints:
    """All of one emulator.

    :param owner: whose lines in the hosts file.
    :param keys: IAM; None: neither TLS nor tokens.
    """

    def __init__(
        self,
        owner: str,
        lock: threading.RLock,
        regions: Callable[[], Iterable[Region]],
        hosts: Hosts,
        authority: Authority,
        keys: Keys | None,
    ) -> None:
        self.lock = lock
        self.fronts = Fronts()
        self.hosts, self.authority = hosts, authority
        self._owner, self._regions, self._keys = owner, regions, keys
        self._certificates: dict[str, Certificate] = {}
        #: by name: whose it is, the port, and whether it is for reading
        self._serving: dict[str, tuple[Cluster, int, bool]] = {}

    def hostaddr(self, endpoint: str) -> tuple[str, int]:
        """Address and port of a name.

        :raises KeyError: there is no such endpoint now.
        """
        with self.lock:
            _, port, _ = self._serving[endpoint]
            return self.fronts.all[endpoint].host, port

    def drop(self, cluster: Cluster) -> None:
        """End all sessions of a cluster."""
        for name, (there, _, _) in list(self._serving.items()):
            if there is cluster:
                self.fronts.drop(name)

    def sync(self) -> None:
        """Let fronts and hosts file be what the clusters are now."""
        with self.lock:
            wanted: dict[str, tuple[Cluster, int, bool]] = {}
            for region in self._regions():
                for cluster in region.clusters.values():
                    if not cluster.serving:
                        continue
                    record, port = cluster.record, int(cluster.record["Port"])
                    wanted[record["Endpoint"]] = (cluster, port, False)
                    wanted[record["ReaderEndpoint"]] = (cluster, port, True)
                    for row in cluster.endpoints:
                        wanted[row["Endpoint"]] = (cluster, port, True)
                    for instance in region.members(cluster):
                        if instance.record["DBInstanceStatus"] == "available":
                            wanted[region.host(instance.id)] = (cluster, port, not instance.writer)
            if wanted == self._serving:
                return
            for name in self._serving.keys() - {n for n, what in wanted.items() if self._serving.get(n) == what}:
                self.fronts.close(name)
            for name, (cluster, port, reads) in wanted.items():
                if self._serving.get(name) != wanted[name]:
                    self.fronts.open(name, port, self._maker(name, cluster, reads))
            self._serving = wanted
            self.hosts.replace(self._owner, self.fronts.names())

    def _maker(self, name: str, cluster: Cluster, reads: bool) -> Maker:
        def resolve() -> Target | None:
            record = cluster.record
            if not cluster.serving:
                return None
            _, _, _, region, account, *_ = record["DBClusterArn"].split(":")
            plane = cluster.reader if reads and cluster.reader else cluster.plane
            return Target(
                plane.address,
                frozenset({name}),
                self.certificate(name),
                region,
                account,
                record["DbClusterResourceId"],
                record["Port"],
                record["IAMDatabaseAuthenticationEnabled"],
                _forced(record["DBClusterParameterGroup"], account, region),
            )

        def make(listen: tuple[str, int]) -> Front:
            if self._keys is None:
                return Plain(resolve, None, listen)  # type: ignore[arg-type]
            kind = PgFront if cluster.plane.port == PostgresqlPlane.port else MyFront
            return kind(resolve, self._keys, listen)

        return make

    def certificate(self, name: str) -> Certificate:
        """The certificate of an endpoint, by :attr:`authority`; made when first needed."""
        with self.lock:
            if name not in self._certificates:
                self._certificates[name] = self.authority.issue(name)
            return self._certificates[name]

    def stop(self) -> None:
        """Close all."""
        self.fronts.stop()
        self.hosts.replace(self._owner, {})


def _forced(group: str, account: str, region: str) -> bool:
    """Whether a parameter group wants TLS of everybody; the default ones do not."""
    found = rds_backends[account][region].db_cluster_parameter_groups.get(group)
    if found is None:
        return False
    values = [found.parameters.get(name, {}).get("ParameterValue") for name in _FORCE]
    return any(str(value).upper() in ("1", "ON") for value in values)
