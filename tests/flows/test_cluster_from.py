# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""An environment whose cluster is looked up: where the file is read from, and what contradicts it.

Seen by ``iam-policy``, which asks nobody and prints the cluster's ARN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hgaurora.core.errors import ConfigError, RemoteError
from tests.cloud import Cloud
from tests.emulator.stacks import Stack
from tests.planes import settings as clusters
from tests.world import Repo, call

ARN = "arn:aws:rds:eu-west-1:123456789012:cluster:{}"
SETTINGS = """
[environments.prod]
cluster-from = {source}
region = "eu-west-1"
database = "shop"
user = "hgaurora"
{more}
"""
TERRAFORM = '{ terraform = "infra/outputs.json", output = "cluster" }'


def settings(source: str = TERRAFORM, more: str = "") -> str:
    """One environment that is looked up."""
    return SETTINGS.format(source=source, more=more)


def outputs(cluster: str) -> str:
    """What ``terraform output -json`` writes."""
    return json.dumps({"cluster": {"sensitive": False, "type": "string", "value": cluster}})


def found(repo: Repo) -> str:
    """The cluster that prod is."""
    text = "\n".join(call(repo, "iam-policy", env="prod", **{"for": "status"}).out)
    (cluster,) = set(re.findall(r":cluster:([^\"]+)\"", text))
    return cluster


def refused(repo: Repo) -> ConfigError:
    """Why prod is none."""
    with pytest.raises(ConfigError) as caught:
        call(repo, "iam-policy", env="prod")
    assert caught.value.state == "nothing was done"
    return caught.value


def test_from_the_working_directory(repo: Repo) -> None:
    repo.write({"hgaurora.toml": settings(), "infra/outputs.json": outputs(ARN.format("shop-prod"))})
    assert found(repo) == "shop-prod"


def test_from_a_manifest(repo: Repo) -> None:
    manifest = "apiVersion: aws.project-planton.org/v1\nkind: AwsRdsCluster\nmetadata:\n  name: shop-prod\nspec: {}\n"
    repo.write({"hgaurora.toml": settings('{ planton = "deploy/cluster.yaml" }'), "deploy/cluster.yaml": manifest})
    assert found(repo) == "shop-prod"


def hgrc(repo: Repo, line: str) -> None:
    """Settings of the server."""
    with open(repo.root / ".hg" / "hgrc", "a", encoding="utf-8") as file:
        file.write(f"[hgaurora]\n{line}\n")


def test_a_pushed_changeset_turns_it_to_no_other_cluster(repo: Repo) -> None:
    """With config-rev both files are those of that changeset, whatever is committed, or lies about, later."""
    trusted = repo.commit({"hgaurora.toml": settings(), "infra/outputs.json": outputs("shop-prod")}, "trusted")
    hgrc(repo, f"config-rev = {trusted}")
    repo.commit({"infra/outputs.json": outputs("another")}, "pushed")
    assert found(repo) == "shop-prod"
    repo.write({"infra/outputs.json": outputs("a-third")})
    assert found(repo) == "shop-prod"


def test_beside_the_settings_of_a_server(repo: Repo, tmp_path: Path) -> None:
    """With config the file lies beside those settings, not in the repository."""
    repo.commit({"hgaurora.toml": settings(), "infra/outputs.json": outputs("pushed")}, "pushed")
    server = tmp_path / "policy"
    (server / "infra").mkdir(parents=True)
    (server / "hgaurora.toml").write_text(settings())
    hgrc(repo, f"config = {server / 'hgaurora.toml'}")
    error = refused(repo)
    assert f"infra/outputs.json in {server} can not be read" in error.message
    (server / "infra" / "outputs.json").write_text(outputs("shop-prod"))
    assert found(repo) == "shop-prod"


def test_a_file_that_is_not_in_the_changeset(repo: Repo) -> None:
    trusted = repo.commit({"hgaurora.toml": settings()}, "trusted")
    hgrc(repo, f"config-rev = {trusted}")
    repo.write({"infra/outputs.json": outputs("shop-prod")})
    assert f"infra/outputs.json is not there at {trusted[:12]}" in refused(repo).message


@pytest.mark.parametrize(
    ("more", "value", "line", "words"),
    [
        ('cluster = "shop-staging"', "shop-prod", 7, 'cluster is "shop-staging", and terraform infra/outputs.json'),
        ('account = "210987654321"', ARN.format("shop-prod"), 7, 'account is "210987654321", and terraform'),
        ("", "arn:aws:rds:us-east-1:123456789012:cluster:shop-prod", 4, 'region is "eu-west-1", and terraform'),
        (
            "",
            "arn:aws:rds:eu-west-1:123456789012:db:shop-prod",
            3,
            "finds no cluster: infra/outputs.json output cluster",
        ),
        (
            '[environments.staging]\ncluster = "shop-prod"\nregion = "eu-west-1"\ndatabase = "shop"',
            "shop-prod",
            8,
            "is the same database as",
        ),
    ],
)
def test_what_contradicts_is_named(repo: Repo, more: str, value: str, line: int, words: str) -> None:
    repo.write({"hgaurora.toml": settings(more=more), "infra/outputs.json": outputs(value)})
    message = refused(repo).message
    assert message.startswith(f"hgaurora.toml:{line}: environments.")
    assert words in message


