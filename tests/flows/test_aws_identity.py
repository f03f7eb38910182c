# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who acts on a cluster, from the front door: what is refused, what is recorded, and that no secret leaves."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hgaurora.core.errors import ConfigError, InputError, RemoteError, SecurityError
from tests.cloud import DEPLOYER, ENGINES, EVERYTHING, Cloud
from tests.emulator import Made
from tests.planes import Quick, settings
from tests.world import Recorder, Repo, call, environ, migration, sql


@pytest.fixture(params=ENGINES)
def made(aws: Cloud, request: pytest.FixtureRequest) -> Made:
    """A cluster of an engine with a managed master password, whose user owns database ``kept``; one for the module."""
    if request.param not in aws._shops:
        shop = aws._shops[request.param] = aws.fresh(request.param, ManageMasterUserPassword=True)
        with aws.region(aws.account, aws.default_region).clusters[shop.id].plane.admin("shop") as session:
            owned = f" OWNER {shop.user}" if request.param == "aurora-postgresql" else ""
            session.cursor().execute(f"CREATE DATABASE kept{owned}")
    return aws._shops[request.param]


def run(repo: Repo, command: str = "deploy", **options: Any) -> Recorder:
    """A command on prod."""
    return call(repo, command, adapters=Quick(), **{"env": "prod", **options})


def shop(repo: Repo, aws: Cloud, made: Made, text: str, **tables: str) -> None:
    """A repository whose prod is the cluster."""
    files = {f"migrations/versions/{name}.py": body for name, body in tables.items()}
    repo.commit(
        {"hgaurora.toml": settings(aws, {"prod": made}).replace('user = "' + DEPLOYER + '"', text), **files}, "x"
    )


IAM = f'user = "{DEPLOYER}"'
MANAGED = 'secret = "managed"'


@pytest.fixture
def connections(aws: Cloud, made: Made) -> Iterator[list[str]]:
    """One entry for each connection that the cluster's endpoint gets."""
    front, seen = aws.fronts.all[made.endpoint], []
    resolve = front._resolve

    def counted() -> Any:
        seen.append(made.endpoint)
        return resolve()

    front._resolve = counted
    yield seen
    front._resolve = resolve


