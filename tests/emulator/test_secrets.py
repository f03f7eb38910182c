# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rotation by boto3: stages, values, and passwords that log in. And the whole emulator with all its layers."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import parsedate_to_datetime
from typing import Any

import boto3
import psycopg
import pymysql
import pytest
from botocore.exceptions import ClientError

from tests.emulator import faults as f
from tests.emulator.secrets import Rotation, Secrets
from tests.emulator.secured import Secured
from tests.emulator.server import Made
from tests.emulator.serving import moto, serving

ENGINES = ["aurora-postgresql", "aurora-mysql"]


@pytest.fixture(scope="module")
def aws() -> Iterator[Secured]:
    """One for the module."""
    with Secured() as aws:
        aws.delay("*", 0.02)
        yield aws
        assert not aws.states.errors


@pytest.fixture(scope="module", params=ENGINES)
def cluster(request: pytest.FixtureRequest, aws: Secured) -> Made:
    """With a managed secret, and IAM authentication."""
    name = request.param.removeprefix("aurora-")
    return aws.cluster(name, request.param, ManageMasterUserPassword=True, EnableIAMDatabaseAuthentication=True)


def _connect(aws: Secured, cluster: Made, user: str, password: str) -> Any:
    """As the product does: by name, TLS verified in full."""
    address, port = aws.hostaddr(cluster.endpoint)
    if cluster.engine == "aurora-postgresql":
        return psycopg.connect(
            host=cluster.endpoint,
            hostaddr=address,
            port=port,
            dbname=cluster.database,
            user=user,
            password=password,
            sslmode="verify-full",
            sslrootcert=str(aws.authority.bundle),
            connect_timeout=10,
        )
    context = ssl.create_default_context(cafile=aws.authority.bundle)
    connection = pymysql.connect(
        host=cluster.endpoint,
        user=user,
        password=password,
        database=cluster.database,
        ssl=context,
        defer_connect=True,
    )
    connection.connect(socket.create_connection((address, port), timeout=10))
    return connection


def _enters(aws: Secured, cluster: Made, value: dict[str, Any]) -> bool:
    """Whether a name and a password do; another failure is none of ours."""
    try:
        connection = _connect(aws, cluster, value["username"], value["password"])
    except (psycopg.OperationalError, pymysql.err.OperationalError) as err:
        if "password authentication failed" in str(err) or "1045" in str(err):
            return False
        raise
    with closing(connection), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _value(aws: Secured, arn: str, stage: str = "AWSCURRENT") -> dict[str, Any]:
    secrets = aws.client("secretsmanager")
    value: dict[str, Any] = json.loads(secrets.get_secret_value(SecretId=arn, VersionStage=stage)["SecretString"])
    return value


def _described(aws: Secured, cluster: Made) -> dict[str, Any]:
    found = aws.client("rds").describe_db_clusters(DBClusterIdentifier=cluster.id)["DBClusters"][0]
    return dict(found["MasterUserSecret"])


@pytest.mark.parametrize("way", ["modify_db_cluster", "rotate_secret"])
def test_a_managed_secret_rotates(way: str, aws: Secured, cluster: Made) -> None:
    """Between the steps the old password is dead, and the new one only pending."""
    aws.states.settle()
    arn = _described(aws, cluster)["SecretArn"]
    before = _value(aws, arn)
    assert before.keys() == {"username", "password"}
    assert _enters(aws, cluster, before)
    aws.hold("secret", cluster.id)

    def rotate() -> None:
        if way == "rotate_secret":
            aws.client("secretsmanager").rotate_secret(SecretId=arn)
        else:
            params = {"RotateMasterUserPassword": True, "ApplyImmediately": True}
            aws.client("rds").modify_db_cluster(DBClusterIdentifier=cluster.id, **params)

    rotate()
    assert _described(aws, cluster)["SecretStatus"] == "rotating"
    with pytest.raises(ClientError, match=r"InvalidRequestException|InvalidDBClusterStateFault"):
        rotate()
    coming = _value(aws, arn, "AWSPENDING")
    assert _value(aws, arn) == before != coming
    aws.states.worked("secret", cluster.id)
    assert _enters(aws, cluster, coming)
    assert not _enters(aws, cluster, before)
    aws.release()
    aws.states.settle()
    assert _described(aws, cluster)["SecretStatus"] == "active"
    assert _value(aws, arn) == coming
    assert _value(aws, arn, "AWSPREVIOUS") == before
    assert _enters(aws, cluster, coming)
    assert not _enters(aws, cluster, before)
    told = aws.client("secretsmanager").describe_secret(SecretId=arn)
    assert sorted(stage for stages in told["VersionIdsToStages"].values() for stage in stages) == [
        "AWSCURRENT",
        "AWSPREVIOUS",
    ]
    assert (told["OwningService"], told["RotationEnabled"]) == ("rds", True)
    assert told["NextRotationDate"] > told["LastRotatedDate"]


