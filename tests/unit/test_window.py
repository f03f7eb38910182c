# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Windows: days, times, zones, midnight, and both changes of clocks."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.core.window import DAYS, WindowError, parse_window


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "moment", "is_open"),
    [
        # 2026-11-20 is a Friday; Paris is UTC+1
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-19T06:59:59", False),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-19T07:00:00", True),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-19T14:59:59", True),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-19T15:00:00", False),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-20T10:00:00", False),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-07-16T06:00:00", True),  # summer: UTC+2
        ("Mon,Fri 00:00-24:00 UTC", "2026-11-20T23:59:59", True),
        ("Mon,Fri 00:00-24:00 UTC", "2026-11-21T00:00:00", False),
        ("Sat-Mon 10:00-11:00 UTC", "2026-11-22T10:30:00", True),
        ("Sat-Mon 10:00-11:00 UTC", "2026-11-24T10:30:00", False),
        # over midnight, the window belongs to the day it begins on
        ("Fri 22:00-02:00 UTC", "2026-11-20T01:00:00", False),
        ("Fri 22:00-02:00 UTC", "2026-11-20T22:00:00", True),
        ("Fri 22:00-02:00 UTC", "2026-11-21T01:59:59", True),
        ("Fri 22:00-02:00 UTC", "2026-11-21T02:00:00", False),
        ("Sun 22:00-02:00 UTC", "2026-11-23T01:00:00", True),
        # 2026-10-25, Paris: 03:00 becomes 02:00, so 02:30 is shown twice
        ("Sun 02:15-02:45 Europe/Paris", "2026-10-25T00:30:00", True),
        ("Sun 02:15-02:45 Europe/Paris", "2026-10-25T00:50:00", False),
        ("Sun 02:15-02:45 Europe/Paris", "2026-10-25T01:30:00", True),
        # 2026-03-29, Paris: 02:00 becomes 03:00, so 02:30 is never shown
        ("Sun 02:15-02:45 Europe/Paris", "2026-03-29T00:30:00", False),
        ("Sun 02:15-02:45 Europe/Paris", "2026-03-29T01:30:00", False),
        ("Sun 02:45-03:15 Europe/Paris", "2026-03-29T01:00:00", True),
        ("Sun 02:45-03:15 Europe/Paris", "2026-03-29T01:15:00", False),
    ],
)
def test_contains(window: str, moment: str, is_open: bool) -> None:
    assert parse_window(window).contains(at(moment)) is is_open


@pytest.mark.parametrize(
    ("window", "moment", "opens"),
    [
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-20T10:00:30", "2026-11-23T07:00:00"),
        ("Mon-Thu 08:00-16:00 Europe/Paris", "2026-11-19T10:00:30", "2026-11-19T10:00:30"),
        ("Sun 02:45-03:15 Europe/Paris", "2026-03-28T12:00:00", "2026-03-29T01:00:00"),
        ("Sun 02:15-02:45 Europe/Paris", "2026-03-23T12:00:00", "2026-04-05T00:15:00"),  # not on the 29th
    ],
)
def test_opens(window: str, moment: str, opens: str) -> None:
    assert parse_window(window).opens(at(moment)) == at(opens)


@given(
    st.sets(st.sampled_from(DAYS), min_size=1),
    st.integers(0, 1439),
    st.integers(0, 1440),
    st.sampled_from(["UTC", "Europe/Paris", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)),
)
def test_contains_is_what_a_clock_on_the_wall_shows(
    days: set[str], start: int, end: int, zone: str, moment: datetime
) -> None:
    text = f"{','.join(days)} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02} {zone}"
    if start == end:
        with pytest.raises(WindowError):
            parse_window(text)
        return
    window = parse_window(text)
    local = moment.replace(tzinfo=UTC).astimezone(window.zone)
    clock = local.replace(tzinfo=None)
    wanted = False
    for back in (0, 1):  # the window that began today, or yesterday
        day = (clock - timedelta(days=back)).replace(hour=0, minute=0, second=0, microsecond=0)
        length = (end - start) if end > start else (end - start + 1440)
        begin = day + timedelta(minutes=start)
        wanted |= DAYS[day.weekday()] in days and begin <= clock < begin + timedelta(minutes=length)
    assert window.contains(local) is wanted


def test_wrong_zone_names_the_right_one() -> None:
    with pytest.raises(WindowError) as caught:
        parse_window("Mon 08:00-09:00 Europe/Pari")
    assert caught.value.hint == "the zone is Europe/Paris"


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2} \d\d:\d\d-\d\d:\d\d [\w/]{1,12}", fullmatch=True))
def test_anything_else_is_a_window_error(text: str) -> None:
    with contextlib.suppress(WindowError):
        assert str(parse_window(text)) == text.strip()
