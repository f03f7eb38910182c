# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who we are to AWS, and whether that may act: the chain of credentials, roles, and what is refused."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.aws.errors import translated
from hgaurora.adapters.aws.identity import admitted
from hgaurora.adapters.aws.session import Aws, Caller, kind_of, profile_is_static, session_name
from hgaurora.core.errors import RemoteError, SecurityError
from hgaurora.core.settings import Environment
from tests.cloud import EVERYTHING, Cloud
from tests.emulator import faults as f
from tests.emulator.sts import Issuer

ACCOUNT = "123456789012"
PROD = Environment(
    name="prod", cluster="shop", region="eu-west-1", account=ACCOUNT, database="shop", user="u", protected=True
)
DEV = replace(PROD, name="dev", protected=False)


def ask(settings: Environment = PROD, **more: Any) -> Caller:
    """Who may act for an environment."""
    return admitted(Aws(settings, environment=settings.name, user="Ana <ana@example.org>", **more))


def refused(settings: Environment = PROD) -> SecurityError:
    """Why nobody may."""
    with pytest.raises(SecurityError) as caught:
        ask(settings)
    return caught.value


# -- the account


def test_another_account(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    role = aws.directory.role("Developer", EVERYTHING, account="210987654321")
    aws.take(monkeypatch, aws.as_role(role, "mia"))
    error = refused()
    assert error.message == (
        f"prod is in account {ACCOUNT}, these credentials are for 210987654321 (role Developer, session mia)"
    )
    assert error.state == "nothing was sent to the database"
    assert error.exit_code == 150
    assert error.data["caller"] == "arn:aws:sts::210987654321:assumed-role/Developer/mia"
    assert "AWS_PROFILE" in (error.hint or "")
    # an environment that does not say its account takes what it gets
    assert ask(replace(PROD, account=None)).account == "210987654321"


def test_aws_is_asked_once(aws: Cloud) -> None:
    aws.faults.restart()
    asked = aws.asked(PROD)
    for _ in range(3):
        admitted(asked)
        assert asked.account == ACCOUNT
    assert [call.name for call in aws.faults.log] == ["sts:GetCallerIdentity"]


# -- long-term keys


def test_a_role_is_let_in(aws: Cloud) -> None:
    caller = ask()
    assert (caller.kind, caller.static, caller.source) == ("role", False, "env")
    assert caller.name == "role hgaurora-deploy, session ci"


def test_keys_that_never_end_are_refused_where_it_is_protected(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for keys, who in (
        (aws.directory.user("ann", EVERYTHING), "user ann"),
        (aws.directory.root(), "the account's root user"),
    ):
        aws.take(monkeypatch, aws.env_of(keys))
        error = refused()
        assert f"a long-term access key is at the bottom of these credentials ({who})" in error.message
        assert (error.state, error.exit_code) == ("nothing was sent to the database", 150)
        assert "aws sso login" in (error.hint or "")
        # elsewhere they may
        assert ask(DEV).static


def files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, config: str = "", credentials: str = "", profile: str = ""
) -> None:
    """A home of AWS's files, and no key in the environment."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, text in (("CONFIG_FILE", config), ("SHARED_CREDENTIALS_FILE", credentials)):
        path = tmp_path / name
        path.write_text(text)
        monkeypatch.setenv(f"AWS_{name}", str(path))
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)


def written(keys: dict[str, str]) -> str:
    """Keys as they stand in a file."""
    return "".join(f"{name} = {value}\n" for name, value in keys.items())


def test_a_role_from_a_key_in_a_file_rests_on_that_key(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = aws.directory.user("bob", EVERYTHING)
    config = f"[profile prod]\nrole_arn = {aws.allowed}\nsource_profile = base\nregion = eu-west-1\n"
    files(monkeypatch, tmp_path, config=config, credentials="[base]\n" + written(keys), profile="prod")
    error = refused()
    assert "a long-term access key is at the bottom" in error.message
    assert "found by assume-role" in error.message
    assert ask(DEV).kind == "role"


def test_a_session_that_is_written_into_a_file_is_refused_too(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    keys = aws.directory.session(aws.allowed, "mia")
    files(monkeypatch, tmp_path, credentials="[default]\n" + written(keys))
    assert "found by shared-credentials-file" in refused().message
    # control: the same keys in the environment
    aws.take(monkeypatch, aws.env_of(keys))
    assert ask().name == "role hgaurora-deploy, session mia"


def test_a_process_that_hands_out_a_users_key(aws: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    keys = aws.directory.user("cyd", EVERYTHING)
    said = {"Version": 1, "AccessKeyId": keys["aws_access_key_id"], "SecretAccessKey": keys["aws_secret_access_key"]}
    (tmp_path / "credential_process").write_text(json.dumps(said))
    files(monkeypatch, tmp_path, config=f"[default]\ncredential_process = cat {tmp_path}/credential_process\n")
    assert "user cyd" in refused().message


# -- roles


def test_the_environments_role_is_assumed(aws: Cloud) -> None:
    role = aws.directory.role("prod-deploy", EVERYTHING)
    caller = ask(replace(PROD, role_arn=role))
    assert caller.arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/prod-deploy/hgaurora-ana@example.org"
    assert (caller.source, caller.static) == ("assume-role", False)
    assert caller.expires is not None


def test_the_environments_role_may_want_an_external_id(aws: Cloud) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "shop-deployer"}},
            }
        ],
    }
    role = aws.directory.role("guarded", EVERYTHING, trust=trust)
    assert ask(replace(PROD, role_arn=role, external_id="shop-deployer")).name.startswith("role guarded")
    for wrong in (None, "other"):
        with pytest.raises(RemoteError) as caught:
            ask(replace(PROD, role_arn=role, external_id=wrong))
        assert "(AccessDenied, sts:AssumeRole)" in caught.value.message


def test_the_environments_role_does_not_wash_a_long_term_key(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.take(monkeypatch, aws.env_of(aws.directory.user("dan", EVERYTHING)))
    error = refused(replace(PROD, role_arn=aws.allowed))
    assert "a long-term access key is at the bottom of these credentials (found by assume-role)" in error.message
    assert ask(replace(DEV, role_arn=aws.allowed)).kind == "role"


def test_a_role_of_another_account(aws: Cloud) -> None:
    role = aws.directory.role(
        "across",
        EVERYTHING,
        account="210987654321",
        trust={
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": {"AWS": aws.allowed}, "Action": "sts:AssumeRole"}],
        },
    )
    assert ask(replace(PROD, role_arn=role, account="210987654321")).account == "210987654321"
    assert (
        "is in account 123456789012, these credentials are for 210987654321"
        in refused(replace(PROD, role_arn=role)).message
    )


# -- identity tokens


@pytest.fixture
def ci(aws: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A job of a forge: a token in a file, no keys, a role that trusts it."""
    issuer = Issuer("forge.example")
    aws.iam.issuers[issuer.url] = issuer
    root = aws.client("iam")
    if not root.list_open_id_connect_providers()["OpenIDConnectProviderList"]:
        root.create_open_id_connect_provider(
            Url=f"https://{issuer.url}", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
        )
    files(monkeypatch, tmp_path)
    path = tmp_path / "token"
    path.write_text(issuer.token(sub="repo:shop", aud="sts.amazonaws.com", exp=time.time() + 300))
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(path))
    return path


