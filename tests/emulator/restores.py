# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Calls that make a cluster of data that were: from a snapshot, as a clone, as of a point in time."""

from __future__ import annotations

import shutil
import uuid
from datetime import UTC, datetime

from moto.core.responses import ActionResult

from .clusters import ClusterCalls
from .errors import Fault, contradiction, invalid
from .store import Cluster, now, random_id, restorable

_CLONES = 15


class RestoreCalls(ClusterCalls):
    """Restores and clones. None makes an instance, so nothing answers before one is created."""

    def restore_db_cluster_from_snapshot(self) -> ActionResult:
        """Settings are those asked for, or defaults: little comes from the snapshot."""
        asked, here = self.asked, self.here
        snapshot = here.snapshot(asked["SnapshotIdentifier"])
        if snapshot.record["Status"] != "available":
            message = f"Cluster snapshot {snapshot.id} is {snapshot.record['Status']}"
            raise Fault("InvalidDBClusterSnapshotStateFault", message)
        if asked["Engine"] != snapshot.record["Engine"]:
            raise invalid(f"The engine {asked['Engine']} is not the snapshot's, {snapshot.record['Engine']}")
        source = {**snapshot.record, "EngineVersion": None}  # by the API: the region's default version
        cluster = self.new_cluster(asked["DBClusterIdentifier"], asked["Engine"], source)
        cluster.record["MasterUsername"] = snapshot.record["MasterUsername"]
        self.lay(cluster, lambda: cluster.plane.lay(snapshot.image), kind="restore")
        return ActionResult({"DBCluster": self.shown(cluster)})

    def restore_db_cluster_to_point_in_time(self) -> ActionResult:
        """Of a cluster that is there: as it is now, or as it was."""
        asked, here = self.asked, self.here
        source = self._source()
        when, latest = asked.get("RestoreToTime"), asked.get("UseLatestRestorableTime")
        kind = asked.get("RestoreType") or "full-copy"
        if kind not in ("full-copy", "copy-on-write"):
            raise invalid(f"Invalid RestoreType: {kind}")
        if kind == "copy-on-write" and when:
            raise contradiction("RestoreToTime can't be specified when RestoreType is copy-on-write")
        self.exactly_one("RestoreToTime", "UseLatestRestorableTime")
        if kind == "copy-on-write" and not here.members(source):
            raise Fault("InvalidDBClusterStateFault", f"DB cluster {source.id} has no instance, and cannot be cloned")
        if latest:
            source.must_be("available", "backing-up", "stopped")
        else:
            source.must_be("available", "backing-up")
        time = utc(when) if when else None
        window = restorable(source, self.emulator.restorable_lag)
        if time and (window is None or not window[0] <= time <= window[1]):
            raise Fault("InvalidRestoreFault", f"{time.isoformat()} is not within the restorable window of {source.id}")
        cluster = self.new_cluster(asked["DBClusterIdentifier"], source.record["Engine"], source.record)
        cluster.record["MasterUsername"] = source.record["MasterUsername"]
        if "Tags" not in asked:
            cluster.record["TagList"] = list(source.record["TagList"])
        if kind == "copy-on-write":
            group = source.record.setdefault("CloneGroupId", str(uuid.uuid4()))
            clones = [one for one in here.clusters.values() if one.record.get("CloneGroupId") == group]
            if len(clones) <= _CLONES:
                cluster.record["CloneGroupId"] = group

        folder = self.emulator.folder

        def clone() -> None:
            with source.work:
                if time:
                    source.plane_at(time).at(time, cluster.plane)
                    return
                image = folder / "images" / random_id("clone-")
                source.plane.image(image)
                cluster.plane.lay(image)
                shutil.rmtree(image)

        self.lay(cluster, clone, kind="restore")
        return ActionResult({"DBCluster": self.shown(cluster)})

    def _source(self) -> Cluster:
        asked, here = self.asked, self.here
        if self.exactly_one("SourceDBClusterIdentifier", "SourceDbClusterResourceId") == "SourceDBClusterIdentifier":
            return here.cluster(asked["SourceDBClusterIdentifier"])
        wanted = asked["SourceDbClusterResourceId"]
        for cluster in here.clusters.values():
            if cluster.record["DbClusterResourceId"] == wanted:
                return cluster
        raise Fault("DBClusterNotFoundFault", f"DBCluster {wanted} not found.")


def utc(time: datetime | str) -> datetime:
    """A time as asked for.

    :raises Fault: it is in the future.
    """
    found = time if isinstance(time, datetime) else datetime.fromisoformat(time)
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found > now():
        raise invalid("The specified time is in the future")
    return found
