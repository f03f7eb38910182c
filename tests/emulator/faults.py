# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults on the way to AWS: every call is numbered and noted, and some are struck.

::

    faults = Faults(app)
    faults.inject(throttle, at=7)                                   # call 7
    faults.inject(cut_after, "rds:CreateDBClusterSnapshot")         # the first of them
    faults.inject(denied, "logs:*", times=None)                     # each of them
    faults.inject(delay(3), "rds:Describe*", nth=2, times=2)        # the second and the third
    faults.inject(before(lambda call: os.kill(call.client_pid(), 9)), at=12)

Attempts that botocore makes again by itself are calls of their own, as they are for AWS.
"""

from __future__ import annotations

import fnmatch
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.emulator.calls import WSGI, Answer, Call, Layer, cut

#: passes the call on and returns what comes back
Go = Callable[[], Answer]
Fault = Callable[[Call, Go], Answer]


def throttle(call: Call, go: Go) -> Answer:
    """Too many calls."""
    return call.error("Throttling", "Rate exceeded")


def error(code: str, message: str = "Planted by a test.", status: int = 400) -> Fault:
    """Any other error of a service, such as ``DataAlreadyAcceptedException``; the code as its protocol spells it."""

    def errs(call: Call, go: Go) -> Answer:
        return call.error(code, message, status)

    return errs


def failure(call: Call, go: Go) -> Answer:
    """500 in the form of the protocol."""
    return call.error("InternalFailure", "An internal error has occurred. Please try your query again at a later time.")


def unavailable(call: Call, go: Go) -> Answer:
    """503 in the form of the protocol."""
    return call.error("ServiceUnavailable", "The request has failed due to a temporary failure of the server.")


def failure_after(call: Call, go: Go) -> Answer:
    """The call is done, and 500 is the answer."""
    go()
    return failure(call, go)


def denied(call: Call, go: Go) -> Answer:
    """As if no policy allowed it."""
    return call.denied()


def expired(call: Call, go: Go) -> Answer:
    """The session has ended."""
    return call.error("ExpiredToken", "The security token included in the request is expired")


def html(call: Call, go: Go) -> Answer:
    """500 of something that stands before the service and knows nothing of its protocol."""
    page = b"<!DOCTYPE html>\n<html><meta charset=utf-8><title>500</title><h1>Internal Server Error</h1><hr>\n"
    return Answer(500, page, (("Content-Type", "text/html"),))


def cut_before(call: Call, go: Go) -> Answer:
    """The connection is closed before the call is passed on."""
    return cut()


def cut_after(call: Call, go: Go) -> Answer:
    """The call is done, and the connection is closed without an answer."""
    go()
    return cut()


def truncated(call: Call, go: Go) -> Answer:
    """The call is done; half of the answer arrives."""
    answer = go()
    return replace(answer, sent=len(answer.body) // 2)


def half(call: Call, go: Go) -> Answer:
    """The call is done; half of the answer arrives, under a length that fits, as of a proxy that lost the rest."""
    answer = go()
    return _other(answer, answer.body[: len(answer.body) // 2])


def portal(call: Call, go: Go) -> Answer:
    """200 with a page of something that stands before the service; the call is not passed on."""
    page = b"<html><head><title>Log in</title></head><body><h1>Log in to go on</h1></body></html>\n"
    return Answer(200, page, (("Content-Type", "text/html"),))


def empty(call: Call, go: Go) -> Answer:
    """The call is done; the answer is in the form of its protocol, and nothing is in it."""
    answer = go()
    if call.protocol == "query":
        return _other(answer, re.sub(rb"(<(\w+Result)>).*(</\2>)", rb"\1\3", answer.body, flags=re.DOTALL))
    return _other(answer, b"{}")


def _other(answer: Answer, body: bytes) -> Answer:
    """The same with another body, in good order."""
    headers = tuple(one for one in answer.headers if one[0].lower() != "content-length")
    return replace(answer, body=body, headers=headers)


def delay(seconds: float) -> Fault:
    """The answer is late; the call is done after the wait."""

    def delayed(call: Call, go: Go) -> Answer:
        time.sleep(seconds)  # the fault itself
        return go()

    return delayed


def late(seconds: float) -> Fault:
    """The answer is late; the call is done before the wait."""

    def lated(call: Call, go: Go) -> Answer:
        answer = go()
        time.sleep(seconds)  # the fault itself
        return answer

    return lated


def before(callback: Callable[[Call], object]) -> Fault:
    """Something is done (a process killed) before the call is passed on; the connection is then closed without an
    answer, and the call is not passed on."""

    def struck(call: Call, go: Go) -> Answer:
        callback(call)
        return cut()

    return struck


def after(callback: Callable[[Call], object]) -> Fault:
    """Something is done (a process killed) when the call is done and nobody has heard of it."""

    def struck(call: Call, go: Go) -> Answer:
        go()
        callback(call)
        return cut()

    return struck


def around(callback: Callable[[Call], object]) -> Fault:
    """Something is done (a rotation, a failover) just before a call that then goes on as ever."""

    def passed(call: Call, go: Go) -> Answer:
        callback(call)
        return go()

    return passed


@dataclass
class Rule:
    """When a fault strikes: at one number, or from the ``nth`` call that matches on, ``times`` often (None: always).

    :ivar struck: how often it has.
    """

    fault: Fault
    at: int | None = None
    what: str = "*"
    nth: int = 1
    times: int | None = 1
    where: Mapping[str, object] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def strikes(self, call: Call) -> bool:
        """Counts the call."""
        if self.at is not None:
            hit = call.number == self.at
        elif fnmatch.fnmatchcase(call.name, self.what) and self.where.items() <= _flat(call.params).items():
            self.seen += 1
            hit = self.seen >= self.nth and (self.times is None or self.seen < self.nth + self.times)
        else:
            hit = False
        self.struck += hit
        return hit


def _flat(params: Mapping[str, Any]) -> dict[str, object]:
    return {name: value for name, value in params.items() if isinstance(value, str | int | float | bool)}


class Faults(Layer):
    """The outermost layer.

    :ivar log: the calls seen, in order of arrival.
    :ivar rules: the first that matches a call strikes it.
    :param whose: the ARN behind an access key, for the text of a denial.
    """

    def __init__(self, app: WSGI, whose: Callable[[str], str] | None = None) -> None:
        super().__init__(app)
        self._whose = whose
        self.log: list[Call] = []
        self.rules: list[Rule] = []
        self._lock = threading.Lock()

    def inject(
        self,
        fault: Fault,
        what: str = "*",
        *,
        at: int | None = None,
        nth: int = 1,
        times: int | None = 1,
        where: Mapping[str, object] | None = None,
    ) -> Rule:
        """Add a rule.

        :param what: ``service:Operation`` with shell wildcards.
        :param at: the call's number; then all else is passed over.
        :param where: parameters that the call must have.
        """
        rule = Rule(fault, at, what, nth, times, where or {})
        with self._lock:
            self.rules.append(rule)
        return rule

    def clear(self) -> None:
        """No faults any more; numbering goes on."""
        with self._lock:
            self.rules.clear()

    def restart(self) -> None:
        """No faults, an empty log, and the next call is number 1."""
        with self._lock:
            self.rules.clear()
            self.log.clear()

    def calls(self, what: str = "*") -> list[Call]:
        """Those that match, such as ``rds:Create*``."""
        with self._lock:
            return [call for call in self.log if fnmatch.fnmatchcase(call.name, what)]

    def names(self) -> list[str]:
        """Of all calls, in order."""
        return [call.name for call in self.calls()]

    def handle(self, call: Call) -> Answer:
        """Number, note, strike."""
        with self._lock:
            self.log.append(call)
            call.number = len(self.log)
            rule = next((rule for rule in self.rules if rule.strikes(call)), None)

        if self._whose:
            call.principal = self._whose(call.access_key)

        def go() -> Answer:
            call.reached = True
            return call.forward(self.app)

        if rule is None:
            answer = go()
        else:
            call.fault = rule.fault.__name__
            answer = rule.fault(call, go)
        if answer.sent is None:
            call.outcome = f"{answer.status} {answer.code}".strip()
        else:
            call.outcome = "cut" if answer.sent < 0 else "truncated"
        return answer
