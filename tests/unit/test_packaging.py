# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A wheel, an sdist, a wheel of that sdist and an editable install all carry the same package.

The build backend is called without isolation, so no network is needed (extra ``test`` has setuptools).
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = {path.name for path in (ROOT / "migrations_template").iterdir() if path.is_file()}


def build(source: Path, out: Path, hook: str) -> Path:
    """Run one hook of the build backend; returns what it made."""
    out.mkdir(parents=True)
    code = f"import sys, setuptools.build_meta as backend; print('made', backend.{hook}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)], cwd=source, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, without caches; links stay links."""
    copy = tmp_path_factory.mktemp("packaging") / "clone"
    copy.mkdir()
    for name in ("setup.cfg", "pyproject.toml", "MANIFEST.in", "README.rst"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, copy)
    for name in ("hgaurora", "migrations_template"):
        shutil.copytree(ROOT / name, copy / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return copy


@pytest.fixture(scope="module")
def sdist(clone: Path) -> Path:
    return build(clone, clone.parent / "sdist", "build_sdist")


def expected() -> set[str]:
    """Every file that an installed package has."""
    found = {f"hgaurora/migrations_template/{name}" for name in TEMPLATE}
    for path in (ROOT / "hgaurora").rglob("*"):
        name = path.relative_to(ROOT).as_posix()
        if path.is_file() and path.suffix != ".pyc" and "/." not in name:
            found.add(name)
    return found


def contents(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as file:
        return {name for name in file.namelist() if name.startswith("hgaurora/")}


def test_template_is_whole() -> None:
    assert {"README", "__init__.py", "alembic.ini.mako", "env.py", "hgaurora.toml", "script.py.mako"} == TEMPLATE


def test_wheel(clone: Path, tmp_path: Path) -> None:
    assert contents(build(clone, tmp_path / "out", "build_wheel")) == expected()


def test_sdist_and_its_wheel(sdist: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    (tree,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert {path.name for path in (tree / "migrations_template").iterdir()} == TEMPLATE
    assert contents(build(tree, tmp_path / "out", "build_wheel")) == expected()


def test_editable(clone: Path, tmp_path: Path) -> None:
    wheel = build(clone, tmp_path / "out", "build_editable")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(site)
    code = (
        "import site, sys; site.addsitedir(sys.argv[1]); from importlib.resources import files\n"
        "import hgaurora; print(hgaurora.__file__)\n"
        "for one in files('hgaurora.migrations_template').iterdir():\n"
        "    print(one.name) if one.is_file() and one.read_bytes() else None"
    )
    done = subprocess.run(
        # neither the environment's site-packages nor the current folder may answer instead
        [sys.executable, "-I", "-S", "-c", code, str(site)],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=True,
    )
    package, *names = done.stdout.split("\n")[:-1]
    assert Path(package) == clone / "hgaurora" / "__init__.py"
    assert set(names) == TEMPLATE
