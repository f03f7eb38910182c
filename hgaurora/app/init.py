# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``init``: lay down the settings and the migrations folder; never overwrite."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from .context import CONFIG, Context

#: where a template file goes below the repository's root; the rest stays in the package
_PLACES = {
    CONFIG: CONFIG,
    "README": "migrations/README",
    "env.py": "migrations/env.py",
    "script.py.mako": "migrations/script.py.mako",
    "alembic.ini.mako": "alembic.ini",
}


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Write what is missing, and name what was there."""
    root = context.history.root
    made: list[str] = []
    kept: list[str] = []
    for name, content in _laid_down():
        path = root / name
        if path.exists() or path.is_symlink():
            kept.append(name)
            continue
        if not options.get("dry_run"):
            _write(path, content)
        made.append(name)
    if context.json:
        context.ui.write(json.dumps([{"made": made, "kept": kept, "dry_run": bool(options.get("dry_run"))}]))
        return 0
    verb = "would lay down" if options.get("dry_run") else "laid down"
    context.ui.write(f"{verb} {', '.join(made)}" if made else "everything is there already: nothing to do")
    if kept and made:
        context.ui.write(f"left as it is: {', '.join(kept)}")
    if made and not options.get("dry_run"):
        context.ui.write(f"(edit {CONFIG}, write a migration, hg add, hg commit; then {context.ui.front}deploy dev)")
    return 0


def _laid_down() -> Iterator[tuple[str, bytes]]:
    template: Traversable = files("hgaurora.migrations_template")
    for name, place in _PLACES.items():
        content = template.joinpath(name).read_bytes()
        if place == "alembic.ini":
            content = content.replace(b"${script_location}", b"migrations")
        yield place, content
    yield "migrations/versions/.keep", b""


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        with open(descriptor, "wb") as file:
            file.write(content)
    except OSError as error:
        raise InputError(
            f"{path} can not be written: {error.strerror}", hint="what was written before it stays"
        ) from error
