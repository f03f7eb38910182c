# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What can go wrong at a call of AWS, how it is brought about, and what a message about it has to name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tests.emulator import faults as f
from tests.emulator.calls import Answer, Call
from tests.emulator.faults import Fault, Go, Rule
from tests.emulator.server import Emulator

#: a strike hits the first attempt at a call; each attempt at it; this operation from here on; everything from here on
ONCE, CALL, ON, ALL = "once", "call", "on", "all"
BEFORE, AFTER = "before", "after"
#: seconds: less than a client waits, and more (:data:`.side.PATIENCE`)
SHORT, LONG = 0.3, 5.0

_AGAIN = r"the same command again"
_WAIT = rf"too many requests.*{_AGAIN}"
_SERVER = rf"AWS failed.*{_AGAIN}"
_LOST = rf"(connection to AWS was cut|did not answer in time|answer of AWS was cut off).*{_AGAIN}"
_SPOILT = rf"(was not whole|was cut off|can not be reached).*{_AGAIN}"
_ROOM = r"snapshots prod --prune.*Service Quotas"


@dataclass(frozen=True)
class Point:
    """The n-th time that an operation is called; botocore's own attempts at it are one."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} #{self.number}"


@dataclass
class Strike(Rule):
    """A rule of the fault layer for one call, whatever attempts there are at it."""

    span: str = ONCE
    begun: bool = False

    def strikes(self, call: Call) -> bool:
        """Counts calls, not attempts."""
        named = call.name == self.what
        self.seen += named and call.attempt == 1
        here = named and self.seen == self.nth
        self.begun = self.begun or here
        hit = {ONCE: here and call.attempt == 1, CALL: here, ON: self.begun and named, ALL: self.begun}[self.span]
        self.struck += hit
        return hit


@dataclass(frozen=True)
class Kind:
    """One way of striking.

    :ivar remedy: what message, hint or state must say where the run stops; ``{action}`` is the call.
    :ivar world: instead of an answer, something that happens in AWS at that moment; it lasts to the end of the run.
    :ivar kills: the run does not survive it.
    """

    name: str
    fault: Fault | None = None
    span: str = ONCE
    remedy: str = _AGAIN
    world: Callable[[Emulator], None] | None = None
    side: str = BEFORE
    kills: bool = False

    def __reduce__(self) -> tuple[object, ...]:
        """Between processes its name goes."""
        return _named, (self.name,)

    def says(self, text: str, point: Point) -> bool:
        """Whether a message names the remedy."""
        pattern = self.remedy.replace("{action}", re.escape(point.name))
        return re.search(pattern, text, re.S) is not None

    def rule(self, point: Point, kill: Callable[[Call], None], emulator: Emulator) -> Strike:
        """What brings it about at a point."""
        return Strike(self._fault(kill, emulator), None, point.name, point.number, span=self.span)

    def _fault(self, kill: Callable[[Call], None], emulator: Emulator) -> Fault:
        if self.kills:
            return f.before(kill) if self.side == BEFORE else f.after(kill)
        if self.world is None:
            assert self.fault is not None
            return self.fault
        world = self.world

        def happens(call: Call, go: Go) -> Answer:
            if self.side == BEFORE:
                world(emulator)
                return go()
            answer = go()
            world(emulator)
            return answer

        return happens


def _named(name: str) -> Kind:
    return BY_NAME[name]


def _hold(emulator: Emulator) -> None:
    emulator.hold("snapshot")


def _fail(emulator: Emulator) -> None:
    emulator.fail("snapshot")


def _full(emulator: Emulator) -> None:
    """No room for one more."""
    here = emulator.region(emulator.account, emulator.default_region)
    emulator.snapshot_quota = here.manual()


def _world(name: str, world: Callable[[Emulator], None], remedy: str) -> list[Kind]:
    return [Kind(f"{name}, from {side} it", world=world, side=side, remedy=remedy) for side in (BEFORE, AFTER)]


KINDS: tuple[Kind, ...] = (
    Kind("throttled", f.throttle, ONCE, _WAIT),
    Kind("throttled, each attempt", f.throttle, CALL, _WAIT),
    Kind("500", f.failure, ONCE, _SERVER),
    Kind("500, each attempt", f.failure, CALL, _SERVER),
    Kind("done but 500", f.failure_after, ONCE, _SERVER),
    Kind("done but 500, each attempt", f.failure_after, CALL, _SERVER),
    Kind("AccessDenied from here on", f.denied, ON, r"{action}.*iam-policy prod"),
    Kind("expired from here on", f.expired, ALL, r"log in again"),
    Kind("late", f.delay(SHORT)),
    Kind("done, answered late", f.late(SHORT)),
    Kind("silent", f.delay(LONG), ONCE, _LOST),
    Kind("done, then silent", f.late(LONG), ONCE, _LOST),
    Kind("cut before", f.cut_before, ONCE, _LOST),
    Kind("cut before, each attempt", f.cut_before, CALL, _LOST),
    Kind("cut after", f.cut_after, ONCE, _LOST),
    Kind("cut after, each attempt", f.cut_after, CALL, _LOST),
    Kind("truncated", f.truncated, ONCE, _LOST),
    Kind("truncated, each attempt", f.truncated, CALL, _LOST),
    Kind("half of it, in good order", f.half, CALL, _SPOILT),
    Kind("a portal's page", f.portal, CALL, _SPOILT),
    Kind("empty, in good order", f.empty, CALL, _SPOILT),
    *_world("snapshots stay in creating", _hold, _AGAIN),
    *_world("the next snapshot fails", _fail, _AGAIN),
    *_world("no more snapshots", _full, _ROOM),
    Kind("kill -9 before", kills=True, side=BEFORE),
    Kind("kill -9 after", kills=True, side=AFTER),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True)
class Aim:
    """One cell: a way of striking, at a point."""

    kind: Kind
    point: Point

    def __str__(self) -> str:
        return f"{self.kind.name}: {self.point}"

    @classmethod
    def parse(cls, text: str) -> Aim:
        """The reverse of ``str``."""
        kind, _, point = text.partition(": ")
        name, _, number = point.rpartition(" #")
        return cls(BY_NAME[kind], Point(name, int(number)))
