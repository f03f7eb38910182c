# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that stop, start, fail over and delete clusters."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult

from .errors import Fault, contradiction
from .masters import MasterCalls
from .store import Cluster, Record

_BUSY = ("deleting", "creating", "renaming", "migrating", "backing-up")


class LifeCalls(MasterCalls):
    """From the first start to the end."""

    def stop_db_cluster(self) -> ActionResult:
        """End its server; data stay."""
        cluster = self.here.cluster(self.asked["DBClusterIdentifier"])
        cluster.must_be()
        self._turn(cluster, "stopping", "stopped", cluster.stop)
        return ActionResult({"DBCluster": self.shown(cluster)})

    def start_db_cluster(self) -> ActionResult:
        """Start its server again."""
        cluster = self.here.cluster(self.asked["DBClusterIdentifier"])
        cluster.must_be("stopped")
        self._turn(cluster, "starting", "available", cluster.start if self.here.members(cluster) else _nothing)
        return ActionResult({"DBCluster": self.shown(cluster)})

    def reboot_db_cluster(self) -> ActionResult:
        """Stop and start."""
        cluster = self.here.cluster(self.asked["DBClusterIdentifier"])
        cluster.must_be()

        def work() -> None:
            cluster.stop()
            cluster.start()

        self._turn(cluster, "rebooting", "available", work)
        return ActionResult({"DBCluster": self.shown(cluster)})

    def _turn(self, cluster: Cluster, meanwhile: str, then: str, work: Any) -> None:
        """Change a cluster's state, and its instances' with it."""
        here, emulator = self.here, self.emulator
        members = here.members(cluster)
        cluster.serving = False
        cluster.record["Status"] = meanwhile
        for instance in members:
            instance.record["DBInstanceStatus"] = meanwhile

        def end(status: str) -> None:
            cluster.record["Status"] = status
            cluster.serving = status == "available" and bool(members)
            for instance in members:
                instance.record["DBInstanceStatus"] = status
            emulator.sync()

        emulator.sync()
        emulator.states.start(
            {"stopping": "stop", "starting": "start", "rebooting": "reboot"}[meanwhile],
            cluster.id,
            work,
            lambda: end(then),
            lambda: end("inaccessible-encryption-credentials"),
        )

    def failover_db_cluster(self) -> ActionResult:
        """Another member becomes the writer; sessions end."""
        cluster = self.here.cluster(self.asked["DBClusterIdentifier"])
        cluster.must_be()
        members = self.here.members(cluster)
        target = self.asked.get("TargetDBInstanceIdentifier")
        chosen = [m for m in members if not m.writer and (not target or m.id == target.lower())]
        if not chosen:
            raise Fault("InvalidDBClusterStateFault", f"DB cluster {cluster.id} has no reader to fail over to")
        emulator = self.emulator
        cluster.record["Status"] = "failing-over"

        def done() -> None:
            for member in members:
                member.writer = member is chosen[0]
            cluster.record["Status"] = "available"
            emulator.drop(cluster)
            emulator.sync()

        emulator.states.start("failover", cluster.id, lambda: None, done, lambda: None)
        return ActionResult({"DBCluster": self.shown(cluster)})

    def delete_db_cluster(self) -> ActionResult:
        """With or without a last snapshot; only when nothing is in it."""
        asked, here, emulator = self.asked, self.here, self.emulator
        cluster = here.cluster(asked["DBClusterIdentifier"])
        last, skip = asked.get("FinalDBSnapshotIdentifier"), bool(asked.get("SkipFinalSnapshot"))
        if skip == bool(last):
            raise contradiction(
                "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified, and only then"
            )
        if cluster.record["DeletionProtection"]:
            raise contradiction("Cannot delete protected Cluster, please disable deletion protection and try again.")
        if here.members(cluster):
            raise Fault(
                "InvalidDBClusterStateFault",
                "Cluster cannot be deleted, it still contains DB instances in non-deleting state.",
            )
        if cluster.status in _BUSY:
            cluster.must_be()
        if cluster.record.get("GlobalClusterIdentifier"):
            raise Fault(
                "InvalidDBClusterStateFault", "This cluster is a part of a global cluster, please remove it first"
            )
        snapshot = self.new_snapshot(cluster, last) if last else None
        cluster.record["Status"] = "deleting"

        def work() -> None:
            cluster.ready.wait(60)
            if snapshot:
                cluster.plane.image(snapshot.image)
            for plane in (cluster.reader, cluster.plane, *(plane for _, plane in cluster.before)):
                if plane:
                    plane.remove()

        def done() -> None:
            del here.clusters[cluster.id]
            self.drop_secret(cluster, here)
            if snapshot:
                snapshot.record.update(Status="available", PercentProgress=100)
            here.happened(
                "db-cluster",
                cluster.id,
                cluster.record["DBClusterArn"],
                "RDS-EVENT-0171",
                "DB cluster deleted",
                "deletion",
            )
            emulator.sync()

        def failed() -> None:
            cluster.record["Status"] = "available"

        shown = self.shown(cluster)
        emulator.states.start("delete", cluster.id, work, done, failed)
        return ActionResult({"DBCluster": shown})

    # what other parts give: each is defined by the class named, and RDS is made of all of them, so none of these is run

    def backtrack_window(self, cluster: Cluster) -> Record:
        """See :class:`~tests.emulator.backtracks.BacktrackCalls`."""
        raise NotImplementedError

    def new_snapshot(self, cluster: Cluster, id: str) -> Any:
        """See :class:`~tests.emulator.snapshots.SnapshotCalls`."""
        raise NotImplementedError

    def joined(self, name: str) -> Record:
        """See :class:`~tests.emulator.globals.GlobalCalls`."""
        raise NotImplementedError

    def join(self, cluster: Cluster, name: str) -> None:
        """See :class:`~tests.emulator.globals.GlobalCalls`."""
        raise NotImplementedError

    def shown(self, cluster: Cluster) -> Record:
        """See :class:`~tests.emulator.clusters.ClusterCalls`."""
        raise NotImplementedError


def _nothing() -> None:
    """There is no server to start."""
