# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""No rule: what the quota of snapshots means for a revert, which is never refused for it."""

from __future__ import annotations

from ..gates import Quota
from ..model import Finding

RULE = "snapshot-quota"


def for_revert(quota: Quota | None) -> list[Finding]:
    """What a revert that takes one snapshot is told beforehand.

    :param quota: that of the account's manual cluster snapshots; None: AWS did not say.
    """
    if quota is None:
        return [Finding(rule=RULE, severity="note", message="AWS does not say whether there is room for the snapshot")]
    if quota.used < quota.most:
        return []
    return [
        Finding(
            rule=RULE,
            severity="warning",
            message=f"{quota.used} of {quota.most} manual cluster snapshots are used, so no snapshot is taken: the "
            "revert goes on without one, and records points in time",
            data={"used": quota.used, "most": quota.most},
        )
    ]
