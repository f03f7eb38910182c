# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who stands in front: a terminal (or a file, or a pipe), or hg over a socket.

All output goes through one :class:`~hgaurora.core.redact.Redactor` and holds nothing that steers a terminal.
Results are written to stdout, everything else to stderr. A reader that goes away does not stop a run.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from .commands import CLI, HG
from .core.redact import Redactor, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: a wait becomes a bar on a terminal after this many seconds
BAR_AFTER = 1.0
#: and a line elsewhere each time this many seconds have passed
LINE_EVERY = 30.0

_COLOURS = {
    **{"ok": "32", "warning": "33", "warning:": "33", "fail": "31", "error": "31", "abort:": "31"},
    # what became of a thing of the schema
    **{"added": "32", "dropped": "31", "changed": "33", "renamed": "36", "granted": "32", "revoked": "31"},
}
_KIND = re.compile(
    r"(abort:|warning:|(?:ok|warning|fail|error)\b(?= )"
    # of a schema's changes, which are indented below what they are the changes of
    r"|(?<=  )(?:added|dropped|changed|renamed|granted|revoked)\b(?= ))"
)


class Channel(Protocol):
    """Requests to the hg process; see :class:`hgaurora.adapters.history.pipe.Channel`."""

    def ask(self, call: str, **arguments: object) -> tuple[dict[str, object], bytes]:
        """Send, and wait for the answer."""

    def tell(self, call: str, **arguments: object) -> None:
        """Send; there is no answer."""


