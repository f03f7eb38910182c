# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """No reader is further behind the writer than replica-lag; one that nobody measured may be."""
    facts, limit = context.cluster, context.environment.replica_lag
    if facts is None or limit is None or context.plan.empty or not facts.readers:
        return
    lag = facts.lag or {}
    silent = [one.id for one in facts.readers if one.id not in lag]
    if silent:
        yield Finding(
            rule="replica-lag",
            severity="error",
            message=f"how far {', '.join(silent)} is behind is not known: CloudWatch has no AuroraReplicaLag of it",
            mend="wait until the reader is available and measured, or remove it; or remove replica-lag",
            data={"cluster": facts.cluster, "readers": silent},
        )
    slow = {name: seconds for name, seconds in sorted(lag.items()) if seconds > limit}
    if slow:
        name, seconds = max(slow.items(), key=lambda one: one[1])
        yield Finding(
            rule="replica-lag",
            severity="error",
            message=f"{name} is {seconds:g}s behind the writer, {context.name} wants {limit:g}s at most",
            mend="deploy again when it has caught up; long queries on the reader hold it back",
            data={"cluster": facts.cluster, "lag": dict(slow), "limit": limit},
        )
