# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``init`` lays down: right as it is, right with its examples, and a template that bare Alembic takes."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest

from hgaurora.core.settings import read_settings

TEMPLATE = files("hgaurora.migrations_template")


def test_starting_configuration() -> None:
    settings = read_settings(TEMPLATE.joinpath("hgaurora.toml").read_text())
    assert list(settings.environments) == ["dev"]
    assert settings.environments["dev"].kind == "local"


def test_its_examples_are_right() -> None:
    text = TEMPLATE.joinpath("hgaurora.toml").read_text()
    settings = read_settings(re.sub(r"^#(?=\S)", "", text, flags=re.MULTILINE))
    assert [one.kind for one in settings.environments.values()] == ["local", "url", "cluster"]
    assert settings.environments["prod"].soak == 7200.0


def test_synopsis() -> None:
    first = TEMPLATE.joinpath("README").read_text().split("\n")[0]
    assert 0 < len(first) <= 100


def alembic(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "alembic", *arguments], cwd=folder, text=True, capture_output=True, check=False
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that bare Alembic laid down from the template, with one migration."""
    tmp_path = tmp_path_factory.mktemp("template")
    assert alembic(tmp_path, "init", "-t", str(TEMPLATE), "migrations").returncode == 0
    assert alembic(tmp_path, "revision", "-m", "first table").returncode == 0
    (script,) = (tmp_path / "migrations" / "versions").glob("*_first_table.py")
    text = script.read_text()
    text = text.replace('revision."""\n    pass', 'revision."""\n    op.create_table("a", sa.Column("id", sa.Integer))')
    script.write_text(text.replace('say why."""\n    pass', 'say why."""\n    op.drop_table("a")'))
    return tmp_path


def test_bare_alembic(project: Path) -> None:
    url = f"url=sqlite:///{project}/a.db"
    for command in (["upgrade", "head"], ["downgrade", "base"]):
        done = alembic(project, "-x", url, *command)
        assert done.returncode == 0, done.stderr
    sql = alembic(project, "-x", "url=postgresql://nowhere/shop", "upgrade", "head", "--sql")
    assert "CREATE TABLE a" in sql.stdout


def test_no_url(project: Path) -> None:
    done = alembic(project, "upgrade", "head")
    assert "alembic -x url=" in done.stderr
    assert "Traceback" not in done.stderr