def trusting(aws: Cloud, name: str) -> str:
    """A role for the forge's jobs."""
    provider = f"arn:aws:iam::{ACCOUNT}:oidc-provider/forge.example"
    statement = {"Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity"}
    trust = {"Version": "2012-10-17", "Statement": [statement]}
    return aws.directory.role(name, EVERYTHING, trust=trust)


def test_an_identity_token_is_exchanged(aws: Cloud, monkeypatch: pytest.MonkeyPatch, ci: Path) -> None:
    role = trusting(aws, "ci-1")
    monkeypatch.setenv("AWS_ROLE_ARN", role)
    caller = ask()
    assert caller.arn.endswith("assumed-role/ci-1/hgaurora-ana@example.org")
    assert (caller.source, caller.static, caller.kind) == ("assume-role-with-web-identity", False, "role")
    # a name that was given stays
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "job-7")
    assert ask().arn.endswith("assumed-role/ci-1/job-7")


def test_an_identity_token_is_exchanged_for_the_environments_role(aws: Cloud, ci: Path) -> None:
    caller = ask(replace(PROD, role_arn=trusting(aws, "ci-2")))
    assert caller.arn.endswith("assumed-role/ci-2/hgaurora-ana@example.org")


def test_an_identity_token_and_then_the_environments_role(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, ci: Path
) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", trusting(aws, "ci-3"))
    caller = ask(replace(PROD, role_arn=aws.directory.role("ci-3-prod", EVERYTHING)))
    assert caller.arn.endswith("assumed-role/ci-3-prod/hgaurora-ana@example.org")
    assert not caller.static


def test_an_identity_token_that_is_not_taken(aws: Cloud, monkeypatch: pytest.MonkeyPatch, ci: Path) -> None:
    monkeypatch.setenv("AWS_ROLE_ARN", trusting(aws, "ci-4"))
    good = ci.read_text()
    ci.write_text(Issuer("forge.example").token(sub="repo:shop", aud="sts.amazonaws.com", exp=time.time() + 300))
    assert "AWS does not take the identity token: Couldn't verify signature" in refused().message
    ci.write_text(aws.iam.issuers["forge.example"].token(sub="repo:shop", aud="sts.amazonaws.com", exp=1))
    assert "the AWS credentials have expired" in refused().message
    ci.unlink()
    assert f"the identity token {ci} can not be read" in refused().message
    ci.write_text(good)
    assert ask().kind == "role"


