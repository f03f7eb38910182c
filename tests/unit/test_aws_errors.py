# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What AWS and botocore raise, as errors of ours."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from botocore import exceptions
from botocore.parsers import ResponseParserError

from hgaurora.adapters.aws.errors import action_of, code_of, note_call, translated
from hgaurora.core.errors import HgAuroraError, LockHeld, RemoteError, SecurityError


def answered(code: str, message: str = "", status: int = 400) -> exceptions.ClientError:
    """As a client raises it."""
    return exceptions.ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "RequestId": "r-1",
                "HTTPStatusCode": status,
                "hgaurora_call": ("rds", "CreateDBClusterSnapshot"),
            },
        },
        "CreateDBClusterSnapshot",
    )


def told(error: Exception, **more: str) -> HgAuroraError:
    """What a person gets to see."""
    with pytest.raises(HgAuroraError) as caught, translated("make snapshot s", environment="prod", **more):
        raise error
    assert caught.value.__cause__ is error
    return caught.value


def aws(error: HgAuroraError) -> Mapping[str, object]:
    found = error.data["aws"]
    assert isinstance(found, dict)
    return found


def test_denied_names_the_action() -> None:
    text = (
        "User: arn:aws:sts::123456789012:assumed-role/d/s is not authorized to perform: kms:CreateGrant on resource: *"
    )
    error = told(answered("AccessDenied", text, 403), state="nothing was done")
    assert isinstance(error, RemoteError)
    assert error.message == "prod: can not make snapshot s (AccessDenied, kms:CreateGrant)"
    assert error.state == "nothing was done"
    assert error.hint == (
        "allow kms:CreateGrant to the role as well, on what AWS names: hgaurora iam-policy prod does not have it"
    )
    assert "unknown" not in error.data
    assert aws(error) == {
        "service": "rds",
        "operation": "CreateDBClusterSnapshot",
        "code": "AccessDenied",
        "request_id": "r-1",
        "message": text,
    }


@pytest.mark.parametrize(
    ("action", "mend"),
    [
        ("rds:DescribeDBClusters", "hgaurora iam-policy prod --for deploy prints what the role needs"),
        ("rds:CreateDBClusterSnapshot", "hgaurora iam-policy prod --for deploy prints what the role needs"),
        ("logs:FilterLogEvents", "hgaurora iam-policy prod --for journal prints what the role needs"),
        ("secretsmanager:RotateSecret", "hgaurora iam-policy prod --for secret-rotate prints what the role needs"),
        ("rds:DescribeDBClusterParameters", "hgaurora iam-policy prod --for doctor prints what the role needs"),
        (
            "sts:AssumeRole",
            "whoever takes the role needs the right to take it, and the role has to trust them (its trust policy)",
        ),
    ],
)
def test_denied_names_a_command_whose_policy_has_the_action(action: str, mend: str) -> None:
    text = f"User: x is not authorized to perform: {action} on resource: y"
    assert told(answered("AccessDenied", text, 403)).hint == mend


def test_a_key_that_is_not_there_is_no_missing_right() -> None:
    """CloudWatch Logs answers so where a log group's key is not there, or does not let it."""
    text = "The specified KMS key does not exist or is not allowed to be used with Arn 'x'."
    error = told(answered("AccessDeniedException", text))
    assert "does not exist or is not allowed to be used" in error.message
    assert error.hint == "see that the KMS key is there and enabled, and that its policy lets the service use it"
    assert error.data["why"] == text.rstrip(".")
    other = told(answered("AccessDeniedException", "Something else."))
    assert other.message.endswith("rds:CreateDBClusterSnapshot): Something else")
    assert "iam-policy prod --for deploy" in (other.hint or "")


def test_an_explicit_deny_is_not_mended_by_a_policy_that_allows() -> None:
    text = "User: x is not authorized to perform: rds:CreateDBClusterSnapshot with an explicit deny in a policy"
    assert "denies rds:CreateDBClusterSnapshot explicitly" in (told(answered("AccessDeniedException", text)).hint or "")


