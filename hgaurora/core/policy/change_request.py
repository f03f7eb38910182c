# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """The description names a change request, where the environment wants one."""
    target = context.target
    if context.environment.change_request_required and not context.change_request:
        yield Finding(
            rule="change-request",
            severity="error",
            message=f"{target.short} ({target.branch}) names none; {context.name} wants one",
            mend="name it in the description (hg commit --amend), as change-request in hgaurora.toml has it",
            data={"node": target.node},
        )
