# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal in CloudWatch Logs, by boto3: what is written, what is refused, what was dropped with a 200."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from moto.logs.models import logs_backends

from hgaurora.adapters.aws import journal as adapter
from hgaurora.adapters.aws.journal import CloudWatchJournal
from hgaurora.adapters.aws.session import Aws
from hgaurora.app.delivery import why
from hgaurora.core.chain import canonical, link, stamp
from hgaurora.core.errors import RemoteError
from hgaurora.core.settings import Environment
from tests import journal_reader
from tests.emulator import faults as f
from tests.emulator.faults import Faults
from tests.emulator.logs import Logs
from tests.emulator.serving import moto, serving

ACCOUNT, REGION, UUID = "123456789012", "eu-west-1", "0b8ad5d0-6a3c-4d8e-9a53-9e2a7e9f6c11"
_groups = count(1)


@dataclass
class Cloud:
    """CloudWatch Logs, and a group of its own for the test."""

    logs: Logs
    faults: Faults
    group: str
    said: list[str] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)

    def journal(self, cls: type[CloudWatchJournal] = CloudWatchJournal, **more: Any) -> CloudWatchJournal:
        """One of the environment prod."""
        settings = Environment(name="prod", cluster="shop", region=REGION, database="shop", log_group=self.group)
        return cls(
            Aws(settings, environment="prod", user="ana"),
            environment="prod",
            group=self.group,
            retention=more.get("retention"),
            key=more.get("key"),
            contents=lambda hashes: {one: self.contents[one] for one in hashes if one in self.contents},
            say=self.said.append,
            sleep=lambda seconds: None,
        )

    @property
    def streams(self) -> dict[str, list[str]]:
        """What the group holds: texts by stream."""
        found = logs_backends[ACCOUNT][REGION].groups[self.group].streams
        return {name: [event.message for event in stream.events] for name, stream in sorted(found.items())}

    def puts(self) -> list[list[dict[str, Any]]]:
        """The batches that were sent."""
        return [
            list(call.params["logEvents"])
            for call in self.faults.calls("logs:PutLogEvents")
            if call.params["logGroupName"] == self.group
        ]


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Logs, Faults]]:
    logs = Logs(moto())
    faults = Faults(logs)
    with serving(faults) as url:
        yield url, logs, faults


