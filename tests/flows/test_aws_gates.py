# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of AWS before a deploy, on the wire; each refuses before anything is locked, and in a dry run too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from moto.cloudwatch.models import cloudwatch_backends

from hgaurora.core.errors import PolicyError, RemoteError
from hgaurora.core.model import Finding
from tests.cloud import Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.emulator.bluegreen import Deployment
from tests.planes import Quick, client, settings
from tests.world import Recorder, Repo, call, migration, sql

GATES = 'alarms = ["shop-errors", "shop-all"]\nreplica-lag = "1s"\nsnapshot = "none"'


@pytest.fixture(scope="module")
def made(cloud: Cloud) -> Made:
    """A cluster with a reader."""
    return cloud.fresh(readers=1)


@pytest.fixture
def shop(aws: Cloud, made: Made, repo: Repo) -> Repo:
    """A repository with a migration, on a cluster that is well."""
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": GATES})}, "settings")
    repo.commit(
        {"migrations/versions/0001_t.py": migration("0001", None, sql("CREATE TABLE IF NOT EXISTS t (id int)"))}
    )
    watch = client(aws, "cloudwatch")
    watch.put_metric_alarm(
        AlarmName="shop-errors",
        Namespace="shop",
        MetricName="errors",
        ComparisonOperator="GreaterThanThreshold",
        EvaluationPeriods=1,
        Period=60,
        Statistic="Sum",
        Threshold=1.0,
    )
    watch.put_composite_alarm(AlarmName="shop-all", AlarmRule="ALARM(shop-errors)")
    for name in ("shop-errors", "shop-all"):
        watch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="well")
    cloudwatch_backends[aws.account][aws.default_region].metric_data.clear()
    lag(aws, made, 20)
    return repo


def lag(aws: Cloud, made: Made, milliseconds: float) -> None:
    """What CloudWatch says of each instance, from now on: a failover makes a reader of the writer."""
    figures = [("AuroraReplicaLag", "DBInstanceIdentifier", f"{made.id}-{number}") for number in (1, 2)]
    figures.append(("AuroraReplicaLagMaximum", "DBClusterIdentifier", made.id))
    client(aws, "cloudwatch").put_metric_data(
        Namespace="AWS/RDS",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": dimension, "Value": name}],
                "Timestamp": datetime.now(UTC),
                "Value": milliseconds,
                "Unit": "Milliseconds",
            }
            for metric, dimension, name in figures
        ],
    )


def deploy(repo: Repo, **options: Any) -> Recorder:
    """To prod."""
    return call(repo, "deploy", adapters=Quick(), env="prod", **options)


def refused(repo: Repo, **options: Any) -> Finding:
    """The one finding of a deploy that is refused."""
    with pytest.raises(PolicyError) as raised:
        deploy(repo, **options)
    (finding,) = raised.value.findings  # type: ignore[attr-defined]
    return finding  # type: ignore[no-any-return]


def alarm(name: str, state: str) -> Callable[[Cloud, Made], None]:
    """Bring an alarm into a state."""
    return lambda aws, made: client(aws, "cloudwatch").set_alarm_state(
        AlarmName=name, StateValue=state, StateReason="planted"
    )


def _failover(aws: Cloud, made: Made) -> None:
    aws.hold("failover", made.id)
    client(aws).failover_db_cluster(DBClusterIdentifier=made.id)


def _writer(aws: Cloud, made: Made) -> Any:
    here = aws.region(aws.account, aws.default_region)
    return next(one for one in here.members(here.cluster(made.id)) if one.writer)


def _rename_pending(aws: Cloud, made: Made) -> None:
    client(aws).modify_db_instance(
        DBInstanceIdentifier=_writer(aws, made).id, NewDBInstanceIdentifier=f"{made.id}-new", ApplyImmediately=False
    )


def _record(aws: Cloud, made: Made) -> Any:
    return aws.region(aws.account, aws.default_region).cluster(made.id).record


