# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``init``: lay down the settings and the migrations folder; never overwrite."""

from __future__ import annotations

import configparser
import json
import os
import re
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
    found = _script_location(root)
    for name, content in _laid_down() if found is None else _beside(found):
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


def _script_location(root: Path) -> str | None:
    """Where a project that uses Alembic already has its env.py, below the root; None: it has none.

    ``script_location`` in ``[alembic]`` of alembic.ini, with Alembic's ``%(here)s`` for the folder of that file.

    :raises InputError: alembic.ini names a folder that is not in the repository.
    """
    ini = root / "alembic.ini"
    if not ini.is_file():
        return None
    parser = configparser.ConfigParser({"here": "."}, interpolation=configparser.BasicInterpolation())
    try:
        parser.read_string(ini.read_text("utf-8"))
        said = parser.get("alembic", "script_location")
    except (configparser.Error, UnicodeDecodeError):
        return None
    folder = os.path.normpath(said)
    if folder.startswith((os.pardir, os.sep)):
        raise InputError(
            f"alembic.ini has its script_location outside of the repository: {said}",
            state="nothing was laid down",
            hint="hgaurora reads migrations from the repository: move them into it",
        )
    env = root / folder / "env.py"
    ours = files("hgaurora.migrations_template").joinpath("env.py").read_bytes()
    return folder.replace(os.sep, "/") if env.is_file() and env.read_bytes() != ours else None


def _beside(folder: str) -> Iterator[tuple[str, bytes]]:
    """For a project with an env.py of its own: the settings alone, which name it."""
    settings = files("hgaurora.migrations_template").joinpath(CONFIG).read_bytes().decode("utf-8")
    text = re.sub(r"(?m)^#? ?migrations = .*$", f'migrations = "{folder}"', settings, count=1)
    text, done = re.subn(r"(?m)^#? ?env = .*$", 'env = "project"', text, count=1)
    if not done:
        text = text.replace(f'migrations = "{folder}"', f'migrations = "{folder}"\nenv = "project"', 1)
    yield CONFIG, text.encode("utf-8")


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