def test_what_agrees_is_no_contradiction(repo: Repo) -> None:
    more = 'cluster = "Shop-Prod"\naccount = "123456789012"'
    repo.write({"hgaurora.toml": settings(more=more), "infra/outputs.json": outputs(ARN.format("shop-prod"))})
    assert found(repo) == "shop-prod"


def test_other_environments_do_without_it(repo: Repo) -> None:
    """What is missing for one environment is said in its line, and stops no other."""
    repo.write({"hgaurora.toml": settings(more='[environments.dev]\ntarget = "local"')})
    lines = call(repo, "status").out
    assert [line.split()[0] for line in lines[:3]] == ["environment", "prod", "dev"]
    assert "not known" in lines[1]


def test_an_endpoint_is_of_one_cluster(aws: Cloud, repo: Repo) -> None:
    """A part of it is the account's: one that AWS describes with another endpoint is another cluster."""
    made = aws.shop()
    text = clusters(aws, {"prod": made}).replace(f'cluster = "{made.id}"', f"cluster-from = {TERRAFORM}")
    repo.write({"hgaurora.toml": text, "infra/outputs.json": outputs(made.endpoint.upper())})
    assert call(repo, "status", env="prod").out[0] == "prod holds nothing of hgaurora yet"
    id, hash, rest = made.endpoint.split(".", 2)
    foreign = f"{id}.cluster-zzzzzzzzzzzz.{rest}"
    assert hash != "cluster-zzzzzzzzzzzz"
    repo.write({"infra/outputs.json": outputs(foreign)})
    for command in ("status", "revert", "snapshots"):
        with pytest.raises(
            ConfigError, match=f"prod: cluster-from says {foreign}, and the endpoint of {id} is"
        ) as caught:
            call(repo, command, env="prod")
        assert caught.value.state == "nothing was sent to the database"
    repo.write({"infra/outputs.json": outputs(made.endpoint.replace("cluster-", "cluster-ro-"))})
    assert "is a reader endpoint, and a deploy writes" in refused(repo).message


# CloudFormation


@pytest.fixture
def stacked(aws: Cloud) -> Iterator[Cloud]:
    """Stacks: one with an export, one that never came, one without outputs; and many others."""
    outputs = {"ClusterArn": ARN.format("shop-prod"), "Password": "hunter 2"}
    aws.stacks.made = [
        *(Stack(f"other-{number}", {"A": "x"}, {"A": f"other:{number}"}) for number in range(120)),
        Stack("shop", outputs, {"ClusterArn": "shop:cluster"}),
        Stack("undone", outputs, status="ROLLBACK_COMPLETE"),
        Stack("bare"),
    ]
    yield aws
    aws.stacks.made = []


@pytest.mark.parametrize(
    "source", ['{ cloudformation = "shop", output = "ClusterArn" }', '{ cloudformation-export = "shop:cluster" }']
)
def test_from_cloudformation(stacked: Cloud, repo: Repo, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write({"hgaurora.toml": settings(source)})
    assert found(repo) == "shop-prod"
    # and what is printed allows to look it up again
    policy = json.loads("\n".join(call(repo, "iam-policy", env="prod", **{"for": "status"}).out))
    stacked.take(monkeypatch, stacked.as_role(stacked.directory.role(f"printed-{len(source)}", policy)))
    assert found(repo) == "shop-prod"


@pytest.mark.parametrize(
    ("source", "words", "hint"),
    [
        ('{ cloudformation = "shop", output = "ClusterAnr" }', "no output of shop ClusterAnr", "it is ClusterArn"),
        ('{ cloudformation = "shop", output = "Password" }', "is no identifier", "name another output"),
        ('{ cloudformation = "ship", output = "ClusterArn" }', "there is no stack ship in eu-west-1", "name the stack"),
        ('{ cloudformation = "undone", output = "ClusterArn" }', "undone is ROLLBACK_COMPLETE", "mend the stack first"),
        ('{ cloudformation = "bare", output = "ClusterArn" }', "no output of bare ClusterArn", ""),
        ('{ cloudformation-export = "shop:clustr" }', "no export shop:clustr", "it is shop:cluster"),
    ],
)
def test_what_cloudformation_does_not_have(stacked: Cloud, repo: Repo, source: str, words: str, hint: str) -> None:
    repo.write({"hgaurora.toml": settings(source)})
    error = refused(repo)
    assert words in error.message
    assert hint in (error.hint or "")
    assert "hunter" not in error.message


def test_who_may_not_ask_cloudformation(stacked: Cloud, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    stacked.take(monkeypatch, stacked.as_role(stacked.directory.role("nothing-at-all")))
    repo.write({"hgaurora.toml": settings('{ cloudformation-export = "shop:cluster" }')})
    with pytest.raises(RemoteError, match="AccessDenied, cloudformation:ListExports"):
        call(repo, "iam-policy", env="prod")
