# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who we are is checked before anything is sent to a database: the account, the kind of credentials, the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import SecurityError
from .session import Aws, Caller

_UNSENT = "nothing was sent to the database"


def admitted(aws: Aws) -> Caller:
    """Who we are, where that may act for the environment.

    :raises SecurityError: another account than the environment's; or, where it is protected, a long-term key, a user,
        the root user or a federated user.
    """
    caller, settings = aws.caller(), aws.settings
    if settings.account and caller.account != settings.account:
        raise _another_account(aws, settings.account, caller)
    if not settings.protected:
        return caller
    hint = f"take a role for {aws.environment}: CI by OpenID Connect, people by aws sso login; role-arn may name it"
    if caller.static:
        what = "a long-term access key is at the bottom of these credentials"
        if caller.source and caller.kind == "role":
            what += f" (found by {caller.source})"
        raise SecurityError(
            f"{aws.environment} is protected, and {what} ({caller.name})",
            state=_UNSENT,
            hint=hint,
            data=_data(caller),
        )
    if caller.kind != "role":
        raise SecurityError(
            f"{aws.environment} is protected, and these credentials are of no role ({caller.name})",
            state=_UNSENT,
            hint=hint,
            data=_data(caller),
        )
    return caller


def same_place(aws: Aws, cluster: Mapping[str, Any]) -> None:
    """Check that a cluster is in the environment's region and account, by its ARN.

    :param cluster: as DescribeDBClusters answers.
    :raises SecurityError: it is not.
    """
    caller = aws.caller()
    _, _, _, region, account, *_ = str(cluster["DBClusterArn"]).split(":")
    wanted = aws.settings.account or caller.account
    if account != wanted:
        raise _another_account(aws, account, caller)
    if region != aws.region:
        raise SecurityError(
            f"{aws.environment} is in {aws.region}, its cluster {cluster['DBClusterIdentifier']} in {region}",
            state=_UNSENT,
            hint=f"set region for {aws.environment}",
            data={"region": region},
        )


def _another_account(aws: Aws, account: str, caller: Caller) -> SecurityError:
    return SecurityError(
        f"{aws.environment} is in account {account}, these credentials are for {caller.account} ({caller.name})",
        state=_UNSENT,
        hint=f"take the role of {aws.environment}: AWS_PROFILE=... in front of the command, or role-arn for it",
        data=_data(caller) | {"account": account},
    )


def _data(caller: Caller) -> dict[str, object]:
    return {"caller": caller.arn, "caller_account": caller.account, "source": caller.source, "static": caller.static}
