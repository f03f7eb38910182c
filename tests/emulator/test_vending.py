# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Credentials as programs on AWS get them, by boto3's own chain in a program of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from moto.iam.models import iam_backends

from tests.emulator.iam import ACCOUNT, Directory, Iam
from tests.emulator.serving import moto, serving
from tests.emulator.sts import Issuer
from tests.emulator.vending import Vending

WHO = """
import boto3, json
session = boto3.Session()
method = session.get_credentials().method
try:
    print(json.dumps([method, session.client("sts").get_caller_identity()["Arn"]]))
except Exception as err:
    print(json.dumps([method, f"{type(err).__name__}: {err}"]))
"""


@pytest.fixture
def world() -> Iterator[tuple[Vending, Iam, Directory, Callable[..., list[str]]]]:
    """The layers, and a program that says how it found credentials and who it is."""
    directory = Directory()
    iam = Iam(moto(), directory)
    vending = Vending(iam, directory, lambda: url)
    with serving(vending) as url:
        requests.post(url + "/moto-api/reset", timeout=30)

        def who(env: dict[str, str]) -> list[str]:
            base = {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
            files = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull, "PATH": os.defpath}
            done = subprocess.run(
                [sys.executable, "-c", WHO], env={**base, **files, **env}, capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            found: list[str] = json.loads(done.stdout)
            return found

        yield vending, iam, directory, who


def _arn(role: str, session: str) -> str:
    return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/{session}"


def test_container(world: Any) -> None:
    """Only with the word that the agent gave."""
    vending, _, directory, who = world
    env = vending.container(directory.role("task"))
    assert who(env) == ["container-role", _arn("task", "container")]
    assert vending.given == 1
    assert requests.get(env["AWS_CONTAINER_CREDENTIALS_FULL_URI"], timeout=10).status_code == 403


def test_instance(world: Any) -> None:
    """By the second version of the metadata protocol, which asks for a token first."""
    vending, _, directory, who = world
    env = vending.instance(directory.role("box"))
    assert who(env) == ["iam-role", _arn("box", "i-0123456789")]
    address = env["AWS_EC2_METADATA_SERVICE_ENDPOINT"] + "/latest/meta-data/iam/security-credentials/"
    assert requests.get(address, timeout=10).status_code == 401


def test_web_identity(world: Any, tmp_path: Path) -> None:
    """The file's token is what counts."""
    vending, iam, directory, who = world
    url = "ci.example.com"
    issuer = iam.issuers[url] = Issuer(url)
    backend = iam_backends[ACCOUNT]["aws"]
    provider = backend.create_open_id_connect_provider(f"https://{url}", [], ["sts.amazonaws.com"], [])
    statement = {"Effect": "Allow", "Principal": {"Federated": provider.arn}, "Action": "sts:AssumeRoleWithWebIdentity"}
    role = directory.role("ci", trust={"Statement": [statement]})
    claims = {"sub": "job", "aud": "sts.amazonaws.com"}
    env = vending.web_identity(role, issuer.token(**claims, exp=time.time() + 60), tmp_path)
    assert who(env) == ["assume-role-with-web-identity", _arn("ci", "job")]
    vending.web_identity(role, issuer.token(**claims, exp=time.time() - 60), tmp_path)
    assert "ExpiredTokenException" in who(env)[1]


def test_sso(world: Any, tmp_path: Path) -> None:
    """A profile, and a token in the cache; none of it, nobody."""
    vending, _, directory, who = world
    role = directory.role("AWSReservedSSO_deploy")
    assert who(vending.sso(role, tmp_path)) == ["sso", _arn("AWSReservedSSO_deploy", "ann@example.com")]
    assert "Token" in who(vending.sso(role, tmp_path / "out", logged_in=False))[1]


def test_a_session_that_has_ended(world: Any) -> None:
    """Keys that were exported into a shell an hour ago."""
    _, _, directory, who = world
    keys = directory.session(directory.role("short"), seconds=60)
    env = {
        "AWS_ACCESS_KEY_ID": keys["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": keys["aws_secret_access_key"],
        "AWS_SESSION_TOKEN": keys["aws_session_token"],
    }
    assert who(env) == ["env", _arn("short", "hgaurora")]
    directory.ahead = 61
    assert "ExpiredToken" in who(env)[1]
