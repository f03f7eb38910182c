# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""hgaurora as it is installed: a wheel built from this checkout, in a virtual environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Installed:
    """An environment with hgaurora's wheel; everything else comes from the environment this program runs in."""

    python: Path
    folder: Path

    @property
    def hgaurora(self) -> list[str]:
        """Its console script."""
        return [os.fspath(self.folder / "bin" / "hgaurora")]

    @property
    def alembic(self) -> list[str]:
        """Alembic's console script."""
        return [os.fspath(self.folder / "bin" / "alembic")]

    @property
    def hg(self) -> list[str]:
        """Mercurial's script."""
        return [os.fspath(self.folder / "bin" / "hg")]

    @property
    def package(self) -> Path:
        """The installed package's folder."""
        return next(self.folder.glob("lib/python*/site-packages/hgaurora"))

    def environ(self, **more: str) -> dict[str, str]:
        """Of a user without hgrc; bytecode is written and used, as on any machine."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("HG", "PYTHON", "AWS"))}
        path = os.pathsep.join([str(self.folder / "bin"), kept.get("PATH", "")])
        return {**kept, "HGRCPATH": "", "HGUSER": "ana", "PATH": path, **more}


def install(folder: Path) -> Installed:
    """Build the wheel, and install it into a new environment in ``folder``."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.rst"):
        shutil.copy(ROOT / name, source)
    for name in ("hgaurora", "migrations_template"):
        shutil.copytree(ROOT / name, source / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    build = "import sys, setuptools.build_meta as backend; backend.build_wheel(sys.argv[1])"
    _run([sys.executable, "-c", build, os.fspath(folder)], source)
    place = folder / "env"
    venv.create(place, with_pip=True, symlinks=True)
    python = place / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    _run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--compile", wheel], folder)
    ours = next(place.glob("lib/python*/site-packages"))
    theirs = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (ours / "beside.pth").write_text("".join(f"{path}\n" for path in sorted(theirs)))
    for name in ("hg", "alembic"):
        first, _, rest = (Path(sys.executable).parent / name).read_text().partition("\n")
        assert first.startswith("#!"), name
        (place / "bin" / name).write_text(f"#!{python}\n{rest}")
        (place / "bin" / name).chmod(0o755)
    return Installed(python, place)


def _run(command: Sequence[str | Path], cwd: Path) -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