class Streams:
    """stdout and stderr with redaction, and a line every 30 s while something lasts.

    :ivar redact: knows the secrets of this run; adapters that learn one add it.
    """

    front = CLI

    def __init__(
        self, out: TextIO, err: TextIO, *, redact: Redactor | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out, self._err, self._clock = out, err, clock
        self._since: float | None = None
        self._said = 0.0
        self.redact = redact or Redactor()

    def secret(self, value: str | None) -> None:
        """From now on this text is shown to nobody."""
        self.redact.add(value)

    def clean(self, text: str) -> str:
        """The text as it may be shown: redacted, printable."""
        return printable(self.redact(text))

    def write(self, text: str) -> None:
        """A result line (stdout)."""
        self.over()
        self._put("_out", text)

    def status(self, text: str) -> None:
        """Progress and warnings (stderr)."""
        self.over()
        self._put("_err", text)

    def progress(self, topic: str, *, item: str, position: int | None, total: int | None) -> None:
        """Something lasts; an empty ``item`` ends it. Called as often as once a second."""
        if not item:
            self.over()
            return
        now = self._clock()
        if self._since is None:
            self._since = self._said = now
        self.lasts(topic, self.clean(item), position, total, now - self._since)

    def lasts(self, topic: str, item: str, position: int | None, total: int | None, seconds: float) -> None:
        """Show it: here as a line each time :data:`LINE_EVERY` has passed."""
        if self._since is not None and self._since + seconds - self._said >= LINE_EVERY:
            self._said = self._since + seconds
            percent = f", {position}%" if total == 100 and position is not None else ""
            self._put("_err", f"{item}{percent}, since {_duration(seconds)}")

    def over(self) -> None:
        """Nothing lasts any more: take a bar away."""
        self._since = None

    def prompt(self, question: str) -> str | None:
        """Nobody can answer here."""
        return None

    def close(self) -> None:
        """Take a bar away and flush."""
        self.over()
        for stream in ("_out", "_err"):
            self._put(stream, None)

    def _put(self, name: str, text: str | None) -> None:
        stream: TextIO = getattr(self, name)
        try:
            if text is not None:
                stream.write(self._painted(stream, self.clean(text)) + "\n")
            stream.flush()
        except BrokenPipeError:
            # the reader is gone (`| head`, a lost ssh session): what runs must still come to its end
            setattr(self, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - lives as long as we do
        except UnicodeEncodeError:
            encoding = stream.encoding or "ascii"
            stream.write(f"{text}\n".encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()

    def _painted(self, stream: TextIO, text: str) -> str:
        return text


def _duration(seconds: float) -> str:
    from .core.render import duration

    return duration(seconds)


class Terminal(Streams):
    """A person at a terminal, or a script behind pipes."""

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, **more: object) -> None:
        super().__init__(out or sys.stdout, err or sys.stderr, **more)  # type: ignore[arg-type]
        plain = "HGPLAIN" in os.environ or os.environ.get("TERM") == "dumb"
        self._colour = not plain and not os.environ.get("NO_COLOR")
        self._bars = not plain and self._err.isatty()
        self._bar: tuple[Progress, TaskID] | None = None

    def _painted(self, stream: TextIO, text: str) -> str:
        if not self._colour or not stream.isatty():
            return text
        kind = _KIND.match(text, len(text) - len(text.lstrip(" ")))
        if kind is None:
            return text
        return f"{text[: kind.start()]}\x1b[{_COLOURS[kind[0]]}m{kind[0]}\x1b[0m{text[kind.end() :]}"

    def lasts(self, topic: str, item: str, position: int | None, total: int | None, seconds: float) -> None:
        """A bar on a terminal, once it lasts longer than a second; else lines."""
        if not self._bars:
            super().lasts(topic, item, position, total, seconds)
        elif self._bar is not None or seconds >= BAR_AFTER:
            progress, task = self._bar = self._bar or self._draw(seconds)
            percent = position if total == 100 else None
            bar = "" if percent is None else f"[{'#' * (percent // 10):.<10}] {percent}%"
            progress.update(task, description=item, bar=bar)

    def _draw(self, seconds: float) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import Progress, TextColumn, TimeElapsedColumn

        columns = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[bar]}", markup=False)
        progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(file=self._err, no_color=True),
            transient=True,
            refresh_per_second=2,
        )
        progress.start()
        task = progress.add_task("", bar="", total=None)
        started = progress.tasks[0].start_time
        progress.tasks[0].start_time = None if started is None else started - seconds
        return progress, task

    def over(self) -> None:
        """Take the bar away."""
        super().over()
        if self._bar is not None:
            self._bar[0].stop()
            self._bar = None

    def prompt(self, question: str) -> str | None:
        """Ask on stderr; None where stdin or stderr is no terminal, or at the end of input."""
        self.over()
        if not (sys.stdin and sys.stdin.isatty() and self._err.isatty()):
            return None
        self._err.write(self.clean(question) + " ")
        self._err.flush()
        answer = sys.stdin.readline()
        return answer.strip() if answer else None


class Hg(Streams):
    """hg, at the other end of a socket: it prints, asks and draws bars for us, in the order it is told."""

    front = HG

    def __init__(self, channel: Channel) -> None:
        super().__init__(sys.stdout, sys.stderr)
        self._channel = channel
        self._bars = bool(channel.ask("hello")[0]["bars"])
        self._topic: str | None = None

    def _put(self, name: str, text: str | None) -> None:
        # not by the pipes: those are two, and hg could not tell which line came first
        if text is not None:
            self._channel.tell("print", stream=name[1:], text=self.clean(text) + "\n")

    def lasts(self, topic: str, item: str, position: int | None, total: int | None, seconds: float) -> None:
        """A bar of hg's, where it shows bars; else lines."""
        if not self._bars:
            super().lasts(topic, item, position, total, seconds)
            return
        if self._topic not in (None, topic):
            self._channel.tell("progress", topic=self._topic, position=None)
        self._topic = topic
        self._channel.tell("progress", topic=topic, item=item, position=position or 0, total=total)

    def over(self) -> None:
        """Take hg's bar away."""
        super().over()
        if self._topic is not None:
            self._channel.tell("progress", topic=self._topic, position=None)
            self._topic = None

    def prompt(self, question: str) -> str | None:
        """hg asks; None where it is not interactive."""
        self.over()
        answer = self._channel.ask("prompt", question=self.clean(question))[0]["answer"]
        return None if answer is None else str(answer)
