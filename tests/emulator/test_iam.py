# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who may do what: boto3 against the layer, and policies by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.emulator import faults as f
from tests.emulator.faults import Faults
from tests.emulator.iam import ACCOUNT, Directory, Iam
from tests.emulator.policy import Decision, UnknownElement, conditions, decide, trusts
from tests.emulator.serving import moto, serving
from tests.emulator.sts import Issuer

REGION = "eu-west-1"
QUERY_CODES = "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"
JSON_CODES = "UnrecognizedClientException", "InvalidSignatureException", "ExpiredTokenException"
RDS = f"arn:aws:rds:{REGION}:{ACCOUNT}"


@dataclass
class World:
    """The layer before stock moto."""

    url: str
    directory: Directory
    iam: Iam
    faults: Faults

    def client(self, service: str, keys: dict[str, str], region: str = REGION) -> Any:
        """boto3's, one attempt."""
        config = Config(retries={"mode": "standard", "total_max_attempts": 1})
        return boto3.client(service, endpoint_url=self.url, region_name=region, config=config, **keys)  # type: ignore[call-overload]

    def refused(self, call: Callable[..., Any], **params: Any) -> tuple[str, str]:
        """The error's code and message."""
        with pytest.raises(ClientError) as caught:
            call(**params)
        return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture(scope="module")
def served() -> Iterator[World]:
    """One moto for the module."""
    directory = Directory()
    iam = Iam(moto(), directory)
    faults = Faults(iam, directory.arn)
    with serving(faults) as url:
        yield World(url, directory, iam, faults)


@pytest.fixture
def world(served: World) -> World:
    """With an empty moto."""
    requests.post(served.url + "/moto-api/reset", timeout=30)
    served.faults.restart()
    served.directory.ahead = 0
    return served


def _allow(*actions: str, resource: Any = "*", effect: str = "Allow", **more: Any) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
    return {"Version": "2012-10-17", "Statement": [statement]}


def test_who_am_i(world: World) -> None:
    """Root, a user, and a session of a role, in whichever account."""
    other = "210987654321"
    role = world.directory.role("hgaurora-deploy", account=other)
    root, user, session = (
        world.client("sts", keys).get_caller_identity()
        for keys in (world.directory.root(), world.directory.user("ann"), world.directory.session(role, "run-1"))
    )
    assert (root["Arn"], root["UserId"], root["Account"]) == (f"arn:aws:iam::{ACCOUNT}:root", ACCOUNT, ACCOUNT)
    assert (user["Arn"], user["UserId"][:4]) == (f"arn:aws:iam::{ACCOUNT}:user/ann", "AIDA")
    assert session["Arn"] == f"arn:aws:sts::{other}:assumed-role/hgaurora-deploy/run-1"
    assert session["Account"] == other
    assert session["UserId"].startswith("AROA")
    assert session["UserId"].endswith(":run-1")


