# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of what each command may do in AWS, and the policies that are made from it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from hgaurora import commands
from hgaurora.core import iam
from hgaurora.core.cluster_from import Source
from hgaurora.core.settings import Environment
from tests.emulator.policy import Decision, decide

FULL = Environment(
    name="prod",
    cluster="shop-prod",
    region="eu-west-1",
    account="123456789012",
    database="shop",
    user="hgaurora",
    log_group="/hgaurora/prod",
)
RDS = "arn:aws:rds:eu-west-1:123456789012"

#: what a role of ours must never be able to do: take backups away, give data away, or undo what a condition asks
NEVER = {
    "rds:DeleteDBCluster",
    "rds:DeleteDBInstance",
    "rds:DeleteDBClusterAutomatedBackup",
    "rds:ModifyDBClusterSnapshotAttribute",
    "rds:RemoveTagsFromResource",
    "logs:DeleteLogGroup",
    "logs:DeleteLogStream",
    "iam:PassRole",
}


def test_each_command_has_its_option() -> None:
    assert tuple(iam.COMMANDS) == commands.AWS_COMMANDS


def test_each_grant_is_of_some_command() -> None:
    assert {name for names in iam.COMMANDS.values() for name in names} == set(iam.GRANTS)


@pytest.mark.parametrize("name", iam.GRANTS)
def test_a_condition_is_a_setting(name: str) -> None:
    when = iam.GRANTS[name].when.removeprefix("!")
    assert when in {"", *(one.name for one in fields(Environment))} or isinstance(getattr(Environment, when), property)


@pytest.mark.parametrize("command", iam.COMMANDS)
def test_no_policy_is_wide(command: str) -> None:
    for statement in iam.policy(command, FULL)["Statement"]:
        for action in statement["Action"]:
            assert "*" not in action
            assert action not in NEVER
        for resource in statement["Resource"]:
            assert resource != "*" or statement["Sid"] in ("Quotas", "Lag", "ExportSeen"), (
                "AWS has no resource for these alone"
            )
            assert "{" not in resource
        assert statement["Sid"].isalnum()


def _decide(policy: dict[str, Any], action: str, resource: str, **context: str) -> bool:
    keys = {name.replace("__", ":").replace("_", "/"): [value] for name, value in context.items()}
    return decide([policy], action, resource, keys) is Decision.ALLOWED


def test_a_deploy_makes_snapshots_of_its_own_cluster_alone() -> None:
    policy = iam.policy("deploy", FULL)
    action = "rds:CreateDBClusterSnapshot"
    assert _decide(policy, action, f"{RDS}:cluster:shop-prod")
    assert _decide(policy, action, f"{RDS}:cluster-snapshot:hgaurora-shop-prod-42-1")
    assert not _decide(policy, action, f"{RDS}:cluster:shop-staging")
    assert not _decide(policy, action, f"{RDS}:cluster-snapshot:before-the-launch")
    assert not _decide(policy, action, "arn:aws:rds:eu-west-1:210987654321:cluster:shop-prod")
    assert not _decide(policy, "rds:DeleteDBClusterSnapshot", f"{RDS}:cluster-snapshot:hgaurora-shop-prod-42-1")


def test_prune_deletes_what_is_tagged_as_its_own() -> None:
    policy = iam.policy("prune", FULL)
    ours = f"{RDS}:cluster-snapshot:hgaurora-shop-prod-42-1"
    assert _decide(policy, "rds:DeleteDBClusterSnapshot", ours, aws__resourcetag_hgaurora="prod")
    assert not _decide(policy, "rds:DeleteDBClusterSnapshot", ours, aws__resourcetag_hgaurora="staging")
    assert not _decide(policy, "rds:DeleteDBClusterSnapshot", ours)


@pytest.mark.parametrize("command", ["deploy", "revert"])
def test_what_makes_snapshots_may_delete_one_of_its_own_that_failed(command: str) -> None:
    policy = iam.policy(command, FULL)
    ours = f"{RDS}:cluster-snapshot:hgaurora-shop-prod-42-1"
    assert _decide(policy, "rds:DeleteDBClusterSnapshot", ours, aws__resourcetag_hgaurora="prod")
    assert not _decide(policy, "rds:DeleteDBClusterSnapshot", ours, aws__resourcetag_hgaurora="staging")


