# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What boto3 makes of each fault, in each protocol that hgaurora speaks."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ReadTimeoutError,
)
from botocore.parsers import ResponseParserError

from tests.emulator import faults as f
from tests.emulator.faults import Faults
from tests.emulator.serving import moto, serving


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Faults, str]]:
    """The layer before stock moto, and its URL."""
    faults = Faults(moto())
    with serving(faults) as url:
        yield faults, url


@pytest.fixture
def faults(served: tuple[Faults, str]) -> Faults:
    """Without rules, and with an empty log and an empty moto."""
    requests.post(served[1] + "/moto-api/reset", timeout=30)
    served[0].restart()
    return served[0]


@pytest.fixture
def client(served: tuple[Faults, str]) -> Callable[..., Any]:
    """A boto3 client; one attempt unless told otherwise."""

    def make(service: str, attempts: int = 1, **config: Any) -> Any:
        return boto3.client(
            service,
            endpoint_url=served[1],
            region_name="eu-west-1",
            aws_access_key_id="AKIAEXAMPLE000000000",
            aws_secret_access_key="x",
            config=Config(retries={"mode": "standard", "total_max_attempts": attempts}, **config),
        )

    return make


def _ended(faults: Faults, index: int) -> None:
    """The server is done with a call whose client has gone."""
    deadline = time.monotonic() + 10
    while not faults.log[index].outcome:
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks: its client has gone, so nothing answers


#: a harmless call of each service, which is each protocol
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "rds": ("describe_db_clusters", {}),
    "sts": ("get_caller_identity", {}),
    "iam": ("list_roles", {}),
    "logs": ("describe_log_groups", {}),
    "secretsmanager": ("list_secrets", {}),
    "cloudwatch": ("describe_alarms", {}),
    "sns": ("list_topics", {}),
    "events": ("list_rules", {}),
}
QUERY = {"rds", "sts", "iam", "sns"}


def _code(fault: f.Fault, faults: Faults, make: Callable[..., Any], service: str) -> tuple[str, int, str]:
    operation, params = CALLS[service]
    faults.inject(fault)
    with pytest.raises(ClientError) as caught:
        getattr(make(service), operation)(**params)
    answer = caught.value.response
    assert not faults.log[-1].reached
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


@pytest.mark.parametrize("service", CALLS)
def test_errors_have_the_shape_of_the_protocol(service: str, faults: Faults, client: Callable[..., Any]) -> None:
    """The codes boto3 shows are those of AWS: with an ending where JSON is spoken, but for CloudWatch, which spoke the
    query protocol before."""
    old = service in QUERY or service == "cloudwatch"

    def name(code: str) -> str:
        return code if old else code + "Exception"

    assert _code(f.throttle, faults, client, service) == (name("Throttling"), 400, "Rate exceeded")
    assert _code(f.failure, faults, client, service)[:2] == ("InternalFailure", 500)
    assert _code(f.unavailable, faults, client, service)[:2] == (name("ServiceUnavailable"), 503)
    forbidden = 403 if service in QUERY else 400
    code, status, message = _code(f.denied, faults, client, service)
    assert (code, status) == (name("AccessDenied"), forbidden)
    assert f"is not authorized to perform: {faults.log[-1].name} because" in message
    assert _code(f.expired, faults, client, service) == (
        name("ExpiredToken"),
        forbidden,
        "The security token included in the request is expired",
    )


def test_html_page(faults: Faults, client: Callable[..., Any]) -> None:
    """botocore has no error of a service for it."""
    faults.inject(f.html, times=2)
    with pytest.raises(ResponseParserError):
        client("rds").describe_db_clusters()
    with pytest.raises(ClientError, match=r"\(500\)"):
        client("logs").describe_log_groups()