def test_a_rotation_that_fails(aws: Secured, cluster: Made) -> None:
    """The old password stays."""
    arn = _described(aws, cluster)["SecretArn"]
    before = _value(aws, arn)
    aws.fail("secret", cluster.id)
    aws.client("secretsmanager").rotate_secret(SecretId=arn)
    aws.states.settle()
    assert _described(aws, cluster)["SecretStatus"] == "impaired"
    assert _value(aws, arn) == before
    assert _enters(aws, cluster, before)
    aws.client("secretsmanager").rotate_secret(SecretId=arn)
    aws.states.settle()
    assert _described(aws, cluster)["SecretStatus"] == "active"
    assert _enters(aws, cluster, _value(aws, arn))


def test_what_rds_manages_is_left_alone(aws: Secured, cluster: Made) -> None:
    """By everybody else."""
    secrets, arn = aws.client("secretsmanager"), _described(aws, cluster)["SecretArn"]
    for call in (
        lambda: secrets.put_secret_value(SecretId=arn, SecretString="{}"),
        lambda: secrets.delete_secret(SecretId=arn),
    ):
        with pytest.raises(secrets.exceptions.InvalidRequestException, match="managed by rds"):
            call()


def test_ones_own_secret(aws: Secured, cluster: Made) -> None:
    """By a function that stands for a Lambda, on a database user of its own; single, then by turns with a clone."""
    secrets, plane = aws.client("secretsmanager"), aws.region(aws.account, aws.default_region).cluster(cluster.id).plane

    def apply(value: dict[str, Any]) -> None:
        plane.master(value["username"], value["password"])

    value = {"username": "app", "password": "first-password", "dbname": cluster.database}
    apply(value)
    arn = secrets.create_secret(Name=f"{cluster.id}/app", SecretString=json.dumps(value))["ARN"]
    assert _enters(aws, cluster, _value(aws, arn))
    with pytest.raises(secrets.exceptions.InvalidRequestException, match="No Lambda rotation function"):
        secrets.rotate_secret(SecretId=arn)
    function = f"arn:aws:lambda:eu-west-1:{aws.account}:function:rotate-{cluster.id}"
    with pytest.raises(ClientError, match="cannot invoke"):
        secrets.rotate_secret(SecretId=arn, RotationLambdaARN=function)
    aws.vault.functions[function] = Rotation(apply)
    secrets.rotate_secret(SecretId=arn, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30})
    aws.states.settle()
    after = _value(aws, arn)
    assert (after["username"], after["dbname"]) == ("app", cluster.database)
    assert _enters(aws, cluster, after)
    assert not _enters(aws, cluster, value)
    aws.vault.functions[function] = Rotation(apply, alternate=True)
    secrets.rotate_secret(SecretId=arn)
    aws.states.settle()
    assert _value(aws, arn)["username"] == "app_clone"
    # both log in
    assert _enters(aws, cluster, _value(aws, arn))
    assert _enters(aws, cluster, _value(aws, arn, "AWSPREVIOUS"))
    new = secrets.put_secret_value(SecretId=arn, SecretString=json.dumps(value))
    assert new["VersionStages"] == ["AWSCURRENT"]
    assert _value(aws, arn) == value
    assert _value(aws, arn, "AWSPREVIOUS")["username"] == "app_clone"


