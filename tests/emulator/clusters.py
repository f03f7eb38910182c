# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls about clusters: made, described, changed, renamed."""

from __future__ import annotations

import re
import uuid
from typing import Any

from moto.core.responses import ActionResult

from tests.canaries import secret

from .errors import Fault, contradiction, invalid
from .lives import LifeCalls
from .store import Cluster, Record, identifier, now, random_id, restorable, tags

ENGINES = {"aurora-postgresql": 5432, "aurora-mysql": 3306}
#: given at creation and echoed; a restore takes them too, with the same defaults
_ECHOED: Record = {
    "BackupRetentionPeriod": 1,
    "PreferredBackupWindow": "03:00-03:30",
    "PreferredMaintenanceWindow": "sun:04:00-sun:04:30",
    "DeletionProtection": False,
    "CopyTagsToSnapshot": False,
    "StorageEncrypted": False,
    "NetworkType": "IPV4",
    "EngineMode": "provisioned",
    "EngineLifecycleSupport": "open-source-rds-extended-support",
    "MonitoringInterval": 0,
    "MonitoringRoleArn": None,
    "DatabaseInsightsMode": "standard",
    "PerformanceInsightsRetentionPeriod": None,
    "StorageType": None,
    "ServerlessV2ScalingConfiguration": None,
    "AutoMinorVersionUpgrade": True,
}
#: the same under another word in the record
_RENAMED = {
    "EnableIAMDatabaseAuthentication": ("IAMDatabaseAuthenticationEnabled", False),
    "EnableCloudwatchLogsExports": ("EnabledCloudwatchLogsExports", []),
    "EnablePerformanceInsights": ("PerformanceInsightsEnabled", False),
    "EnableHttpEndpoint": ("HttpEndpointEnabled", False),
}