def test_identity_needs_no_permission(world: World) -> None:
    """Not even an explicit deny takes it away."""
    keys = world.directory.user("ann", _allow("*", effect="Deny"))
    assert world.client("sts", keys).get_caller_identity()["Account"] == ACCOUNT
    assert world.refused(world.client("rds", keys).describe_db_clusters)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("service", "call", "unknown", "signature", "ended"),
    [
        ("rds", "describe_db_clusters", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"),
        (
            "logs",
            "describe_log_groups",
            "UnrecognizedClientException",
            "InvalidSignatureException",
            "ExpiredTokenException",
        ),
        ("cloudwatch", "describe_alarms", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"),
    ],
)
def test_keys(world: World, service: str, call: str, unknown: str, signature: str, ended: str) -> None:
    """Unknown, with a wrong secret, with a wrong token, ended."""
    role = world.directory.role("r", _allow("*"))
    good = world.directory.session(role)

    def code(**changes: str) -> str:
        return world.refused(getattr(world.client(service, {**good, **changes}), call))[0]

    assert getattr(world.client(service, good), call)()
    assert code(aws_access_key_id="ASIAUNKNOWN000000000") == unknown
    assert code(aws_secret_access_key="wrong") == signature
    assert code(aws_session_token="other") == unknown
    world.directory.ahead = 3000
    assert getattr(world.client(service, good), call)()
    world.directory.ahead = 3601
    assert code() == ended
    world.directory.ahead = 0
    world.directory.expire(good["aws_access_key_id"])
    assert code() == ended
    user = world.directory.user("ann", _allow("*"))
    # a long-term key has no session token
    assert world.refused(getattr(world.client(service, {**user, "aws_session_token": "x"}), call))[0] == unknown


def test_actions_and_resources(world: World) -> None:
    """A snapshot is made on a cluster, and of a name; both count, and so does the tagging."""
    admin = world.client("rds", world.directory.root())
    for name in ("shop-prod", "shop-staging"):
        admin.create_db_cluster(
            DBClusterIdentifier=name, Engine="aurora-postgresql", MasterUsername="u", MasterUserPassword="12345678"
        )
    keys = world.directory.user(
        "ann",
        _allow("rds:CreateDBClusterSnapshot", resource=[f"{RDS}:cluster:shop-prod", f"{RDS}:cluster-snapshot:hg-*"]),
        _allow(
            "rds:AddTagsToResource",
            resource=f"{RDS}:cluster-snapshot:*",
            Condition={"StringEquals": {"aws:RequestTag/hgaurora": "prod"}},
        ),
        _allow("rds:DescribeDBClusters", resource=f"{RDS}:cluster:shop-*"),
    )
    rds = world.client("rds", keys)

    def make(cluster: str, snapshot: str, **more: Any) -> tuple[str, str]:
        params = {"DBClusterIdentifier": cluster, "DBClusterSnapshotIdentifier": snapshot, **more}
        return world.refused(rds.create_db_cluster_snapshot, **params)

    def text(action: str, resource: str) -> str:
        return (
            f"User: arn:aws:iam::{ACCOUNT}:user/ann is not authorized to perform: rds:{action} on resource: "
            f"{RDS}:{resource} because no identity-based policy allows the rds:{action} action"
        )

    action = "CreateDBClusterSnapshot"
    assert make("shop-staging", "hg-1") == ("AccessDenied", text(action, "cluster:shop-staging"))
    assert make("shop-prod", "mine") == ("AccessDenied", text(action, "cluster-snapshot:mine"))
    tagged = text("AddTagsToResource", "cluster-snapshot:hg-1")
    assert make("shop-prod", "hg-1", Tags=[{"Key": "hgaurora", "Value": "dev"}]) == ("AccessDenied", tagged)
    assert admin.describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"] == []
    good = {"DBClusterIdentifier": "shop-prod", "DBClusterSnapshotIdentifier": "hg-1"}
    assert rds.create_db_cluster_snapshot(**good, Tags=[{"Key": "hgaurora", "Value": "prod"}])
    # one cluster may be looked at, not the list of all
    assert rds.describe_db_clusters(DBClusterIdentifier="shop-prod")["DBClusters"]
    assert world.refused(rds.describe_db_clusters)[1] == text("DescribeDBClusters", "cluster:*")


def test_tags_of_what_is_there(world: World) -> None:
    """Only a snapshot that is ours may be deleted."""
    admin = world.client("rds", world.directory.root())
    admin.create_db_cluster(
        DBClusterIdentifier="c", Engine="aurora-mysql", MasterUsername="u", MasterUserPassword="12345678"
    )
    for name, tags in (("ours", [{"Key": "hgaurora", "Value": "prod"}]), ("theirs", [])):
        admin.create_db_cluster_snapshot(DBClusterIdentifier="c", DBClusterSnapshotIdentifier=name, Tags=tags)
    for key in ("rds:cluster-snapshot-tag/hgaurora", "aws:ResourceTag/hgaurora"):
        condition = {"StringEquals": {key: "prod"}}
        policy = _allow("rds:DeleteDBClusterSnapshot", resource=f"{RDS}:cluster-snapshot:*", Condition=condition)
        rds = world.client("rds", world.directory.user(f"ann-{key[:3]}", policy))
        assert world.refused(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier="theirs")[0] == "AccessDenied"
        # what is not there has no tags
        assert world.refused(rds.delete_db_cluster_snapshot, DBClusterSnapshotIdentifier="none")[0] == "AccessDenied"
    assert rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="ours")


def test_log_groups(world: World) -> None:
    """Resources as CloudWatch Logs names them: with ``:*`` behind the group, a list of all on none of them."""
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/hgaurora/prod"
    bare = world.client("logs", world.directory.user("bare", _allow("logs:*", resource=group)))
    code, message = world.refused(bare.create_log_group, logGroupName="/hgaurora/prod")
    assert (code, f"on resource: {group}:log-stream: because" in message) == ("AccessDeniedException", True)
    logs = world.client("logs", world.directory.user("ann", _allow("logs:*", resource=f"{group}:*")))
    logs.create_log_group(logGroupName="/hgaurora/prod")
    logs.create_log_stream(logGroupName="/hgaurora/prod", logStreamName="s")
    event = {"timestamp": int(time.time() * 1000), "message": "m"}
    logs.put_log_events(logGroupName="/hgaurora/prod", logStreamName="s", logEvents=[event])
    assert f"{REGION}:{ACCOUNT}:log-group::log-stream:" in world.refused(logs.describe_log_groups)[1]
    assert world.refused(logs.create_log_group, logGroupName="/hgaurora/dev")[0] == "AccessDeniedException"


