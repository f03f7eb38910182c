# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """The changeset has not been replaced by another one."""
    target = context.target
    if target.obsolete:
        yield Finding(
            rule="obsolete",
            severity=context.graver,
            message=f"{target.short} ({target.branch}) was rewritten: it is obsolete",
            mend=f'deploy what replaced it: hg log --hidden -r "successors({target.short})"',
            data={"node": target.node},
        )
