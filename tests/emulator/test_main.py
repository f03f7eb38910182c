# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.emulator``, as a person runs it."""

from __future__ import annotations

import itertools
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from hgaurora.adapters.local import files
from tests.world import Repo, environ, migration, sql

MAIN = [sys.executable, "-m", "tests.emulator", "--clusters", "shop-staging:aurora-postgresql,shop-prod:aurora-mysql"]
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "end", ["input", "kill", *(pytest.param(one, marks=pytest.mark.whole) for one in ("interrupt", "terminate"))]
)
def test_it_prints_what_is_needed_and_leaves_nothing(tmp_path: Path, end: str) -> None:
    environment = {"PATH": "/usr/bin:/bin:/usr/sbin", "HGAURORA_TEST_EMULATOR_DIR": str(tmp_path)}
    with subprocess.Popen(
        MAIN, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as emulator:
        assert emulator.stdin
        assert emulator.stdout
        lines = []
        for line in emulator.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        text = "".join(lines)
        variables = dict(re.findall(r"^export (\w+)=(.*)$", text, re.M))
        code = "import boto3\nfor c in boto3.client('rds').describe_db_clusters()['DBClusters']: print(c['Status'])"
        seen = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
        assert seen.stdout == "available\navailable\n"
        toml = tomllib.loads("".join(line for line in lines if not line.startswith("export")))
        assert toml["environments"]["prod"]["cluster"] == "shop-prod"
        if end == "input":
            emulator.stdin.close()
        else:
            emulator.send_signal({"interrupt": signal.SIGINT, "terminate": signal.SIGTERM, "kill": signal.SIGKILL}[end])
        assert emulator.wait(60) == {"terminate": 143, "kill": -9}.get(end, 0)
    assert files.until(lambda: not any(tmp_path.iterdir()), 0 if end != "kill" else 60)
    assert not [path for path in Path("/proc").glob("[0-9]*") if _works_in(path, tmp_path)]


def test_what_it_prints_works_as_pasted(tmp_path: Path) -> None:
    """The exports in a shell, the settings in a file, and a command as the last lines say.

    Without the comments among the settings: a password stands there, and the file outlives the emulator.
    """
    repo = Repo(tmp_path / "shop")
    with subprocess.Popen(MAIN, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as emulator:
        assert emulator.stdin
        assert emulator.stdout
        lines = list(itertools.takewhile(lambda line: "Ctrl-C" not in line, emulator.stdout))
        exports = "".join(line for line in lines if line.startswith("export "))
        pasted = {"hgaurora.toml": "".join(line for line in lines if not line.startswith(("export ", "#")))}
        up, down = sql("CREATE TABLE t1 (id int)"), sql("DROP TABLE t1")
        repo.commit({**pasted, "migrations/versions/0001_t.py": migration("0001", None, up, down)})
        repo.close()
        (through,) = [line.partition(":")[2].strip() for line in lines if line.startswith("# endpoints resolve")]
        ours = shlex.join([sys.executable, "-m", "hgaurora", "-R", str(repo.root)])

        def run(words: str) -> subprocess.CompletedProcess[str]:
            command = through.replace("COMMAND", f"{ours} {words}")
            shell = ["bash", "-c", f"{exports}{command}"]
            return subprocess.run(shell, cwd=ROOT, env=environ(), capture_output=True, text=True, timeout=300)

        for name in ("staging", "prod"):
            done = run(f"deploy {name}")
            assert done.returncode == 0, done.stderr
            assert "is now at" in done.stdout
            looked = run(f"doctor {name} -v")
            assert "protected, and" not in looked.stdout + looked.stderr
            assert "ledger" in looked.stdout
        seen = run("status")
        assert seen.returncode == 0, seen.stdout + seen.stderr
        assert [line.split()[-1] for line in seen.stdout.splitlines()] == ["pending", "none", "none"]
        emulator.stdin.close()
        assert emulator.wait(60) == 0


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:  # it has ended
        return False


def test_a_command_runs_with_everything_set() -> None:
    code = (
        "import boto3, psycopg, pymysql\n"
        "rds = boto3.client('rds')\n"
        "for c in rds.describe_db_clusters()['DBClusters']:\n"
        "    host, port, name = c['Endpoint'], c['Port'], c['DBClusterIdentifier']\n"
        "    token = rds.generate_db_auth_token(host, port, 'hgaurora')\n"
        "    if c['Engine'] == 'aurora-mysql':\n"
        "        words = dict(password=token, database='shop', ssl_verify_cert=False, ssl={'check_hostname': False})\n"
        "        pymysql.connect(host=host, port=port, user='hgaurora', **words).close()\n"
        "    else:\n"
        "        words = dict(password=token, dbname='shop', sslmode='require')\n"
        "        psycopg.connect(host=host, port=port, user='hgaurora', **words).close()\n"
        "    print(name)\n"
    )
    done = subprocess.run(
        [*MAIN, "--", sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "shop-prod\nshop-staging\n"