def test_stock_moto_forgets_the_value() -> None:
    """The control: without the layer a secret that rotates has no value left."""
    keys = {"aws_access_key_id": "AKIAEXAMPLE000000000", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
    with serving(moto()) as url:
        stock = boto3.client("secretsmanager", endpoint_url=url, **keys)  # type: ignore[call-overload]
        arn = stock.create_secret(Name="control", SecretString="{}")["ARN"]
        stock.rotate_secret(SecretId=arn)
        with pytest.raises(ClientError):
            stock.get_secret_value(SecretId=arn)
        stock.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)
    with serving(Secrets(moto())) as url:
        ours = boto3.client("secretsmanager", endpoint_url=url, **keys)  # type: ignore[call-overload]
        arn = ours.create_secret(Name="control", SecretString="{}")["ARN"]
        with pytest.raises(ours.exceptions.InvalidRequestException):
            ours.rotate_secret(SecretId=arn)
        assert ours.get_secret_value(SecretId=arn)["SecretString"] == "{}"
        ours.delete_secret(SecretId=arn, ForceDeleteWithoutRecovery=True)


def test_all_layers_together(aws: Secured, cluster: Made) -> None:
    """A session of a role with one statement comes in with its token, until the policy, the session or the cluster
    says no; each call is numbered."""
    user = f"hg_{cluster.id}"
    right = (
        f"CONNECT ON DATABASE {cluster.database}" if "postgresql" in cluster.engine else f"ALL ON {cluster.database}.*"
    )
    aws.iam_user(cluster.id, user, [f"GRANT {right} TO {{user}}"])
    resource = f"arn:aws:rds-db:{aws.default_region}:{aws.account}:dbuser:{cluster.resource_id}/{user}"

    def policy(resource: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": "rds-db:connect", "Resource": resource}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def token(keys: dict[str, str]) -> str:
        return str(aws.as_("rds", keys).generate_db_auth_token(cluster.endpoint, cluster.port, user))

    good = aws.directory.session(aws.directory.role(f"good-{cluster.id}", policy(resource)))
    other = aws.directory.session(aws.directory.role(f"other-{cluster.id}", policy(resource + "x")))
    front = aws.fronts.all[cluster.endpoint]
    made = token(good)
    with closing(_connect(aws, cluster, user, made)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT CURRENT_USER")
        assert str(cursor.fetchone()[0]).split("@")[0] == user
    wrong = psycopg.OperationalError, pymysql.err.OperationalError
    with pytest.raises(wrong, match=r"PAM authentication failed|1045"):
        _connect(aws, cluster, user, token(other))
    assert front.refusals[-1] == f"no policy allows rds-db:connect on {resource}"
    aws.directory.expire(good["aws_access_key_id"])
    with pytest.raises(wrong, match=r"PAM authentication failed|1045"):
        _connect(aws, cluster, user, made)
    assert front.refusals[-1] == "session expired"
    aws.faults.restart()
    aws.faults.inject(f.throttle, "rds:*")
    aws.client("rds").describe_db_clusters()
    assert [(call.number, call.name, call.outcome) for call in aws.faults.log] == [
        (1, "rds:DescribeDBClusters", "400 Throttling"),
        (2, "rds:DescribeDBClusters", "200"),
    ]
    with pytest.raises(ClientError, match="rds:DescribeDBClusters"):
        aws.as_("rds", other).describe_db_clusters(DBClusterIdentifier=cluster.id)


def test_a_clock_that_is_off(aws: Secured) -> None:
    """Four minutes are seen, six are too many; the answer's date says so in both cases."""
    sts = aws.client("sts")
    try:
        aws.skew(240)
        answer = sts.get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"]
        assert 200 < parsedate_to_datetime(answer).timestamp() - time.time() < 280
        aws.skew(-360)
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch.*Signature not yet current"):
            sts.get_caller_identity()
        aws.skew(360)
        with pytest.raises(ClientError, match=r"SignatureDoesNotMatch.*Signature expired"):
            sts.get_caller_identity()
    finally:
        aws.skew(0)