@pytest.mark.parametrize("kept", [{"log_retention": 30}, {"log_key": "arn:aws:kms:eu-west-1:123456789012:key/x"}])
def test_a_group_that_is_there_is_compared_with_what_is_set(kept: dict[str, Any]) -> None:
    action = "logs:DescribeLogGroups"
    assert action not in iam.actions("deploy", FULL)
    assert action in iam.actions("deploy", replace(FULL, **kept))
    assert action not in iam.actions("deploy", replace(FULL, **kept), seldom=False)


def test_who_only_looks_changes_nothing() -> None:
    for command in ("status", "log", "diff", "drift", "trace", "annotate", "snapshots", "doctor"):
        for action in iam.actions(command, FULL):
            verb = action.partition(":")[2]
            assert verb.startswith(("Describe", "Get", "Simulate", "connect")), f"{command} has {action}"


def test_a_password_or_a_token_never_both() -> None:
    secret = Environment(name="prod", cluster="shop-prod", region="eu-west-1", database="shop", secret="shop/prod")
    assert "rds-db:connect" in iam.actions("status", FULL)
    assert "secretsmanager:GetSecretValue" not in iam.actions("status", FULL)
    assert "rds-db:connect" not in iam.actions("status", secret)
    policy = iam.policy("status", secret)
    arn = "arn:aws:secretsmanager:eu-west-1:{}:secret:{}"
    assert _decide(policy, "secretsmanager:GetSecretValue", arn.format("123456789012", "shop/prod-a1B2c3"))
    assert not _decide(policy, "secretsmanager:GetSecretValue", arn.format("123456789012", "shop/prod-old-a1B2c3"))


@pytest.mark.parametrize(
    ("secret", "resource"),
    [
        ("managed", "rds!cluster-0aa1-Zz9Zz9"),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:shop-a1B2c3", "shop-a1B2c3"),
        ("shop", "shop-a1B2c3"),
    ],
)
def test_a_secret_by_any_name(secret: str, resource: str) -> None:
    settings = Environment(name="prod", cluster="shop-prod", region="eu-west-1", database="shop", secret=secret)
    arn = f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{resource}"
    assert _decide(iam.policy("status", settings), "secretsmanager:GetSecretValue", arn)


@pytest.mark.parametrize(
    ("region", "partition"), [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
)
def test_the_partition_is_the_region_s(region: str, partition: str) -> None:
    settings = Environment(name="prod", cluster="shop-prod", region=region, database="shop", user="hgaurora")
    resources = [one for row in iam.policy("deploy", settings)["Statement"] for one in row["Resource"] if one != "*"]
    assert {one.split(":")[1] for one in resources} == {partition}


def test_a_long_name_is_cut_where_the_snapshots_names_are() -> None:
    cluster = "a" * 63
    settings = Environment(name="prod", cluster=cluster, region="eu-west-1", database="shop")
    name = f"hgaurora-{cluster[:40]}-1a2b3c4d-1"
    assert _decide(iam.policy("deploy", settings), "rds:CreateDBClusterSnapshot", f"{RDS}:cluster-snapshot:{name}")


@pytest.mark.parametrize(
    ("tool", "action", "resource"),
    [
        (
            "cloudformation",
            "cloudformation:DescribeStacks",
            "arn:aws:cloudformation:eu-west-1:123456789012:stack/shop/*",
        ),
        ("cloudformation-export", "cloudformation:ListExports", "*"),
    ],
)
def test_a_cluster_that_is_looked_up(tool: str, action: str, resource: str) -> None:
    found = replace(FULL, cluster_from=Source(tool=tool, place="shop", output="Cluster"))
    rows = [row for row in iam.policy("status", found)["Statement"] if row["Action"] == [action]]
    assert [row["Resource"] for row in rows] == [[resource]]
    assert action not in iam.actions("status", FULL)
