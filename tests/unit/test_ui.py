# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What reaches a terminal, a file, and a reader that is gone."""

from __future__ import annotations

import io
import os

import pytest

from hgaurora.ui import Streams, Terminal


class Tty(io.StringIO):
    """A terminal, as far as isatty goes."""

    def isatty(self) -> bool:
        """It is one."""
        return True


class Time:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def _plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HGPLAIN", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")


def test_results_and_the_rest_are_two_streams() -> None:
    ui = Terminal(out := io.StringIO(), err := io.StringIO())
    ui.write("ok       33 checks")
    ui.status("warning: late")
    assert (out.getvalue(), err.getvalue()) == ("ok       33 checks\n", "warning: late\n")


def test_a_line_every_thirty_seconds() -> None:
    time = Time()
    ui = Terminal(io.StringIO(), err := io.StringIO(), clock=time)
    for second in range(95):
        time.now = float(second)
        ui.progress("prod", item="3/6 snapshot prod-1-2 creating", position=second, total=100)
    ui.progress("prod", item="", position=None, total=None)
    assert err.getvalue().splitlines() == [
        f"3/6 snapshot prod-1-2 creating, {second}%, since {since}"
        for second, since in ((30, "30s"), (60, "1m 0s"), (90, "1m 30s"))
    ]
    time.now = 124.0
    ui.progress("prod", item="4/6 run 0006", position=3, total=6)
    time.now = 153.0
    ui.progress("prod", item="4/6 run 0006", position=3, total=6)
    assert err.getvalue().count("\n") == 3, "another wait counts from its own beginning"


def test_a_bar_on_a_terminal_goes_away() -> None:
    time = Time()
    ui = Terminal(Tty(), err := Tty(), clock=time)
    ui.progress("prod", item="1/2 snapshot", position=10, total=100)
    assert err.getvalue() == "", "nothing for what is over within a second"
    time.now = 1.5
    ui.progress("prod", item="1/2 snapshot", position=57, total=100)
    ui.status("done")
    assert "1/2 snapshot" in err.getvalue()
    assert "[#####.....] 57%" in err.getvalue()
    assert err.getvalue().isascii()
    assert err.getvalue().endswith("done\n")
    assert ui._bar is None


@pytest.mark.parametrize("name", ["HGPLAIN", "NO_COLOR"])
def test_colour_can_be_switched_off(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Terminal(Tty(), err := Tty()).status("abort: no")
    assert err.getvalue() == "\x1b[31mabort:\x1b[0m no\n"
    monkeypatch.setenv(name, "1")
    Terminal(Tty(), err := Tty()).status("abort: no")
    assert err.getvalue() == "abort: no\n"


def test_changes_of_a_schema_have_colours_where_they_are_listed() -> None:
    ui = Terminal(out := Tty(), Tty())
    ui.write("  dropped column orders.vat")
    ui.write("dropped by nobody")
    ui.write("  undropped column")
    assert out.getvalue() == "  \x1b[31mdropped\x1b[0m column orders.vat\ndropped by nobody\n  undropped column\n"


def test_a_secret_that_is_learnt_is_masked() -> None:
    ui = Terminal(out := io.StringIO(), io.StringIO())
    ui.redact.add("tr0ub4dor")
    ui.write("it is tr0ub4dor\x1b[2J")
    assert out.getvalue() == "it is ***\\x1b[2J\n"


def test_a_reader_that_goes_away_does_not_stop_a_run() -> None:
    read, write = os.pipe()
    with open(write, "w", encoding="utf-8") as stream:
        ui = Streams(stream, io.StringIO())
        ui.write("one")
        os.close(read)
        ui.write("two")
        ui.write("three")
        ui.close()
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)  # what is left in the stream's buffer goes nowhere


def test_a_stream_of_another_encoding() -> None:
    raw = io.BytesIO()
    ui = Streams(io.TextIOWrapper(raw, "ascii"), io.StringIO())
    ui.write("zw\u00f6lf")
    assert raw.getvalue() == b"zw\\xf6lf\n"


def test_nobody_is_asked_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("prod\n"))
    assert Terminal(Tty(), Tty()).prompt("type prod:") is None
    monkeypatch.setattr("sys.stdin", Tty("prod\n"))
    assert Terminal(io.StringIO(), io.StringIO()).prompt("type prod:") is None
    assert Terminal(Tty(), Tty()).prompt("type prod:") == "prod"
