# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """A migration that ran is not changed (where that is protected: nor moved) afterwards, unless --reapply says so."""
    rules = ("edited-script", "reparented-script") if context.environment.protected else ("edited-script",)
    for note in context.plan.notes:
        if note.rule in rules:
            yield replace(
                note,
                severity="warning" if context.reapply else "error",
                mend=None
                if context.reapply
                else "leave it as it ran; put the change into a new migration, or --reapply takes it down and up again",
            )