def test_a_key_in_the_environment_goes_before_an_identity_token(
    aws: Cloud, monkeypatch: pytest.MonkeyPatch, ci: Path
) -> None:
    """As in AWS's own tools; left-over keys are then found by what is refused."""
    monkeypatch.setenv("AWS_ROLE_ARN", trusting(aws, "ci-5"))
    keys = aws.directory.user("left-over", EVERYTHING)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["aws_access_key_id"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["aws_secret_access_key"])
    assert "user left-over" in refused().message


# -- trouble


def test_no_credentials(aws: Cloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    files(monkeypatch, tmp_path)
    error = refused()
    assert "there are no AWS credentials" in error.message
    assert "aws sso login" in (error.hint or "")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert "can not be had" in refused().message
    assert "(nobody)" in refused().message


def test_calls_that_fail_are_ours(aws: Cloud) -> None:
    asked = aws.asked(PROD)
    rds = asked.client("rds")

    def call(fault: f.Fault, *, times: int | None = None) -> None:
        aws.faults.clear()
        aws.faults.inject(fault, "rds:DescribeDBInstances", times=times)
        with translated("describe instances", environment="prod"):
            rds.describe_db_instances()

    call(f.throttle, times=2)  # which the SDK tries again
    with pytest.raises(RemoteError, match=r"\(AccessDenied, rds:DescribeDBInstances\)"):
        call(f.denied)
    with pytest.raises(RemoteError, match="was cut before the answer") as caught:
        call(f.cut_after)
    assert caught.value.data["unknown"] is True
    said = caught.value.data["aws"]
    assert isinstance(said, dict)
    assert (said["service"], said["operation"]) == ("rds", "DescribeDBInstances")


def test_time_runs_out(aws: Cloud) -> None:
    asked = Aws(PROD, environment="prod", user="ana", timeouts=(2.0, 0.2))
    aws.faults.inject(f.delay(1.0), "sts:*", times=None)
    with pytest.raises(RemoteError, match="AWS did not answer in time"):
        asked.caller()


# -- names


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("Ana Silva <ana@example.org>", "hgaurora-ana@example.org"),
        ("ana", "hgaurora-ana"),
        ("Ana Silva", "hgaurora-Ana-Silva"),
        ("Zoë <zoë@example.org>", "hgaurora-zo-@example.org"),
        ("", "hgaurora-nobody"),
        ("$(rm -rf) / x", "hgaurora-rm--rf-x"),
        ("a" * 100, "hgaurora-" + "a" * 55),
    ],
)
def test_the_sessions_name_carries_who_asks(user: str, name: str) -> None:
    assert session_name(user) == name


@pytest.mark.parametrize(
    ("arn", "kind", "name"),
    [
        ("arn:aws:sts::1:assumed-role/Developer/mia", "role", "role Developer, session mia"),
        ("arn:aws:iam::1:user/team/ann", "user", "user ann"),
        ("arn:aws:iam::1:root", "root", "the account's root user"),
        ("arn:aws-cn:sts::1:federated-user/bob", "federated", "federated user bob"),
    ],
)
def test_kinds_of_callers(arn: str, kind: str, name: str) -> None:
    assert kind_of(arn) == kind
    caller = Caller(arn=arn, account="1", user_id="x", kind=kind, static=False, expires=None)
    assert caller.name == name


def test_where_a_chain_of_profiles_ends() -> None:
    keys = {"aws_access_key_id": "AKIA"}
    role = {"role_arn": "arn"}
    profiles = {
        "keys": keys,
        "sso": {"sso_session": "x"},
        "on-keys": {**role, "source_profile": "keys"},
        "on-sso": {**role, "source_profile": "sso"},
        "twice": {**role, "source_profile": "on-keys"},
        "itself": {**role, **keys, "source_profile": "itself"},
        "instance": {**role, "credential_source": "Ec2InstanceMetadata"},
        "environment": {**role, "credential_source": "Environment"},
        "circle": {**role, "source_profile": "back"},
        "back": {**role, "source_profile": "circle"},
    }
    static = {name for name in profiles if profile_is_static(profiles, name, {"AWS_ACCESS_KEY_ID": "AKIA"})}
    assert static == {"keys", "on-keys", "twice", "itself", "environment"}
    session = {"AWS_ACCESS_KEY_ID": "ASIA", "AWS_SESSION_TOKEN": "t"}
    assert not profile_is_static(profiles, "environment", session)
