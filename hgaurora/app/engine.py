# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``engine``: the local servers, started on demand and stopped by command."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..core import render
from ..core.errors import InputError
from .context import Context, Target


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Start, stop or show the server of one local environment, or of each."""
    chosen = [options["env"]] if options.get("env") else context.names()
    targets = [target for name in chosen if (target := context.target(name)).settings.kind == "local"]
    if not targets:
        name = options.get("env")
        raise InputError(
            f"{name} is no local environment" if name else "no environment is local",
            state="nothing was done",
            hint='an environment with target = "local" has a server of its own',
        )
    objects = [_one(target, options["verb"], dry_run=bool(options.get("dry_run"))) for target in targets]
    if context.json:
        context.ui.write(json.dumps(objects))
        return 0
    rows = [("environment", "server", "version", "connect with")]
    for found in objects:
        rows.append((found["environment"], found["server"], found["version"] or "", found["socket"] or ""))
    for line in render.table(rows):
        context.ui.write(line)
    if options.get("dry_run") and options["verb"] != "status":
        context.ui.write(f"nothing was changed; without -n each of these is asked to {options['verb']}")
    return 0


def _one(target: Target, verb: str, *, dry_run: bool) -> dict[str, Any]:
    from ..adapters.local.cluster import LocalCluster

    cluster = target.control
    assert isinstance(cluster, LocalCluster)
    if verb == "start" and not dry_run:
        cluster.connection()
    elif verb == "stop" and not dry_run:
        cluster.stop()
    status = cluster.status()
    socket = None
    if status.running:
        parameters = dict(cluster.connection().parameters)
        query = urlencode({"host": parameters["host"], "port": parameters["port"], "user": parameters["user"]})
        socket = f"postgresql:///{parameters['dbname']}?{query}"
    return {
        "environment": target.name,
        "server": "running" if status.running else "stopped" if status.made else "not made yet",
        "version": status.version,
        "pid": status.pid,
        "url": status.url,
        "socket": socket,
        "data": str(status.data),
    }
