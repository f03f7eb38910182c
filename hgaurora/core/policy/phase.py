# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """The changeset is one that the environment's deploys takes, and is not secret."""
    target, deploys = context.target, context.environment.deploys
    if context.in_deploys is False:
        publish = target.phase != "public" and deploys is not None and "public()" in deploys
        yield Finding(
            rule="phase",
            severity=context.graver,
            message=f"{target.short} ({target.branch}) is {target.phase} and not in what {context.name} takes",
            mend=f"publish it: hg phase --public -r {target.short}" if publish else f"deploy a changeset of {deploys}",
            data={"phase": target.phase, "deploys": deploys},
        )
    elif target.phase == "secret":
        yield Finding(
            rule="phase",
            severity=context.graver,
            message=f"{target.short} ({target.branch}) is secret: nobody else can have it",
            mend=f"hg phase --draft --force -r {target.short}",
            data={"phase": target.phase, "deploys": deploys},
        )
