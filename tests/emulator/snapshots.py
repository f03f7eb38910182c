# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls about snapshots of clusters."""

from __future__ import annotations

import shutil
import uuid

from moto.core.responses import ActionResult

from .base import Calls
from .errors import Fault, contradiction, invalid
from .store import Cluster, Record, Snapshot, identifier, now, tags

#: what a snapshot says of its cluster
_OF_CLUSTER = (
    "DBClusterIdentifier",
    "Engine",
    "EngineMode",
    "EngineVersion",
    "AllocatedStorage",
    "AvailabilityZones",
    "ClusterCreateTime",
    "MasterUsername",
    "StorageEncrypted",
    "KmsKeyId",
    "BackupRetentionPeriod",
    "PreferredBackupWindow",
    "IAMDatabaseAuthenticationEnabled",
    "StorageType",
    "DbClusterResourceId",
)


class SnapshotCalls(Calls):
    """Snapshots."""

    def new_snapshot(self, cluster: Cluster, id: str, *, kind: str = "manual") -> Snapshot:
        """A snapshot in status creating, known from now on.

        :raises Fault: the name is wrong or taken, or there are too many.
        """
        here, emulator = self.here, self.emulator
        if kind == "manual":
            id = identifier(id, "DBClusterSnapshotIdentifier")
            self._room(id)
        had = cluster.record["TagList"] if cluster.record["CopyTagsToSnapshot"] else []
        record: Record = {
            **{key: cluster.record.get(key) for key in _OF_CLUSTER},
            "DBClusterSnapshotIdentifier": id,
            "DBClusterSnapshotArn": here.arn("cluster-snapshot", id),
            "SnapshotCreateTime": now(),
            "SnapshotType": kind,
            "Status": "creating",
            "PercentProgress": 0,
            "Port": 0,
            "VpcId": "vpc-0emulator",
            "LicenseModel": "postgresql-license" if cluster.plane.port == 5432 else "general-public-license",
            "TagList": tags(self.asked.get("Tags"), had=had),
        }
        record["DatabaseName"] = cluster.record["DatabaseName"]
        snapshot = Snapshot(record, emulator.folder / "images" / uuid.uuid4().hex, password=cluster.password)
        here.snapshots[id] = snapshot
        return snapshot

    def _room(self, id: str) -> None:
        here, emulator = self.here, self.emulator
        if id in here.snapshots:
            message = f"Cannot create the cluster snapshot because one with the identifier {id} already exists."
            raise Fault("DBClusterSnapshotAlreadyExistsFault", message)
        if here.manual() >= emulator.snapshot_quota:
            message = f"Cannot create more than {emulator.snapshot_quota} manual cluster snapshots"
            raise Fault("SnapshotQuotaExceededFault", message)

    def create_db_cluster_snapshot(self) -> ActionResult:
        """A copy of all data as of one instant; the cluster is backing-up until it is there."""
        here, emulator = self.here, self.emulator
        cluster = here.cluster(self.asked["DBClusterIdentifier"])
        id = identifier(self.asked["DBClusterSnapshotIdentifier"], "DBClusterSnapshotIdentifier")
        self._room(id)
        cluster.must_be()
        snapshot = self.new_snapshot(cluster, id)
        record = snapshot.record
        cluster.record["Status"] = "backing-up"
        arn = record["DBClusterSnapshotArn"]
        here.happened("db-cluster-snapshot", id, arn, "RDS-EVENT-0074", "Creating manual cluster snapshot", "backup")

        def work() -> None:
            with cluster.work:
                cluster.plane.image(snapshot.image)

        def done() -> None:
            record.update(Status="available", PercentProgress=100, Port=cluster.record["Port"])
            cluster.record["Status"] = "available"
            here.happened("db-cluster-snapshot", id, arn, "RDS-EVENT-0075", "Manual cluster snapshot created", "backup")

        def failed() -> None:
            record["Status"] = "failed"
            cluster.record["Status"] = "available"

        snapshot.job = emulator.states.start("snapshot", id, work, done, failed, late=emulator.late_snapshots)
        return ActionResult({"DBClusterSnapshot": self.shown_snapshot(snapshot)})

    def shown_snapshot(self, snapshot: Snapshot) -> Record:
        record = {key: value for key, value in snapshot.record.items() if value is not None and key != "DatabaseName"}
        if record["Status"] in ("creating", "copying") and snapshot.job:
            record["PercentProgress"] = snapshot.job.percent()
        return record

    def describe_db_cluster_snapshots(self) -> ActionResult:
        """By name, cluster, resource id or kind; what is shared only where asked for."""
        asked, here = self.asked, self.here
        name, of = asked.get("DBClusterSnapshotIdentifier"), asked.get("DBClusterIdentifier")
        if name and of:
            raise contradiction("DBClusterIdentifier and DBClusterSnapshotIdentifier exclude each other")
        wanted = self.filters(
            cluster="db-cluster-id", snapshot="db-cluster-snapshot-id", kind="snapshot-type", engine="engine"
        )
        kind = asked.get("SnapshotType")
        if kind not in (None, "automated", "manual", "shared", "public", "awsbackup"):
            raise invalid(f"Invalid snapshot type: {kind}")
        if name:
            found = [here.snapshot(name)]
        else:
            found = [] if kind in ("shared", "public") else [here.snapshots[id] for id in sorted(here.snapshots)]
            if kind == "shared" or asked.get("IncludeShared"):
                found += self.emulator.shared(here.account, here.name)
            if kind == "public" or asked.get("IncludePublic"):
                found += self.emulator.shared("all", here.name)
        if kind in ("automated", "manual", "awsbackup"):
            found = [one for one in found if one.record["SnapshotType"] == kind]
        if of:
            found = [one for one in found if one.record["DBClusterIdentifier"] == of.rpartition(":")[2].lower()]
        resource = asked.get("DbClusterResourceId")
        if resource:
            found = [one for one in found if one.record["DbClusterResourceId"] == resource]
        for word, key in (
            ("cluster", "DBClusterIdentifier"),
            ("snapshot", "DBClusterSnapshotIdentifier"),
            ("kind", "SnapshotType"),
            ("engine", "Engine"),
        ):
            if word in wanted:
                found = [one for one in found if str(one.record[key]).lower() in wanted[word]]
        return self.page("DBClusterSnapshots", map(self.shown_snapshot, found))

    def delete_db_cluster_snapshot(self) -> ActionResult:
        """One that is available."""
        here = self.here
        snapshot = here.snapshot(self.asked["DBClusterSnapshotIdentifier"])
        if snapshot.record["SnapshotType"] == "automated":
            raise Fault("InvalidDBClusterSnapshotStateFault", "Only manual snapshots may be deleted.")
        if snapshot.record["Status"] not in ("available", "failed"):
            state = snapshot.record["Status"]
            raise Fault("InvalidDBClusterSnapshotStateFault", f"Cluster snapshot {snapshot.id} is {state}")
        del here.snapshots[snapshot.id]
        self.emulator.forget(snapshot)
        return ActionResult({"DBClusterSnapshot": {**self.shown_snapshot(snapshot), "Status": "deleted"}})

    def copy_db_cluster_snapshot(self) -> ActionResult:
        """From this or another region or account, into this one."""
        asked, here, emulator = self.asked, self.here, self.emulator
        source = here.snapshot(asked["SourceDBClusterSnapshotIdentifier"])
        id = identifier(asked["TargetDBClusterSnapshotIdentifier"], "TargetDBClusterSnapshotIdentifier")
        self._room(id)
        if source.record["Status"] != "available":
            state = source.record["Status"]
            raise Fault("InvalidDBClusterSnapshotStateFault", f"Cluster snapshot {source.id} is {state}")
        arn = source.record["DBClusterSnapshotArn"]
        region, account = arn.split(":")[3:5]
        if region != here.name and account != here.account:
            raise contradiction("A snapshot cannot be copied to another region and another account at once")
        key = asked.get("KmsKeyId")
        if source.record["StorageEncrypted"] and region != here.name and not key:
            raise contradiction("A KmsKeyId of this region is required to copy an encrypted snapshot across regions")
        if key and not source.record["StorageEncrypted"]:
            raise contradiction("A copy of an unencrypted cluster snapshot cannot be encrypted")
        had = source.record["TagList"] if asked.get("CopyTags") else []
        record = {
            **source.record,
            "DBClusterSnapshotIdentifier": id,
            "DBClusterSnapshotArn": here.arn("cluster-snapshot", id),
            "SourceDBClusterSnapshotArn": arn,
            "SnapshotType": "manual",
            "Status": "copying",
            "PercentProgress": 0,
            "TagList": tags(asked.get("Tags"), had=had),
            **({"KmsKeyId": key} if key else {}),
        }
        copied = Snapshot(record, source.image, password=source.password)
        here.snapshots[id] = copied

        def done() -> None:
            record.update(Status="available", PercentProgress=100)

        def failed() -> None:
            record["Status"] = "failed"

        copied.job = emulator.states.start("copy", id, lambda: None, done, failed)
        return ActionResult({"DBClusterSnapshot": self.shown_snapshot(copied)})

    def modify_db_cluster_snapshot_attribute(self) -> ActionResult:
        """Share with accounts, or with ``all``; take that back."""
        asked = self.asked
        snapshot = self.here.snapshot(asked["DBClusterSnapshotIdentifier"])
        if asked.get("AttributeName") != "restore":
            raise invalid("AttributeName must be restore")
        added = set(asked.get("ValuesToAdd") or [])
        if "all" in added and snapshot.record["StorageEncrypted"]:
            raise Fault("InvalidDBClusterSnapshotStateFault", "Encrypted snapshots cannot be public")
        shared = (snapshot.shared | added) - set(asked.get("ValuesToRemove") or [])
        if len(shared) > 20:
            raise Fault("SharedSnapshotQuotaExceededFault", "A snapshot can be shared with 20 accounts at most")
        snapshot.shared = shared
        return self.describe_db_cluster_snapshot_attributes()

    def describe_db_cluster_snapshot_attributes(self) -> ActionResult:
        """With whom it is shared."""
        snapshot = self.here.snapshot(self.asked["DBClusterSnapshotIdentifier"])
        values = [{"AttributeName": "restore", "AttributeValues": sorted(snapshot.shared)}]
        result = {"DBClusterSnapshotIdentifier": snapshot.id, "DBClusterSnapshotAttributes": values}
        return ActionResult({"DBClusterSnapshotAttributesResult": result})


def remove_image(snapshot: Snapshot) -> None:
    """Its data."""
    shutil.rmtree(snapshot.image, ignore_errors=True)
