# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of AWS before a deploy: facts for the rules of :mod:`hgaurora.core.policy`, nothing judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from ...core.gates import Alarm, BlueGreen, ClusterFacts, Member, Quota
from ...core.settings import Environment
from ...ports import Clock
from .errors import translated
from .session import Aws

#: how far back a figure of lag counts: CloudWatch has them each minute, some minutes late
RECENT = timedelta(minutes=10)
#: all of this is asked before anything is done
_STATE = "nothing was done"
#: names in one DescribeAlarms
_NAMES = 100


class Gates:
    """Asks for one environment's cluster."""

    def __init__(self, aws: Aws, settings: Environment, clock: Clock) -> None:
        self._aws = aws
        self._settings = settings
        self._clock = clock

    def facts(self, record: Mapping[str, Any], *, snapshots: int) -> ClusterFacts:
        """Everything that the settings have rules for.

        :param record: the cluster as DescribeDBClusters has it now.
        :param snapshots: how many the deploy will take; the quota is asked for where there are any.
        """
        name = str(record["DBClusterIdentifier"])
        members = self._members(name, record)
        readers = [one.id for one in members if not one.writer]
        return ClusterFacts(
            cluster=name,
            status=str(record.get("Status", "in no known state")),
            members=members,
            pending=_pending(record),
            blue_green=self._blue_green(str(record["DBClusterArn"])),
            alarms=self._alarms(self._settings.alarms),
            lag=self._lag(name, readers) if self._settings.replica_lag is not None and readers else None,
            quota=self.quota() if snapshots else None,
        )

    def _members(self, cluster: str, record: Mapping[str, Any]) -> tuple[Member, ...]:
        rows: dict[str, Mapping[str, Any]] = {}
        with translated(f"describe the instances of {cluster}", environment=self._settings.name, state=_STATE):
            pages = self._aws.client("rds").get_paginator("describe_db_instances")
            for page in pages.paginate(Filters=[{"Name": "db-cluster-id", "Values": [cluster]}]):
                rows.update({str(row["DBInstanceIdentifier"]): row for row in page["DBInstances"]})
        found = []
        for member in record.get("DBClusterMembers") or ():
            id = str(member["DBInstanceIdentifier"])
            row = rows.get(id)
            found.append(
                Member(
                    id=id,
                    writer=bool(member.get("IsClusterWriter")),
                    status=str(row["DBInstanceStatus"]) if row else None,
                    pending=_pending(row or {}),
                )
            )
        return tuple(found)

    def _blue_green(self, arn: str) -> tuple[BlueGreen, ...]:
        """Those that the cluster is a side of: a filter can ask for one side only."""
        found = []
        with translated("list blue/green deployments", environment=self._settings.name, state=_STATE):
            for page in self._aws.client("rds").get_paginator("describe_blue_green_deployments").paginate():
                found += [
                    BlueGreen(
                        id=str(row["BlueGreenDeploymentIdentifier"]),
                        name=str(row.get("BlueGreenDeploymentName", "")),
                        status=str(row.get("Status", "")),
                    )
                    for row in page["BlueGreenDeployments"]
                    if arn in (row.get("Source"), row.get("Target"))
                ]
        return tuple(found)

    def _alarms(self, names: Sequence[str]) -> tuple[Alarm, ...]:
        """Names that are not known are left out of the answer without a word; composite ones are only told where
        asked for."""
        found: list[Alarm] = []
        with translated("describe alarms", environment=self._settings.name, state=_STATE):
            for start in range(0, len(names), _NAMES):
                pages = self._aws.client("cloudwatch").get_paginator("describe_alarms")
                for page in pages.paginate(
                    AlarmNames=list(names[start : start + _NAMES]), AlarmTypes=["MetricAlarm", "CompositeAlarm"]
                ):
                    for row in [*page.get("MetricAlarms", ()), *page.get("CompositeAlarms", ())]:
                        found.append(
                            Alarm(
                                name=str(row["AlarmName"]),
                                state=str(row.get("StateValue", "INSUFFICIENT_DATA")),
                                reason=" ".join(str(row.get("StateReason") or "").split())[:200],
                            )
                        )
        return tuple(found)

    def _lag(self, cluster: str, readers: Sequence[str]) -> dict[str, float]:
        """The newest figure of each reader, and of the cluster's furthest, in seconds; CloudWatch has milliseconds."""
        asked = {f"r{number}": (id, "AuroraReplicaLag", "DBInstanceIdentifier") for number, id in enumerate(readers)}
        asked["c"] = (cluster, "AuroraReplicaLagMaximum", "DBClusterIdentifier")
        now = self._clock.now()
        found: dict[str, float] = {}
        with translated(
            f"read how far the readers of {cluster} are behind", environment=self._settings.name, state=_STATE
        ):
            pages = self._aws.client("cloudwatch").get_paginator("get_metric_data")
            for page in pages.paginate(
                StartTime=now - RECENT,
                EndTime=now + timedelta(minutes=1),
                ScanBy="TimestampDescending",
                MetricDataQueries=[
                    {
                        "Id": id,
                        "MetricStat": {
                            "Metric": {
                                "Namespace": "AWS/RDS",
                                "MetricName": metric,
                                "Dimensions": [{"Name": dimension, "Value": name}],
                            },
                            "Period": 60,
                            "Stat": "Maximum",
                        },
                    }
                    for id, (name, metric, dimension) in asked.items()
                ],
            ):
                for row in page["MetricDataResults"]:
                    newest = max(zip(row["Timestamps"], row["Values"], strict=False), default=None)
                    if newest is not None and row["Id"] in asked:
                        found.setdefault(asked[row["Id"]][0], float(newest[1]) / 1000)
        return found

    def quota(self) -> Quota | None:
        """That of manual cluster snapshots, in this region of this account; None: AWS does not say."""
        with translated("read the account's quotas", environment=self._settings.name, state=_STATE):
            found = self._aws.client("rds").describe_account_attributes()
        for row in found["AccountQuotas"]:
            if row["AccountQuotaName"] == "ManualClusterSnapshots":
                return Quota(used=int(row["Used"]), most=int(row["Max"]))
        return None


def _pending(record: Mapping[str, Any]) -> tuple[str, ...]:
    """What waits: the names of settings, and those inside of a structure that holds something."""
    return tuple(
        sorted(name for name, what in (record.get("PendingModifiedValues") or {}).items() if what not in ({}, []))
    )
