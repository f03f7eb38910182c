# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""D8: many wait for one lock.

The spread of their looks is judged in a time of its own, so that twenty wait for ten seconds in one and the machine's
load is not in it; the lock, its holder and the looks are real. That a dead holder's lock is taken is shown with
processes: :data:`PROCESSES` in the suite, fifty by ``python -m tests.reliability.rounds d8 1 --count 50``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app import deploy
from hgaurora.app.compose import Adapters
from hgaurora.app.context import Context, SystemClock
from hgaurora.core.errors import LockHeld
from hgaurora.ports import Connection
from tests.flows.test_blocking import running
from tests.world import Recorder, Repo, query

from . import both
from .test_concurrency import shop, sound

#: processes that wait in the suite
PROCESSES = 5
#: waiters whose looks are compared, and the seconds of their own that they wait
WAITERS, PATIENCE = 20, 10
#: seconds; between two looks of one waiter, and those within which looks are counted as one moment
BETWEEN, MOMENT = (0.1, 0.4), 0.01
#: seconds after which waiters that came at once have to be apart
SETTLED = 2.0


class Apart(SystemClock):
    """A time of its own: nobody sleeps, and each look is noted."""

    def __init__(self, meanwhile: Callable[[], object] | None = None) -> None:
        self.time = 0.0
        self.looks: list[float] = []
        self._meanwhile = [meanwhile] if meanwhile else []

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.looks.append(self.time)
        self.time += seconds
        while self._meanwhile:
            self._meanwhile.pop()()


class Metronome(Apart):
    """Sleeps as long each time, whatever it is asked."""

    def sleep(self, seconds: float) -> None:
        super().sleep(sum(BETWEEN) / 2)


def waits(repo: Repo, history: HglibHistory, clock: Apart, adapters: Adapters | None = None) -> Recorder:
    """A deploy by such a clock."""
    context = Context(history, said := Recorder(), adapters=adapters or Adapters())
    context.clock = clock
    try:
        deploy.run(context, {"env": "dev", "yes": True})
    finally:
        context.close()
    return said


def looks(folder: Path, url: str, kind: type[Apart]) -> list[list[float]]:
    """When each of many waiters looked, who came in the same moment; each gives up and names the holder."""
    repo, _ = shop(folder, url, extra=f'lock-wait = "{PATIENCE}s"')
    history = HglibHistory(repo.root)
    found = []
    try:
        with both.holding(url, both.take_lock(url)) as holder:
            holder.execute(both.own_pid(url))
            pid = holder.fetchone()[0]
            for _ in range(WAITERS):
                clock = kind()
                with pytest.raises(LockHeld, match=f"is locked by .*, server process {pid}; waited {PATIENCE}"):
                    waits(repo, history, clock)
                found.append(clock.looks)
    finally:
        history.close()
    return found


def crowd(found: list[list[float]]) -> int:
    """The most looks in one moment, once they have had time to come apart."""
    return max(Counter(int(at / MOMENT) for one in found for at in one if at > SETTLED).values())


def test_d8_waiters_do_not_look_in_step(tmp_path: Path, url: str) -> None:
    """Of those that came at once, one looks in each moment, more or less, if they are spread."""
    found = looks(tmp_path / "shop", url, Apart)
    gaps = [after - before for one in found for before, after in pairwise(one)]
    assert BETWEEN[0] <= min(gaps)
    assert max(gaps) <= BETWEEN[1]
    assert len(gaps) > WAITERS * PATIENCE
    assert crowd(found) < WAITERS / 2


def test_d8_control_all_wait_as_long(tmp_path: Path, url: str) -> None:
    assert crowd(looks(tmp_path / "shop", url, Metronome)) == WAITERS


def many_wait(folder: Path, url: str, count: int) -> None:
    """Processes that wait for a lock whose holder is killed: each is told who holds it, one applies, all end well."""
    repo, _ = shop(folder, url)
    with both.holding(url, both.take_lock(url)) as holder, ExitStack() as stack:
        holder.execute(both.own_pid(url))
        pid = holder.fetchone()[0]
        processes = [stack.enter_context(running(repo, "deploy", "dev")) for _ in range(count)]
        for process in processes:
            assert process.stderr is not None
            told = next(line for line in process.stderr if "is locked by" in line)
            assert f"(pid {pid})" in told
        both.kill(url, pid)
        outs = [process.communicate(timeout=600) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, outs
    assert not any("Traceback" in err for _, err in outs)
    assert sum("is now at" in out for out, _ in outs) == 1
    assert sum("nothing to do" in out for out, _ in outs) == count - 1
    assert sound(url) == {"0003"}


def test_d8_many_wait_and_the_holder_dies(tmp_path: Path, url: str) -> None:
    many_wait(tmp_path / "shop", url, PROCESSES)


class Once(Adapters):
    """Who holds the lock is asked once, and believed."""

    def database(self, connection: Connection, environment: str) -> Any:
        return _Once(super().database(connection, environment))


class _Once:
    def __init__(self, port: Any) -> None:
        self._port = port
        self._said: list[Any] = []

    def holder(self) -> Any:
        self._said = self._said or [self._port.holder()]
        return self._said[0]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


@pytest.mark.parametrize("adapters", [Adapters, Once])
def test_d8_control_they_do_not_look_again(tmp_path: Path, url: str, adapters: type[Adapters]) -> None:
    """A holder killed under a waiter; who looks again goes on, who does not waits for a dead session until the end."""
    repo, _ = shop(tmp_path / "shop", url)
    history = HglibHistory(repo.root)
    try:
        with both.holding(url, both.take_lock(url)) as holder:
            holder.execute(both.own_pid(url))
            pid = holder.fetchone()[0]
            clock = Apart(lambda: both.kill(url, pid))
            if adapters is Adapters:
                assert "is now at" in "".join(waits(repo, history, clock).out)
                assert sound(url) == {"0003"}
                return
            with pytest.raises(LockHeld, match="is locked by a run that has just ended; waited 5"):
                waits(repo, history, clock, adapters())
            assert query(url, "SELECT count(*) FROM log") == [(0,)]
    finally:
        history.close()
