# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Answers in AWS's place that are none of AWS: cut in half, a page of a portal, nothing. None of them is believed."""

from __future__ import annotations

from typing import Any

import pytest

from hgaurora.core.errors import HgAuroraError, Interrupted, RemoteError
from tests.cloud import Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.planes import Quick, client, settings
from tests.world import Recorder, Repo, call, migration, sql

FAULTS = (f.half, f.portal, f.empty)
GATES = 'alarms = ["shop-errors"]\nreplica-lag = "1s"\n'


@pytest.fixture
def made(aws: Cloud) -> Made:
    """A fresh cluster with a reader."""
    aws.snapshot_quota = 100
    return aws.fresh(readers=1)


def commit(repo: Repo, number: int) -> None:
    """One more migration."""
    name, before = f"{number:04}", f"{number - 1:04}" if number > 1 else None
    text = migration(name, before, sql(f"CREATE TABLE t{number} (id int)"), sql(f"DROP TABLE t{number}"))
    repo.commit({f"migrations/versions/{name}.py": text}, f"t{number}")


def run(repo: Repo, command: str = "deploy", **options: Any) -> Recorder:
    """A command on prod."""
    return call(repo, command, adapters=Quick(), **{"env": "prod", **options})


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_before_anything_is_touched(aws: Cloud, made: Made, repo: Repo, fault: f.Fault) -> None:
    """Each question of a deploy, struck alone: said as lost, and nothing is done."""
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": GATES})}, "settings")
    commit(repo, 1)
    watch = client(aws, "cloudwatch")
    watch.put_metric_alarm(
        AlarmName="shop-errors", Namespace="shop", MetricName="errors", ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1, Period=60, Statistic="Sum", Threshold=1.0,
    )  # fmt: skip
    watch.set_alarm_state(AlarmName="shop-errors", StateValue="OK", StateReason="well")
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": 'snapshot = "none"'})}, "first")
    run(repo)
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": GATES})}, "gates")
    commit(repo, 2)
    for what in (
        "sts:GetCallerIdentity",
        "rds:DescribeDBClusters",
        "rds:DescribeDBInstances",
        "rds:DescribeBlueGreenDeployments",
        "rds:DescribeAccountAttributes",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:GetMetricData",
    ):
        aws.faults.restart()
        struck = aws.faults.inject(fault, what, times=None)
        with pytest.raises(RemoteError, match="prod: can not ") as raised:
            run(repo, dry_run=True)
        error = raised.value
        assert struck.struck == 1, what
        assert error.data["unknown"] is True, what
        assert error.data["aws"]["operation"] == what.split(":")[1]  # type: ignore[index]
        assert f"the answer of AWS to {what} was not whole" in error.message or "was cut off" in error.message
        assert error.hint == "look at the network, then the same command again"
        assert error.state == "nothing was done"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("what", ["rds:CreateDBClusterSnapshot", "rds:DescribeDBClusterSnapshots"])
def test_in_the_midst_of_a_deploy(aws: Cloud, made: Made, repo: Repo, fault: f.Fault, what: str) -> None:
    """It ends as interrupted or does not end at all, and the same command goes on with the same snapshot."""
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    commit(repo, 1)
    run(repo)
    commit(repo, 2)
    aws.faults.restart()
    once = aws.faults.inject(fault, what, times=None)
    if what == "rds:CreateDBClusterSnapshot" and fault is not f.portal:
        run(repo)  # it was begun, and is found
    else:
        with pytest.raises(Interrupted) as raised:
            run(repo)
        assert raised.value.data["aws"]["operation"] == what.split(":")[1]  # type: ignore[index]
        assert "the same command" in (raised.value.hint or "")
        assert raised.value.state
    assert once.struck
    aws.faults.restart()
    run(repo)
    found = client(aws).describe_db_cluster_snapshots(SnapshotType="manual", DBClusterIdentifier=made.id)
    assert len(found["DBClusterSnapshots"]) == 1
    assert run(repo).out[-1].endswith("nothing to do")


def test_a_cluster_without_its_resource_id(aws: Cloud, made: Made, repo: Repo) -> None:
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    commit(repo, 1)
    record = aws.region(aws.account, aws.default_region).cluster(made.id).record
    kept = record["DbClusterResourceId"]
    record["DbClusterResourceId"] = None
    try:
        with pytest.raises(HgAuroraError, match="answer of AWS to rds:DescribeDBClusters was not whole"):
            run(repo)
    finally:
        record["DbClusterResourceId"] = kept


def test_a_role_that_is_not_told_whole(aws: Cloud, made: Made, repo: Repo) -> None:
    role = aws.directory.role("answers", {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": "*", "Resource": "*"}]})  # fmt: skip
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": f'role-arn = "{role}"'})}, "settings")
    commit(repo, 1)
    for fault in (f.portal, f.empty):
        aws.faults.restart()
        aws.faults.inject(fault, "sts:AssumeRole", times=None)
        with pytest.raises(RemoteError, match="answer of AWS to sts:AssumeRole was not whole"):
            run(repo, dry_run=True)
