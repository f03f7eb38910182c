# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What switching the extension on must not load, and what the command line must not load before it needs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HG = Path(sys.executable).parent / "hg"
PACKAGE = Path(__file__).parents[1] / "hgaurora"
HEAVY = ("boto3", "botocore", "sqlalchemy", "alembic", "click", "psycopg", "pymysql", "rich", "hglib")

#: a Mercurial extension that writes what hg has loaded when it ends
PROBE = """
import atexit, json, os, sys, types
def dump():
    # a lazily imported module that nobody used is not loaded
    real = sorted(n for n, m in sys.modules.items() if type(m) is types.ModuleType)
    with open(os.environ["PROBE"], "w") as file:
        json.dump(real, file)
atexit.register(dump)
"""


def environment(folder: Path, hgrc: str) -> dict[str, str]:
    """Of a user whose hgrc is this."""
    (folder / "hgrc").write_text(hgrc)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HG")}
    return {**kept, "HGRCPATH": str(folder / "hgrc"), "HGUSER": "ana", "PYTHONPATH": str(PACKAGE.parent)}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    env = environment(tmp_path, "")
    subprocess.run([HG, "init", root], env=env, check=True)
    (root / "a").write_text("a")
    subprocess.run([HG, "commit", "-qAm", "a"], cwd=root, env=env, check=True)
    return root


def loaded_by_hg(root: Path, hgrc: str, *command: str) -> set[str]:
    """Modules that hg has loaded at its end."""
    probe, found = root.parent / "probe.py", root.parent / "found.json"
    probe.write_text(PROBE)
    env = environment(root.parent, f"[extensions]\nprobe = {probe}\n{hgrc}") | {"PROBE": str(found)}
    subprocess.run([HG, *command], cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
    return set(json.loads(found.read_text()))


@pytest.mark.parametrize("spelling", ["hgaurora =", f"hgaurora = {PACKAGE}"], ids=["by name", "by path"])
@pytest.mark.parametrize("command", ["status", "log -l1", "version"])
def test_hg_loads_nothing_heavy(repository: Path, spelling: str, command: str) -> None:
    loaded = loaded_by_hg(repository, spelling, *command.split())
    assert {"hgaurora.aurora", "hgext_hgaurora.aurora"} & loaded
    assert not {name for name in loaded if name.partition(".")[0] in HEAVY}


@pytest.mark.parametrize("module", ["alembic", "click"])
def test_the_probe_sees_what_is_loaded(repository: Path, module: str) -> None:
    extension = repository.parent / "heavy.py"
    extension.write_text(f"import importlib, hgdemandimport\nwith hgdemandimport.deactivated():\n    import {module}\n")
    assert module in loaded_by_hg(repository, f"hgaurora =\nheavy = {extension}", "status")


def loaded_by_python(code: str, folder: Path) -> set[str]:
    """Top-level names of the modules that a Python has loaded at its end."""
    end = "\nfinally:\n    import json; print(json.dumps(sorted(sys.modules)))"
    program = "import sys\ntry:\n    " + code.replace("\n", "\n    ") + end
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(folder, ""), check=False, capture_output=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_hgaurora_is_light(tmp_path: Path) -> None:
    loaded = loaded_by_python("import hgaurora; hgaurora.__version__", tmp_path)
    assert "hgaurora" in loaded
    assert not loaded & {*HEAVY, "mercurial"}


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["deploy", "--help"], ["hg-config"], ["nope"]])
def test_the_command_line_loads_only_click(arguments: list[str], tmp_path: Path) -> None:
    loaded = loaded_by_python(f"from hgaurora.cli import main; main({arguments!r})", tmp_path)
    assert "click" in loaded
    assert not loaded & {*HEAVY, "mercurial"} - {"click"}
