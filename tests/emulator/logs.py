# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudWatch Logs where moto is not like it: limits, ages, names, keys, pages, filters and Insights."""

from __future__ import annotations

import re
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.kms.models import kms_backends
from moto.logs.models import LogEvent, LogGroup, logs_backends

from tests.emulator import insights, logfilter
from tests.emulator.calls import WSGI, Answer, Call, Layer

#: bytes and events of one PutLogEvents, and what each event counts on top of its text
BATCH, EVENTS, OVERHEAD = 1_048_576, 10_000, 26
#: bytes of one event; AWS's documentation has said 256 KB for long, its model now says 1 MB
EVENT = 262_144
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_DAY = 86_400_000  # ms
_PATTERN = "Member must satisfy regular expression pattern: "


class _Wrong(Exception):
    """An error of the service: code and message."""


@dataclass
class _Query:
    text: str
    rows: list[list[dict[str, str]]]
    polls: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


class Logs(Layer):
    """Before moto's CloudWatch Logs.

    :ivar page: events that GetLogEvents and FilterLogEvents look at for one page; the service promises no number, and
        a page of a filter may be empty with more behind it.
    :ivar ahead: seconds that are put on the clock that ages are reckoned by.
    :ivar polls: how often a query says ``Running`` before it is complete.
    """

    def __init__(self, app: WSGI) -> None:
        super().__init__(app)
        self.page, self.polls, self.ahead = EVENTS, 1, 0.0
        self._queries: dict[str, _Query] = {}
        self._lock = threading.Lock()

    def handle(self, call: Call) -> Answer:
        """What is not wrong and not answered here goes on to moto."""
        handler = getattr(self, f"_{call.operation}", None) if call.service == "logs" else None
        try:
            answer = handler(call, call.params) if handler else None
        except _Wrong as err:
            return call.error(*err.args)
        return call.forward(self.app) if answer is None else answer

    # -- groups and streams ------------------------------------------------------------------------------------------

    def _CreateLogGroup(self, call: Call, params: dict[str, Any]) -> None:
        name = str(params.get("logGroupName", ""))
        if not re.fullmatch(r"[.\-_/#A-Za-z0-9]{1,512}", name) or name.startswith("aws/"):
            raise _invalid(
                "logGroupName", name, "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
            )
        if key := params.get("kmsKeyId"):
            _usable(call, key, name)

    def _AssociateKmsKey(self, call: Call, params: dict[str, Any]) -> Answer:
        group = self._group(call)
        _usable(call, str(params["kmsKeyId"]), group.name)
        group.kms_key_id = params["kmsKeyId"]
        return call.result({})

    def _PutRetentionPolicy(self, call: Call, params: dict[str, Any]) -> None:
        self._group(call)
        if params.get("retentionInDays") not in RETENTIONS:
            enum = f"Member must satisfy enum value set: [{', '.join(map(str, sorted(RETENTIONS)))}]"
            raise _invalid("retentionInDays", params.get("retentionInDays"), enum)

    def _CreateLogStream(self, call: Call, params: dict[str, Any]) -> None:
        group, name = self._group(call), str(params.get("logStreamName", ""))
        if not re.fullmatch(r"[^:*]{1,512}", name):
            raise _invalid("logStreamName", name, f"{_PATTERN}[^:*]*")
        if name in group.streams:
            raise _Wrong("ResourceAlreadyExistsException", "The specified log stream already exists")

    # -- writing -----------------------------------------------------------------------------------------------------

    def _PutLogEvents(self, call: Call, params: dict[str, Any]) -> Answer:
        group, events = self._group(call), params.get("logEvents", [])
        stream = str(params.get("logStreamName"))
        if stream not in group.streams:
            raise _Wrong("ResourceNotFoundException", "The specified log stream does not exist.")
        _batch(events)
        now = int((time.time() + self.ahead) * 1000)
        stamps = [event["timestamp"] for event in events]
        expired = now - (group.retention_in_days or 36500) * _DAY
        lost = _first(stamps, expired)
        old = _first(stamps, now - 14 * _DAY)
        new = _first(stamps, now + _DAY // 12 + 1)
        rejected = {}
        if lost:
            rejected["expiredLogEventEndIndex"] = lost
        if old:
            rejected["tooOldLogEventEndIndex"] = old
        if new < len(events):
            rejected["tooNewLogEventStartIndex"] = new
        kept = events[max(lost, old) : new]
        if kept:
            answer = call.with_body({**params, "logEvents": kept}).forward(self.app)
            if answer.status != 200:
                return answer
        # a token may be there or not, and means nothing any more
        return call.result({"rejectedLogEventsInfo": rejected} if rejected else {})

    # -- reading -----------------------------------------------------------------------------------------------------

    def _GetLogEvents(self, call: Call, params: dict[str, Any]) -> Answer:
        group, name = self._group(call), str(params.get("logStreamName"))
        if name not in group.streams:
            raise _Wrong("ResourceNotFoundException", "The specified log stream does not exist.")
        events = _ordered(group.streams[name].events)
        events = [event for event in events if _within(event, params, inclusive=False)]
        most = min(params.get("limit") or EVENTS, self.page)
        token = str(params.get("nextToken") or "")
        if token and not re.fullmatch(r"[fb]/\d{56}", token):
            raise _Wrong("InvalidParameterException", "The specified nextToken is invalid.")
        if token.startswith("f") or (not token and params.get("startFromHead")):
            start = int(token[2:]) if token else 0
            end = start + _fitting(events[start:], most)
        else:
            end = int(token[2:]) if token else len(events)
            start = end - _fitting(events[:end][::-1], most)
        # at either end the token that came in goes out again
        shown = [event.to_response_dict() for event in events[start:end]]
        return call.result(
            {"events": shown, "nextForwardToken": f"f/{end:056d}", "nextBackwardToken": f"b/{start:056d}"}
        )

    def _FilterLogEvents(self, call: Call, params: dict[str, Any]) -> Answer:
        group = self._group(call)
        try:
            matches = logfilter.compiled(str(params.get("filterPattern") or ""))
        except logfilter.BadPattern as err:
            raise _Wrong("InvalidParameterException", f"Invalid filter pattern: {err}") from err
        names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix") or ""
        found = [
            (event.timestamp, event.event_id, name, event)
            for name, stream in list(group.streams.items())
            if name.startswith(prefix) and (names is None or name in names)
            for event in list(stream.events)
            if _within(event, params, inclusive=True)
        ]
        found.sort(key=lambda one: one[:2])
        start, shown, most = int(params.get("nextToken") or 0), [], params.get("limit") or EVENTS
        at = start
        for at in range(start, min(start + self.page, len(found))):
            event, name = found[at][3], found[at][2]
            if matches(event.message):
                shown.append({**event.to_filter_dict(), "eventId": f"{event.event_id:056d}", "logStreamName": name})
                if len(shown) == most:
                    break
        answer: dict[str, Any] = {"events": shown, "searchedLogStreams": []}
        if found and at + 1 < len(found):
            answer["nextToken"] = str(at + 1)
        return call.result(answer)

    # -- Insights ----------------------------------------------------------------------------------------------------

    def _StartQuery(self, call: Call, params: dict[str, Any]) -> Answer:
        names = [*params.get("logGroupNames", ()), *params.get("logGroupIdentifiers", ())]
        names = names or [params.get("logGroupName")]
        start, end = int(params["startTime"]) * 1000, int(params["endTime"]) * 1000 + 999
        if start > end:
            raise _Wrong("MalformedQueryException", "End time should be after start time")
        rows = [
            insights.row(event.message, event.timestamp, stream.log_stream_name, f"{call.account}:{group.name}")
            for group in (self._group(call, str(name)) for name in names)
            for stream in list(group.streams.values())
            for event in list(stream.events)
            if start <= event.timestamp <= end
        ]
        try:
            result = insights.run(str(params["queryString"]), rows, int(params.get("limit") or EVENTS))
        except insights.Malformed as err:
            raise _Wrong("MalformedQueryException", f"Unexpected symbol found: {err}") from err
        id = str(uuid.uuid4())
        with self._lock:
            self._queries[id] = _Query(str(params["queryString"]), result)
        return call.result({"queryId": id})

    def _GetQueryResults(self, call: Call, params: dict[str, Any]) -> Answer:
        with self._lock:
            query = self._queries.get(str(params.get("queryId")))
            if query is None:
                raise _Wrong("ResourceNotFoundException", "The specified query does not exist.")
            query.polls += 1
            if query.polls <= self.polls:
                return call.result({"status": "Running", "results": [], "statistics": {}})
        return call.result({"status": "Complete", "results": query.rows, "statistics": {}})

    def _group(self, call: Call, name: str = "") -> LogGroup:
        name = name or str(call.params.get("logGroupName") or call.params.get("logGroupIdentifier") or "")
        if name.startswith("arn:"):
            name = name.split(":log-group:")[1].removesuffix(":*")
        group = logs_backends[call.account][call.region].groups.get(name)
        if group is None:
            raise _Wrong("ResourceNotFoundException", "The specified log group does not exist.")
        return group


def _invalid(parameter: str, value: object, constraint: str) -> _Wrong:
    text = f"1 validation error detected: Value '{value}' at '{parameter}' failed to satisfy constraint: {constraint}"
    return _Wrong("InvalidParameterException", text)


def _usable(call: Call, key: str, group: str) -> None:
    """A KMS key that is there, in this region, enabled."""
    known: Any = None
    if re.fullmatch(rf"arn:aws:kms:{call.region}:\d{{12}}:key/.+", key):
        known = kms_backends[key.split(":")[4]][call.region].keys.get(key.partition("/")[2])
    if known is None or not known.enabled:
        arn = f"arn:aws:logs:{call.region}:{call.account}:log-group:{group}"
        text = f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'"
        raise _Wrong("AccessDenied", text)


def _batch(events: Sequence[dict[str, Any]]) -> None:
    """The limits of one call; those of its events as they stand in it."""
    if not events:
        raise _invalid("logEvents", "[]", "Member must have length greater than or equal to 1")
    if len(events) > EVENTS:
        raise _invalid("logEvents", "[...]", f"Member must have length less than or equal to {EVENTS}")
    whole = 0
    for event in events:
        size = len(str(event["message"]).encode()) + OVERHEAD
        if size == OVERHEAD:
            raise _invalid("logEvents.1.member.message", "", "Member must have length greater than or equal to 1")
        if size > EVENT:
            raise _Wrong("InvalidParameterException", f"Log event too large: {size} bytes exceeds limit of {EVENT}")
        whole += size
    if whole > BATCH:
        raise _Wrong("InvalidParameterException", f"Upload too large: {whole} bytes exceeds limit of {BATCH}")
    stamps = [int(event["timestamp"]) for event in events]
    if stamps != sorted(stamps):
        text = "Log events in a single PutLogEvents request must be in chronological order."
        raise _Wrong("InvalidParameterException", text)
    if stamps[-1] - stamps[0] > _DAY:
        text = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        raise _Wrong("InvalidParameterException", text)


def _first(stamps: Sequence[int], limit: int) -> int:
    """The index of the first one that is not before a limit; their number where all are."""
    return next((index for index, stamp in enumerate(stamps) if stamp >= limit), len(stamps))


def _ordered(events: Sequence[LogEvent]) -> list[LogEvent]:
    return sorted(events, key=lambda event: (event.timestamp, event.event_id))


def _within(event: LogEvent, params: dict[str, Any], *, inclusive: bool) -> bool:
    """Both ends belong to a filter; the end does not to GetLogEvents."""
    start, end = params.get("startTime"), params.get("endTime")
    before = end is None or (event.timestamp <= end if inclusive else event.timestamp < end)
    return before and (start is None or event.timestamp >= start)


def _fitting(events: Sequence[LogEvent], most: int) -> int:
    """How many make a page: 1 MB, and so many."""

    def sizes() -> Iterator[int]:
        whole = 0
        for event in events[:most]:
            whole += len(event.message.encode()) + OVERHEAD
            yield whole

    return max(sum(1 for size in sizes() if size <= BATCH), min(1, len(events)))
