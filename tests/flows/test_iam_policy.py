# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``iam-policy``: on the screen, as JSON, and for what is no cluster. Nobody is asked anything."""

from __future__ import annotations

import json

import pytest

from hgaurora.core import iam
from hgaurora.core.errors import InputError
from tests.world import Repo, call

SETTINGS = """
[environments.prod]
cluster = "shop-prod"
region = "eu-west-1"
database = "shop"
user = "hgaurora"
role-arn = "arn:aws:iam::123456789012:role/deploy"

[environments.dev]
target = "local"
"""


@pytest.fixture
def shop(repo: Repo) -> Repo:
    """Settings in the working directory; no AWS."""
    repo.write({"hgaurora.toml": SETTINGS})
    return repo


def test_it_prints_a_policy_and_what_it_can_not_hold(shop: Repo) -> None:
    ui = call(shop, "iam-policy", env="prod")
    assert ui.code == 0
    policy = json.loads("\n".join(ui.out))
    assert policy["Version"] == "2012-10-17"
    assert {row["Sid"] for row in policy["Statement"]} >= {"Cluster", "SnapshotMake"}
    assert ui.err == [
        "whoever takes arn:aws:iam::123456789012:role/deploy needs sts:AssumeRole on it",
        "prod names no account: ARNs have * in its place",
    ]


@pytest.mark.parametrize("command", ["deploy", "secret-rotate"])
def test_for_a_command(shop: Repo, command: str) -> None:
    ui = call(shop, "iam-policy", env="prod", **{"for": command, "json": True})
    (found,) = ui.json()
    assert (ui.code, found["environment"], found["for"]) == (0, "prod", command)
    assert {row["Sid"] for row in found["policy"]["Statement"]} <= set(iam.COMMANDS[command])


def test_an_environment_that_is_no_cluster(shop: Repo) -> None:
    with pytest.raises(InputError, match="dev is no Aurora cluster"):
        call(shop, "iam-policy", env="dev")
