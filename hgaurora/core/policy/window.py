# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """A deploy that runs migrations runs them in the environment's window."""
    window = context.environment.window
    if window is None or context.plan.empty or window.contains(context.now):
        return
    opens = window.opens(context.now)
    yield Finding(
        rule="window",
        severity="error",
        message=f"{context.name} takes deploys {window.text}, and it is {context.now:%a %Y-%m-%dT%H:%MZ}",
        mend=f"wait until {opens:%Y-%m-%dT%H:%MZ}" if opens else "change window in hgaurora.toml",
        data={"window": window.text, "opens": opens.isoformat() if opens else None},
    )
