# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``secret rotate``: a new password in the database and in the secret, proven by a session."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..core import render
from ..core.errors import InputError, RemoteError
from .context import Context, Target

if TYPE_CHECKING:
    from ..adapters.aws.secrets import Secret

#: seconds that a rotation may take; a function of one's own has up to 15 minutes in AWS, seconds are usual
PATIENCE = 300.0


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Rotate the secret of one environment."""
    started = context.clock.monotonic()
    dry = bool(options.get("dry_run"))
    target = context.target(options["env"], acting=not dry)
    if not target.settings.is_cluster:
        raise InputError(
            f"{target.name} has no secret: it is no Aurora cluster",
            state="nothing was done",
            hint="passwords of other databases are not kept by AWS",
        )
    secret = context.adapters.secret(target.control)
    before = secret.current()
    context.ui.secret(before.password)
    result: dict[str, Any] = {
        "environment": target.name,
        "secret": secret.name,
        "user": secret.user,
        "before": before.version,
        "version": None,
        "dry_run": dry,
    }
    if dry:
        if not context.json:
            context.ui.write(f"{target.name}  secret {secret.name}, user {secret.user}, version {before.version}")
            context.ui.write("nothing was changed; without -n it gets a new password, which is then proven")
    else:
        result |= _rotated(context, target, secret, before.version)
        took = render.duration(context.clock.monotonic() - started)
        if not context.json:
            context.ui.write(
                f"{target.name}  secret {secret.name} is rotated: {result['user']} logs in with version "
                f"{result['version']}, {took}"
            )
    if context.json:
        context.ui.write(json.dumps([result]))
    return 0


def _rotated(context: Context, target: Target, secret: Secret, before: str) -> dict[str, Any]:
    """Rotate, wait, and open a session with what is current then."""
    started = context.clock.monotonic()
    try:
        secret.rotate()
    except RemoteError as error:
        aws: Any = error.data.get("aws") or {}
        if aws.get("code") == "InvalidRequestException" and error.hint is None:
            error.hint = (
                "where no function rotates it, write the password that the database has into it: "
                f"aws secretsmanager put-secret-value --secret-id {secret.name}; "
                "where a rotation is under way, wait for it"
            )
        raise
    for found in secret.rotated(before, wait=PATIENCE):
        if found is None:
            since = render.duration(context.clock.monotonic() - started)
            context.ui.progress("rotate", item=f"{secret.name} since {since}", position=None, total=None)
            continue
        context.ui.secret(found.password)
        context.ui.progress("rotate", item="", position=None, total=None)
        database = context.adapters.database(secret.session(target.control.connection(), found), target.name)
        try:
            user = str(database.facts()["user"])
        finally:
            database.close()
        return {"user": user, "version": found.version}
    raise AssertionError("a rotation ends with a version, or an error")