@pytest.mark.parametrize(
    ("code", "message", "kind", "says", "mend"),
    [
        ("ExpiredToken", "", SecurityError, "have expired", "log in again"),
        ("ExpiredTokenException", "", SecurityError, "have expired", "log in again"),
        ("InvalidClientTokenId", "", SecurityError, "does not know these credentials", "take the role of prod"),
        ("UnrecognizedClientException", "", SecurityError, "does not know these credentials", "take the role of prod"),
        ("SignatureDoesNotMatch", "", SecurityError, "does not know these credentials", "take the role"),
        ("SignatureDoesNotMatch", "Signature expired: 2026", SecurityError, "this machine's clock", "set the clock"),
        ("InvalidIdentityToken", "Couldn't verify", SecurityError, "identity token: Couldn't verify", "trusts this"),
        ("Throttling", "Rate exceeded", RemoteError, "too many requests", "wait a minute"),
        ("ThrottlingException", "Rate exceeded", RemoteError, "too many requests", "wait a minute"),
        ("RequestLimitExceeded", "", RemoteError, "too many requests", "wait a minute"),
    ],
)
def test_codes(code: str, message: str, kind: type[HgAuroraError], says: str, mend: str) -> None:
    error = told(answered(code, message))
    assert type(error) is kind
    assert says in error.message
    assert mend in (error.hint or "")
    assert "unknown" not in error.data


def test_any_other_code_is_said_as_aws_says_it() -> None:
    error = told(answered("SnapshotQuotaExceeded", "too  many\nsnapshots."))
    assert error.message == (
        "prod: can not make snapshot s (SnapshotQuotaExceeded, rds:CreateDBClusterSnapshot): too many snapshots"
    )


@pytest.mark.parametrize(
    ("error", "unknown"),
    [
        (answered("InternalFailure", "sorry", 500), True),
        (exceptions.ReadTimeoutError(endpoint_url="https://x"), True),
        (exceptions.ConnectionClosedError(endpoint_url="https://x"), True),
        (ResponseParserError("invalid XML"), True),
        (exceptions.EndpointConnectionError(endpoint_url="https://x"), False),
        (exceptions.ConnectTimeoutError(endpoint_url="https://x"), False),
        (answered("DBClusterNotFoundFault", "gone", 404), False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whether_it_was_done_is_said_where_it_is_not_known(error: Exception, unknown: bool) -> None:
    found = told(error)
    assert isinstance(found, RemoteError)
    assert found.data.get("unknown", False) is unknown


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (exceptions.NoCredentialsError(), "aws sso login"),
        (exceptions.UnauthorizedSSOTokenError(), "aws sso login"),
        (exceptions.TokenRetrievalError(provider="sso", error_msg="gone"), "aws sso login"),
        (exceptions.ProfileNotFound(profile="x"), "AWS_PROFILE=prod"),
        (exceptions.CredentialRetrievalError(provider="p", error_msg="m"), "AWS_PROFILE=prod"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="x"), "AWS_PROFILE=prod"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_credentials(error: Exception, mend: str) -> None:
    found = told(error)
    assert isinstance(found, SecurityError)
    assert mend in (found.hint or "")


def test_a_waiter_says_what_it_saw_last() -> None:
    gone = {"Error": {"Code": "DBClusterSnapshotNotFoundFault", "Message": "s is not there"}, "ResponseMetadata": {}}
    error = told(exceptions.WaiterError("snapshot_available", "failed", gone))
    assert "DBClusterSnapshotNotFoundFault" in error.message
    error = told(exceptions.WaiterError("snapshot_available", "Max attempts exceeded", {}))
    assert error.message == "prod: can not make snapshot s: Max attempts exceeded"


def test_errors_without_an_answer_know_their_call() -> None:
    error = exceptions.ReadTimeoutError(endpoint_url="https://x")
    note_call(error, "rds", "DescribeDBClusters")
    assert aws(told(error))["operation"] == "DescribeDBClusters"
    assert action_of(error) == "rds:DescribeDBClusters"
    assert code_of(error) == ""
    assert code_of(answered("SnapshotQuotaExceeded")) == "SnapshotQuotaExceeded"


@pytest.mark.parametrize(
    "error",
    [ValueError("ours"), LockHeld("held"), exceptions.ParamValidationError(report="a name that is none")],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_of_aws_passes(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, translated("x", environment="prod"):
        raise error
    assert caught.value is error


def test_a_long_message_is_cut() -> None:
    assert len(told(answered("X", "word " * 1000)).message) < 500
