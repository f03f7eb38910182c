# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``iam-policy``: what a command may do in AWS, as a policy document."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core import iam
from ..core.errors import InputError
from .context import Context


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Print the policy; nobody is asked anything.

    :raises InputError: the environment is no cluster.
    """
    target = context.target(options["env"])
    settings, command = target.settings, options.get("for") or "deploy"
    if not settings.is_cluster:
        raise InputError(
            f"{target.name} is no Aurora cluster: nothing in AWS is asked for it",
            state="nothing was done",
            hint="name an environment that has cluster",
        )
    policy = iam.policy(command, settings)
    if context.json:
        context.ui.write(json.dumps([{"environment": target.name, "for": command, "policy": policy}]))
        return 0
    context.ui.write(json.dumps(policy, indent=2))
    if settings.role_arn:
        context.ui.status(f"whoever takes {settings.role_arn} needs sts:AssumeRole on it")
    if not settings.account:
        context.ui.status(f"{target.name} names no account: ARNs have * in its place")
    return 0
