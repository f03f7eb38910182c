# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``diff``: what makes one schema of another, whatever names them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..core.schema import words
from . import schema
from .context import Context
from .states import Held, between, both


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Compare two states. The exit code is 0 whether they differ or not: :mod:`.drift` answers yes or no."""
    one, other = both(context, options["a"], options["b"])
    found = between(one, other)
    default = _default(context)
    if context.json:
        sides = {"from": _json(one, options["a"]), "to": _json(other, options["b"])}
        context.ui.write(json.dumps([{**sides, **words.as_json(found, default)}]))
        return 0
    if options.get("text"):
        for line in words.unified(one.schema(), other.schema(), one.name, other.name):
            context.ui.write(line)
        return 0
    changes = schema.count(found) if found.changes else "no difference"
    context.ui.write(f"from {one.name} to {other.name}: {changes}")
    for line in words.lines(found, schema=default, verbose=context.verbose):
        context.ui.write(f"  {line}")
    return 0


def _json(held: Held, word: str) -> dict[str, Any]:
    return {"named": word, "name": held.name, "node": held.node, "engine": held.engine, "major": held.major}


def _default(context: Context) -> str:
    """The schema that needs no saying: that of all environments, where they agree."""
    schemas = {one.schema for one in context.settings.environments.values()}
    return schemas.pop() if len(schemas) == 1 else "public"
