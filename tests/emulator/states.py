# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Work that takes time: how long each state lasts, which are held, which fail."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from fnmatch import fnmatchcase

#: seconds that a state lasts at least, where a kind has no delay of its own
DELAY = 0.2


class Job:
    """One thing that is under way."""

    def __init__(self, kind: str, id: str, least: float) -> None:
        self.kind, self.id = kind, id
        self._begun, self._least = time.monotonic(), least
        self.worked = self.over = False

    def percent(self) -> int:
        """By the clock, 99 at most while it is not over."""
        if self.over:
            return 100
        return min(99, int(100 * (time.monotonic() - self._begun) / self._least)) if self._least else 99


class States:
    """Runs jobs, each in a thread; ``kind`` is one of those in :data:`KINDS`, ``id`` an identifier."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._turn = threading.Condition(lock)
        self._delays: dict[str, float] = {}
        self._held: set[tuple[str, str]] = set()
        self._fail: dict[tuple[str, str], int] = {}
        self._running: list[Job] = []
        self._closed = False
        self.errors: list[str] = []

    # what a test asks for

    def delay(self, kind: str, seconds: float) -> None:
        """How long things of a kind take at least; ``*`` for all kinds."""
        with self._turn:
            self._delays[kind] = seconds

    def hold(self, kind: str, id: str = "*") -> None:
        """Let them not end until :meth:`release`; both may be patterns (``fnmatch``)."""
        with self._turn:
            self._held.add((kind, id))

    def release(self, kind: str = "*", id: str = "*") -> None:
        """Take back what was held by the same words, or all."""
        with self._turn:
            self._held = {held for held in self._held if (kind, id) not in (held, ("*", "*"), (held[0], "*"))}
            self._turn.notify_all()

    def fail(self, kind: str, id: str = "*", *, times: int = 1) -> None:
        """Let the next ones end in status ``failed``."""
        with self._turn:
            self._fail[kind, id] = times

    def reset(self) -> None:
        """Forget delays, holds and failures."""
        with self._turn:
            self._delays.clear()
            self._held.clear()
            self._fail.clear()
            self._turn.notify_all()

    # what the calls use

    def start(
        self,
        kind: str,
        id: str,
        work: Callable[[], None],
        done: Callable[[], None],
        failed: Callable[[], None],
        *,
        late: bool = False,
    ) -> Job:
        """Do work without the lock and, not before the delay is over and nothing holds it, ``done`` with the lock.

        :param late: work after the delay and the hold, not before.
        """
        job = Job(kind, id, self._delays.get(kind, self._delays.get("*", DELAY)))
        with self._lock:
            self._running.append(job)

        def run() -> None:
            bad = self._unlucky(kind, id)
            try:
                if not bad and not late:
                    work()
                with self._turn:
                    job.worked = True
                    self._turn.notify_all()
                self._wait(job)
                if not bad and late:
                    work()
            except Exception:
                if not self._closed:
                    self.errors.append(f"{kind} {id}: {traceback.format_exc()}")
                bad = True
            with self._turn:
                try:
                    if not self._closed:
                        (failed if bad else done)()
                except Exception:
                    self.errors.append(f"{kind} {id}: {traceback.format_exc()}")
                finally:
                    self._running.remove(job)
                    job.over = True
                    self._turn.notify_all()

        threading.Thread(target=run, name=f"emulator-{kind}-{id}", daemon=True).start()
        return job

    def _unlucky(self, kind: str, id: str) -> bool:
        with self._lock:
            for key, times in self._fail.items():
                if times and fnmatchcase(kind, key[0]) and fnmatchcase(id, key[1]):
                    self._fail[key] = times - 1
                    return True
        return False

    def _wait(self, job: Job) -> None:
        end = job._begun + job._least
        with self._turn:
            while not self._closed:
                rest = end - time.monotonic()
                held = any(fnmatchcase(job.kind, kind) and fnmatchcase(job.id, id) for kind, id in self._held)
                if rest <= 0 and not held:
                    return
                self._turn.wait(rest if rest > 0 and not held else None)

    def worked(self, kind: str, id: str, timeout: float = 60) -> None:
        """Wait until a job has done its work and only its delay, or a hold, keeps it; or it is over.

        :raises TimeoutError: it takes too long.
        """
        with self._turn:
            if not self._turn.wait_for(
                lambda: all(j.worked for j in self._running if (j.kind, j.id) == (kind, id)), timeout
            ):
                raise TimeoutError(f"{kind} {id}")

    def settle(self, timeout: float = 60) -> None:
        """Wait until nothing is under way.

        :raises TimeoutError: something still is.
        """
        end = time.monotonic() + timeout
        with self._turn:
            while self._running:
                if not self._turn.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise TimeoutError(", ".join(f"{job.kind} {job.id}" for job in self._running))

    def close(self) -> None:
        """Let go of all, and wait until the threads are done; nothing changes its state any more."""
        with self._turn:
            self._closed = True
            self._turn.notify_all()
        self.settle()
