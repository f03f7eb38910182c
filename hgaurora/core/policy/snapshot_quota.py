# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from ..steps import TakeSnapshot
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """There is room for every snapshot of the plan among those that the account may have in the region, as AWS says."""
    facts = context.cluster
    wanted = sum(isinstance(step, TakeSnapshot) for step in context.plan.steps) - context.snapshots_there
    if facts is None or wanted <= 0:
        return
    if facts.quota is None:
        yield Finding(
            rule="snapshot-quota",
            severity="error",
            message=f"this deploy takes {wanted} snapshot{'s' if wanted > 1 else ''}, and whether there is room is not"
            " known: AWS does not say how many manual cluster snapshots there may be",
            mend="see that aws rds describe-account-attributes has ManualClusterSnapshots, then deploy again",
            data={"wanted": wanted, "used": None, "most": None},
        )
        return
    free = facts.quota.most - facts.quota.used
    if wanted > free:
        few = 'snapshot = "deploy" needs one only; ' if context.environment.snapshot == "each" and free > 0 else ""
        yield Finding(
            rule="snapshot-quota",
            severity="error",
            message=f"this deploy takes {wanted} snapshot{'s' if wanted > 1 else ''}, and there is room for"
            f" {max(free, 0)}: {facts.quota.used} of {facts.quota.most} manual cluster snapshots are used",
            mend=f"hgaurora snapshots {context.name} --prune deletes those no longer needed; {few}"
            "or ask AWS for more (Service Quotas, L-9B510759)",
            data={"wanted": wanted, "used": facts.quota.used, "most": facts.quota.most},
        )
