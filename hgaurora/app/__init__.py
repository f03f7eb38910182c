# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The use cases, and the one door to them: :func:`run`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

from ..ports import History, Ui
from .compose import Adapters
from .context import Context

#: command to the module and function that do it; imported when it is asked for
_ACTIONS = {
    "init": ("init", "run"),
    "deploy": ("deploy", "run"),
    "revert": ("revert", "run"),
    "status": ("show", "status"),
    "log": ("log", "run"),
    "snapshots": ("snapshots", "run"),
    "diff": ("diff", "run"),
    "drift": ("drift", "run"),
    "trace": ("trace", "run"),
    "annotate": ("annotate", "run"),
    "adopt": ("adopt", "run"),
    "doctor": ("doctor", "run"),
    "iam-policy": ("iam_policy", "run"),
    "secret": ("secret", "run"),
    "journal": ("journal", "run"),
    "engine": ("engine", "run"),
    "demo": ("demo", "run"),
}


def run(
    command: str, options: Mapping[str, Any], *, history: History | None, ui: Ui, adapters: Adapters | None = None
) -> int:
    """Do one command.

    :param command: an ``action`` of the command table.
    :param options: arguments and options by name, dashes as underscores; absent is None or False.
    :param history: None for a command that needs no repository.
    :param adapters: what stands behind the ports, where it is not the usual.
    :returns: 0, or 1 where the answer is no.
    :raises HgAuroraError: whatever else can be foreseen; front ends format it.
    """
    module, function = _ACTIONS[command]
    context = Context(
        cast("History", history),  # None only for commands that ask no repository: demo
        ui,
        json=bool(options.get("json")),
        verbose=bool(options.get("verbose")),
        adapters=adapters or Adapters(),
    )
    try:
        code: int = getattr(import_module(f".{module}", __name__), function)(context, options)
        return code
    finally:
        context.close()
