# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Positive controls of :mod:`tests.canaries`: a secret that is planted in each place is found there, and fails the run.

What is planted here is removed again, or has the mark of a run within this one: the looks of this run must not find it.
"""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from hgaurora.core.errors import InputError
from tests import awscli, canaries
from tests.cloud import ENGINES
from tests.emulator.secured import Secured
from tests.world import ROOT, Repo, call, command, environ

MARK = canaries.MARK


@pytest.mark.parametrize("before", range(4))
def test_the_mark_is_found_in_every_spelling(before: int) -> None:
    text = b"x" * before + canaries.secret().encode()
    for spelling in (text, base64.b64encode(text), base64.urlsafe_b64encode(text), text.hex().encode()):
        (hit,) = canaries.hits(b"\0" * 1000 + spelling + b"\xff")
        assert len(hit) < 500
    assert canaries.hits(text.decode())
    assert canaries.hits(f"\udcff {MARK}")


def test_a_signature_is_found_and_ordinary_text_is_not() -> None:
    assert canaries.hits(f"host:5432/?X-Amz-Signature={secrets.token_hex(32)}&a=b")
    assert canaries.hits(f"X-Amz-Signature%3D{secrets.token_hex(32)}")
    assert not canaries.hits("X-Amz-Signature=*** password=***")
    assert not canaries.hits(Path(ROOT / "README.rst").read_bytes())


# -- what is in a run of pytest: one within this one, with a mark of its own, by the hooks of the real conftest

RUN = """
import logging, os, subprocess, sys, tempfile
from pathlib import Path
import pytest
from tests import canaries

@pytest.fixture
def talks():
    print(canaries.secret())
    yield
    print(canaries.secret())

def test_print(): print("it is", canaries.secret())
def test_stderr(): os.write(2, canaries.secret().encode())
def test_log(): logging.getLogger("hgaurora").warning("it is %s", canaries.secret())
def test_around(talks): pass
def test_fails(talks):
    print(canaries.secret())
    assert canaries.secret() == "", "by itself"
def test_is_skipped():
    print(canaries.secret())
    pytest.skip()
