# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudWatch alarms where moto is not like it: composite ones, types asked for, pages, and the state of a new one.

For clients that speak JSON to CloudWatch, as botocore 1.44 does; the older query protocol goes through.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends

from tests.emulator.calls import WSGI, Answer, Call, Layer

_NEW = "INSUFFICIENT_DATA"
#: per page, and per list of names
_MOST = 100


class Alarms(Layer):
    """Before moto's CloudWatch."""

    def __init__(self, app: WSGI) -> None:
        super().__init__(app)
        self._composite: dict[tuple[str, str], dict[str, dict[str, Any]]] = {}
        self._lock = threading.Lock()

    def handle(self, call: Call) -> Answer:
        """The calls on alarms; all others are moto's."""
        handler = getattr(self, f"_on_{call.operation}", None)
        if call.service != "cloudwatch" or call.protocol != "json" or handler is None:
            return call.forward(self.app)
        with self._lock:
            answer: Answer = handler(call, self._composite.setdefault((call.account, call.region), {}))
        return answer

    def _on_PutMetricAlarm(self, call: Call, composite: dict[str, Any]) -> Answer:
        alarms = cloudwatch_backends[call.account][call.region].alarms
        new = call.params.get("AlarmName") not in alarms
        answer = call.forward(self.app)
        if new and answer.status == 200:
            alarms[str(call.params["AlarmName"])].state_value = _NEW
        return answer

    def _on_PutCompositeAlarm(self, call: Call, composite: dict[str, Any]) -> Answer:
        name, now = str(call.params["AlarmName"]), time.time()
        old = composite.get(name, {"StateValue": _NEW, "StateReason": "Unchecked: Initial alarm creation"})
        composite[name] = {
            "ActionsEnabled": True,
            **{key: value for key, value in call.params.items() if key != "Tags"},
            "AlarmArn": f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm:{name}",
            "AlarmConfigurationUpdatedTimestamp": now,
            "StateUpdatedTimestamp": old.get("StateUpdatedTimestamp", now),
            "StateValue": old["StateValue"],
            "StateReason": old["StateReason"],
        }
        return call.result({})

    def _on_SetAlarmState(self, call: Call, composite: dict[str, Any]) -> Answer:
        params = call.params
        if params.get("AlarmName") not in composite:
            return call.forward(self.app)
        changed = {"StateValue": params["StateValue"], "StateReason": params["StateReason"]}
        composite[params["AlarmName"]] |= {**changed, "StateUpdatedTimestamp": time.time()}
        return call.result({})

    def _on_DeleteAlarms(self, call: Call, composite: dict[str, Any]) -> Answer:
        names = list(call.params.get("AlarmNames", ()))
        metric = [name for name in names if composite.pop(name, None) is None]
        return call.with_body({**call.params, "AlarmNames": metric}).forward(self.app) if metric else call.result({})

    def _on_DescribeAlarms(self, call: Call, composite: dict[str, Any]) -> Answer:
        params = call.params
        names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
        if names and prefix:
            return call.error("ValidationError", "AlarmNames and AlarmNamePrefix cannot be used together")
        if names and len(names) > _MOST:
            return call.error(
                "ValidationError", f"The collection AlarmNames must not have a size greater than {_MOST}."
            )
        answer = call.with_body({}).forward(self.app)
        if answer.status != 200:
            return answer
        # metric alarms only, unless others are asked for
        types = params.get("AlarmTypes") or ["MetricAlarm"]
        rows = [("MetricAlarms", one) for one in answer.json()["MetricAlarms"] if "MetricAlarm" in types]
        rows += [("CompositeAlarms", one) for one in composite.values() if "CompositeAlarm" in types]
        rows = sorted(
            (
                (kind, one)
                for kind, one in rows
                # what is not there is left out without a word
                if (not names or one["AlarmName"] in names)
                and one["AlarmName"].startswith(prefix or "")
                and params.get("StateValue") in (None, one["StateValue"])
            ),
            key=lambda row: str(row[1]["AlarmName"]),
        )
        start, most = int(params.get("NextToken") or 0), int(params.get("MaxRecords") or _MOST)
        page: dict[str, Any] = {"MetricAlarms": [], "CompositeAlarms": []}
        for kind, one in rows[start : start + most]:
            page[kind].append(one)
        if start + most < len(rows):
            page["NextToken"] = str(start + most)
        return call.result(page)
