# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""IAM database authentication: a token for each physical connection, signed here, kept nowhere.

A token is a presigned URL without its scheme (Aurora User Guide, "IAM database authentication"): host and port, the
user, the time, and for how long it is good. So what it says can be read, where a server did not take it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from ...core.errors import HgAuroraError
from .errors import translated
from .session import Aws

LIFE = timedelta(minutes=15)


class Tokens:
    """Passwords for one user at one endpoint; see :class:`~hgaurora.ports.Connection`.

    :param host: the endpoint's own name, lower case: a token is for that and for no alias of it.
    """

    def __init__(self, aws: Aws, *, host: str, port: int, user: str, resource_id: str) -> None:
        self._aws = aws
        self._place = f"{host}:{port}"
        self._host, self._port, self.user = host, port, user
        self._resource_id = resource_id

    def password(self) -> str:
        """A new token.

        :raises SecurityError: the credentials that sign it can not be had.
        """
        aws = self._aws
        with translated(f"sign in to the database as {self.user}", environment=aws.environment):
            return str(
                aws.client("rds").generate_db_auth_token(
                    DBHostname=self._host, Port=self._port, DBUsername=self.user, Region=aws.region
                )
            )

    def again(self, refused: str) -> str | None:
        """None: another token would be refused, too."""
        return None

    def flaw(self, token: str) -> tuple[str, str]:
        """Why a server may not have taken a token, and what to do. Where nothing is wrong with the token itself, AWS is
        asked whether the credentials behind it still stand."""
        read = reading(token, place=self._place, user=self.user, now=datetime.now(UTC))
        if read is not None:
            return read
        aws = self._aws
        try:
            with translated("ask AWS who asks", environment=aws.environment):
                aws.client("sts").get_caller_identity()
        except HgAuroraError as error:
            return f"the IAM token of {self.user}, whose credentials do not stand", f"{error.message}; {error.hint}"
        caller = aws.caller()
        partition = caller.arn.split(":")[1]
        resource = f"arn:{partition}:rds-db:{aws.region}:{caller.account}:dbuser:{self._resource_id}/{self.user}"
        return (
            f"the IAM token of {self.user}",
            f"{caller.name} needs rds-db:connect on {resource}; in the database the user needs GRANT rds_iam TO "
            f"\"{self.user}\" (PostgreSQL) or IDENTIFIED WITH AWSAuthenticationPlugin AS 'RDS' (MySQL)",
        )


def reading(token: str, *, place: str, user: str, now: datetime) -> tuple[str, str] | None:
    """What is wrong with a token by its own words, for a connection to ``place`` (host:port); None: nothing."""
    made_for, _, query = token.partition("/?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    if not query or "X-Amz-Signature" not in fields:
        return "a password that is no IAM token", 'set secret = "..." for a user with a password'
    if made_for != place:
        return (
            f"an IAM token for another host ({made_for})",
            "connect to the cluster's own endpoint: a token is not good for an alias or a tunnel",
        )
    if fields.get("DBUser") != user:
        return f"an IAM token for another user ({fields.get('DBUser')})", f"connect as that user, or sign for {user}"
    try:
        made = datetime.strptime(fields.get("X-Amz-Date", ""), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        ends = made + min(timedelta(seconds=int(fields.get("X-Amz-Expires", "0"))), LIFE)
    except ValueError:
        return "a token without a time", "run it again; a token is made for each connection"
    if now >= ends:
        return (
            f"an expired IAM token (it was good until {ends:%H:%M:%SZ})",
            "run it again; look at this machine's clock",
        )
    if made > now + timedelta(minutes=5):
        return f"an IAM token of the future ({made:%H:%M:%SZ})", "set this machine's clock"
    return None
