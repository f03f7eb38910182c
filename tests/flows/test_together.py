# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Many deploys of one changeset at once: one applies, all end well and say rightly what they found.

The suite takes 12 at once for one round on each engine; ``python -m tests.flows.test_together 50 5`` takes fifty for
five, on PostgreSQL, and with ``--engine mysql`` on MariaDB or MySQL.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests import engines
from tests.world import Repo, environ, migration, query, server_for_command, settings, sql

#: what each process runs: everything is imported, then all wait for the one line that opens the barrier
_RUNNER = """
import sys
import hgaurora.cli, hgaurora.app.deploy, psycopg, pymysql
print("ready", flush=True)
sys.stdin.readline()
sys.exit(hgaurora.cli.main(sys.argv[1:]))
"""


def together(repo: Repo, count: int) -> list[tuple[int, dict[str, object], str]]:
    """Exit code, JSON object and stderr of each of ``count`` deploys released at once."""
    arguments = [sys.executable, "-c", _RUNNER, "-R", str(repo.root), "deploy", "dev", "--json"]
    running = [
        subprocess.Popen(
            arguments, env=environ(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(count)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = []
    for process in running:
        out, err = process.communicate(timeout=600)
        ended.append((process.returncode, json.loads(out)[0], err))
    return ended


def round_of(folder: Path, url: str, count: int) -> None:
    """One round on an empty database."""
    repo = Repo(folder)
    try:
        repo.commit({"hgaurora.toml": settings({"dev": url})}, "settings")
        files = {
            f"migrations/versions/{n:04}.py": migration(
                f"{n:04}",
                f"{n - 1:04}" if n > 1 else None,
                sql(f"CREATE TABLE t{n} (id int); INSERT INTO t{n} VALUES (1)"),
            )
            for n in range(1, 4)
        }
        node = repo.commit(dict(files), "three")
    finally:
        repo.close()
    ended = together(repo, count)
    assert [code for code, _, _ in ended] == [0] * count, [found for found in ended if found[0]]
    assert {found["node"] for _, found, _ in ended} == {node}
    assert [found["changed"] for _, found, _ in ended].count(True) == 1
    assert {found["deploy"] for _, found, _ in ended} == {"dev-1"}
    assert not any("Traceback" in err for _, _, err in ended)
    ledger = "hgaurora_" if url.startswith("mysql") else "hgaurora."
    assert query(url, f"SELECT count(*) FROM {ledger}deployment") == [(1,)]
    assert query(url, f"SELECT count(*) FROM {ledger}step") == [(3,)]
    assert query(url, "SELECT (SELECT count(*) FROM t1), (SELECT count(*) FROM t3)") == [(1, 1)]


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_one_applies_and_all_end_well(tmp_path: Path, engine: str, request: pytest.FixtureRequest) -> None:
    url = request.getfixturevalue("pg_database" if engine == "postgresql" else "my_database")
    round_of(tmp_path / "shop", url, 12)


def main() -> int:
    """Rounds of many processes, on the same engine as the suite."""
    parser = argparse.ArgumentParser(prog="python -m tests.flows.test_together", description=__doc__)
    parser.add_argument("count", type=int, help="deploys at once")
    parser.add_argument("rounds", type=int, help="each on an empty database")
    parser.add_argument("--engine", choices=("postgresql", "mysql"), default="postgresql", help="(%(default)s)")
    given = parser.parse_args()
    fresh = engines.fresh_my_database if given.engine == "mysql" else engines.fresh_database
    with server_for_command(given.engine) as (server, folder):
        for number in range(given.rounds):
            begun = time.monotonic()
            with fresh(server) as url:
                round_of(folder / f"shop-{number}", url, given.count)
            took = time.monotonic() - begun
            print(f"round {number + 1}: 1 applied, {given.count} ended with 0, {took:.1f} s", flush=True)
    print(f"{given.rounds} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
