# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudWatch Logs by boto3: what is refused, what is dropped with a 200, and what is found again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulator import faults as f
from tests.emulator import insights, logfilter
from tests.emulator.faults import Faults
from tests.emulator.logs import Logs
from tests.emulator.serving import moto, serving

GROUP, STREAM = "/hgaurora/prod", "2026-11-21/0123456789ab/prod-42"
DAY = 86_400_000


@dataclass
class World:
    """One group with one stream."""

    url: str
    logs: Logs
    faults: Faults

    def client(self, service: str = "logs") -> Any:
        """boto3's, one attempt."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name="eu-west-1",
            aws_access_key_id="AKIAEXAMPLE000000000",
            aws_secret_access_key="x",
            config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
        )

    def put(self, *events: tuple[int, str]) -> dict[str, Any]:
        """Time from now in ms, and text."""
        now = int(time.time() * 1000)
        made = [{"timestamp": now + ahead, "message": text} for ahead, text in events]
        answer: dict[str, Any] = self.client().put_log_events(logGroupName=GROUP, logStreamName=STREAM, logEvents=made)
        return answer

    def refused(self, *events: tuple[int, str]) -> str:
        """What is said to a batch; nothing of it is kept."""
        with pytest.raises(ClientError) as caught:
            self.put(*events)
        assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
        return caught.value.response["Error"]["Message"]

    def kept(self) -> list[str]:
        """All texts, by paging forward from the head."""
        logs, token, texts = self.client(), {}, []
        while True:
            page = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, startFromHead=True, **token)
            texts += [event["message"] for event in page["events"]]
            if token.get("nextToken") == page["nextForwardToken"]:
                return texts
            token = {"nextToken": page["nextForwardToken"]}


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    """One moto for the module."""
    logs = Logs(moto())
    faults = Faults(logs)
    with serving(faults) as url:
        yield World(url, logs, faults)


@pytest.fixture
def world(served: World) -> World:
    """With one empty stream."""
    requests.post(served.url + "/moto-api/reset", timeout=30)
    served.faults.restart()
    served.logs.page, served.logs.polls, served.logs.ahead = 10_000, 1, 0
    served.client().create_log_group(logGroupName=GROUP)
    served.client().create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
    return served


def test_limits_of_a_batch(world: World) -> None:
    """To the byte and to the event, from both sides."""
    event = 262_144 - 26
    assert world.put((0, "x" * event))["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert world.refused((0, "x" * (event + 1))) == "Log event too large: 262145 bytes exceeds limit of 262144"
    # bytes count, not characters
    assert "too large" in world.refused((0, "é" * (event // 2 + 1)))
    whole = [(0, "x" * event)] * 4
    world.put(*whole)
    assert world.refused(*whole, (0, "x")) == "Upload too large: 1048603 bytes exceeds limit of 1048576"
    world.put(*[(0, "x")] * 10_000)
    assert "less than or equal to 10000" in world.refused(*[(0, "x")] * 10_001)
    assert len(world.kept()) == 1 + 4 + 10_000


def test_order_and_span(world: World) -> None:
    """Chronological, within 24 hours."""
    assert "chronological order" in world.refused((0, "b"), (-1, "a"))
    assert "more than 24 hours" in world.refused((-DAY - 1, "a"), (0, "b"))
    world.put((-DAY, "a"), (0, "b"), (0, "c"))
    assert world.kept() == ["a", "b", "c"]


def test_dropped_with_a_200(world: World) -> None:
    """Too old, too new, past the retention; the indices are those of the batch."""
    answer = world.put((-14 * DAY - 60_000, "old 1"), (-14 * DAY - 1000, "old 2"), (-14 * DAY + 60_000, "in"))
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 2}
    hour = 3_600_000
    answer = world.put((0, "now"), (2 * hour - 60_000, "in"), (2 * hour + 60_000, "new 1"), (3 * hour, "new 2"))
    assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
    assert world.put((-15 * DAY, "old"))["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert "rejectedLogEventsInfo" not in world.put((0, "good"))
    world.client().put_retention_policy(logGroupName=GROUP, retentionInDays=3)
    answer = world.put((-3 * DAY - 60_000, "expired"), (-3 * DAY + 60_000, "in"))
    assert answer["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}
    assert world.kept() == ["in", "in", "now", "good", "in"]
    world.logs.ahead = 3 * 86_400
    assert world.put((-60_000, "queued for days"))["rejectedLogEventsInfo"] == {"expiredLogEventEndIndex": 1}


def test_stock_moto_counts_wrong() -> None:
    """The control: why this layer stands before it."""
    with serving(moto()) as url:
        world = World(url, Logs(moto()), Faults(moto()))
        requests.post(url + "/moto-api/reset", timeout=30)
        world.client().create_log_group(logGroupName=GROUP)
        world.client().create_log_stream(logGroupName=GROUP, logStreamName=STREAM)
        hour = 3_600_000
        answer = world.put((0, "now"), (2 * hour + 60_000, "new 1"), (3 * hour, "new 2"))
        assert answer["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
        world.put((0, "x" * 2_000_000))
        world.client().put_retention_policy(logGroupName=GROUP, retentionInDays=31)


def test_what_is_not_there(world: World) -> None:
    """A group and a stream are told apart."""
    logs = world.client()
    event = [{"timestamp": int(time.time() * 1000), "message": "m"}]
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log group does not exist"):
        logs.put_log_events(logGroupName="none", logStreamName=STREAM, logEvents=event)
    with pytest.raises(logs.exceptions.ResourceNotFoundException, match="log stream does not exist"):
        logs.put_log_events(logGroupName=GROUP, logStreamName="none", logEvents=event)
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException, match="log group already exists"):
        logs.create_log_group(logGroupName=GROUP)
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException, match="log stream already exists"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=STREAM)


def test_names_retention_and_key(world: World) -> None:
    """What the service would refuse is refused."""
    logs = world.client()
    for name in ("aws/mine", "with space", "a" * 513, "a:b"):
        with pytest.raises(logs.exceptions.ClientError):
            logs.create_log_group(logGroupName=name)
    for name in ("a:b", "a*b"):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.create_log_stream(logGroupName=GROUP, logStreamName=name)
    with pytest.raises(logs.exceptions.InvalidParameterException, match="enum value set"):
        logs.put_retention_policy(logGroupName=GROUP, retentionInDays=31)
    logs.put_retention_policy(logGroupName=GROUP, retentionInDays=30)
    kms = world.client("kms")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    for wrong in ("alias/mine", key[:-1] + "?", key.replace("eu-west-1", "us-east-1")):
        with pytest.raises(logs.exceptions.ClientError, match=r"AccessDeniedException.*KMS key does not exist"):
            logs.create_log_group(logGroupName="keyed", kmsKeyId=wrong)
    logs.create_log_group(logGroupName="keyed", kmsKeyId=key)
    groups = {one["logGroupName"]: one for one in logs.describe_log_groups()["logGroups"]}
    assert (groups["keyed"]["kmsKeyId"], groups[GROUP]["retentionInDays"]) == (key, 30)
    kms.disable_key(KeyId=key.rpartition("/")[2])
    with pytest.raises(logs.exceptions.ClientError, match="AccessDeniedException"):
        logs.create_log_group(logGroupName="keyed-2", kmsKeyId=key)


def test_errors_that_boto3_still_models(world: World) -> None:
    """Nothing throws them; a test can."""
    for code in ("DataAlreadyAcceptedException", "InvalidSequenceTokenException", "ServiceUnavailableException"):
        world.faults.inject(f.error(code), "logs:PutLogEvents")
        with pytest.raises(getattr(world.client().exceptions, code)):
            world.put((0, "x"))
    assert world.kept() == []


def test_pages(world: World) -> None:
    """Small ones, forward and backward; equal times keep the order they came in."""
    texts = [f"{number:03}" for number in range(25)]
    world.put(*[(0, text) for text in texts])
    world.logs.page = 7
    assert world.kept() == texts
    logs, found, token = world.client(), [], {}
    while True:
        page = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, **token)
        if not page["events"]:
            break
        found = [event["message"] for event in page["events"]] + found
        token = {"nextToken": page["nextBackwardToken"]}
    assert found == texts
    pages = list(logs.get_paginator("filter_log_events").paginate(logGroupName=GROUP, filterPattern='"020"'))
    assert [len(page["events"]) for page in pages] == [0, 0, 1, 0]
    assert pages[2]["events"][0]["logStreamName"] == STREAM


def test_a_page_is_a_megabyte(world: World) -> None:
    """However many events fit."""
    for _ in range(2):
        world.put(*[(0, "x" * 250_000)] * 4)
    page = world.client().get_log_events(logGroupName=GROUP, logStreamName=STREAM, startFromHead=True)
    assert len(page["events"]) == 4
    assert len(world.kept()) == 8


def _events() -> list[dict[str, Any]]:
    return [
        {"event": "step", "env": "prod", "revision": "aa", "ms": 5, "changeset": "0123abcd", "deep": {"a": [1, "x"]}},
        {"event": "step", "env": "dev", "revision": "bb", "ms": 50, "changeset": "ffff", "done": True, "tables": None},
        {"event": "delta", "env": "prod", "revision": "cc", "changeset": "0123ffff", "tables": "t | u"},
    ]


def test_filter_patterns(world: World) -> None:
    """Each of the forms, and its opposite."""
    world.put(*[(number, json.dumps(event)) for number, event in enumerate(_events())], (5, "plain ERROR text"))
    logs = world.client()

    def found(pattern: str) -> list[str]:
        answer = logs.filter_log_events(logGroupName=GROUP, filterPattern=pattern)["events"]
        texts = [event["message"] for event in answer]
        return [json.loads(text)["revision"] if text.startswith("{") else "plain" for text in texts]

    assert found("") == ["aa", "bb", "cc", "plain"]
    assert found('{ $.event = "step" }') == ["aa", "bb"]
    assert found("{ $.event = step }") == ["aa", "bb"]
    assert found('{ $.changeset = "0123*" }') == ["aa", "cc"]
    assert found('{ $.event = "step" && $.env != "prod" }') == ["bb"]
    assert found('{ ($.ms > 5) || ($.event = "delta") }') == ["bb", "cc"]
    assert found("{ $.ms >= 5 }") == ["aa", "bb"]
    assert found("{ $.ms = 50 }") == ["bb"]
    assert found("{ $.ms NOT EXISTS }") == ["cc"]
    assert found("{ $.tables IS NULL }") == ["bb"]
    assert found("{ $.done IS TRUE }") == ["bb"]
    assert found('{ $.deep.a[1] = "x" }') == ["aa"]
    assert found("ERROR -plain") == []
    assert found("ERROR plain") == ["plain"]
    assert found("?ERROR ?delta") == ["cc", "plain"]
    assert found('"ERROR text"') == ["plain"]
    assert found("%E[R]+OR%") == ["plain"]
    for wrong in ("{ $.a }", "{ $.a = }", "{ $.a > x }", "{ a = 1 }", "{ ($.a = 1 }", "{ $.a = 1"):
        with pytest.raises(logfilter.BadPattern):
            logfilter.compiled(wrong)
        with pytest.raises(logs.exceptions.InvalidParameterException):
            found(wrong)


def test_time_ranges(world: World) -> None:
    """Of one stream, or of all."""
    now = int(time.time() * 1000)
    logs = world.client()
    logs.create_log_stream(logGroupName=GROUP, logStreamName="other")
    for stream, ahead in ((STREAM, 0), ("other", 10), (STREAM, 20)):
        event = {"timestamp": now + ahead, "message": f"{stream} {ahead}"}
        logs.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])

    def found(**params: Any) -> list[int]:
        answer = logs.filter_log_events(logGroupName=GROUP, **params)["events"]
        return [event["timestamp"] - now for event in answer]

    assert found() == [0, 10, 20]
    assert found(startTime=now + 10, endTime=now + 20) == [10, 20]
    assert found(logStreamNames=["other"]) == [10]
    assert found(limit=2) == [0, 10]
    page = logs.get_log_events(logGroupName=GROUP, logStreamName=STREAM, startTime=now, endTime=now + 20)
    assert [event["timestamp"] - now for event in page["events"]] == [0]


def test_insights(world: World) -> None:
    """The queries of the documentation; a query that is not understood is an error."""
    world.put(*[(number, json.dumps(event)) for number, event in enumerate(_events())])
    logs, now = world.client(), int(time.time())

    def start(query: str) -> str:
        made = logs.start_query(logGroupName=GROUP, startTime=now - 60, endTime=now + 60, queryString=query)
        return str(made["queryId"])

    def run(query: str) -> list[dict[str, str]]:
        id = start(query)
        assert logs.get_query_results(queryId=id)["status"] == "Running"
        done = logs.get_query_results(queryId=id)
        assert done["status"] == "Complete"
        return [{cell["field"]: cell["value"] for cell in row} for row in done["results"]]

    assert run("fields revision, env | filter changeset like /^0123/ | sort @timestamp asc") == [
        {"revision": "aa", "env": "prod"},
        {"revision": "cc", "env": "prod"},
    ]
    assert run('filter event="step" and ispresent(done) | fields revision, deep.a.0') == [{"revision": "bb"}]
    assert run("filter ms > 1 | sort ms desc | limit 1 | fields ms") == [{"ms": "50"}]
    assert run('filter event = "step" | stats latest(revision), max(ms) as most, count(*) by env | sort env asc') == [
        {"env": "dev", "latest(revision)": "bb", "most": "50", "count(*)": "1"},
        {"env": "prod", "latest(revision)": "aa", "most": "5", "count(*)": "1"},
    ]
    assert run("stats pct(ms, 95), avg(ms), count_distinct(env)") == [
        {"pct(ms, 95)": "50.0", "avg(ms)": "27.5", "count_distinct(env)": "2"}
    ]
    assert run('filter revision in ["aa","cc"] or not (env = "prod") | stats count(*)') == [{"count(*)": "3"}]
    assert run('filter tables like "t | u" | fields revision') == [{"revision": "cc"}]
    for wrong in ("parse @message /x/", "filter ms", "filter (ms > 1", "stats median(ms)", "fields strcontains(a, b)"):
        with pytest.raises(insights.Malformed):
            insights.run(wrong, [])
        with pytest.raises(logs.exceptions.MalformedQueryException):
            start(wrong)
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_query_results(queryId="none")