class ClusterCalls(LifeCalls):
    """Clusters."""

    # made

    def new_cluster(self, id: str, engine: str, source: Record, *, image_of: str = "") -> Cluster:
        """A cluster in status creating, known from now on; its data follow in a job.

        :param source: what a restore inherits.
        :raises Fault: the name is taken, or a parameter is wrong.
        """
        asked, here, emulator = self.asked, self.here, self.emulator
        id = identifier(id, "DBClusterIdentifier")
        here.free(id)
        if len(here.clusters) >= emulator.cluster_quota:
            raise Fault("DBClusterQuotaExceededFault", "The quota of DB clusters is exceeded")
        if engine not in ENGINES:
            raise invalid(f"Invalid DB engine: {engine}")
        plane = emulator.plane(engine)
        version = asked.get("EngineVersion") or source.get("EngineVersion") or emulator.version(engine)
        if not re.fullmatch(r"\d+\.[\w.]+", version):
            raise Fault("InvalidParameterCombination", f"Cannot find version {version} for {engine}")
        zones = [f"{here.name}{letter}" for letter in "abc"]
        key = asked.get("KmsKeyId") or source.get("KmsKeyId")
        encrypted = bool(asked.get("StorageEncrypted", source.get("StorageEncrypted", False)) or asked.get("KmsKeyId"))
        if encrypted and not key:
            key = f"arn:aws:kms:{here.name}:{here.account}:key/{uuid.uuid5(uuid.NAMESPACE_DNS, here.hash)}"
        record: Record = {
            **{name: asked.get(name, default) for name, default in _ECHOED.items()},
            **{word: asked.get(name, default) for name, (word, default) in _RENAMED.items()},
            "DBClusterIdentifier": id,
            "DBClusterArn": here.arn("cluster", id),
            "DbClusterResourceId": random_id("cluster-"),
            "Status": "creating",
            "Engine": engine,
            "EngineVersion": version,
            "AllocatedStorage": 1,
            "AvailabilityZones": asked.get("AvailabilityZones") or zones,
            "DatabaseName": asked.get("DatabaseName") or source.get("DatabaseName"),
            "DBClusterParameterGroup": asked.get("DBClusterParameterGroupName") or default_group(engine, version),
            "DBSubnetGroup": asked.get("DBSubnetGroupName") or "default",
            "Endpoint": here.host(id, "cluster"),
            "ReaderEndpoint": here.host(id, "cluster-ro"),
            "MultiAZ": False,
            "Port": asked.get("Port") or ENGINES[engine],
            "MasterUsername": asked.get("MasterUsername") or source.get("MasterUsername"),
            "ReadReplicaIdentifiers": [],
            "VpcSecurityGroups": [
                {"VpcSecurityGroupId": group, "Status": "active"}
                for group in asked.get("VpcSecurityGroupIds") or ["sg-0default"]
            ],
            "HostedZoneId": "Z1EMULATOR",
            "StorageEncrypted": encrypted,
            "KmsKeyId": key if encrypted else None,
            "AssociatedRoles": [],
            "ClusterCreateTime": now(),
            "CrossAccountClone": False,
            "DomainMemberships": [],
            "TagList": tags(asked.get("Tags")),
            "ActivityStreamStatus": "stopped",
            "PubliclyAccessible": None,
            "CustomEndpoints": [],
        }
        window = asked.get("BacktrackWindow") or 0
        if window and engine != "aurora-mysql":
            raise invalid("Backtrack is not enabled for the aurora-postgresql engine.")
        if not 0 <= window <= 259200:
            raise invalid("The backtrack window must be from 0 to 259200 seconds")
        if engine == "aurora-mysql":
            record["BacktrackWindow"] = window
        cluster = Cluster(record, plane)
        here.clusters[id] = cluster
        return cluster

    def lay(self, cluster: Cluster, lay: Any, *, kind: str = "cluster", status: str = "creating") -> None:
        """Start the job that makes a cluster's data."""
        here, emulator = self.here, self.emulator
        cluster.record["Status"] = status

        def done() -> None:
            cluster.record["Status"] = "available"
            cluster.record["EarliestRestorableTime"] = now()
            cluster.ready.set()
            here.happened(
                "db-cluster",
                cluster.id,
                cluster.record["DBClusterArn"],
                "RDS-EVENT-0170",
                "DB cluster created",
                "creation",
            )
            emulator.sync()

        def failed() -> None:
            cluster.record["Status"] = "failed"
            cluster.ready.set()

        emulator.states.start(kind, cluster.id, lay, done, failed)

    def create_db_cluster(self) -> ActionResult:
        """An empty one."""
        asked, here = self.asked, self.here
        joins = asked.get("GlobalClusterIdentifier")
        if not joins:
            managed = asked.get("ManageMasterUserPassword")
            if not asked.get("MasterUsername"):
                raise invalid("The parameter MasterUsername must be provided and must not be blank.")
            if bool(managed) == bool(asked.get("MasterUserPassword")):
                raise contradiction("Exactly one of MasterUserPassword and ManageMasterUserPassword must be specified")
            self.check_password(asked.get("MasterUserPassword"))
        source = self.joined(joins) if joins else {}
        cluster = self.new_cluster(asked["DBClusterIdentifier"], asked.get("Engine") or source["Engine"], source)
        cluster.first = asked.get("DatabaseName") or ""
        cluster.password, cluster.reset = asked.get("MasterUserPassword") or secret(), True
        if joins:
            self.join(cluster, joins)
        elif managed:
            self.manage_secret(cluster, here)
        self.lay(cluster, lambda: cluster.plane.lay(None))
        return ActionResult({"DBCluster": self.shown(cluster)})

    # shown

    def shown(self, cluster: Cluster) -> Record:
        """As DescribeDBClusters answers."""
        record, here = cluster.record, self.here
        members = here.members(cluster)
        window = restorable(cluster, self.emulator.restorable_lag)
        return {
            **{key: value for key, value in record.items() if value is not None},
            "DBClusterMembers": [
                {
                    "DBInstanceIdentifier": instance.id,
                    "IsClusterWriter": instance.writer,
                    "DBClusterParameterGroupStatus": instance.group,
                    "PromotionTier": instance.record["PromotionTier"],
                }
                for instance in members
            ],
            "MultiAZ": len({instance.record["AvailabilityZone"] for instance in members}) > 1,
            **({"LatestRestorableTime": window[1]} if window else {}),
            **({"PendingModifiedValues": cluster.pending} if cluster.pending else {}),
            **self.backtrack_window(cluster),
        }

    def describe_db_clusters(self) -> ActionResult:
        """One, or all."""
        here = self.here
        wanted = self.filters(
            cluster="db-cluster-id",
            engine="engine",
            clone="clone-group-id",
            resource="db-cluster-resource-id",
            domain="domain",
        )
        name = self.asked.get("DBClusterIdentifier")
        if name and name.lower() in self.emulator.unseen:
            raise Fault("DBClusterNotFoundFault", f"DBCluster {name} not found.")
        found = [here.cluster(name)] if name else [here.clusters[id] for id in sorted(here.clusters)]
        if "cluster" in wanted:
            found = [one for one in found if {one.id, one.record["DBClusterArn"].lower()} & set(wanted["cluster"])]
        for word, key in (("engine", "Engine"), ("resource", "DbClusterResourceId"), ("clone", "CloneGroupId")):
            if word in wanted:
                found = [one for one in found if str(one.record.get(key)).lower() in wanted[word]]
        return self.page("DBClusters", map(self.shown, found))

    # changed

    def modify_db_cluster(self) -> ActionResult:
        """Settings at once, a new identifier after the state renaming, a password when the server has it."""
        asked, here = self.asked, self.here
        cluster = here.cluster(asked["DBClusterIdentifier"])
        cluster.must_be("available", "stopped") if "NewDBClusterIdentifier" not in asked else cluster.must_be()
        record, soon = cluster.record, bool(asked.get("ApplyImmediately"))
        self.check_password(asked.get("MasterUserPassword"))
        window = asked.get("BacktrackWindow")
        if window and not record.get("BacktrackWindow"):
            raise contradiction("Backtrack can be enabled only when a cluster is created or restored")
        new = asked.get("NewDBClusterIdentifier")
        if new:
            new = identifier(new, "NewDBClusterIdentifier")
            here.free(new)
        for name in _ECHOED:
            if name in asked and name not in ("StorageEncrypted", "EngineMode"):
                record[name] = asked[name]
        for name, (word, _) in _RENAMED.items():
            if name in asked and name != "EnableCloudwatchLogsExports":
                record[word] = asked[name]
        exports = asked.get("CloudwatchLogsExportConfiguration")
        if exports:
            kept = set(record["EnabledCloudwatchLogsExports"]) - set(exports.get("DisableLogTypes") or [])
            record["EnabledCloudwatchLogsExports"] = sorted(kept | set(exports.get("EnableLogTypes") or []))
        if asked.get("DBClusterParameterGroupName"):
            record["DBClusterParameterGroup"] = asked["DBClusterParameterGroupName"]
        if asked.get("VpcSecurityGroupIds"):
            groups = asked["VpcSecurityGroupIds"]
            record["VpcSecurityGroups"] = [{"VpcSecurityGroupId": group, "Status": "active"} for group in groups]
        for name in ("Port", "EngineVersion"):
            if asked.get(name) not in (None, record[name]):
                record[name] = asked[name]
        if window is not None and "BacktrackWindow" in record:
            record["BacktrackWindow"] = window
        if asked.get("MasterUserPassword"):
            self.change_password(cluster, asked["MasterUserPassword"])
        if asked.get("ManageMasterUserPassword") and "MasterUserSecret" not in record:
            self.manage_secret(cluster, here)
        elif asked.get("ManageMasterUserPassword") is False:
            self.drop_secret(cluster, here)
        if asked.get("RotateMasterUserPassword"):
            if not soon or "MasterUserSecret" not in record:
                raise contradiction("RotateMasterUserPassword needs a managed password and ApplyImmediately")
            self.rotate(cluster, here)
        if new and not soon:
            cluster.pending["DBClusterIdentifier"] = new
        elif new:
            self.rename(cluster, new)
        return ActionResult({"DBCluster": self.shown(cluster)})

    def rename(self, cluster: Cluster, new: str) -> None:
        """Let a cluster have another identifier after a while; until then it answers to the old one."""
        here, emulator = self.here, self.emulator
        here.taken.add(new)
        cluster.record["Status"] = "renaming"

        def done() -> None:
            old = cluster.id
            here.taken.discard(new)
            here.clusters[new] = here.clusters.pop(old)
            cluster.record.update(
                DBClusterIdentifier=new,
                DBClusterArn=here.arn("cluster", new),
                Endpoint=here.host(new, "cluster"),
                ReaderEndpoint=here.host(new, "cluster-ro"),
                Status="available",
            )
            cluster.pending.pop("DBClusterIdentifier", None)
            for instance in here.members(cluster):
                instance.record["DBClusterIdentifier"] = new
            here.happened(
                "db-cluster",
                new,
                cluster.record["DBClusterArn"],
                "RDS-EVENT-0172",
                f"Renamed DB cluster from {old} to {new}",
                "notification",
            )
            emulator.sync()

        def failed() -> None:
            here.taken.discard(new)
            cluster.record["Status"] = "available"

        emulator.states.start("rename", cluster.id, lambda: None, done, failed)


def default_group(engine: str, version: str) -> str:
    """The default parameter group's name."""
    return f"default.{family(engine, version)}"


def family(engine: str, version: str) -> str:
    """Such as ``aurora-postgresql15`` and ``aurora-mysql8.0``."""
    numbers = version.split(".")
    return f"{engine}{numbers[0] if engine == 'aurora-postgresql' else '.'.join(numbers[:2])}"
