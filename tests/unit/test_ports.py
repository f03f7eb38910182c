# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each implementation of a port has all of it, with the port's parameters."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from hgaurora import ports
from hgaurora.adapters.aws.cluster import AuroraCluster
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.adapters.history.pipe import PipeHistory
from hgaurora.adapters.local.cluster import LocalCluster
from hgaurora.adapters.local.dump import DumpSnapshots
from hgaurora.adapters.local.journal import FileJournal
from hgaurora.adapters.local.mysql_dump import MysqlSnapshots
from hgaurora.adapters.migrations.process import ChildMigrator, ChildSession
from tests.world import Recorder

IMPLEMENTATIONS = [
    (ports.Database, PostgresDatabase),
    (ports.Database, MysqlDatabase),
    (ports.History, HglibHistory),
    (ports.History, PipeHistory),
    (ports.ControlPlane, LocalCluster),
    (ports.ControlPlane, DumpSnapshots),
    (ports.ControlPlane, MysqlSnapshots),
    (ports.ControlPlane, AuroraCluster),
    (ports.Journal, FileJournal),
    (ports.Migrator, ChildMigrator),
    (ports.MigrationSession, ChildSession),
    (ports.Ui, Recorder),
]


def _parameters(function: Any) -> list[tuple[str, Any, bool]]:
    """Name, kind and whether it may be left out; a fixture of another default still fits."""
    return [
        (one.name, one.kind, one.default is not inspect.Parameter.empty)
        for one in inspect.signature(function).parameters.values()
    ]


def _wanted(port: type) -> dict[str, Any]:
    return {name: value for name, value in vars(port).items() if callable(value) and not name.startswith("_")}


@pytest.mark.parametrize(
    ("port", "made"), IMPLEMENTATIONS, ids=lambda one: one.__name__ if isinstance(one, type) else ""
)
def test_an_implementation_has_all_of_its_port(port: type, made: type) -> None:
    missing = [name for name in _wanted(port) if not hasattr(made, name)]
    assert missing == []
    other = {
        name: _parameters(getattr(made, name))
        for name, function in _wanted(port).items()
        if _parameters(getattr(made, name))[: len(_parameters(function))] != _parameters(function)
    }
    assert other == {}