def test_quiet(): print("nothing")
def test_file(tmp_path): (tmp_path / "kept").write_bytes(b"-" * (16 << 20) + canaries.secret().encode())
def test_left(): (Path(tempfile.mkdtemp(prefix="hgaurora-run-")) / "left").write_text(canaries.secret())
def test_server(tmp_path):
    for name in ("data/PG_VERSION", "data/base/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(canaries.secret())
    (tmp_path / "pgpass").write_text(canaries.secret())
def test_process():
    # it ends when this run does, for then its input ends
    program = "import sys; sys.stdin.read()"
    subprocess.Popen([sys.executable, "-c", program, "--password=" + canaries.secret()], stdin=subprocess.PIPE)
"""


def run(folder: Path, chosen: str, *options: str) -> tuple[int, dict[str, str], str]:
    """Exit code, the outcome of each test, and the section at the end."""
    (folder / "test_run.py").write_text(RUN)
    (folder / "tmp").mkdir()
    mark = f"cnry{secrets.token_hex(5)}"
    more = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp"), canaries.VARIABLE: mark}
    argv = ["-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-rA", "-k", chosen, *options]
    done = subprocess.run(
        [sys.executable, *argv, f"--basetemp={folder / 'base'}", "test_run.py"],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        timeout=120,
    )
    outcomes = {name: word for word, name in re.findall(r"^(\w+) test_run.py::(\w+)", done.stdout, re.M)}
    said = done.stdout.partition(" secrets where none may be ")[2].partition("short test summary")[0]
    shutil.rmtree(folder / "base")
    assert outcomes or done.returncode, done.stdout + done.stderr
    return done.returncode, outcomes, said


def test_what_a_passed_test_prints_or_logs(tmp_path: Path) -> None:
    """Also by a worker of xdist. What failed or was skipped is not judged."""
    code, outcomes, said = run(
        tmp_path, "print or stderr or log or around or quiet or fails or skipped", "-n", "1", "-v"
    )
    assert code == pytest.ExitCode.TESTS_FAILED
    failed = {name for name, word in outcomes.items() if word in ("FAILED", "ERROR")}
    assert failed == {"test_print", "test_stderr", "test_log", "test_around", "test_fails"}
    assert said == ""


def test_what_a_run_leaves_or_starts(tmp_path: Path) -> None:
    """Each test passes; the run fails, and says each place."""
    code, outcomes, said = run(tmp_path, "file or left or process")
    assert code == pytest.ExitCode.TESTS_FAILED
    assert outcomes == dict.fromkeys(("test_file", "test_left", "test_process"), "PASSED")
    (process, *files) = sorted(said.splitlines()[1:], key=lambda line: line.startswith("/"))
    assert re.match(r"process \d+: .*--password=cnry", process)
    assert {line.partition(": ")[0].rpartition("/")[2] for line in files if line.startswith("/")} == {"kept", "left"}


def test_a_run_without_leaks_passes(tmp_path: Path) -> None:
    """With a server's data, a password file, and what was skipped."""
    code, outcomes, said = run(tmp_path, "quiet or server")
    assert (code, said) == (0, "")
    assert set(outcomes) == {"test_quiet", "test_server"}


# -- what is looked at where it is run


def test_output_of_commands(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "shop")
    name = f"environment-{MARK}"
    repo.commit({"hgaurora.toml": f'[environments.{name}]\ntarget = "local"\n'})
    with pytest.raises(AssertionError, match="a secret in the output of status"):
        call(repo, "status", env=None)
    with pytest.raises(AssertionError, match="a secret in the output of status") as raised:
        call(repo, "status", env="no-such")
    assert isinstance(raised.value.__context__, InputError)
    with pytest.raises(AssertionError, match="a secret in the output of status"):
        command(repo, "status")
    repo.close()
    shutil.rmtree(repo.root)


# -- what an emulator holds


def test_an_emulator_that_holds_secrets_does_not_close_well() -> None:
    """It closes, and fails."""
    aws = Secured()
    with pytest.raises(AssertionError, match=r"^secrets where none may be") as raised, aws:
        _used(aws)
    for where in (
        "log 123456789012 eu-west-1 /shop one: ",
        f"snapshots named-{MARK}: ",
        "snapshots tagged: ",
        "ledger of shop-postgresql, shop hgaurora.event: ",
        "ledger of shop-postgresql, shop hgaurora.script: ",
        "ledger of shop-mysql, `shop`.`hgaurora_event`: ",
        "data.log of shop-postgresql: ",
    ):
        assert where in str(raised.value)
    assert not aws.folder.exists()


def _used(aws: Secured) -> None:
    """Clean at first, then with the mark in each place that :func:`tests.canaries.emulated` names."""
    aws.delay("*", 0.02)
    for engine in ENGINES:
        aws.cluster(f"shop-{engine[7:]}", engine)
    program = "from tests import canaries; print(canaries.MARK)"
    with pytest.raises(AssertionError, match="a secret in the output of"):
        aws.run([sys.executable, "-c", program], env=environ(), capture_output=True)
    aws.client("secretsmanager").create_secret(Name="shop", SecretString=canaries.secret())
    with pytest.raises(AssertionError, match="a secret in the output of"):
        awscli.run(aws.client, "aws secretsmanager get-secret-value --secret-id shop")
    # clusters have passwords and keys have secrets by now: none of them is in the way
    assert canaries.emulated(aws) == []

    logs, rds = aws.client("logs"), aws.client("rds")
    logs.create_log_group(logGroupName="/shop")
    logs.create_log_stream(logGroupName="/shop", logStreamName="one")
    now = int(aws.directory.now() * 1000)
    events = [{"timestamp": now, "message": text} for text in ("{}", json.dumps({"password": canaries.secret()}))]
    logs.put_log_events(logGroupName="/shop", logStreamName="one", logEvents=events)
    common = {"DBClusterIdentifier": "shop-postgresql"}
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier=f"named-{MARK}", **common)
    aws.states.settle()
    tags = [{"Key": "hgaurora:user", "Value": canaries.secret()}]
    rds.create_db_cluster_snapshot(DBClusterSnapshotIdentifier="tagged", Tags=tags, **common)
    aws.states.settle()
    planes = {id: cluster.plane for id, cluster in aws.region(aws.account, aws.default_region).clusters.items()}
    with planes["shop-postgresql"].admin("shop") as connection:
        connection.execute("CREATE SCHEMA hgaurora")
        connection.execute("CREATE TABLE hgaurora.event (seq int, payload jsonb)")
        connection.execute("CREATE TABLE hgaurora.script (content bytea)")
        connection.execute("INSERT INTO hgaurora.event VALUES (1, %s)", (json.dumps({"a": canaries.secret()}),))
        connection.execute("INSERT INTO hgaurora.script VALUES (%s)", (zlib.compress(canaries.secret().encode()),))
        connection.execute(f"DO $$ BEGIN RAISE LOG 'it is %', '{canaries.secret()}'; END $$")
    with planes["shop-mysql"].admin("shop") as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE hgaurora_event (payload json)")
        cursor.execute("INSERT INTO hgaurora_event VALUES (%s)", (json.dumps({"a": canaries.secret()}),))
