# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Backtrack: the same cluster, with the data of another time of its life.

Each server that a cluster had is kept, so one can also go forward again, to a time before the last Backtrack.
"""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

from moto.core.responses import ActionResult

from .base import Calls
from .errors import Fault, invalid
from .restores import utc
from .store import Cluster, Record, now


class BacktrackCalls(Calls):
    """Only ``aurora-mysql``, and only where a window was chosen at creation or restore."""

    def backtrack_window(self, cluster: Cluster) -> Record:
        """Fields of a cluster's description."""
        earliest = _earliest(cluster)
        return {"EarliestBacktrackTime": earliest, "BacktrackConsumedChangeRecords": 0} if earliest else {}

    def backtrack_db_cluster(self) -> ActionResult:
        """Sessions end; the endpoint stays."""
        asked, emulator = self.asked, self.emulator
        cluster = self.here.cluster(asked["DBClusterIdentifier"])
        earliest = _earliest(cluster)
        if earliest is None:
            raise invalid(f"Backtrack is not enabled for DB cluster {cluster.id}")
        cluster.must_be()
        if not self.here.members(cluster):
            raise Fault("InvalidDBClusterStateFault", f"DB cluster {cluster.id} has no instance")
        time = utc(asked["BacktrackTo"])
        if time < earliest:
            if not asked.get("UseEarliestTimeOnPointInTimeUnavailable"):
                raise invalid(f"BacktrackTo is before the earliest time, {earliest.isoformat()}")
            time = earliest
        row: Record = {
            "DBClusterIdentifier": cluster.id,
            "BacktrackIdentifier": str(uuid.uuid4()),
            "BacktrackTo": time,
            "BacktrackedFrom": now(),
            "BacktrackRequestCreationTime": now(),
            "Status": "applying",
        }
        cluster.backtracks.append(row)
        cluster.record["Status"] = "backtracking"
        cluster.serving = False
        emulator.sync()
        plane = emulator.plane(cluster.record["Engine"])

        def work() -> None:
            with cluster.work:
                cluster.stop()
                cluster.plane_at(time).at(time, plane)
                plane.start()
                plane.mark()
                if cluster.reader:
                    cluster.reader.remove()
                    cluster.reader.follow(plane)

        def end(status: str) -> None:
            row["Status"] = status
            cluster.record["Status"] = "available"
            cluster.serving = True
            emulator.sync()

        def done() -> None:
            cluster.before.append((row["BacktrackedFrom"], cluster.plane))
            cluster.plane = plane
            end("completed")

        def failed() -> None:
            cluster.start()
            end("failed")

        emulator.states.start("backtrack", cluster.id, work, done, failed)
        return ActionResult(row)

    def describe_db_cluster_backtracks(self) -> ActionResult:
        """Of one cluster, newest first."""
        cluster = self.here.cluster(self.asked["DBClusterIdentifier"])
        wanted = self.filters(id="db-cluster-backtrack-id", status="db-cluster-backtrack-status")
        rows = cluster.backtracks[::-1]
        one = self.asked.get("BacktrackIdentifier")
        if one:
            rows = [row for row in rows if row["BacktrackIdentifier"] == one]
            if not rows:
                raise Fault("DBClusterBacktrackNotFoundFault", f"Backtrack {one} not found")
        for word, key in (("id", "BacktrackIdentifier"), ("status", "Status")):
            if word in wanted:
                rows = [row for row in rows if row[key].lower() in wanted[word]]
        return self.page("DBClusterBacktracks", rows)


def _earliest(cluster: Cluster) -> datetime | None:
    """How far back; None where Backtrack is off, or nothing has been served yet."""
    window = cluster.record.get("BacktrackWindow")
    if not window or cluster.begun is None:
        return None
    return max(cluster.begun, now() - timedelta(seconds=window))
