# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Times of the week in which an environment may be changed, such as ``Mon-Thu 08:00-16:00 Europe/Paris``.

What counts is what a clock on the wall in that zone shows. So where clocks go back an hour, times in it are in the
window twice; where they go forward, times in between do not exist.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_WINDOW = re.compile(
    r"(?P<days>\S+)\s+(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)\s+(?P<zone>[A-Za-z][\w+-]*(?:/[\w+-]+)*)", re.ASCII
)
# A window on one day of the week can be lost to a change of clocks once; it then opens a week later.
_HORIZON = timedelta(days=15)


class WindowError(ValueError):
    """Text that is no window. ``hint`` says what would be."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Window:
    """Days (0 is Monday) and minutes of the day from ``start`` up to, not including, ``end``.

    Where ``end`` is not after ``start`` the window goes over midnight and belongs to the day it begins on.
    """

    text: str
    days: frozenset[int]
    start: int
    end: int
    zone: tzinfo = field(repr=False)

    def contains(self, at: datetime) -> bool:
        """True where the window is open at ``at`` (aware)."""
        local = at.astimezone(self.zone)
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)

    def opens(self, at: datetime) -> datetime | None:
        """The first moment from ``at`` (aware) on at which the window is open, in UTC; None: none in 15 days.

        It walks by minutes, which is exact through every change of clocks and takes some milliseconds.
        """
        moment = at.astimezone(UTC)
        if self.contains(moment):
            return moment
        last = moment + _HORIZON
        moment = moment.replace(second=0, microsecond=0)
        while moment < last:
            moment += timedelta(minutes=1)
            if self.contains(moment):
                return moment
        return None

    def __str__(self) -> str:
        return self.text


def parse_window(text: str) -> Window:
    """Read ``DAYS HH:MM-HH:MM ZONE``; days are ``Mon``, ``Mon-Thu``, ``Mon,Wed,Fri-Sun``.

    :raises WindowError: it is not one.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise WindowError("is not days, times and a zone", 'write it as "Mon-Thu 08:00-16:00 Europe/Paris"')
    start, end = _minute(match["start"], last=23 * 60 + 59), _minute(match["end"], last=24 * 60)
    if start == end:
        raise WindowError("begins and ends at the same time", "a whole day is 00:00-24:00")
    return Window(text=text.strip(), days=_days(match["days"]), start=start, end=end, zone=_zone(match["zone"]))


def _days(text: str) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        ends = [DAYS.index(day) if day in DAYS else None for day in part.split("-")]
        first, last = ends[0], ends[-1]
        if first is None or last is None or len(ends) > 2:
            raise WindowError(f'has no days "{part}"', f"days are {', '.join(DAYS)}, as in Mon-Thu or Mon,Wed")
        found.update((first + n) % 7 for n in range((last - first) % 7 + 1))
    return frozenset(found)


def _minute(text: str, *, last: int) -> int:
    hour, minute = int(text[:2]), int(text[3:])
    if minute > 59 or hour * 60 + minute > last:
        raise WindowError(f"has no time {text}", "times are 00:00 to 23:59; a window may end at 24:00")
    return hour * 60 + minute


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # also where the machine has no time zone database
    import zoneinfo  # costs a start-up some milliseconds, and few environments have a window

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        import difflib

        known = sorted(zoneinfo.available_timezones())
        if not known:
            raise WindowError(
                f'has zone "{name}", and this machine has no time zone database', "pip install tzdata"
            ) from None
        near = difflib.get_close_matches(name, known, 1)
        raise WindowError(
            f'has no time zone "{name}"', f"the zone is {near[0]}" if near else "zones are such as Europe/Paris, UTC"
        ) from None