@pytest.mark.parametrize("fault", [f.throttle, f.failure, f.unavailable, f.cut_before])
def test_tried_again(fault: f.Fault, faults: Faults, client: Callable[..., Any]) -> None:
    """botocore's attempts are calls of their own."""
    faults.inject(fault, "sts:*", times=2)
    assert client("sts", attempts=3).get_caller_identity()["Account"]
    assert [call.attempt for call in faults.log] == [1, 2, 3]
    assert [call.reached for call in faults.log] == [False, False, True]
    assert faults.log[-1].outcome == "200"
    assert fault.__name__ == faults.log[0].fault


def test_cut_before_and_after(faults: Faults, client: Callable[..., Any]) -> None:
    """Told apart by what is there afterwards."""
    rds = client("rds")

    def make(name: str) -> None:
        rds.create_db_cluster(
            DBClusterIdentifier=name,
            Engine="aurora-postgresql",
            MasterUsername="root",
            MasterUserPassword="hunter2hunter2",
        )

    faults.inject(f.cut_before, "rds:Create*")
    with pytest.raises(ConnectionClosedError):
        make("one")
    faults.inject(f.cut_after, "rds:Create*")
    with pytest.raises(ConnectionClosedError):
        make("two")
    assert [cluster["DBClusterIdentifier"] for cluster in rds.describe_db_clusters()["DBClusters"]] == ["two"]
    assert [call.outcome for call in faults.log] == ["cut", "cut", "200"]
    assert "hunter2hunter2" not in repr(faults.log)


def test_done_but_500(faults: Faults, client: Callable[..., Any]) -> None:
    """botocore tries again by itself, and finds its own work in the way."""
    faults.inject(f.failure_after, "logs:CreateLogGroup")
    with pytest.raises(ClientError, match="ResourceAlreadyExistsException"):
        client("logs", attempts=3).create_log_group(logGroupName="g")


def test_truncated(faults: Faults, client: Callable[..., Any]) -> None:
    """The length of the whole is announced, half of it comes. botocore 1.44 does not count: where XML is spoken it
    cannot read it, and where JSON is, **it takes the answer for a good one without fields**."""
    faults.inject(f.truncated, times=3)
    with pytest.raises(ResponseParserError):
        client("rds").describe_db_clusters()
    assert "logGroups" not in client("logs").describe_log_groups()
    assert "MetricAlarms" not in client("cloudwatch").describe_alarms()
    assert [call.outcome for call in faults.log] == ["truncated"] * 3
    assert all(call.reached for call in faults.log)


def test_answers_in_good_order_that_are_none(faults: Faults, client: Callable[..., Any]) -> None:
    """botocore 1.44 takes what is no JSON for an answer without fields, and stumbles over XML of others."""
    faults.inject(f.half, times=2)
    assert "logGroups" not in client("logs").describe_log_groups()
    with pytest.raises(ResponseParserError):
        client("rds").describe_db_clusters()
    faults.clear()
    faults.inject(f.portal, times=2)
    assert "logGroups" not in client("logs").describe_log_groups()
    with pytest.raises(KeyError):
        client("rds").describe_db_clusters()
    faults.clear()
    faults.inject(f.empty, times=2)
    assert "logGroups" not in client("logs").describe_log_groups()
    assert "DBClusters" not in client("rds").describe_db_clusters()
    assert [(call.fault, call.reached) for call in faults.log] == [
        ("half", True), ("half", True), ("portal", False), ("portal", False), ("empty", True), ("empty", True),
    ]  # fmt: skip


def test_late_answers(faults: Faults, client: Callable[..., Any]) -> None:
    """``delay`` before the work, ``late`` after it: a client that gives up cannot know which."""
    logs = client("logs", read_timeout=0.3)
    faults.inject(f.delay(1.0), "logs:CreateLogGroup")
    with pytest.raises(ReadTimeoutError):
        logs.create_log_group(logGroupName="delayed")
    assert logs.describe_log_groups()["logGroups"] == []
    _ended(faults, 0)
    faults.inject(f.late(1.0), "logs:CreateLogGroup", nth=1)
    with pytest.raises(ReadTimeoutError):
        logs.create_log_group(logGroupName="late")
    assert [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]] == ["delayed", "late"]
    _ended(faults, 2)


