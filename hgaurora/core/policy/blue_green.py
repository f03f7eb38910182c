# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext

#: in these it replicates no more
_OVER = ("SWITCHOVER_COMPLETED", "DELETING", "DELETED")


def check(context: PolicyContext) -> Iterator[Finding]:
    """No blue/green deployment is in progress: its replication does not survive every change of a schema."""
    facts = context.cluster
    if facts is None or context.plan.empty:
        return
    for one in facts.blue_green:
        if one.status not in _OVER:
            yield Finding(
                rule="blue-green",
                severity="error",
                message=f"{facts.cluster} is a side of the blue/green deployment {one.name}, which is {one.status}",
                mend=f"switch it over, or delete it: aws rds delete-blue-green-deployment "
                f"--blue-green-deployment-identifier {one.id}",
                data={"cluster": facts.cluster, "blue-green": one.id, "status": one.status},
            )