PLANTS: dict[str, tuple[Callable[[Cloud, Made], object], str, str]] = {
    "metric alarm": (alarm("shop-errors", "ALARM"), "alarms", "alarm shop-errors is ALARM: planted"),
    "composite alarm": (alarm("shop-all", "ALARM"), "alarms", "alarm shop-all is ALARM"),
    "no data": (alarm("shop-all", "INSUFFICIENT_DATA"), "alarms", "has not enough data"),
    "missing alarm": (
        lambda aws, made: client(aws, "cloudwatch").delete_alarms(AlarmNames=["shop-all"]),
        "alarms",
        "there is no alarm shop-all in eu-west-1",
    ),
    "lag": (lambda aws, made: lag(aws, made, 5000), "replica-lag", "is 5s behind the writer, prod wants 1s at most"),
    "failover": (_failover, "cluster", "a failover is in progress"),
    "stopped": (lambda aws, made: _record(aws, made).update(Status="stopping"), "cluster", "is stopping"),
    "pending": (_rename_pending, "pending", "DBInstanceIdentifier"),
}


@pytest.mark.parametrize("plant", PLANTS)
def test_a_deploy_is_refused(aws: Cloud, made: Made, shop: Repo, plant: str) -> None:
    do, rule, said = PLANTS[plant]
    do(aws, made)
    try:
        aws.faults.restart()
        finding = refused(shop)
        assert (finding.rule, said in finding.message) == (rule, True), finding.message
        assert finding.mend
        assert refused(shop, dry_run=True) == finding
        # nothing but questions was sent
        assert {call.operation.partition("D")[0] for call in aws.faults.calls("rds:*")} == {""}
    finally:
        _record(aws, made)["Status"] = "available"
        _writer(aws, made).record.pop("PendingModifiedValues", None)
        aws.release()
        aws.states.settle()


def test_a_cluster_that_is_well_is_deployed_to(aws: Cloud, made: Made, shop: Repo) -> None:
    """The control of all the others; and a deploy that has nothing to do asks for none of it."""
    planned = deploy(shop, dry_run=True)
    assert planned.code == 0
    aws.faults.restart()
    deploy(shop)
    asked = set(aws.faults.names())
    assert {"cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "rds:DescribeBlueGreenDeployments"} <= asked
    assert "rds:DescribeAccountAttributes" not in asked  # no snapshot is taken
    aws.faults.restart()
    deploy(shop)
    assert set(aws.faults.names()) <= {"rds:DescribeDBClusters", "sts:GetCallerIdentity"}


def test_a_lag_that_nobody_measured(aws: Cloud, made: Made, shop: Repo) -> None:
    shop.commit({"migrations/versions/0002_u.py": migration("0002", "0001", "pass")})
    other = aws.fresh(readers=1)
    shop.commit({"hgaurora.toml": settings(aws, {"prod": other}, {"prod": GATES})})
    finding = refused(shop)
    assert (finding.rule, "is not known" in finding.message) == ("replica-lag", True)


def test_a_question_that_is_denied_refuses(aws: Cloud, made: Made, shop: Repo) -> None:
    shop.commit({"migrations/versions/0002_u.py": migration("0002", "0001", "pass")})
    aws.faults.inject(f.denied, "cloudwatch:DescribeAlarms", times=None)
    with pytest.raises(RemoteError, match="can not describe alarms") as raised:
        deploy(shop)
    assert "iam-policy prod" in (raised.value.hint or "")


def test_a_blue_green_deployment(aws: Cloud, repo: Repo) -> None:
    """In progress it refuses, whichever side the cluster is; after its end it does not."""
    made = aws.fresh()
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": 'snapshot = "none"'})}, "settings")
    repo.commit({"migrations/versions/0001_t.py": migration("0001", None, sql("CREATE TABLE t (id int)"))})
    here = aws.region(aws.account, aws.default_region)
    greens, cluster = here.greens, here.cluster(made.id)
    for side, other in (("Source", "Target"), ("Target", "Source")):
        record = {
            "BlueGreenDeploymentIdentifier": "bgd-planted",
            "BlueGreenDeploymentName": "planted",
            side: made.arn,
            other: f"{made.arn}-green-abc123",
            "Status": "PROVISIONING",
            "CreateTime": datetime.now(UTC),
        }
        greens["bgd-planted"] = planted = Deployment(record, cluster, cluster, cast("Any", None))
        finding = refused(repo)
        assert (finding.rule, "planted, which is PROVISIONING" in finding.message) == ("blue-green", True)
    planted.record["Status"] = "SWITCHOVER_COMPLETED"
    deploy(repo)
    del greens["bgd-planted"]
