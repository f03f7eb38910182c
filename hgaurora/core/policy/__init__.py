# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules that a deploy is judged by: one small file each, no I/O. To add one, write it and name it in ``RULES``."""

from __future__ import annotations

from ..model import Finding
from . import (
    after,
    alarms,
    blue_green,
    change_request,
    cluster,
    edited_script,
    goes_back,
    obsolete,
    pending,
    phase,
    replica_lag,
    snapshot_quota,
    window,
)
from .context import PolicyContext, Ran, Rule
from .verdict import Refusal, finding_json, refusal

__all__ = ["RULES", "PolicyContext", "Ran", "Refusal", "Rule", "finding_json", "judge", "refusal"]

#: in the order their findings are shown
RULES: tuple[Rule, ...] = (
    Rule("edited-script", edited_script.check),
    Rule("goes-back", goes_back.check),
    Rule("phase", phase.check),
    Rule("obsolete", obsolete.check),
    Rule("change-request", change_request.check),
    Rule("after", after.check),
    Rule("window", window.check),
    Rule("cluster", cluster.check),
    Rule("pending", pending.check),
    Rule("blue-green", blue_green.check),
    Rule("alarms", alarms.check),
    Rule("replica-lag", replica_lag.check),
    Rule("snapshot-quota", snapshot_quota.check),
)


def judge(context: PolicyContext) -> list[Finding]:
    """Every finding of every rule. One with severity ``error`` refuses the deploy.

    A deploy that runs nothing can only be refused for what it would record.
    """
    return [finding for rule in RULES for finding in rule.check(context)]
