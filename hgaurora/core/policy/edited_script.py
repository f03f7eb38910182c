# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """A migration that ran on a protected environment is not changed afterwards, unless --reapply says so."""
    if not context.environment.protected:
        return
    for note in context.plan.notes:
        if note.rule in ("edited-script", "reparented-script"):
            yield replace(
                note,
                severity="warning" if context.reapply else "error",
                mend=None
                if context.reapply
                else "leave it as it ran; put the change into a new migration, or --reapply takes it down and up again",
            )
