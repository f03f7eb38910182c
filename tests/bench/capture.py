# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.bench.capture``: a whole capture on PostgreSQL, beside ``pg_dump -s`` and others.

Whole processes in turns, with the most memory each had: ours (capture, canonical form and fingerprints), ``pg_dump
-s``, SQLAlchemy's ``Inspector.get_multi_*`` (tables alone), and, once, Alembic's ``compare_metadata`` with models made
in memory. Then the quick look after a small migration: its median, and that of the fingerprints, in one process.

The run fails where ours is not faster than the dump, not five times as fast as Alembic, or takes too much memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psycopg

from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.adapters.database.postgresql.touched import TOUCHED
from hgaurora.adapters.local import binaries
from hgaurora.core.schema.form import fingerprints, parts
from tests import engines
from tests.world import ROOT, server_for_command

#: MiB that ours may have
MEMORY = 200
#: how many times as fast as Alembic's compare it has to be
ALEMBIC = 5

_OURS = """
import sys
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.core.schema.form import fingerprints, parts
schema = PostgresDatabase(from_url(sys.argv[1]), environment="bench").capture()
found = parts(schema)
assert len(schema.objects["table"]) == int(sys.argv[2]), len(schema.objects["table"])
print(fingerprints(schema.engine, schema.major, found).full)
"""
_INSPECTOR = """
import sys
from sqlalchemy import create_engine, inspect
seen = inspect(create_engine(sys.argv[1].replace("postgresql:", "postgresql+psycopg:")))
for name in ("columns", "pk_constraint", "indexes", "foreign_keys", "unique_constraints", "check_constraints",
             "table_comment", "table_options"):
    assert len(getattr(seen, "get_multi_" + name)()) == int(sys.argv[2]), name
"""
_ALEMBIC = """
import sys
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import *
data = MetaData()
for i in range(int(sys.argv[2])):
    Table(f"t{i}", data, Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("ref", BigInteger, ForeignKey(f"t{max(i - 1, 0)}.id", name=f"t{i}_ref")),
        Column("name", Text, nullable=False), Column("price", Numeric(10, 2)),
        Column("at", DateTime(timezone=True), nullable=False), Column("kind", String(20)), Column("data", JSON),
        Column("n", Integer), Index(f"t{i}_name", "name", "at"), Index(f"t{i}_kind", "kind", "n"))
sys.setrecursionlimit(100000)
with create_engine(sys.argv[1].replace("postgresql:", "postgresql+psycopg:")).connect() as connection:
    compare_metadata(MigrationContext.configure(connection), data)
"""


def _statements(first: int, after: int) -> Iterator[str]:
    for i in range(first, after):
        yield (
            f"CREATE TABLE t{i} (id bigint PRIMARY KEY, ref bigint, name text NOT NULL DEFAULT 'x',"
            " price numeric(10,2), at timestamptz NOT NULL DEFAULT now(), kind varchar(20), data json,"
            " n integer DEFAULT 0,"
            f" CONSTRAINT t{i}_ref FOREIGN KEY (ref) REFERENCES t{max(i - 1, 0)} (id));"
            f"CREATE INDEX t{i}_name ON t{i} (name, at); CREATE INDEX t{i}_kind ON t{i} (kind, n);"
        )
        if i % 10 == 0:
            yield (
                f"CREATE VIEW v{i} AS SELECT a.id, a.name, b.price FROM t{i} a LEFT JOIN t{max(i - 1, 0)} b"
                f" ON b.id = a.ref WHERE a.n > 0; CREATE FUNCTION f{i}() RETURNS trigger LANGUAGE plpgsql AS"
                f" 'BEGIN NEW.n := {i}; RETURN NEW; END'; CREATE TRIGGER g{i} BEFORE UPDATE ON t{i} FOR EACH ROW"
                f" EXECUTE FUNCTION f{i}(); CREATE TYPE e{i} AS ENUM ('a', 'b'); CREATE SEQUENCE s{i};"
                f" GRANT SELECT ON t{i} TO PUBLIC;"
            )


