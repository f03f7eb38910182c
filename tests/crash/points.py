# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The points of a run: every call of a port, every statement the child sends, every action of the local engine.

Points are not chosen by hand. An undisturbed run writes down each one it passes; a later run is struck at one of them.
"""

from __future__ import annotations

import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psycopg

from hgaurora.adapters.local import files
from hgaurora.adapters.migrations.process import ChildMigrator, ChildSession
from hgaurora.app.compose import Adapters
from hgaurora.core.settings import Environment
from hgaurora.ports import Connection, Job

PARENT, CHILD, BOTH = "parent", "child", "both"


@dataclass(frozen=True)
class Mark:
    """One side of one point. ``label`` says what it is, ``number`` which of those with that label, from 1."""

    label: str
    number: int
    side: str  # before | amid | after
    #: a child ran at that moment
    child: bool = False

    def __str__(self) -> str:
        return f"{self.side} {self.label} #{self.number}"

    @property
    def key(self) -> tuple[str, int, str]:
        """What makes it the same point in another run."""
        return self.label, self.number, self.side


@dataclass(frozen=True)
class Aim:
    """Whom to kill, and where."""

    mark: Mark
    victim: str

    def __str__(self) -> str:
        return f"{self.victim} {self.mark}"

    @classmethod
    def parse(cls, text: str) -> Aim:
        """What :meth:`__str__` made. :raises ValueError: it is none."""
        found = re.fullmatch(r"(parent|child|both) (before|amid|after) (.+) #(\d+)", text)
        if not found:
            raise ValueError(f"not a cell: {text!r}")
        return cls(Mark(found[3], int(found[4]), found[2]), found[1])


class Blocker:
    """Holds a lock that a statement outside of a transaction waits for, when it has begun to change the catalogue."""

    def __init__(self, connection: Connection, backend: int | None) -> None:
        self._backend = backend
        password = connection.password()
        self._holds = psycopg.connect(**{**connection.parameters, **({"password": password} if password else {})})
        self._looks = psycopg.connect(self._holds.info.dsn, password=password or "", autocommit=True)
        self._holds.execute("LOCK TABLE public.account IN ROW EXCLUSIVE MODE")

    def __enter__(self) -> Blocker:
        return self

    def __exit__(self, *_: object) -> None:
        self._holds.close()
        self._looks.close()

    def _state(self) -> str | None:
        text = "SELECT coalesce(wait_event_type, '') FROM pg_stat_activity WHERE pid = %s"
        row = self._looks.execute(text, (self._backend,)).fetchone()
        return None if row is None else row[0]

    def waited_for(self) -> bool:
        """The statement has come to the lock."""
        return files.until(lambda: self._state() == "Lock", 10)

    def gone(self) -> None:
        """The server has noticed that its client is dead."""
        files.until(lambda: self._state() is None, 10)


class Points:
    """Written to by everything that stands in between; strikes once, at its aim."""

    def __init__(self, aim: Aim | None = None) -> None:
        self.aim = aim
        self.marks: list[Mark] = []
        self.struck = False
        self.session: ChildSession | None = None
        self.connection: Connection | None = None
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def before(self, label: str) -> int:
        """About to do something; the number that :meth:`after` wants."""
        with self._lock:
            self._counts[label] += 1
            number = self._counts[label]
        self._reach(label, number, "before")
        return number

    def after(self, label: str, number: int) -> None:
        """It is done."""
        self._reach(label, number, "after")

    def sent(self, when: str, label: str) -> None:
        """The child tells; it does one thing after another."""
        if when == "after":
            self.after(label, self._counts[label])
            if "CONCURRENTLY" in label:
                self.marks.append(Mark(label, self._counts[label], "amid", child=True))
            return
        number = self.before(label)
        if self.aim is not None and self.aim.mark.key == (label, number, "amid"):
            assert self.session is not None
            assert self.connection is not None
            blocker = Blocker(self.connection, self.session.backend)
            threading.Thread(target=self._amid, args=(blocker,)).start()

    def _amid(self, blocker: Blocker) -> None:
        with blocker:
            self.struck = blocker.waited_for()
            if self.struck:
                assert self.aim is not None
                self._strike(self.aim.victim)
                blocker.gone()

    def word(self, label: str) -> None:
        """Something inside an adapter is done; nothing tells when it begins."""
        with self._lock:
            self._counts[label] += 1
            number = self._counts[label]
        self._reach(label, number, "after")

    def _reach(self, label: str, number: int, side: str) -> None:
        mark = Mark(label, number, side, self.session is not None)
        with self._lock:
            self.marks.append(mark)
            strikes = not self.struck and self.aim is not None and self.aim.mark.key == mark.key
            self.struck = self.struck or strikes
        if strikes:
            assert self.aim is not None
            self._strike(self.aim.victim)

    def _strike(self, victim: str) -> None:
        if victim != PARENT and self.session is not None:
            # its leader is not reaped while the session is open, so the number is nobody else's
            os.killpg(self.session.pid, signal.SIGKILL)
        if victim != CHILD:
            os.kill(os.getpid(), signal.SIGKILL)


class Recorded:
    """A port with its points around each call."""

    def __init__(self, port: object, name: str, points: Points) -> None:
        self._port = port
        self._name = name
        self._points = points

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._port, name)
        if not callable(value):
            return value

        def call(*arguments: Any, **options: Any) -> Any:
            label = f"{self._name}.{name}"
            number = self._points.before(label)
            result = value(*arguments, **options)
            self._points.after(label, number)
            return result

        return call


class RecordedMigrator:
    """Starts children that report each statement."""

    def __init__(self, points: Points, start: Callable[..., ChildSession]) -> None:
        self._points = points
        self._start = start

    def start(self, job: Job) -> Any:
        """See :class:`hgaurora.ports.Migrator`."""
        number = self._points.before("child.start")
        session = self._start(replace(job, trace=True), on_event=self._told)
        self._points.session, self._points.connection = session, job.connection
        self._points.after("child.start", number)
        return _Session(session, self._points)

    def _told(self, message: Mapping[str, object]) -> None:
        if message["is"] == "trace":
            self._points.sent(str(message["when"]), "sql: " + shortened(str(message["what"])))


class _Session(Recorded):
    def __init__(self, session: ChildSession, points: Points) -> None:
        super().__init__(session, "child", points)

    def close(self) -> None:
        """From here on there is no child to kill."""
        number = self._points.before("child.close")
        self._port.close()  # type: ignore[attr-defined]
        self._points.session = None
        self._points.after("child.close", number)


def shortened(sql: str) -> str:
    """A statement on one line, the same in each run."""
    return re.sub(r"'[0-9a-f]{24}'", "'...'", " ".join(sql.split()))[:70].strip()


class RecordedAdapters(Adapters):
    """The usual adapters, with points around each."""

    def __init__(self, points: Points) -> None:
        self.points = points

    def control(self, folder: Path, environment: str, settings: Environment, **_: Any) -> Any:
        """With each action inside of it."""
        made = super().control(folder, environment, settings, fsync=False, trace=self.word)
        return Recorded(made, "control", self.points)

    def word(self, action: str) -> None:
        """An action inside of a control plane is done."""
        self.points.word(f"engine: {action}")

    def database(self, connection: Connection, environment: str) -> Any:
        """Live database or copy."""
        return Recorded(super().database(connection, environment), "database", self.points)

    def migrator(self) -> Any:
        """Each statement of a child waits until it is written down."""
        return RecordedMigrator(self.points, ChildMigrator().start)

    def journal(self, *where: Any, **more: Any) -> Any:
        """The file."""
        return Recorded(super().journal(*where, **more), "journal", self.points)
