# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """A deploy takes nothing back on a protected environment: that is what revert is for."""
    gone = [str(note.data["file"]) for note in context.plan.notes if note.rule == "removed-script"]
    if gone and context.environment.protected:
        some = f"{gone[0]} ran" if len(gone) == 1 else f"{len(gone)} migrations ran"
        yield Finding(
            rule="goes-back",
            severity="warning" if context.reapply else "error",
            message=f"{some} in {context.name} and {context.target.short} ({context.target.branch}) does not have"
            f" {'it' if len(gone) == 1 else 'them'}: this deploy goes back",
            mend=f"hgaurora revert {context.name} goes back; or --reapply lets this deploy do it",
            detail=tuple(gone) if len(gone) > 1 else (),
            data={"files": gone},
        )
