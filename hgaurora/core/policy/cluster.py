# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..gates import SERVING, ClusterFacts, mend
from ..model import Finding
from .context import PolicyContext

_WRITING = ("available", "backing-up", "storage-optimization", "configuring-enhanced-monitoring")


def check(context: PolicyContext) -> Iterator[Finding]:
    """The cluster and its writer are available; no failover is in progress."""
    facts = context.cluster
    if facts is None or context.plan.empty:
        return
    if facts.status not in SERVING:
        yield _finding(
            facts, f"{facts.cluster} is {facts.status}{_SAID.get(facts.status, '')}", mend(facts.cluster, facts.status)
        )
        return
    writer = facts.writer
    if writer is None:
        yield _finding(
            facts,
            f"{facts.cluster} has no writer now",
            "a failover may be in progress; deploy again when it is over",
        )
    elif writer.status not in _WRITING:
        yield _finding(
            facts,
            f"the writer of {facts.cluster}, {writer.id}, is {writer.status or 'not there'}",
            "deploy again when it is available: aws rds wait db-instance-available "
            f"--db-instance-identifier {writer.id}",
        )


_SAID = {"failing-over": ": a failover is in progress"}


def _finding(facts: ClusterFacts, message: str, mend: str) -> Finding:
    data = {"cluster": facts.cluster, "status": facts.status}
    return Finding(rule="cluster", severity="error", message=message, mend=mend, data=data)
