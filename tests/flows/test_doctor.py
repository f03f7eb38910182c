# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``doctor`` as a command: databases that are no clusters, clusters, exit codes, the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hgaurora.core.errors import RemoteError
from tests.cloud import ENGINES, Cloud
from tests.emulator import faults as f
from tests.planes import Quick, settings
from tests.world import Recorder, Repo, call, migration, query, sql
from tests.world import settings as urls

ONE = migration("0001", None, sql("CREATE TABLE orders (id int)"), sql("DROP TABLE orders"))
SCRIPT = {"migrations/versions/0001_orders.py": ONE}


def levels(ui: Recorder) -> dict[str, str]:
    """By rule; of one environment."""
    (found,) = ui.json()
    return {one["check"]: one["level"] for one in found["checks"]}


@pytest.fixture(params=["pg_database", "my_database"])
def url(request: pytest.FixtureRequest) -> str:
    """A database of each kind of server."""
    return str(request.getfixturevalue(request.param))


def test_a_database_by_url(repo: Repo, url: str) -> None:
    repo.commit({"hgaurora.toml": urls({"dev": url}), **SCRIPT}, "orders")
    before = call(repo, "doctor", env="dev", verbose=True)
    assert before.code == 0
    assert before.out[0].startswith("dev: 5 ok")
    assert any(line.startswith("ok       ledger is not there yet") for line in before.out)
    call(repo, "deploy", env="dev")
    after = call(repo, "doctor", env="dev", verbose=True)
    assert after.code == 0
    assert any(line.startswith("ok       ledger is whole") for line in after.out)
    assert call(repo, "doctor", env="dev").out[1:] == ["ok       5 checks (-v lists them with the values found)"]


def test_a_ledger_that_was_edited(repo: Repo, pg_database: str) -> None:
    repo.commit({"hgaurora.toml": urls({"dev": pg_database}), **SCRIPT}, "orders")
    call(repo, "deploy", env="dev")
    query(pg_database, "UPDATE hgaurora.event SET kind = 'stp' WHERE kind = 'step' RETURNING 1")
    found = call(repo, "doctor", env="dev")
    assert found.code == 1
    assert found.out[0].startswith("dev: 1 fail, 4 ok")
    assert found.out[1].startswith("fail     ledger was changed: event ")
    assert levels(call(repo, "doctor", env="dev", json=True))["ledger"] == "fail"


def test_a_server_that_does_not_answer(repo: Repo) -> None:
    """It is a fail, and the other environments are still looked at."""
    text = urls({"dev": "postgresql://nobody@127.0.0.1:1/shop"}) + '\n[environments.own]\ntarget = "local"\n'
    repo.commit({"hgaurora.toml": text}, "settings")
    found = call(repo, "doctor")
    assert found.code == 1
    assert found.out[1].startswith("fail     connection fails: ")
    assert [line for line in found.out if line.startswith("own: 1 ok")]


def test_settings_that_a_push_could_change(repo: Repo, pg_database: str) -> None:
    repo.commit({"hgaurora.toml": urls({"dev": pg_database}, extra={"dev": "protected = true"})}, "settings")
    assert levels(call(repo, "doctor", env="dev", json=True))["settings-source"] == "fail"
    with open(repo.root / ".hg" / "hgrc", "a", encoding="utf-8") as file:
        file.write(f"[hgaurora]\nconfig = {repo.root / 'hgaurora.toml'}\n")
    assert levels(call(repo, "doctor", env="dev", json=True))["settings-source"] == "ok"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_cluster(aws: Cloud, repo: Repo, engine: str) -> None:
    """A cluster as somebody makes one in a hurry: nothing that is asked is unknown, much is wanting; the worst first,
    and each with the command or attribute that mends it."""
    made = aws.shop(engine)
    outputs = {"id": {"sensitive": False, "type": "string", "value": made.id}}
    text = settings(aws, {"prod": made}, {"prod": 'cluster-from = { terraform = "tf.json", output = "id" }'})
    repo.commit(
        {"hgaurora.toml": text.replace("protected = false", "protected = true"), "tf.json": json.dumps(outputs)}, "s"
    )
    found = call(repo, "doctor", env="prod", adapters=Quick())
    assert found.code == 1
    assert found.out[0].startswith(f"prod, {made.id}: ")
    kinds = [line.split()[0] for line in found.out[1:] if line[:1] not in " "]
    assert kinds == sorted(kinds, key=["fail", "warning", "ok"].index)
    assert "  mend   deletion_protection = true (Terraform aws_rds_cluster)" in found.out
    checks = levels(call(repo, "doctor", env="prod", adapters=Quick(), json=True))
    assert "unknown" not in checks.values()
    assert {name for name, level in checks.items() if level == "fail"} == {
        "deletion-protection", "storage-encryption", "zones", "forced-tls", "settings-source",
    }  # fmt: skip
    assert checks["connection"] == checks["permissions"] == checks["iam-authentication"] == "ok"