def test_secrets(world: World) -> None:
    """By name or ARN; the ARN ends in six characters that a policy leaves open."""
    admin = world.client("secretsmanager", world.directory.root())
    arn = admin.create_secret(Name="shop/db", SecretString="{}")["ARN"]
    pattern = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:shop/db-??????"
    secrets = world.client(
        "secretsmanager", world.directory.user("ann", _allow("secretsmanager:Get*", resource=pattern))
    )
    assert secrets.get_secret_value(SecretId="shop/db")["ARN"] == arn
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == "{}"
    assert world.refused(secrets.get_secret_value, SecretId="other")[0] == "AccessDeniedException"
    assert (
        f"secretsmanager:DescribeSecret on resource: {arn} " in world.refused(secrets.describe_secret, SecretId=arn)[1]
    )


def test_explicit_deny(world: World) -> None:
    """It wins, and is told apart."""
    keys = world.directory.user("ann", _allow("cloudwatch:*"), _allow("cloudwatch:DescribeAlarms", effect="Deny"))
    code, message = world.refused(world.client("cloudwatch", keys).describe_alarms)
    assert code == "AccessDenied"
    assert message.endswith("with an explicit deny in an identity-based policy")


def test_groups_and_managed_policies(world: World) -> None:
    """Made by IAM's own API."""
    iam = world.client("iam", world.directory.root())
    keys = world.directory.user("ann")
    logs = world.client("logs", keys)
    assert world.refused(logs.describe_log_groups)[0] == "AccessDeniedException"
    arn = iam.create_policy(PolicyName="p", PolicyDocument=json.dumps(_allow("logs:Describe*")))["Policy"]["Arn"]
    iam.create_group(GroupName="g")
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    assert world.refused(logs.describe_log_groups)[0] == "AccessDeniedException"
    iam.add_user_to_group(GroupName="g", UserName="ann")
    assert logs.describe_log_groups()["logGroups"] == []


def test_accounts_are_apart(world: World) -> None:
    """A session in another account sees what is there, and not what is here."""
    world.client("logs", world.directory.root()).create_log_group(logGroupName="here")
    role = world.directory.role("r", _allow("*"), account="210987654321")
    there = world.client("logs", world.directory.session(role))
    assert there.describe_log_groups()["logGroups"] == []
    there.create_log_group(logGroupName="there")
    assert there.describe_log_groups()["logGroups"][0]["arn"].split(":")[4] == "210987654321"


def _trust(principal: Any, action: str = "sts:AssumeRole", **condition: Any) -> dict[str, Any]:
    more = {"Condition": condition} if condition else {}
    return {"Statement": [{"Effect": "Allow", "Principal": principal, "Action": action, **more}]}


def test_assume_role(world: World) -> None:
    """External id, session name and the caller itself must be what the trust policy says."""
    keys = world.directory.user("ann")
    sts = world.client("sts", keys)
    ann = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ann"}
    condition = {"StringEquals": {"sts:ExternalId": "x-1"}, "StringLike": {"sts:RoleSessionName": "hgaurora-*"}}
    role = world.directory.role("deploy", _allow("rds:Describe*"), trust=_trust(ann, **condition))

    def refused(**changes: Any) -> str:
        params = {"RoleArn": role, "RoleSessionName": "hgaurora-ann", "ExternalId": "x-1", **changes}
        return world.refused(sts.assume_role, **{name: value for name, value in params.items() if value})[0]

    assert refused(ExternalId=None) == "AccessDenied"
    assert refused(ExternalId="x-2") == "AccessDenied"
    assert refused(RoleSessionName="somebody") == "AccessDenied"
    assert refused(RoleSessionName="hgaurora/ann") == "ValidationError"
    assert refused(RoleArn=role + "s") == "AccessDenied"
    assert refused(DurationSeconds=43201) == "ValidationError"
    made = sts.assume_role(RoleArn=role, RoleSessionName="hgaurora-ann", ExternalId="x-1", DurationSeconds=900)
    inside = {
        "aws_access_key_id": made["Credentials"]["AccessKeyId"],
        "aws_secret_access_key": made["Credentials"]["SecretAccessKey"],
        "aws_session_token": made["Credentials"]["SessionToken"],
    }
    assert inside["aws_access_key_id"].startswith("ASIA")
    assert len(inside["aws_session_token"]) > 800
    assert 890 < made["Credentials"]["Expiration"].timestamp() - time.time() <= 900
    who = world.client("sts", inside).get_caller_identity()
    assert who["Arn"] == made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/hgaurora-ann"
    assert world.client("rds", inside).describe_db_clusters()["DBClusters"] == []
    assert world.refused(world.client("logs", inside).describe_log_groups)[0] == "AccessDeniedException"
    bob = world.client("sts", world.directory.user("bob", _allow("sts:AssumeRole")))
    params = {"RoleArn": role, "RoleSessionName": "hgaurora-bob", "ExternalId": "x-1"}
    assert world.refused(bob.assume_role, **params)[0] == "AccessDenied"


