# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody else holds an environment's lock, or has changed it meanwhile: what is waited for, and what is said."""

from __future__ import annotations

import random

from ..core import render
from ..core.errors import LockHeld
from .context import Context, Target


def wait(context: Context, target: Target) -> None:
    """Poll until nobody holds the lock.

    :raises LockHeld: after ``lock-wait`` seconds.
    """
    begun = context.clock.monotonic()
    said = False
    while (holder := target.database.holder()) is not None:
        waited = context.clock.monotonic() - begun
        if waited >= target.settings.lock_wait:
            raise locked(context, target, waited)
        if not said:
            context.ui.status(f"    waiting   {target.name} is locked by {holder.application} (pid {holder.pid})")
            said = True
        context.ui.progress(target.name, item=f"waiting for {holder.application}", position=None, total=None)
        context.clock.sleep(random.uniform(0.1, 0.4))


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