def test_a_cluster_that_does_not_exist(aws: Cloud, repo: Repo) -> None:
    made = aws.shop()
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}).replace(f'"{made.id}"', '"nope-prod"')}, "settings")
    found = call(repo, "doctor", env="prod", adapters=Quick(), json=True)
    checks: dict[str, Any] = levels(found)
    assert found.code == 1
    assert {name for name, level in checks.items() if level == "fail"} == {"cluster"}
    assert {name for name, level in checks.items() if level == "unknown"} == {"others"}
    assert {name for name, level in checks.items() if level == "ok"} <= {"credentials", "account", "snapshot-quota"}


@pytest.mark.parametrize("fault", [f.half, f.portal, f.empty], ids=lambda fault: fault.__name__)
def test_answers_that_are_none_of_aws_are_unknown(aws: Cloud, repo: Repo, fault: f.Fault) -> None:
    """Each question struck alone: no rule is ok for it that was not before, and it is no bug."""
    made = aws.shop()
    extra = 'alarms = ["shop-errors"]\nlog-group = "/hgaurora/doctor"'
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": extra})}, "settings")
    before = levels(call(repo, "doctor", env="prod", adapters=Quick(), json=True))
    for what, rules in {
        "rds:DescribeDBInstances": {"members", "private", "performance-insights", "enhanced-monitoring"},
        "rds:DescribeDBClusterParameters": {"forced-tls"},
        "rds:DescribeAccountAttributes": {"snapshot-quota"},
        "rds:DescribePendingMaintenanceActions": {"pending-maintenance"},
        "iam:SimulatePrincipalPolicy": {"permissions"},
        "logs:DescribeLogGroups": {"log-group"},
        "cloudwatch:DescribeAlarms": {"alarms"},
    }.items():
        aws.faults.restart()
        struck = aws.faults.inject(fault, what, times=None)
        found = levels(call(repo, "doctor", env="prod", adapters=Quick(), json=True))
        assert struck.struck, what
        assert {rule: found[rule] for rule in rules} == dict.fromkeys(rules, "unknown"), what
        assert {rule: level for rule, level in found.items() if level != "unknown"}.items() <= before.items(), what
    aws.faults.restart()
    aws.faults.inject(fault, "rds:DescribeDBClusters", times=None)
    found = levels(call(repo, "doctor", env="prod", adapters=Quick(), json=True))
    assert found["status"] == found["deletion-protection"] == "unknown"
    assert found["connection"] == "fail"


def test_without_any_permission_all_is_unknown(aws: Cloud, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    made = aws.shop()
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    aws.take(monkeypatch, aws.as_role(aws.directory.role("hgaurora-none")))
    found = call(repo, "doctor", env="prod", adapters=Quick(), json=True)
    checks: dict[str, Any] = levels(found)
    assert found.code == 1
    known = {name for name, level in checks.items() if level != "unknown"}
    # what is known without asking, and that there is no way to the database
    assert known == {"credentials", "account", "log-group", "connection"}
    assert checks["connection"] == "fail"


def test_without_aws_there_is_nothing_to_say(aws: Cloud, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    made = aws.shop()
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(RemoteError):
        call(repo, "doctor", env="prod", adapters=Quick())
