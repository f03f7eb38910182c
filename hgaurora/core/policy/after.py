# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Direction, Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """Every script that comes up ran, byte for byte, in the environments of after, and has soaked there."""
    coming = [one for one in context.plan.runs if one.direction is Direction.UP]
    if not coming:
        return
    for name in context.environment.after:
        ran, since = context.after.get(name, (frozenset(), None))
        missing = [one.name for one in coming if (one.revision, one.raw) not in ran]
        if missing:
            first = missing[0] if len(missing) == 1 else f"{missing[0]} and {len(missing) - 1} more"
            yield Finding(
                rule="after",
                severity="error",
                message=f"{name} has not run the same {first} as {context.target.short} has",
                mend=f"hgaurora deploy {name} -r {context.target.short}",
                data={"environment": name, "migrations": missing},
            )
            continue
        age = (context.now - since).total_seconds() if since is not None else 0.0
        left = context.environment.soak - age
        if left > 0:
            yield Finding(
                rule="after",
                severity="error",
                message=f"{name} ran these scripts {_minutes(age)} ago, {context.name} wants"
                f" {_minutes(context.environment.soak)} (soak)",
                mend=f"deploy again in {_minutes(left)}",
                data={"environment": name, "age": age, "soak": context.environment.soak, "left": left},
            )


def _minutes(seconds: float) -> str:
    """A duration to the minute, rounded up: ``4h 18m``, ``12m``."""
    minutes = -int(-seconds // 60)
    return f"{minutes // 60}h {minutes % 60}m" if minutes >= 60 else f"{minutes}m"
