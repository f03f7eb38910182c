# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls about instances: the first one starts the cluster's server, the last one's end stops it."""

from __future__ import annotations

from datetime import UTC, datetime

from moto.core.responses import ActionResult

from .base import Calls
from .clusters import family
from .errors import Fault, contradiction, invalid
from .store import Instance, Record, identifier, now, random_id, tags

_ECHOED: Record = {
    "PromotionTier": 1,
    "AutoMinorVersionUpgrade": True,
    "PubliclyAccessible": False,
    "PreferredMaintenanceWindow": "sun:05:00-sun:05:30",
    "MonitoringInterval": 0,
    "MonitoringRoleArn": None,
    "CACertificateIdentifier": "rds-ca-rsa2048-g1",
    "NetworkType": "IPV4",
    "DatabaseInsightsMode": "standard",
    "PerformanceInsightsRetentionPeriod": None,
}


class InstanceCalls(Calls):
    """Instances."""

    def create_db_instance(self) -> ActionResult:
        """A member of a cluster; nothing else is modelled."""
        asked, here, emulator = self.asked, self.here, self.emulator
        if not asked.get("DBClusterIdentifier"):
            raise contradiction("the emulator has only instances of clusters: DBClusterIdentifier is missing")
        id = identifier(asked["DBInstanceIdentifier"], "DBInstanceIdentifier")
        if id in here.instances:
            raise Fault("DBInstanceAlreadyExistsFault", f"DB instance already exists: {id}")
        cluster = here.cluster(asked["DBClusterIdentifier"])
        cluster.must_be("available", "creating", "migrating", "backing-up", "modifying")
        of = cluster.record
        if asked["Engine"] != of["Engine"]:
            raise contradiction(f"The engine {asked['Engine']} does not match cluster {cluster.id}'s {of['Engine']}")
        if asked["DBInstanceClass"] == "db.serverless" and not of["ServerlessV2ScalingConfiguration"]:
            raise contradiction("Set the Serverless v2 scaling configuration on the parent DB cluster first")
        if len(here.instances) >= emulator.instance_quota:
            raise Fault("InstanceQuotaExceededFault", "The quota of DB instances is exceeded")
        members = here.members(cluster)
        zones = of["AvailabilityZones"]
        group = asked.get("DBParameterGroupName") or f"default.{family(of['Engine'], of['EngineVersion'])}"
        record: Record = {
            **{name: asked.get(name, default) for name, default in _ECHOED.items()},
            "PerformanceInsightsEnabled": bool(asked.get("EnablePerformanceInsights")),
            "DBInstanceIdentifier": id,
            "DBInstanceArn": here.arn("db", id),
            "DbiResourceId": random_id("db-"),
            "DBInstanceClass": asked["DBInstanceClass"],
            "DBInstanceStatus": "creating",
            "DBClusterIdentifier": cluster.id,
            "Engine": of["Engine"],
            "EngineVersion": of["EngineVersion"],
            "MasterUsername": of["MasterUsername"],
            "DBName": of["DatabaseName"],
            "AllocatedStorage": 1,
            "InstanceCreateTime": now(),
            "PreferredBackupWindow": of["PreferredBackupWindow"],
            "BackupRetentionPeriod": of["BackupRetentionPeriod"],
            "VpcSecurityGroups": of["VpcSecurityGroups"],
            "DBParameterGroups": [{"DBParameterGroupName": group, "ParameterApplyStatus": "in-sync"}],
            "AvailabilityZone": asked.get("AvailabilityZone") or zones[len(members) % len(zones)],
            "DBSubnetGroup": {"DBSubnetGroupName": of["DBSubnetGroup"], "VpcId": "vpc-0emulator"},
            "PendingModifiedValues": {},
            "MultiAZ": False,
            "LicenseModel": "general-public-license" if of["Engine"] == "aurora-mysql" else "postgresql-license",
            "StorageType": "aurora",
            "StorageEncrypted": of["StorageEncrypted"],
            "KmsKeyId": of["KmsKeyId"],
            "DeletionProtection": False,
            "CopyTagsToSnapshot": False,
            "TagList": tags(asked.get("Tags")),
        }
        writer = not any(member.writer for member in members)
        instance = Instance(record, cluster, writer)
        here.instances[id] = instance

        def work() -> None:
            cluster.start() if writer else cluster.read_by(emulator.plane(of["Engine"]))

        def done() -> None:
            record["DBInstanceStatus"] = "available"
            cluster.serving = True
            emulator.sync()

        def failed() -> None:
            record["DBInstanceStatus"] = "failed"

        emulator.states.start("instance", id, work, done, failed)
        return ActionResult({"DBInstance": self.shown_instance(instance)})

    def shown_instance(self, instance: Instance) -> Record:
        record, of = instance.record, instance.cluster.record
        there = record["DBInstanceStatus"] != "creating"
        return {
            **{key: value for key, value in record.items() if value is not None},
            "IAMDatabaseAuthenticationEnabled": of["IAMDatabaseAuthenticationEnabled"],
            "EnabledCloudwatchLogsExports": of["EnabledCloudwatchLogsExports"],
            "CertificateDetails": {
                "CAIdentifier": record["CACertificateIdentifier"],
                "ValidTill": record.get("ValidTill") or datetime(2061, 1, 1, tzinfo=UTC),
            },
            **(
                {"Endpoint": {"Address": self.here.host(instance.id), "Port": of["Port"], "HostedZoneId": "Z1EMULATOR"}}
                if there
                else {}
            ),
        }

    def describe_db_instances(self) -> ActionResult:
        """One, or all."""
        here = self.here
        wanted = self.filters(
            cluster="db-cluster-id",
            instance="db-instance-id",
            engine="engine",
            resource="dbi-resource-id",
            domain="domain",
        )
        name = self.asked.get("DBInstanceIdentifier")
        found = [here.instance(name)] if name else [here.instances[id] for id in sorted(here.instances)]
        if "cluster" in wanted:
            of = set(wanted["cluster"])
            found = [i for i in found if {i.cluster.id, i.cluster.record["DBClusterArn"].lower()} & of]
        for word, key in (("instance", "DBInstanceIdentifier"), ("engine", "Engine"), ("resource", "DbiResourceId")):
            if word in wanted:
                found = [one for one in found if str(one.record[key]).lower() in wanted[word]]
        return self.page("DBInstances", map(self.shown_instance, found))

    def modify_db_instance(self) -> ActionResult:
        """Settings at once; a new identifier reboots it."""
        asked, here = self.asked, self.here
        instance = here.instance(asked["DBInstanceIdentifier"])
        record, emulator = instance.record, self.emulator
        if record["DBInstanceStatus"] != "available":
            raise Fault("InvalidDBInstanceStateFault", f"DB instance {instance.id} is {record['DBInstanceStatus']}")
        for name in (*_ECHOED, "DBInstanceClass"):
            if name in asked:
                record[name] = asked[name]
        if "EnablePerformanceInsights" in asked:
            record["PerformanceInsightsEnabled"] = asked["EnablePerformanceInsights"]
        if asked.get("DBParameterGroupName"):
            record["DBParameterGroups"] = [
                {"DBParameterGroupName": asked["DBParameterGroupName"], "ParameterApplyStatus": "pending-reboot"}
            ]
        new = asked.get("NewDBInstanceIdentifier")
        if new:
            new = identifier(new, "NewDBInstanceIdentifier")
            if new in here.instances:
                raise Fault("DBInstanceAlreadyExistsFault", f"DB instance already exists: {new}")
            if not asked.get("ApplyImmediately"):
                record["PendingModifiedValues"] = {"DBInstanceIdentifier": new}
                return ActionResult({"DBInstance": self.shown_instance(instance)})
            record["DBInstanceStatus"] = "renaming"
            here.instances[new] = instance  # nobody else takes it meanwhile
            shown = self.shown_instance(instance)
            restart = self._restart(instance)

            def done() -> None:
                del here.instances[instance.id]
                record.update(DBInstanceIdentifier=new, DBInstanceArn=here.arn("db", new), DBInstanceStatus="available")
                instance.cluster.serving = True
                emulator.sync()

            emulator.states.start("rename", instance.id, restart, done, done)
            return ActionResult({"DBInstance": shown})
        return ActionResult({"DBInstance": self.shown_instance(instance)})

    def _restart(self, instance: Instance):  # type: ignore[no-untyped-def]
        """What a reboot of a member does: the writer's ends the sessions of the cluster."""
        cluster = instance.cluster

        def work() -> None:
            if instance.writer:
                cluster.stop()
                cluster.start()

        if instance.writer:
            cluster.serving = False
        return work

    def reboot_db_instance(self) -> ActionResult:
        """Stop and start its server, where it is the writer's."""
        instance, emulator = self.here.instance(self.asked["DBInstanceIdentifier"]), self.emulator
        if instance.record["DBInstanceStatus"] != "available":
            raise Fault("InvalidDBInstanceStateFault", f"DB instance {instance.id} is not available")
        instance.record["DBInstanceStatus"] = "rebooting"

        def done() -> None:
            instance.record["DBInstanceStatus"] = "available"
            instance.record["DBParameterGroups"][0]["ParameterApplyStatus"] = "in-sync"
            instance.cluster.serving = True
            emulator.sync()

        emulator.states.start("reboot", instance.id, self._restart(instance), done, done)
        return ActionResult({"DBInstance": self.shown_instance(instance)})

    def delete_db_instance(self) -> ActionResult:
        """The last one's end stops the server; a writer's makes a reader the writer."""
        here, emulator = self.here, self.emulator
        instance = here.instance(self.asked["DBInstanceIdentifier"])
        cluster = instance.cluster
        if instance.record["DBInstanceStatus"] in ("deleting", "creating"):
            raise Fault(
                "InvalidDBInstanceStateFault", f"DB instance {instance.id} is {instance.record['DBInstanceStatus']}"
            )
        if self.asked.get("FinalDBSnapshotIdentifier"):
            raise invalid("FinalDBSnapshotIdentifier can not be specified when deleting a cluster instance")
        instance.record["DBInstanceStatus"] = "deleting"
        last = len(here.members(cluster)) == 1
        if last:
            cluster.serving = False
            emulator.sync()

        def work() -> None:
            if last:
                cluster.stop()
            elif len(here.members(cluster)) == 2:
                cluster.read_by(None)

        def done() -> None:
            here.instances.pop(instance.id, None)
            rest = here.members(cluster)
            if instance.writer and rest:
                rest[0].writer = True
                emulator.drop(cluster)
            emulator.sync()

        emulator.states.start("delete", instance.id, work, done, done)
        return ActionResult({"DBInstance": self.shown_instance(instance)})
