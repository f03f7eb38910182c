# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudWatch alarms by boto3, as a gate before a deploy asks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.emulator.alarms import Alarms
from tests.emulator.serving import moto, serving, session

KEYS = {"aws_access_key_id": "AKIAEXAMPLE000000000", "aws_secret_access_key": "x"}
BOTH = ["MetricAlarm", "CompositeAlarm"]


@pytest.fixture
def cloudwatch() -> Iterator[Any]:
    """A client of an empty CloudWatch."""
    with serving(Alarms(moto())) as url:
        requests.post(url + "/moto-api/reset", timeout=30)
        yield session("eu-west-1", **KEYS).client("cloudwatch", endpoint_url=url)


def _metric(cloudwatch: Any, *names: str) -> None:
    for name in names:
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            MetricName="CPUUtilization",
            Namespace="AWS/RDS",
            Period=60,
            EvaluationPeriods=1,
            Threshold=90,
            ComparisonOperator="GreaterThanThreshold",
            Statistic="Average",
        )


def _states(answer: dict[str, Any]) -> dict[str, str]:
    return {one["AlarmName"]: one["StateValue"] for one in answer["MetricAlarms"] + answer["CompositeAlarms"]}


def test_states(cloudwatch: Any) -> None:
    """A new alarm has no data; changing its settings leaves its state."""
    _metric(cloudwatch, "cpu")
    assert _states(cloudwatch.describe_alarms()) == {"cpu": "INSUFFICIENT_DATA"}
    cloudwatch.set_alarm_state(AlarmName="cpu", StateValue="OK", StateReason="quiet")
    assert _states(cloudwatch.describe_alarms(AlarmNames=["cpu"])) == {"cpu": "OK"}
    _metric(cloudwatch, "cpu")
    (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
    assert alarm["AlarmArn"].endswith(":alarm:cpu")
    assert alarm["ActionsEnabled"] is True
    assert {"StateReason", "StateUpdatedTimestamp", "MetricName", "Threshold"} <= alarm.keys()


def test_composite_ones_are_asked_for(cloudwatch: Any) -> None:
    """By default only metric alarms come."""
    _metric(cloudwatch, "cpu")
    cloudwatch.put_composite_alarm(AlarmName="all", AlarmRule='ALARM("cpu")')
    assert _states(cloudwatch.describe_alarms(AlarmNames=["cpu", "all"])).keys() == {"cpu"}
    assert _states(cloudwatch.describe_alarms(AlarmTypes=["CompositeAlarm"])) == {"all": "INSUFFICIENT_DATA"}
    cloudwatch.set_alarm_state(AlarmName="all", StateValue="ALARM", StateReason="loud")
    both = cloudwatch.describe_alarms(AlarmNames=["cpu", "all", "not there"], AlarmTypes=BOTH)
    assert _states(both) == {"cpu": "INSUFFICIENT_DATA", "all": "ALARM"}
    (alarm,) = both["CompositeAlarms"]
    assert (alarm["AlarmRule"], alarm["StateReason"]) == ('ALARM("cpu")', "loud")
    assert _states(cloudwatch.describe_alarms(StateValue="ALARM", AlarmTypes=BOTH)).keys() == {"all"}
    assert _states(cloudwatch.describe_alarms(AlarmNamePrefix="c", AlarmTypes=BOTH)).keys() == {"cpu"}
    cloudwatch.delete_alarms(AlarmNames=["cpu", "all"])
    assert _states(cloudwatch.describe_alarms(AlarmTypes=BOTH)) == {}


def test_pages(cloudwatch: Any) -> None:
    """A hundred at most, and a hundred names at most."""
    names = [f"alarm-{number:03}" for number in range(103)]
    _metric(cloudwatch, *names)
    first = cloudwatch.describe_alarms()
    assert (len(first["MetricAlarms"]), "NextToken" in first) == (100, True)
    assert len(cloudwatch.describe_alarms(MaxRecords=7)["MetricAlarms"]) == 7
    pages = cloudwatch.get_paginator("describe_alarms").paginate(AlarmTypes=BOTH)
    assert list(pages.search("MetricAlarms[].AlarmName")) == names
    with pytest.raises(cloudwatch.exceptions.ClientError, match="ValidationError"):
        cloudwatch.describe_alarms(AlarmNames=names)


def test_stock_moto_mixes_them_up() -> None:
    """The control: what a gate must not be tested on."""
    with serving(moto()) as url:
        requests.post(url + "/moto-api/reset", timeout=30)
        stock = session("eu-west-1", **KEYS).client("cloudwatch", endpoint_url=url)
        _metric(stock, "cpu")
        assert _states(stock.describe_alarms(AlarmTypes=["CompositeAlarm"])) == {"cpu": "OK"}
