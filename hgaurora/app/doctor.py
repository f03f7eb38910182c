# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``doctor``: what production wants of an environment, and hgaurora needs. Nothing is changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core import doctor
from ..core.doctor import screen
from ..core.doctor.facts import Refused
from ..core.errors import HgAuroraError
from .context import Context, Target


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Examine one environment, or each; 1 where something stands against one of them."""
    objects, stands = [], False
    for number, name in enumerate([options["env"]] if options.get("env") else context.names()):
        target, begun = context.target(name), context.clock.monotonic()
        facts = _facts(context, target)
        checks = doctor.examine(facts)
        seconds = context.clock.monotonic() - begun
        stands |= any(one.stands for one in checks)
        objects.append(screen.as_json(facts, checks, seconds))
        if context.json:
            continue
        if number:
            context.ui.write("")
        for line in screen.lines(facts, checks, seconds, verbose=context.verbose):
            context.ui.write(line)
    if context.json:
        context.ui.write(json.dumps(objects))
    return int(stands)


def _facts(context: Context, target: Target) -> doctor.Facts:
    facts = doctor.Facts(
        settings=target.settings,
        now=context.clock.now(),
        trusted=context.policy_from is not None,
        server=_server(target),
        wanted_alarms=target.settings.alarms,
        made_by=source.made_by if (source := target.settings.cluster_from) else None,
    )
    if target.settings.is_cluster:
        return context.adapters.posture(facts, user=context.who())
    return facts


def _server(target: Target) -> doctor.Server | doctor.Unknown | None:
    """What the database says; that it can not be reached is an answer, too."""
    try:
        if not target.control.exists():
            return None
        said, state = target.database.facts(), target.database.state()
        damage = target.database.verify() if state.ledger is not None else []
    except HgAuroraError as error:
        return Refused(error.message, hint=error.hint)
    return doctor.Server(
        product=str(said["product"]),
        version=str(said["version"]),
        user=str(said["user"]),
        read_only=bool(said["read_only"]),
        ledger=state.ledger is not None,
        damage=damage,
        undelivered=state.undelivered,
    )
