# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.bench.deltas``: small migrations onto many tables, with deltas and without.

Copies of one database, the same deploys on each: a first one that makes the ledger (with deltas it also records the
whole schema, once), then the one that counts. Two ways, in turns, by an override of the adapters here (the product has
no such switch): a run that sees no schema at all, and the product's, which looks for drift and records deltas. The run
fails where the product's best time is more than twice the other's.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from hgaurora import app
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.schema.model import Part, Schema
from hgaurora.core.schema.record import DeltaRow
from hgaurora.ports import Connection
from tests import engines
from tests.bench.capture import fill
from tests.world import Recorder, Repo, migration, server_for_command, settings, sql

#: how many times as long deltas may take
GOAL = 2.0


class _Blind(PostgresDatabase):
    """Sees and records no schema."""

    def capture(self, *, marked: bool = False) -> Schema:
        return Schema("postgresql", "0", {})

    def capture_parts(
        self, touched: Mapping[str, object] | None, known: Collection[str]
    ) -> tuple[Mapping[str, Part], Collection[str]]:
        return {}, ()

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        return None


@dataclass(frozen=True)
class _With(Adapters):
    kind: type[PostgresDatabase]

    def database(self, connection: Connection, environment: str) -> PostgresDatabase:
        return self.kind(connection, environment=environment)


def _history(folder: Path, url: str, count: int, tables: int) -> Repo:
    """Migrations that add a column, an index, or a table, in turn."""
    repo = Repo(folder)
    files: dict[str, str | bytes | None] = {"hgaurora.toml": settings({"dev": url})}
    for number in range(1, count + 2):
        table = f"t{number * 7 % tables}"
        up = (
            f"ALTER TABLE {table} ADD extra{number} int",
            f"CREATE INDEX extra{number} ON {table} (id)",
            f"CREATE TABLE extra{number} (id int PRIMARY KEY, ref bigint REFERENCES {table} (id))",
        )[number % 3]
        parent = f"r{number - 1}" if number > 1 else None
        files[f"migrations/versions/r{number}.py"] = migration(f"r{number}", parent, sql(up))
        if number == 1:
            repo.commit(files)
    repo.commit(files)
    return repo


def _deploy(repo: Repo, adapters: Adapters, rev: str) -> float:
    ui, history = Recorder(), HglibHistory(repo.root)
    try:
        start = time.perf_counter()
        app.run("deploy", {"env": "dev", "rev": rev}, history=history, ui=ui, adapters=adapters)
        return time.perf_counter() - start
    finally:
        history.close()


def main() -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.deltas", description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--migrations", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    os.environ.update({"HGRCPATH": "", "HGUSER": "ana"})
    taken: dict[str, list[float]] = {"without": [], "with deltas": []}
    with (
        server_for_command() as (server, _),
        tempfile.TemporaryDirectory(prefix="hgaurora-") as folder,
        engines.fresh_database(server) as filled,
    ):
        fill(filled, given.tables)
        for turn in range(given.rounds):
            for name, kind in (("without", _Blind), ("with deltas", PostgresDatabase)):
                with engines.fresh_database(server, like=filled) as url:
                    repo = _history(Path(folder) / f"{name} {turn}", url, given.migrations, given.tables)
                    first = _deploy(repo, _With(kind), "0")
                    taken[name].append(_deploy(repo, _With(kind), "1"))
                    repo.close()
                    print(f"{name}: first {first:.1f} s, then {taken[name][-1]:.2f} s", flush=True)
    times = min(taken["with deltas"]) / min(taken["without"])
    print(
        f"{given.migrations} migrations onto {given.tables:,} tables: with deltas {times:.2f} times as long (at most"
        f" {GOAL})"
    )
    return int(times > GOAL)


if __name__ == "__main__":
    sys.exit(main())
