# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.bench.capture_mysql``: a whole capture on MariaDB or MySQL, beside the server's own dump.

Whole processes in turns, with the most memory each had: ours (capture, canonical form and fingerprints), the dump
program with ``--no-data``, the same without triggers (it asks for them table by table, each time looking at all), and
SQLAlchemy's ``Inspector.get_multi_*`` (tables alone). The run fails where ours is not faster than the dump.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.local import mysql_clients
from tests import engines
from tests.world import ROOT

#: MiB that ours may have
MEMORY = 200

_OURS = """
import sys
from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.core.schema.form import fingerprints, parts
schema = MysqlDatabase(from_url(sys.argv[1]), environment="bench").capture()
found = parts(schema)
assert len(schema.objects["table"]) == int(sys.argv[2]), len(schema.objects["table"])
print(fingerprints(schema.engine, schema.major, found).full)
"""
_INSPECTOR = """
import sys
from sqlalchemy import create_engine, inspect
seen = inspect(create_engine(sys.argv[1].replace("mysql:", "mysql+pymysql:")))
for name in ("columns", "pk_constraint", "indexes", "foreign_keys", "unique_constraints", "check_constraints",
             "table_comment", "table_options"):
    assert len(getattr(seen, "get_multi_" + name)()) == int(sys.argv[2]), name
"""


def fill(cursor: Any, tables: int) -> None:
    """Tables of 8 columns, 2 indexes and a foreign key; for every ten a view, a function and a trigger."""
    for i in range(tables):
        cursor.execute(
            f"CREATE TABLE t{i} (id bigint AUTO_INCREMENT PRIMARY KEY, parent bigint, code varchar(40) NOT NULL DEFAULT"
            " 'x', amount decimal(12,2) NOT NULL DEFAULT 0, made datetime DEFAULT CURRENT_TIMESTAMP, note text,"
            f" flag tinyint(1) NOT NULL DEFAULT 1, qty int, KEY i{i}_code (code), KEY i{i}_parent (parent, qty),"
            f" CONSTRAINT f{i} FOREIGN KEY (parent) REFERENCES t{max(i - 1, 0)} (id))"
        )
        if i % 10 == 0:
            cursor.execute(f"CREATE VIEW v{i} AS SELECT id, code, amount * 2 AS twice FROM t{i} WHERE flag")
            cursor.execute(f"CREATE FUNCTION fn{i}(a int) RETURNS int DETERMINISTIC RETURN a + {i}")
            cursor.execute(f"CREATE TRIGGER tr{i} BEFORE INSERT ON t{i} FOR EACH ROW SET NEW.qty = {i}")


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


def measure(server: str, tables: int, rounds: int, folder: Path) -> bool:
    """Print a line for each; True where ours is the fastest whole look and small enough."""
    with engines.fresh_my_database(server, prefix="hgaurora_bench") as url:
        with engines.my_connection(url) as connection, connection.cursor() as cursor:
            mariadb = "MariaDB" in connection.get_server_info()
            print(f"{connection.get_server_info()}, {tables:,} tables, {os.cpu_count()} cores", flush=True)
            fill(cursor, tables)
        programs, target = mysql_clients.clients(mariadb), from_url(url)
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with mysql_clients.options(target, folder, mariadb=mariadb) as options:
            dump = [programs.dump, options, *programs.options(), "--no-data"]
            program = Path(programs.dump).name
            sides = {
                "hgaurora": [sys.executable, "-c", _OURS, url, str(tables)],
                f"{program} --no-data": [*dump, "--routines", "--events", target.schema],
                f"{program} --no-data --skip-triggers": [*dump, "--routines", "--skip-triggers", target.schema],
                "Inspector.get_multi_*": [sys.executable, "-c", _INSPECTOR, url, str(tables)],
            }
            found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
            for _ in range(rounds):
                for name, argv in sides.items():
                    found[name].append(run(argv, env))
    medians = {name: statistics.median(seconds for seconds, _ in values) for name, values in found.items()}
    for name, values in found.items():
        seconds = [one for one, _ in values]
        print(
            f"{name:42} {medians[name]:7.2f} s ({min(seconds):.2f}..{max(seconds):.2f})"
            f"  {max(memory for _, memory in values):5.0f} MiB  {medians[name] / medians['hgaurora']:5.1f} x"
        )
    ours = medians.pop("hgaurora")
    return ours < min(medians[name] for name in medians if "dump" in name) and max(found["hgaurora"])[1] < MEMORY


def main() -> int:
    """On the server that the tests would take."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.capture_mysql", description=__doc__)
    parser.add_argument("--tables", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="hgaurora-") as folder:
        run = engines.Run(Path(folder) / "run", engines.RealDocker())
        run.folder.mkdir()
        try:
            server = run.url(engines.choose_mysql(os.environ, engines.RealDocker()))
            return 0 if measure(server, asked.tables, asked.rounds, Path(folder)) else 1
        finally:
            run.stop()


if __name__ == "__main__":
    sys.exit(main())
