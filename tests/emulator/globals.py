# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Global databases: records only. A secondary cluster is described, and has a server without data of its own."""

from __future__ import annotations

from moto.core.responses import ActionResult

from .base import Calls
from .errors import Fault, contradiction
from .store import Cluster, Record, identifier, random_id, tags


class GlobalCalls(Calls):
    """Global databases, known to every region of an account."""

    def _global(self, name: str) -> Record:
        found = self.emulator.globals.get((self.current_account, name.lower()))
        if found is None:
            raise Fault("GlobalClusterNotFoundFault", f"Global cluster {name} not found.")
        return found

    def create_global_cluster(self) -> ActionResult:
        """Empty, or around a cluster that becomes its writer."""
        asked, here = self.asked, self.here
        id = identifier(asked["GlobalClusterIdentifier"], "GlobalClusterIdentifier")
        key = (here.account, id)
        if key in self.emulator.globals:
            raise Fault("GlobalClusterAlreadyExistsFault", f"Global cluster {id} already exists")
        source = here.cluster(asked["SourceDBClusterIdentifier"]) if asked.get("SourceDBClusterIdentifier") else None
        if bool(source) == bool(asked.get("Engine")):
            raise contradiction("Exactly one of Engine and SourceDBClusterIdentifier must be specified")
        record = {
            "GlobalClusterIdentifier": id,
            "GlobalClusterResourceId": random_id("cluster-"),
            "GlobalClusterArn": f"arn:aws:rds::{here.account}:global-cluster:{id}",
            "Status": "available",
            "Engine": source.record["Engine"] if source else asked["Engine"],
            "EngineVersion": source.record["EngineVersion"] if source else asked.get("EngineVersion"),
            "StorageEncrypted": bool(source and source.record["StorageEncrypted"]),
            "DeletionProtection": bool(asked.get("DeletionProtection")),
            "GlobalClusterMembers": [],
            "TagList": tags(asked.get("Tags")),
        }
        self.emulator.globals[key] = record
        if source:
            self.join(source, id)
        return ActionResult({"GlobalCluster": record})

    def joined(self, name: str) -> Record:
        """What a cluster that joins inherits."""
        record = self._global(name)
        return {"Engine": record["Engine"], "EngineVersion": record["EngineVersion"], "MasterUsername": "admin"}

    def join(self, cluster: Cluster, name: str) -> None:
        """Make a cluster a member: the first is the writer."""
        record = self._global(name)
        members = record["GlobalClusterMembers"]
        writer = not any(member["IsWriter"] for member in members)
        arn = cluster.record["DBClusterArn"]
        members.append(
            {"DBClusterArn": arn, "IsWriter": writer, "Readers": [], "GlobalWriteForwardingStatus": "disabled"}
        )
        for member in members:
            member["Readers"] = [one["DBClusterArn"] for one in members if not one["IsWriter"] and member["IsWriter"]]
        cluster.record["GlobalClusterIdentifier"] = record["GlobalClusterIdentifier"]
        if not writer:
            cluster.record["GlobalWriteForwardingStatus"] = "disabled"
            cluster.record["ReplicationSourceIdentifier"] = next(m["DBClusterArn"] for m in members if m["IsWriter"])

    def describe_global_clusters(self) -> ActionResult:
        """One, or all of the account."""
        name = self.asked.get("GlobalClusterIdentifier")
        if name:
            return self.page("GlobalClusters", [self._global(name)])
        return self.page(
            "GlobalClusters", [r for key, r in self.emulator.globals.items() if key[0] == self.here.account]
        )

    def remove_from_global_cluster(self) -> ActionResult:
        """Take a member out."""
        record, arn = self._global(self.asked["GlobalClusterIdentifier"]), self.asked["DbClusterIdentifier"]
        left = [member for member in record["GlobalClusterMembers"] if member["DBClusterArn"] != arn]
        if len(left) == len(record["GlobalClusterMembers"]):
            raise Fault("DBClusterNotFoundFault", f"{arn} is not a member")
        record["GlobalClusterMembers"] = left
        _, _, _, region, account, _, id = arn.split(":")
        cluster = self.emulator.region(account, region).cluster(id)
        for key in ("GlobalClusterIdentifier", "GlobalWriteForwardingStatus", "ReplicationSourceIdentifier"):
            cluster.record.pop(key, None)
        return ActionResult({"GlobalCluster": record})

    def delete_global_cluster(self) -> ActionResult:
        """An empty one."""
        record = self._global(self.asked["GlobalClusterIdentifier"])
        if record["GlobalClusterMembers"]:
            raise Fault("InvalidGlobalClusterStateFault", "Global cluster is not empty")
        if record["DeletionProtection"]:
            raise Fault("InvalidGlobalClusterStateFault", "Global cluster is protected against deletion")
        del self.emulator.globals[self.here.account, record["GlobalClusterIdentifier"]]
        return ActionResult({"GlobalCluster": record})

    def switchover_global_cluster(self) -> ActionResult:
        """Another member becomes the writer, in the records."""
        record, target = self._global(self.asked["GlobalClusterIdentifier"]), self.asked["TargetDbClusterIdentifier"]
        if target not in [member["DBClusterArn"] for member in record["GlobalClusterMembers"]]:
            raise Fault("DBClusterNotFoundFault", f"{target} is not a member")
        for member in record["GlobalClusterMembers"]:
            member["IsWriter"] = member["DBClusterArn"] == target
        return ActionResult({"GlobalCluster": record})

    failover_global_cluster = switchover_global_cluster
