# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said where somebody else holds an environment's lock, or has changed it meanwhile."""

from __future__ import annotations

from ..core import render
from ..core.errors import LockHeld
from .context import Context, Target


def locked(context: Context, target: Target, waited: float) -> LockHeld:
    """The error of a lock that somebody else holds: who, since when, doing what."""
    state = target.database.state()
    held = state.open
    if held is not None:
        who = f"{held.id}: {held.user} on {held.host}, pid {held.pid}, since {render.utc(held.started)}"
    elif state.lock is not None:
        who = f"{state.lock.application}, server process {state.lock.pid}"
    else:
        who = "a run that has just ended"
    return LockHeld(
        f"{target.name} is locked by {who}; waited {render.duration(waited)}",
        state="this run changed nothing",
        hint=f"{context.ui.front}status --follow {held.id}" if held else f"{context.ui.front}status {target.name}",
        data={"deploy": held.id if held else None},
    )


def moved(context: Context, target: Target, since: str, look: str) -> LockHeld:
    """The error of an environment that is not any more as it was looked at.

    :param since: what this run was doing then, such as ``looked``.
    :param look: the command that shows how it is now, without the name of the program.
    """
    return LockHeld(
        f"{target.name} was changed by another run while this one {since}",
        state="this run changed nothing",
        hint=f"{context.ui.front}{look} as it is now",
    )
