# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands in a process that may be killed: a fork of this one, so that nothing has to be imported again."""

from __future__ import annotations

import json
import os
import select
import signal
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hgaurora import app
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import HgAuroraError
from tests.crash.points import Aim, Mark, Points, Recorded, RecordedAdapters
from tests.world import Recorder

#: a command and its options
Command = tuple[str, Mapping[str, Any]]
#: seconds that a run may take before it counts as hanging
LIMIT = 120.0


@dataclass(frozen=True)
class Outcome:
    """How a process ended. ``code`` is None where it was killed."""

    code: int | None
    said: str = ""
    out: tuple[str, ...] = ()
    marks: tuple[Mark, ...] = ()
    struck: bool = False
    hung: bool = False


def play(
    root: Path,
    commands: Sequence[Command],
    *,
    aim: Aim | None = None,
    adapters: Callable[[Points], Adapters] = RecordedAdapters,
) -> Outcome:
    """Commands one after another in one new process, until one fails; the points are those of the first."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _alone(root, commands, aim, adapters, writing)
    os.close(writing)
    with open(reading, "rb", buffering=0) as told:
        parts = []
        # its end comes with the process's: nothing that it starts is handed the pipe
        while not (hung := not select.select([told], [], [], LIMIT)[0]) and (part := told.read(1 << 16)):
            parts.append(part)
    if hung:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if hung:
        return Outcome(None, f"did not end within {LIMIT:.0f} s", hung=True)
    if os.WIFSIGNALED(status):
        return Outcome(None, f"killed by signal {os.WTERMSIG(status)}", struck=True)
    data = json.loads(b"".join(parts))
    return Outcome(
        data["code"],
        data["said"],
        tuple(data["out"]),
        tuple(Mark(*mark) for mark in data["marks"]),
        data["struck"],
    )


def _alone(
    root: Path, commands: Sequence[Command], aim: Aim | None, adapters: Callable[[Points], Adapters], writing: int
) -> None:
    """The new process; does not return."""
    points = Points(aim)
    told: dict[str, Any] = {"code": 0, "said": "", "out": []}
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(nothing, fd)
        for number, (command, options) in enumerate(commands):
            ui = Recorder()
            seen = points if number == 0 else Points()
            history: Any = Recorded(HglibHistory(root), "history", seen)
            try:
                told["code"] = app.run(command, options, history=history, ui=ui, adapters=adapters(seen))
            except HgAuroraError as error:
                said = (error.message, error.state, error.hint)
                told.update(code=error.exit_code, said=f"{command}: " + " | ".join(str(one) for one in said if one))
            told["out"] = ui.out
            if told["code"]:
                break
    except BaseException:
        told.update(code=70, said=traceback.format_exc())
    told["marks"] = [(mark.label, mark.number, mark.side, mark.child) for mark in points.marks]
    told["struck"] = points.struck
    data = json.dumps(told).encode()
    while data:
        data = data[os.write(writing, data) :]
    os._exit(0)