def fill(url: str, tables: int) -> None:
    """Tables of 8 columns, 2 indexes, a foreign key; for every ten a view, a function, a trigger and more."""
    with psycopg.connect(url, autocommit=True) as connection:
        for first in range(0, tables, 100):
            texts = _statements(first, min(first + 100, tables))
            connection.execute("\n".join(["BEGIN;", *texts, "COMMIT;"]).encode())
        connection.execute("VACUUM ANALYZE")


def run(argv: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds, and MiB at most, of a process.

    :raises SystemExit: it failed.
    """
    start = time.perf_counter()
    with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{argv[0]} failed: exit {process.returncode}")
    return time.perf_counter() - start, used.ru_maxrss / 1024


def whole(url: str, tables: int, rounds: int, alembic: bool) -> bool:
    """Print a line for each; True where ours is fast and small enough."""
    with psycopg.connect(url) as connection:
        major = connection.info.server_version // 10000
    dump = binaries.for_dump(major, tls=False).program("pg_dump")
    python = [sys.executable, "-c"]
    sides = {
        "hgaurora": [*python, _OURS, url, str(tables)],
        "pg_dump -s": [dump, "--schema-only", "--dbname", url],
        "Inspector.get_multi_*": [*python, _INSPECTOR, url, str(tables)],
    }
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, argv in sides.items():
            found[name].append(run(argv, env))
    medians: dict[str, float] = {}
    for name in [*sides, *(("alembic compare_metadata",) if alembic else ())]:
        values = found.get(name) or [run([*python, _ALEMBIC, url, str(tables)], env)]
        seconds = [one for one, _ in values]
        medians[name] = statistics.median(seconds)
        print(
            f"{name:26} {medians[name]:7.2f} s ({min(seconds):.2f}..{max(seconds):.2f})"
            f"  {max(memory for _, memory in values):5.0f} MiB  {medians[name] / medians['hgaurora']:5.2f} x",
            flush=True,
        )
    ours = medians["hgaurora"]
    return (
        ours < medians["pg_dump -s"]
        and ours * ALEMBIC <= medians.get("alembic compare_metadata", ours * ALEMBIC)
        and max(memory for _, memory in found["hgaurora"]) < MEMORY
    )


def small(url: str, tables: int, steps: int) -> None:
    """The cost of a small migration's quick look, with the fingerprints after it; and that it saw everything."""
    database = PostgresDatabase(from_url(url), environment="bench")
    schema = database.capture()
    recorded = dict(parts(schema))
    times: dict[str, list[float]] = {"touched": [], "look": [], "fingerprints": []}
    with psycopg.connect(url, autocommit=True) as connection:
        for step in range(steps):
            connection.execute("BEGIN")
            connection.execute(f"ALTER TABLE t{step * 7 % tables} ADD COLUMN step{step} integer".encode())
            start = time.perf_counter()
            row = connection.execute(f"SELECT {TOUCHED}::text".encode()).fetchone()
            times["touched"].append(time.perf_counter() - start)
            connection.execute("COMMIT")
            assert row is not None
            start = time.perf_counter()
            said = database.capture_parts({**json.loads(row[0]), "tags": ["ALTER TABLE"]}, recorded.keys())
            times["look"].append(time.perf_counter() - start)
            assert said is not None
            for gone in said[1]:
                del recorded[gone]
            recorded.update(said[0])
            start = time.perf_counter()
            fingerprints(schema.engine, schema.major, recorded)
            times["fingerprints"].append(time.perf_counter() - start)
    assert recorded == parts(database.capture())
    database.close()
    said_ms = ", ".join(f"{name} {statistics.median(values) * 1000:.1f} ms" for name, values in times.items())
    print(f"a small migration, medians of {steps}: {said_ms}")


def main() -> int:
    """On the server that the tests would take, or one at a URL."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.capture", description=__doc__)
    parser.add_argument("--tables", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--no-alembic", action="store_true", help="leave out what takes a minute")
    asked = parser.parse_args()
    with server_for_command() as (server, _), engines.fresh_database(server, prefix="hgaurora_bench") as url:
        with psycopg.connect(url) as connection:
            version = connection.info.parameter_status("server_version")
        load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
        print(f"PostgreSQL {version}, {asked.tables:,} tables, {os.cpu_count()} cores, load {load}", flush=True)
        fill(url, asked.tables)
        enough = whole(url, asked.tables, asked.rounds, not asked.no_alembic)
        small(url, asked.tables, asked.steps)
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