def test_nothing_is_sent_with_credentials_of_another_account(
    aws: Cloud, made: Made, repo: Repo, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(repo, aws, made, IAM)
    role = aws.directory.role(f"Developer-{made.engine}", EVERYTHING, account="210987654321")
    aws.take(monkeypatch, aws.as_role(role, "mia"))
    aws.faults.restart()
    for command in ("deploy", "revert", "status", "adopt"):
        with pytest.raises(SecurityError, match="prod is in account 123456789012, these credentials are for 2109"):
            run(repo, command)
    assert {call.name for call in aws.faults.log} == {"sts:GetCallerIdentity"}
    assert connections == []
    # control: with the right ones they are counted
    aws.take(monkeypatch, aws.as_role())
    run(repo, "status")
    assert connections


def test_nothing_is_sent_with_a_long_term_key_where_it_is_protected(
    aws: Cloud, made: Made, repo: Repo, connections: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop(repo, aws, made, IAM)
    toml = repo.root / "hgaurora.toml"
    toml.write_text(toml.read_text().replace("protected = false", "protected = true"))
    aws.take(monkeypatch, aws.env_of(aws.directory.user(f"ann-{made.engine}", EVERYTHING)))
    with pytest.raises(SecurityError, match="prod is protected, and a long-term access key"):
        run(repo, "status")
    assert connections == []


# -- rotation


def test_secret_rotate(aws: Cloud, made: Made, repo: Repo) -> None:
    shop(repo, aws, made, MANAGED)
    vault = aws.client("secretsmanager")
    arn = aws.described(made)["MasterUserSecret"]["SecretArn"]

    def version() -> str:
        return str(vault.get_secret_value(SecretId=arn)["VersionId"])

    before = version()
    planned = run(repo, "secret", verb="rotate", dry_run=True)
    assert planned.out[0] == f"prod  secret {arn}, user {made.user}, version {before}"
    assert version() == before
    said = run(repo, "secret", verb="rotate")
    assert version() != before
    assert said.out[0].startswith(f"prod  secret {arn} is rotated: {made.user}")
    found = run(repo, "secret", verb="rotate", json=True).json()[0]
    assert (found["secret"], found["version"]) == (arn, version())
    assert found["user"].startswith(made.user)
    assert found["before"] not in (before, found["version"])


def test_a_secret_that_nothing_rotates(aws: Cloud, made: Made, repo: Repo) -> None:
    """The way out of one that the database does not take is not to rotate it once more."""
    vault, name = aws.client("secretsmanager"), f"by-hand-{made.id}"
    held = {"username": made.user, "password": made.password}
    vault.create_secret(Name=name, SecretString=json.dumps(held))
    shop(repo, aws, made, f'secret = "{name}"')
    with pytest.raises(RemoteError, match="No Lambda rotation function") as raised:
        run(repo, "secret", verb="rotate")
    hint = raised.value.hint or ""
    assert hint.startswith("where no function rotates it, write the password that the database has into it")
    assert f"put-secret-value --secret-id {name}" in hint


def test_secret_rotate_needs_a_secret(aws: Cloud, made: Made, repo: Repo) -> None:
    shop(repo, aws, made, IAM)
    with pytest.raises(ConfigError, match=f"prod has no secret: its user {DEPLOYER} signs in by IAM"):
        run(repo, "secret", verb="rotate")
    repo.commit({"hgaurora.toml": '[environments.prod]\ntarget = "local"\n'}, "local")
    with pytest.raises(InputError, match="it is no Aurora cluster"):
        run(repo, "secret", verb="rotate")


# -- canaries

#: a script that tells whatever it can
TELLS = """
    import os, sys
    print(dict(os.environ), sys.argv, op.get_bind().engine.url, repr(op.get_bind().engine.url))
    print(open("/proc/self/cmdline").read(), open("/proc/self/environ").read())
"""
#: a part that every token has and that opens the door
SIGNATURE = re.compile(rb"X-Amz-Signature(?:=|%3D)[0-9a-f]{64}")


class Watch(threading.Thread):
    """Looks at every process below one, and at files of its own, until it ends; what it finds is kept."""

    def __init__(self, process: int, folder: Path, canaries: list[bytes]) -> None:
        super().__init__(daemon=True)
        self.process, self.folder, self.canaries = process, folder, canaries
        self.seen: dict[int, str] = {}
        self.hits: set[str] = set()
        self.over = threading.Event()

    def run(self) -> None:
        while not self.over.is_set():
            below = {self.process}
            for status in sorted(Path("/proc").glob("[0-9]*/stat"), key=lambda path: int(path.parent.name)):
                try:
                    words = status.read_text().rpartition(")")[2].split()
                    if int(words[1]) in below:
                        below.add(int(status.parent.name))
                except (OSError, IndexError):
                    continue  # it ended
            for pid in below:
                self.look(Path(f"/proc/{pid}/cmdline"), f"{pid} cmdline")
                # one just forked is its parent still, until it begins a program of its own
                if pid == self.process or self.seen.get(pid) != self.seen.get(self.process):
                    self.look(Path(f"/proc/{pid}/environ"), f"{pid} environ")
            for path in self.folder.rglob("*"):
                if path.is_file():
                    self.look(path, str(path))

    def look(self, path: Path, name: str) -> None:
        """Search one file."""
        try:
            data = path.read_bytes()
        except OSError:
            return  # it is gone
        if name.endswith(" cmdline") and data:
            self.seen[int(path.parent.name)] = data.replace(b"\0", b" ").decode(errors="replace")
        if any(canary in data for canary in self.canaries) or SIGNATURE.search(data):
            self.hits.add(name)


def ledger(aws: Cloud, made: Made, database: str) -> bytes:
    """All that the ledger holds, as text."""
    plane = aws.region(aws.account, aws.default_region).clusters[made.id].plane
    found: list[object] = []
    with plane.admin(database) as session, session.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema = 'hgaurora'"
            " OR table_name LIKE 'hgaurora%'"
        )
        for schema, name in cursor.fetchall():
            cursor.execute(f"SELECT * FROM {schema}.{name}")
            found += cursor.fetchall()
    assert len(found) > 5
    return repr(found).encode()


@pytest.mark.parametrize(("database", "login"), [("shop", IAM), ("kept", MANAGED)])
def test_no_secret_leaves(aws: Cloud, made: Made, repo: Repo, tmp_path: Path, database: str, login: str) -> None:
    """A deploy by the command line, with scripts that tell all they can, and one that fails."""
    body = sql("CREATE TABLE told (id int)")
    shop(
        repo,
        aws,
        made,
        login,
        t1=migration("0001", None, f"{TELLS}\n    {body}", "pass"),
        t2=migration("0002", "0001", f"{TELLS}\n    raise RuntimeError(repr(op.get_bind().engine.url))", "pass"),
    )
    toml = repo.root / "hgaurora.toml"
    repo.commit({"hgaurora.toml": toml.read_text().replace('database = "shop"', f'database = "{database}"')}, "db")
    keys = aws.directory.session(aws.allowed, "canary")
    password = aws.region(aws.account, aws.default_region).clusters[made.id].password
    canaries = [text.encode() for text in (keys["aws_secret_access_key"], keys["aws_session_token"], password)]
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    environment = {**environ(), **aws.env_of(keys), "TMPDIR": str(temporary), "HGUSER": "ana"}
    with subprocess.Popen(
        [sys.executable, "-m", "hgaurora", "deploy", "prod", "--verbose"],
        cwd=repo.root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        watch = Watch(process.pid, temporary, canaries)
        watch.start()
        out, err = process.communicate(timeout=240)
        watch.over.set()
        watch.join()
    assert process.returncode == 60, err.decode()
    assert b"abort: t2 (versions/t2.py, line" in err
    # the control: what was given to the program itself is found, so the watch sees
    assert watch.hits == {f"{process.pid} environ"}
    assert any("child/__main__.py" in line for line in watch.seen.values())
    held = {"stdout": out, "stderr": err, "ledger": ledger(aws, made, database)}
    for path in (*(repo.root / ".hg").rglob("*"), *temporary.rglob("*")):
        if path.is_file():
            held[str(path)] = path.read_bytes()
    found = [
        name for name, data in held.items() if any(canary in data for canary in canaries) or SIGNATURE.search(data)
    ]
    assert found == []
    assert b"assumed-role/hgaurora-deploy/canary" in held["ledger"]
    assert os.fsencode(made.user if login == MANAGED else DEPLOYER) in held["ledger"] or out