def test_rules(faults: Faults, client: Callable[..., Any]) -> None:
    """By number, by name, from the n-th on, always, by a parameter."""
    logs = client("logs")

    def outcomes(count: int) -> list[str]:
        for number in range(count):
            with suppress(logs.exceptions.ClientError):
                logs.describe_log_groups(logGroupNamePrefix=f"p{number}")
        return [call.outcome.removesuffix(" ThrottlingException") for call in faults.log]

    faults.inject(f.throttle, at=2)
    assert outcomes(3) == ["200", "400", "200"]
    faults.restart()
    faults.inject(f.throttle, "logs:Describe*", nth=2, times=2)
    assert outcomes(4) == ["200", "400", "400", "200"]
    faults.restart()
    always = faults.inject(f.throttle, "logs:*", times=None)
    other = faults.inject(f.throttle, "rds:*", times=None)
    assert outcomes(3) == ["400"] * 3
    assert (always.struck, other.struck) == (3, 0)
    faults.restart()
    faults.inject(f.throttle, where={"logGroupNamePrefix": "p1"})
    assert outcomes(3) == ["200", "400", "200"]
    assert faults.calls("logs:*")[1].params == {"logGroupNamePrefix": "p1"}


def test_parameters_as_boto3_takes_them(faults: Faults, client: Callable[..., Any]) -> None:
    """Also lists, in the query protocol."""
    tags = [{"Key": "hgaurora:node", "Value": "0123"}]
    client("rds").describe_db_clusters(Filters=[{"Name": "engine", "Values": ["aurora-mysql"]}])
    client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}", Tags=tags)
    assert faults.log[0].params["Filters"] == [{"Name": "engine", "Values": ["aurora-mysql"]}]
    assert faults.log[1].params == {"RoleName": "r", "AssumeRolePolicyDocument": "{}", "Tags": tags}
    assert (faults.log[0].region, faults.log[0].access_key) == ("eu-west-1", "AKIAEXAMPLE000000000")


def test_what_moto_lacks_is_an_error_of_aws(faults: Faults, client: Callable[..., Any]) -> None:
    """Not an HTML page, and not worth a second attempt."""
    with pytest.raises(ClientError, match=r"NotImplemented.*rds:DescribeDBEngineVersions"):
        client("rds", attempts=3).describe_db_engine_versions()
    with pytest.raises(ClientError, match=r"NotImplemented.*cloudwatch:DescribeAlarmHistory"):
        client("cloudwatch", attempts=3).describe_alarm_history()
    assert len(faults.log) == 2


CLIENT = """
import boto3, sys
logs = boto3.client("logs", endpoint_url=sys.argv[1], region_name="eu-west-1",
                    aws_access_key_id="AKIAEXAMPLE000000000", aws_secret_access_key="x")
for number in range(3):
    logs.create_log_group(logGroupName=f"g{number}")
print("end")
"""


@pytest.mark.parametrize(("strike", "left"), [(f.before, ["g0"]), (f.after, ["g0", "g1"])])
def test_kill_points(
    strike: Callable[..., f.Fault],
    left: list[str],
    served: tuple[Faults, str],
    faults: Faults,
    client: Callable[..., Any],
) -> None:
    """kill -9 of whoever calls, before call 2 or when it is done; nothing is asked for after it."""
    faults.inject(strike(lambda call: os.kill(call.client_pid(), signal.SIGKILL)), at=2)
    done = subprocess.run([sys.executable, "-c", CLIENT, served[1]], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    _ended(faults, 1)
    assert faults.names() == ["logs:CreateLogGroup"] * 2
    assert [group["logGroupName"] for group in client("logs").describe_log_groups()["logGroups"]] == left