@pytest.fixture
def cloud(served: tuple[str, Logs, Faults], monkeypatch: pytest.MonkeyPatch) -> Cloud:
    url, logs, faults = served
    given = {"AWS_ENDPOINT_URL": url, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE000000000", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in {**given, "AWS_DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(name, value)
    faults.restart()
    logs.ahead = 0.0
    return Cloud(logs, faults, f"/hgaurora/test-{next(_groups)}")


def chain(*ages: timedelta, payload: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """Events of some ages, in order."""
    found: list[dict[str, Any]] = []
    now = datetime.now(UTC)
    for seq, age in enumerate(ages, 1):
        at, previous = stamp(now - age), found[-1]["hash"] if found else ""
        said = dict(payload or {"n": seq})
        found.append(
            {
                "seq": seq,
                "at": at,
                "deployment": "prod-1",
                "kind": "step",
                "payload": said,
                "hash": link(previous, seq, at, "prod-1", "step", canonical(said)),
                "environment": "prod",
                "uuid": UUID,
                "delivered": stamp(now),
            }
        )
    return found


NOW = timedelta()
DAY = timedelta(days=1)


def seqs(cloud: Cloud) -> list[int]:
    """By the reader that knows nothing of ours; it checks the chain."""
    texts = journal_reader.messages(cloud.group, "prod")
    return [event["seq"] for event in journal_reader.events(texts)]


def test_the_group_is_made_as_configured(cloud: Cloud) -> None:
    assert cloud.journal().read().copies == ()
    journal = cloud.journal(retention=365)
    assert journal.deliver(chain(NOW, NOW)) == 2
    group = logs_backends[ACCOUNT][REGION].groups[cloud.group]
    assert group.retention_in_days == 365
    (stream,) = cloud.streams
    assert stream == f"prod/{datetime.now(UTC):%Y-%m-%d}"
    assert cloud.said == []
    assert journal.read().keeps == 365
    assert seqs(cloud) == [1, 2]


def test_the_key_is_the_groups(cloud: Cloud) -> None:
    import boto3

    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    assert cloud.journal(key=key).deliver(chain(NOW)) == 1
    assert logs_backends[ACCOUNT][REGION].groups[cloud.group].kms_key_id == key
    cloud.group += "-x"
    with pytest.raises(RemoteError, match="logs:CreateLogGroup") as caught:
        cloud.journal(key=key[:-4] + "0000").deliver(chain(NOW))
    # AWS calls it AccessDenied; no right is missing
    assert "The specified KMS key does not exist or is not allowed to be used" in caught.value.message
    assert why(caught.value).startswith("AccessDeniedException, logs:CreateLogGroup: The specified KMS key does not")
    assert "iam-policy" not in (caught.value.hint or "")
    assert "see that the KMS key is there" in (caught.value.hint or "")


def test_a_group_that_is_there_is_left_as_it_is(cloud: Cloud) -> None:
    client = cloud.journal()._aws.client("logs")
    client.create_log_group(logGroupName=cloud.group)
    assert cloud.journal(retention=30).deliver(chain(NOW)) == 1
    assert logs_backends[ACCOUNT][REGION].groups[cloud.group].retention_in_days is None
    assert cloud.said == [f"note: journal {cloud.group} keeps events for ever; log-retention says 30 days"]
    # said once for each stream, that is once a day
    assert cloud.journal(retention=30).deliver(chain(NOW)) == 1
    assert len(cloud.said) == 1


def test_batches_are_within_every_limit(cloud: Cloud) -> None:
    """The emulator refuses a batch that is not, as CloudWatch does."""
    small = chain(*[timedelta(seconds=1)] * 12_000)
    assert cloud.journal().deliver(small) == 12_000
    large = chain(3 * DAY, 3 * DAY, 2 * DAY, NOW, payload={"x": 'q"\\' * 180_000})
    for event in large:
        event["seq"] += 12_000
    assert cloud.journal().deliver(large) == 12_004
    batches = cloud.puts()
    sizes = [sum(len(event["message"]) + 26 for event in batch) for batch in batches]
    assert max(map(len, batches)) > 2_000
    assert max(sizes) <= 1_048_576
    assert max(sizes) > 900_000
    assert max(len(event["message"]) for batch in batches for event in batch) + 26 <= 256 * 1024
    assert len(cloud.streams) == 3
    assert len(cloud.journal().read().copies) == 12_004


def test_a_clock_that_goes_back_does_not_stop_it(cloud: Cloud) -> None:
    assert cloud.journal().deliver(chain(NOW, timedelta(minutes=5), timedelta(minutes=1))) == 3
    assert seqs(cloud) == [1, 2, 3]


AGES = (20 * DAY, 15 * DAY, 2 * DAY, NOW, timedelta(hours=-3))


def test_what_is_too_old_or_too_new_is_not_lost(cloud: Cloud) -> None:
    events = chain(*AGES)
    assert cloud.journal().deliver(events) == 5
    assert seqs(cloud) == [1, 2, 3, 4, 5]
    # under the present time, with their own in the message
    today = [json.loads(text) for text in cloud.streams[f"prod/{datetime.now(UTC):%Y-%m-%d}"]]
    assert sorted(one["seq"] for one in today) == [1, 2, 4, 5]
    assert {one["at"] for one in today} <= {event["at"] for event in events}


def test_what_would_have_expired_at_once_is_not_lost(cloud: Cloud) -> None:
    cloud.journal(retention=7).deliver(chain(NOW))
    events = chain(NOW, 10 * DAY, 8 * DAY, NOW)[1:]
    assert cloud.journal(retention=7).deliver(events) == 4
    assert {json.loads(text)["seq"] for texts in cloud.streams.values() for text in texts} == {1, 2, 3, 4}


class Careless(CloudWatchJournal):
    """A 200 is enough for it."""

    def _put(self, batch: Any) -> None:
        self._call(batch)


def test_control_whoever_does_not_look_at_the_answer_loses_events(cloud: Cloud) -> None:
    assert cloud.journal(Careless).deliver(chain(*AGES)) == 5
    with pytest.raises(journal_reader.Wrong, match="event 1 is missing"):
        seqs(cloud)


def test_what_is_never_taken_is_never_said_to_be(cloud: Cloud) -> None:
    """CloudWatch's clock is a month ahead of the one it says in its answers."""
    cloud.journal().deliver(chain(NOW))
    cloud.logs.ahead = 30 * 86_400
    with pytest.raises(RemoteError, match="does not take events") as caught:
        cloud.journal().deliver(chain(NOW, NOW)[1:])
    assert "tooOldLogEventEndIndex 1" in str(caught.value.hint)
    with pytest.raises(RemoteError):
        cloud.journal().prove()


def test_the_first_that_fails_is_said_and_what_stands_before_it_is_safe(cloud: Cloud) -> None:
    events = chain(2 * DAY, 2 * DAY, DAY, NOW)
    cloud.journal().deliver(events[:1])
    cloud.faults.inject(f.denied, "logs:PutLogEvents", nth=3, times=None)
    journal = cloud.journal()
    assert journal.deliver(events) == 2
    with pytest.raises(RemoteError) as caught:
        journal.deliver(events[2:])
    assert caught.value.data["aws"]["code"] == "AccessDeniedException"  # type: ignore[index]
    cloud.faults.clear()
    assert journal.deliver(events[2:]) == 4
    assert seqs(cloud) == [1, 2, 3, 4]


@pytest.mark.parametrize("lost", [f.cut_after, f.failure_after, f.truncated], ids=lambda fault: fault.__name__)
def test_an_answer_that_is_lost_makes_doubles_that_are_dropped(cloud: Cloud, lost: f.Fault) -> None:
    events = chain(NOW, NOW, payload={"x": "y" * 300_000})
    cloud.journal().deliver(chain(NOW, payload={"x": "y" * 300_000})[:0] or events[:1])
    cloud.faults.inject(lost, "logs:PutLogEvents")
    assert cloud.journal().deliver(events) == 2
    assert len([text for texts in cloud.streams.values() for text in texts]) > 5
    assert seqs(cloud) == [1, 2]
    assert {copy.seq for copy in cloud.journal().read().copies} == {1, 2}


@pytest.mark.parametrize("fault", [f.half, f.portal, f.truncated], ids=lambda fault: fault.__name__)
def test_an_answer_that_is_none_of_cloudwatch_delivers_nothing(cloud: Cloud, fault: f.Fault) -> None:
    events = chain(NOW, NOW)
    cloud.journal().deliver(events[:1])
    cloud.faults.inject(fault, "logs:PutLogEvents", times=None)
    journal = cloud.journal()
    with pytest.raises(RemoteError, match="answer of AWS to logs:PutLogEvents was not whole") as caught:
        journal.deliver(events[1:])
    assert caught.value.data["unknown"] is True
    with pytest.raises(RemoteError, match="was not whole"):
        journal.prove()
    cloud.faults.clear()
    assert journal.deliver(events[1:]) == 2
    assert seqs(cloud) == [1, 2]


def test_what_was_rejected_in_an_answer_that_was_cut_off_is_not_lost(cloud: Cloud) -> None:
    struck = cloud.faults.inject(f.half, "logs:PutLogEvents", nth=2)  # the first finds no stream
    assert cloud.journal().deliver(chain(*AGES)) == 5
    assert struck.struck == 1
    assert seqs(cloud) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("fault", [f.half, f.portal, f.empty], ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("what", ["logs:DescribeLogGroups", "logs:FilterLogEvents"])
def test_a_reading_that_is_not_whole_is_none(cloud: Cloud, fault: f.Fault, what: str) -> None:
    cloud.journal().deliver(chain(NOW))
    cloud.faults.inject(fault, what)
    with pytest.raises(RemoteError, match=f"answer of AWS to {what} was not whole"):
        cloud.journal().read()


def test_a_group_or_a_stream_that_another_makes_meanwhile(cloud: Cloud) -> None:
    cloud.faults.inject(f.error("OperationAbortedException"), "logs:CreateLogGroup")
    cloud.faults.inject(f.error("ResourceAlreadyExistsException"), "logs:CreateLogStream", nth=2)
    assert cloud.journal().deliver(chain(NOW)) == 1


def test_proving_writes_what_is_no_event(cloud: Cloud) -> None:
    cloud.journal().prove()
    assert [json.loads(text)["event"] for texts in cloud.streams.values() for text in texts] == ["journal.probe"]
    assert cloud.journal().read().copies == []
    cloud.faults.inject(f.denied, "logs:PutLogEvents")
    with pytest.raises(RemoteError) as caught:
        cloud.journal().prove()
    assert caught.value.hint == "hgaurora iam-policy prod --for deploy prints what the role needs"


def test_what_is_left_out_is_told_by_three_indices() -> None:
    batch = [adapter.Entry(n, str(n), n) for n in range(6)]

    def left(**info: int) -> list[int | None]:
        return [entry.seq for entry in adapter.rejected(info, batch)]

    assert left() == []
    assert left(tooOldLogEventEndIndex=2) == [0, 1]
    assert left(tooOldLogEventEndIndex=1, expiredLogEventEndIndex=3, tooNewLogEventStartIndex=5) == [0, 1, 2, 5]
    assert left(tooNewLogEventStartIndex=0) == [0, 1, 2, 3, 4, 5]
