# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong settings through the front door: one error with file, line and key, exit code 30, and nothing written.

Every key with every fault is tried on the reader itself (``tests/unit/test_settings.py``); here is one of each kind as
a person meets it.
"""

from __future__ import annotations

import json
import re

import pytest

from tests.world import Repo, command, migration, settings, sql

GOOD = '[environments.dev]\nurl = "postgresql://localhost/never"\n'

FAULTS = {
    "misspelt": (GOOD + 'deplyos = "all()"\n', 3, "environments.dev.deplyos"),
    "wrong type": (GOOD + "protected = 1\n", 3, "environments.dev.protected"),
    "out of range": (GOOD + "lock-tries = 0\n", 3, "environments.dev.lock-tries"),
    "missing": ("[environments.dev]\nschema = 'public'\n", 1, "environments.dev"),
    "contradiction": (GOOD + 'soak = "2h"\n', 3, "environments.dev.soak"),
    "two on one database": (GOOD + GOOD.replace("dev", "prod"), None, None),
    "a password": (GOOD.replace("localhost", "ana:hunter2@localhost"), 2, "environments.dev.url"),
    "no TOML": (GOOD + "= 1\n", 3, None),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("words", [("deploy", "dev"), ("status",), ("log", "dev")], ids="-".join)
def test_one_clear_error_and_nothing_written(repo: Repo, fault: str, words: tuple[str, ...]) -> None:
    text, line, key = FAULTS[fault]
    repo.write({"hgaurora.toml": text})
    before = sorted(path.name for path in (repo.root / ".hg").rglob("*"))
    ended = command(repo, *words, "--json")
    found = json.loads(ended.stdout)
    assert (ended.returncode, len(found), found[0]["error"], found[0]["exit"]) == (30, 1, "ConfigError", 30)
    assert found[0]["message"].startswith("hgaurora.toml:")
    assert found[0]["data"]["file"] == "hgaurora.toml"
    if line is not None:
        assert found[0]["data"]["line"] == line
    if key is not None:
        assert found[0]["data"]["key"] == key
    assert "hunter2" not in ended.stdout + ended.stderr
    assert sorted(path.name for path in (repo.root / ".hg").rglob("*")) == before


def test_no_settings_and_no_repository(repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> None:
    ended = command(repo, "status")
    assert ended.returncode == 30
    assert "hgaurora init" in ended.stderr
    ended = command(repo, "deploy", "nope", "--nonsense")
    assert ended.returncode == 10


def test_unknown_environment(repo: Repo) -> None:
    repo.write({"hgaurora.toml": GOOD})
    ended = command(repo, "deploy", "prod")
    assert (ended.returncode, "prod" in ended.stderr, "dev" in ended.stderr) == (10, True, True)


@pytest.mark.parametrize("words", [("drift",), ("status",)])
def test_a_server_that_is_gone(repo: Repo, words: tuple[str, ...]) -> None:
    """Which environment, which database, why."""
    repo.commit({"hgaurora.toml": settings({"dev": "postgresql://postgres@127.0.0.1:1/shop"})})
    done = command(repo, *words, "dev")
    assert done.returncode == 100
    assert "dev: 127.0.0.1:1/shop: connection refused" in done.stderr


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_one_of_two_servers_is_gone(repo: Repo, pg_database: str, form: tuple[str, ...]) -> None:
    """The other one is shown, and a script that looks at the exit code alone is not told that all is well."""
    gone = "postgresql://postgres@127.0.0.1:1/shop"
    script = migration("0001", None, sql("CREATE TABLE t (id int)"))
    repo.commit(
        {"hgaurora.toml": settings({"dev": gone, "prod": pg_database}), "migrations/versions/0001_t.py": script}
    )
    done = command(repo, "status", *form)
    assert done.returncode == 100
    if form:
        assert [one["environment"] for one in json.loads(done.stdout)] == ["dev", "prod"]
    else:
        assert re.search(r"^dev +not known ", done.stdout, re.M)
        assert re.search(r"^prod +none ", done.stdout, re.M)
    assert command(repo, "status", "prod", *form).returncode == 0
    logged = command(repo, "log", *form)
    assert logged.returncode == 100
    if form:
        assert [one["environment"] for one in json.loads(logged.stdout)] == ["dev"]
    else:
        assert re.search(r"^dev: not known: ", logged.stdout, re.M)
        assert "prod: nothing was deployed yet" in logged.stdout