def test_an_account_that_is_trusted(world: World) -> None:
    """It decides by its own policies who; across accounts both sides must agree."""
    home = "210987654321"
    role = world.directory.role("deploy", trust=_trust({"AWS": home}))
    params = {"RoleArn": role, "RoleSessionName": "run"}
    ann = world.client("sts", world.directory.user("ann", account=home))
    assert world.refused(ann.assume_role, **params)[0] == "AccessDenied"
    may = world.client("sts", world.directory.user("may", _allow("sts:AssumeRole", resource=role), account=home))
    assert may.assume_role(**params)["AssumedRoleUser"]["Arn"].split(":")[4] == ACCOUNT
    here = world.client("sts", world.directory.user("here", _allow("sts:AssumeRole", resource=role)))
    assert world.refused(here.assume_role, **params)[0] == "AccessDenied"


def test_chains_and_limits(world: World) -> None:
    """A session that assumes another role has an hour at most; a policy given along narrows it."""
    first = world.directory.role("first", _allow("sts:AssumeRole"))
    second = world.directory.role("second", _allow("logs:*", "rds:*"), trust=_trust({"AWS": first}))
    sts = world.client("sts", world.directory.session(first))
    params = {"RoleArn": second, "RoleSessionName": "run"}
    assert world.refused(sts.assume_role, **params, DurationSeconds=7200)[0] == "ValidationError"
    made = sts.assume_role(**params, Policy=json.dumps(_allow("logs:*")))["Credentials"]
    keys = {
        "aws_access_key_id": made["AccessKeyId"],
        "aws_secret_access_key": made["SecretAccessKey"],
        "aws_session_token": made["SessionToken"],
    }
    assert world.client("logs", keys).describe_log_groups()["logGroups"] == []
    assert world.refused(world.client("rds", keys).describe_db_clusters)[0] == "AccessDenied"


def test_web_identity(world: World) -> None:
    """A CI job's token, by boto3's own provider and by hand."""
    url = "ci.example.com/token"
    issuer = world.iam.issuers[url] = Issuer(url)
    iam = world.client("iam", world.directory.root())
    params = {"Url": f"https://{url}", "ClientIDList": ["sts.amazonaws.com"], "ThumbprintList": []}
    provider = iam.create_open_id_connect_provider(**params)["OpenIDConnectProviderArn"]
    condition = {"StringEquals": {f"{url}:aud": "sts.amazonaws.com", f"{url}:sub": "repo:shop/db:ref:stable"}}
    trust = _trust({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", **condition)
    role = world.directory.role("ci", _allow("rds:Describe*"), trust=trust)
    good = {"sub": "repo:shop/db:ref:stable", "aud": "sts.amazonaws.com", "exp": time.time() + 300}
    sts = boto3.client("sts", endpoint_url=world.url, region_name=REGION)

    def take(token: str) -> Any:
        return sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="job-1", WebIdentityToken=token)

    def refused(token: str) -> str:
        return world.refused(lambda: take(token))[0]

    made = take(issuer.token(**good))
    assert made["SubjectFromWebIdentityToken"] == "repo:shop/db:ref:stable"
    keys = made["Credentials"]
    rds = boto3.client(
        "rds",
        endpoint_url=world.url,
        region_name=REGION,
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )
    assert rds.describe_db_clusters()["DBClusters"] == []
    assert refused(issuer.token(**{**good, "sub": "repo:shop/db:ref:feature"})) == "AccessDenied"
    assert refused(issuer.token(**{**good, "aud": "elsewhere"})) == "InvalidIdentityToken"
    assert refused(issuer.token(**{**good, "exp": time.time() - 1})) == "ExpiredTokenException"
    assert refused(Issuer(url).token(**good)) == "InvalidIdentityToken"
    assert refused(Issuer("elsewhere.example.com").token(**good)) == "InvalidIdentityToken"
    assert refused("not-a-token") == "InvalidIdentityToken"


def test_the_simulator(world: World) -> None:
    """What doctor asks: a role's ARN, not a session's."""
    role = world.directory.role("deploy", _allow("rds:Describe*"), _allow("rds:DescribeEvents", effect="Deny"))
    iam = world.client("iam", world.directory.root())
    actions = ["rds:DescribeDBClusters", "rds:DescribeEvents", "logs:PutLogEvents"]
    said = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=actions)["EvaluationResults"]
    assert [one["EvalDecision"] for one in said] == ["allowed", "explicitDeny", "implicitDeny"]
    wrong = f"arn:aws:sts::{ACCOUNT}:assumed-role/deploy/run"
    assert world.refused(iam.simulate_principal_policy, PolicySourceArn=wrong, ActionNames=actions)[0] == "InvalidInput"


