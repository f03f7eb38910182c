# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext

#: RDS's names of settings that change while a server goes on; what is not known here may restart it
HARMLESS = frozenset(
    {
        "AllocatedStorage",
        "BackupRetentionPeriod",
        "IAMDatabaseAuthenticationEnabled",
        "Iops",
        "MasterUserPassword",
        "PendingCloudwatchLogsExports",
        "StorageThroughput",
    }
)


def check(context: PolicyContext) -> Iterator[Finding]:
    """Nothing waits that would restart the writer, or take the cluster's name, in the middle of a deploy."""
    facts = context.cluster
    if facts is None or context.plan.empty:
        return
    writer = facts.writer
    for name, pending in (
        (facts.cluster, facts.pending),
        (writer.id if writer else "", writer.pending if writer else ()),
    ):
        waiting = sorted(set(pending) - HARMLESS)
        if waiting:
            yield Finding(
                rule="pending",
                severity="error",
                message=f"{name} has changes that wait, and may restart it: {', '.join(waiting)}",
                mend="apply them first (modify with --apply-immediately, or reboot), or take them back",
                data={"cluster": facts.cluster, "resource": name, "pending": waiting},
            )
