# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from collections.abc import Iterator

from ..model import Finding
from .context import PolicyContext


def check(context: PolicyContext) -> Iterator[Finding]:
    """Every CloudWatch alarm that the settings name is there and is OK."""
    facts = context.cluster
    if facts is None or context.plan.empty:
        return
    found = {one.name: one for one in facts.alarms}
    for name in context.environment.alarms:
        alarm = found.get(name)
        if alarm is None:
            message = f"there is no alarm {name} in {context.environment.region}"
            mend = "correct alarms in hgaurora.toml, or make the alarm"
        elif alarm.state == "INSUFFICIENT_DATA":
            message = f"alarm {name} has not enough data to be OK"
            mend = "wait until it has data, or let it treat missing data as not breaching"
        elif alarm.state != "OK":
            message = f"alarm {name} is {alarm.state}" + (f": {alarm.reason}" if alarm.reason else "")
            mend = "deploy again when it is OK; to go back: " + f"hgaurora revert {context.name}"
        else:
            continue
        state = alarm.state if alarm else None
        yield Finding(rule="alarms", severity="error", message=message, mend=mend, data={"alarm": name, "state": state})