def test_a_planted_denial_names_the_caller(world: World) -> None:
    """The fault layer stands before, and still knows who it is."""
    world.faults.inject(f.denied, "rds:*")
    keys = world.directory.user("ann", _allow("*"))
    assert (
        f"User: arn:aws:iam::{ACCOUNT}:user/ann is not"
        in world.refused(world.client("rds", keys).describe_db_clusters)[1]
    )


def test_conditions() -> None:
    """Operators, one by one."""
    had = {"k": ["ab"], "n": ["5"], "many": ["a", "b"]}
    for operator, key, value, holds in [
        ("StringEquals", "k", "ab", True),
        ("StringEquals", "K", ["x", "ab"], True),
        ("StringEquals", "k", "AB", False),
        ("StringEqualsIgnoreCase", "k", "AB", True),
        ("StringNotEquals", "k", "ab", False),
        ("StringNotEquals", "gone", "ab", True),
        ("StringEquals", "gone", "ab", False),
        ("StringEqualsIfExists", "gone", "ab", True),
        ("StringLike", "k", "a*", True),
        ("StringLike", "k", "a?", True),
        ("StringLike", "k", "a", False),
        ("NumericLessThan", "n", 6, True),
        ("NumericLessThan", "n", 5, False),
        ("Null", "gone", True, True),
        ("Null", "k", "true", False),
        ("ForAllValues:StringEquals", "many", ["a", "b", "c"], True),
        ("ForAllValues:StringEquals", "many", ["a"], False),
        ("ForAnyValue:StringEquals", "many", ["b"], True),
        ("ForAllValues:StringEquals", "gone", ["a"], True),
    ]:
        assert conditions({operator: {key: value}}, had) is holds, (operator, key, value)
    with pytest.raises(UnknownElement):
        conditions({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, {"aws:sourceip": ["10.0.0.1"]})


def test_statements() -> None:
    """Patterns of actions and resources; what is not understood is an error."""
    star = _allow("*")
    assert decide([star], "rds:X", "r", {}) is Decision.ALLOWED
    assert decide([_allow("RDS:describe*")], "rds:DescribeDBClusters", "r", {}) is Decision.ALLOWED
    assert decide([_allow("rds:*", resource="a:*:c")], "rds:X", "a:b:c", {}) is Decision.ALLOWED
    assert decide([_allow("rds:*", resource="a:*:c")], "rds:X", "A:b:c", {}) is Decision.IMPLICIT
    assert decide([star, _allow("rds:X", effect="Deny")], "rds:X", "r", {}) is Decision.EXPLICIT
    assert decide([], "rds:X", "r", {}) is Decision.IMPLICIT
    without = {"Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}}
    assert decide([without], "rds:X", "r", {}) is Decision.ALLOWED
    assert decide([without], "iam:X", "r", {}) is Decision.IMPLICIT
    with pytest.raises(UnknownElement):
        decide([_allow("*", Elsewhere="x")], "rds:X", "r", {})
    deny = {"Effect": "Deny", "Principal": "*", "Action": "*", "Condition": {"Null": {"sts:ExternalId": "true"}}}
    allow = _trust({"AWS": "p"})["Statement"]
    assert trusts({"Statement": [*allow, deny]}, "sts:AssumeRole", ["p"], {}) is False
    assert trusts({"Statement": [*allow, deny]}, "sts:AssumeRole", ["p"], {"sts:externalid": ["e"]}) is True


def test_without_enforcement(world: World) -> None:
    """The control: stock moto lets in whoever comes."""
    with serving(moto()) as url:
        nobody = {"aws_access_key_id": "ASIAUNKNOWN000000000", "aws_secret_access_key": "x"}
        client = World(url, world.directory, world.iam, world.faults).client("rds", nobody)
        assert client.describe_db_clusters()["DBClusters"] == []
