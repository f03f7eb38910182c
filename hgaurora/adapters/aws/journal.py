# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal in CloudWatch Logs: one stream for each environment and day, at least once, ids that make it once.

Limits are those of PutLogEvents (botocore's model 1.44 and its page in the service's API reference). Events that are
too old, too new or expired are left out of an answer that is a success: so every answer is looked at, and one that is
not whole says nothing (:mod:`.answers`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from ...core.errors import HgAuroraError, RemoteError
from ...core.journal import OVERHEAD, Reading, joined, messages
from .errors import NotWhole, code_of, translated

if TYPE_CHECKING:
    from .session import Aws

#: one PutLogEvents: bytes of its texts with OVERHEAD for each, events, milliseconds from the first to the last
BATCH, EVENTS, SPAN = 1_048_576, 10_000, 24 * 3600 * 1000
#: a stream or a group that was made is not seen at once; also two that make the same one
_TRIES = 8
#: how often a batch is written whose answer was not whole; doubles are dropped by their id
_SENT = 2


class Entry(NamedTuple):
    """One message. ``stamp`` is in milliseconds; ``seq`` of the event that it is the last message of, else None."""

    stamp: int
    text: str
    seq: int | None = None

    @property
    def size(self) -> int:
        """Bytes as CloudWatch counts them."""
        return len(self.text) + OVERHEAD  # ASCII

    @property
    def day(self) -> str:
        """The UTC day that its stream is of."""
        return datetime.fromtimestamp(self.stamp / 1000, UTC).strftime("%Y-%m-%d")


class CloudWatchJournal:
    """:class:`~hgaurora.ports.Journal` in a log group.

    :param retention: days that a group which is made here keeps its events; None: for ever.
    :param key: ARN of the KMS key that it is encrypted with; None: CloudWatch's own.
    :param contents: the contents of parts of schemas, by hash; what is not there is absent from the answer.
    :param say: told of a group that is there and not as configured.
    :param sleep: seconds to wait before something that was just made is asked for again.
    """

    def __init__(
        self,
        aws: Aws,
        *,
        environment: str,
        group: str,
        retention: int | None,
        key: str | None,
        contents: Callable[[Iterable[str]], Mapping[str, bytes]],
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._aws = aws
        self._environment = environment
        self._group = group
        self._retention = retention
        self._key = key
        self._contents = contents
        self._say = say
        self._sleep = sleep

    @property
    def place(self) -> str:
        """The log group."""
        return self._group

    def prove(self) -> None:
        """Write one message that is no event.

        :raises RemoteError: it is not taken.
        """
        now = datetime.now(UTC)
        said = f'{{"event":"journal.probe","env":"{self._environment}","at":"{now.isoformat()}"}}'
        self._put([Entry(_milliseconds(now), said)])

    def deliver(self, events: Sequence[Mapping[str, object]]) -> int:
        """Write events in order; the last number that CloudWatch has taken, with all before it.

        :raises RemoteError: not even the first was taken.
        """
        safe: int | None = None
        try:
            for batch in batched(self._entries(events)):
                self._put(batch)
                safe = max((entry.seq for entry in batch if entry.seq is not None), default=safe)
        except HgAuroraError:
            if safe is None:
                raise
        return safe or 0

    def kept(self, events: Sequence[Mapping[str, object]]) -> Mapping[int, str]:
        """None: what is delivered again is written again, and readers drop it by its id."""
        return {}

    def read(self) -> Reading:
        """All that the group has of this environment."""
        with self._doing("be read"):
            client = self._aws.client("logs")
            found = self._described()
            if found is None:
                return Reading(())
            pages = client.get_paginator("filter_log_events").paginate(
                logGroupName=self._group, logStreamNamePrefix=f"{self._environment}/"
            )
            texts = (event["message"] for page in pages for event in page["events"])
            return joined(texts, keeps=found.get("retentionInDays"))

    def _entries(self, events: Sequence[Mapping[str, Any]]) -> Iterator[Entry]:
        """Messages under the times of their events; a clock that went back does not lead time back here: within a
        batch it must not, and the event's own time is in the message."""
        latest = 0
        for event in events:
            latest = max(latest, _milliseconds(datetime.fromisoformat(event["at"])))
            texts = messages(event, self._of(event))
            for text in texts[:-1]:
                yield Entry(latest, text)
            yield Entry(latest, texts[-1], event["seq"])

    def _of(self, event: Mapping[str, Any]) -> dict[str, str]:
        """The contents of the parts that a delta leaves."""
        if event["kind"] != "delta":
            return {}
        hashes = {now for _, now in event["payload"]["parts"].values() if now is not None}
        return {hash: content.decode("ascii") for hash, content in self._contents(hashes).items()}

    def _put(self, batch: Sequence[Entry]) -> None:
        """One batch, all of it. What CloudWatch leaves out for its time is written again under the present one, as
        CloudWatch's own clock has it."""
        answer = self._call(batch)
        again = rejected(answer.get("rejectedLogEventsInfo") or {}, batch)
        if not again:
            return
        now = _milliseconds(_present(answer))
        for part in batched(entry._replace(stamp=now) for entry in again):
            info = self._call(part).get("rejectedLogEventsInfo")
            if info and rejected(info, part):
                raise RemoteError(
                    f"{self._environment}: journal {self._group} does not take events of {datetime.now(UTC):%H:%MZ}",
                    hint="its answer was: " + ", ".join(f"{name} {value}" for name, value in sorted(info.items())),
                    data={"aws": {"service": "logs", "operation": "PutLogEvents", "code": "rejectedLogEventsInfo"}},
                )

    def _call(self, batch: Sequence[Entry]) -> dict[str, Any]:
        """PutLogEvents, with whatever has to be made first."""
        stream = f"{self._environment}/{batch[0].day}"
        events = [{"timestamp": entry.stamp, "message": entry.text} for entry in batch]
        with self._doing("be written"):
            client, sent = self._aws.client("logs"), 0
            for number in range(_TRIES):
                try:
                    answer: dict[str, Any] = client.put_log_events(
                        logGroupName=self._group, logStreamName=stream, logEvents=events
                    )
                    return answer
                except client.exceptions.ResourceNotFoundException:
                    if number == _TRIES - 1:
                        raise
                except NotWhole:
                    sent += 1
                    if sent == _SENT:
                        raise
                    continue
                if number:
                    self._sleep(0.1 * 2**number)
                self._make(stream)
        raise AssertionError("unreachable")

    def _make(self, stream: str) -> None:
        """The stream, and the group where there is none."""
        client = self._aws.client("logs")
        there, missing = client.exceptions.ResourceAlreadyExistsException, client.exceptions.ResourceNotFoundException
        try:
            client.create_log_stream(logGroupName=self._group, logStreamName=stream)
        except there:
            return
        except missing:
            try:
                key = {"kmsKeyId": self._key} if self._key else {}
                client.create_log_group(logGroupName=self._group, **key)
                if self._retention:
                    client.put_retention_policy(logGroupName=self._group, retentionInDays=self._retention)
                client.create_log_stream(logGroupName=self._group, logStreamName=stream)
            except (there, missing, client.exceptions.OperationAbortedException):
                return  # not seen yet, or another one makes it just now: asked for again
            return
        self._compare()

    def _compare(self) -> None:
        """A group that was there is left as it is; what is other than configured is said, once for each stream."""
        if not self._retention and not self._key:
            return
        try:
            found = self._described() or {}
        except (self._aws.client("logs").exceptions.ClientError, NotWhole) as error:
            self._say(f"note: journal {self._group}: what it keeps can not be looked at ({code_of(error) or error})")
            return
        keeps, key = found.get("retentionInDays"), found.get("kmsKeyId")
        if self._retention and keeps != self._retention:
            has = f"{keeps} days" if keeps else "for ever"
            self._say(f"note: journal {self._group} keeps events {has}; log-retention says {self._retention} days")
        if self._key and key != self._key:
            self._say(f"note: journal {self._group} is encrypted with {key or 'no key of yours'}, not with log-key")

    def _described(self) -> dict[str, Any] | None:
        """The group; None: there is none."""
        pages = self._aws.client("logs").get_paginator("describe_log_groups")
        for page in pages.paginate(logGroupNamePrefix=self._group):
            for group in page["logGroups"]:
                if group["logGroupName"] == self._group:
                    described: dict[str, Any] = group
                    return described
        return None

    def _doing(self, what: str) -> Any:
        return translated(f"have journal {self._group} {what}", environment=self._environment)


def batched(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Entries, in order, as many as one call may have; all of one day."""
    batch: list[Entry] = []
    size = 0
    for entry in entries:
        if batch and (
            size + entry.size > BATCH
            or len(batch) == EVENTS
            or entry.day != batch[0].day
            or entry.stamp - batch[0].stamp > SPAN
        ):
            yield batch
            batch, size = [], 0
        batch.append(entry)
        size += entry.size
    if batch:
        yield batch


def rejected(info: Mapping[str, Any], batch: Sequence[Entry]) -> list[Entry]:
    """What was left out of a batch: ends are exclusive, the start of what is too new is the first of it."""
    end = max(info.get("tooOldLogEventEndIndex", 0), info.get("expiredLogEventEndIndex", 0))
    start = info.get("tooNewLogEventStartIndex", len(batch))
    return [entry for index, entry in enumerate(batch) if index < end or index >= start]


def _milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _present(answer: Mapping[str, Any]) -> datetime:
    """The time at CloudWatch, which judges; this machine's where the answer has none."""
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(said) if said else datetime.now(UTC)
