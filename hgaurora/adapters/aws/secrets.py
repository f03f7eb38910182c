# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A user and its password from Secrets Manager, read for each physical connection and kept nowhere.

The secret may be rotated while a deploy runs: what is open stays open, and a connection whose password was changed
between the reading and the connecting asks once more.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ...core.errors import ConfigError, RemoteError
from ...ports import Connection
from .errors import code_of, translated
from .session import Aws

#: seconds to wait for a rotation that is under way to show the new password, and between two looks
PATIENCE = 20.0
LOOK = 0.25


@dataclass(frozen=True)
class Login:
    """What a version of a secret says. ``user`` is empty where it names none."""

    user: str
    password: str = field(repr=False)
    version: str


class Secret:
    """Passwords of one user; see :class:`~hgaurora.ports.Connection`.

    :param name: of the secret, or its ARN.
    :param user: whose password; None: the one that the secret names now. It stays the same for as long as this object
        lives: of two users that are rotated by turns the other one's objects would not be ours.
    :param managed: tells whether a rotation that AWS does itself is under way.
    """

    def __init__(
        self, aws: Aws, name: str, *, user: str | None = None, managed: Callable[[], bool] = lambda: False
    ) -> None:
        self._aws = aws
        self.name = name
        self._managed = managed
        self.user = user or self.current().user
        if not self.user:
            raise ConfigError(
                f"{aws.environment}: the secret {name} names no user",
                state="nothing was sent to the database",
                hint=f'add "username" to it, or user = "..." to {aws.environment}',
            )

    def current(self) -> Login:
        """The version that is AWSCURRENT.

        :raises RemoteError: it can not be read.
        """
        found = self.version("AWSCURRENT")
        if found is None:
            raise RemoteError(
                f"{self._aws.environment}: there is no secret {self.name}, or no version of it is current",
                state="nothing was sent to the database",
                hint="secret names a secret in Secrets Manager, in this account and region (its value stands nowhere)",
            )
        return found

    def version(self, stage: str) -> Login | None:
        """A version by its stage; None: it has none."""
        with translated(f"read the secret {self.name}", environment=self._aws.environment):
            try:
                said = self._aws.client("secretsmanager").get_secret_value(SecretId=self.name, VersionStage=stage)
            except Exception as error:
                if code_of(error) == "ResourceNotFoundException":
                    return None
                raise
        return read(said, self.name, environment=self._aws.environment)

    def pending(self) -> bool:
        """Whether a rotation is under way."""
        with translated(f"look at the secret {self.name}", environment=self._aws.environment):
            said = self._aws.client("secretsmanager").describe_secret(SecretId=self.name)
        stages = said.get("VersionIdsToStages", {}).values()
        return any("AWSPENDING" in one and "AWSCURRENT" not in one for one in stages)

    def rotate(self) -> None:
        """Begin a rotation, by whatever rotates this secret: RDS, or a function of the account's own.

        :raises RemoteError: nothing rotates it, or a rotation is under way.
        """
        with translated(f"rotate the secret {self.name}", environment=self._aws.environment, state="nothing was done"):
            self._aws.client("secretsmanager").rotate_secret(SecretId=self.name)

    def rotated(self, before: str, *, wait: float) -> Iterator[Login | None]:
        """Look until another version than ``before`` is current: None for each look in vain, then the new one.

        :param before: id of the version that was current.
        :param wait: seconds.
        :raises RemoteError: it took longer.
        """
        deadline = time.monotonic() + wait
        while True:
            found = self.current()
            if found.version != before and not self.pending():
                yield found
                return
            if time.monotonic() > deadline:
                raise RemoteError(
                    f"the secret {self.name} was not rotated within {wait:g}s",
                    state="AWS may still be at it; the password that is current counts until then",
                    hint="look at the secret's rotation in AWS, then run it again",
                )
            yield None
            time.sleep(LOOK)  # between two looks: Secrets Manager has no way to wait

    def session(self, connection: Connection, login: Login) -> Connection:
        """A connection as one version of the secret says, and by no other: for the proof that it logs in."""
        return replace(
            connection,
            parameters={**connection.parameters, "user": login.user or self.user},
            password=lambda: login.password,
            again=lambda refused: None,
            flaw=self.flaw,
        )

    def password(self) -> str:
        """The user's password now."""
        found = self.current()
        if found.user not in ("", self.user):
            # two users by turns: the one before is still good
            before = self.version("AWSPREVIOUS")
            if before is None or before.user != self.user:
                raise ConfigError(
                    f"{self._aws.environment}: the secret {self.name} is now that of {found.user}, not of {self.user}",
                    state="nothing was changed",
                    hint="run it again; if migrations run as users by turns, let both SET ROLE to one owner",
                )
            found = before
        return found.password

    def again(self, refused: str) -> str | None:
        """Another password than the one that was refused: the current one, if it is another by now, or what it becomes
        (AWSPENDING) or was (AWSPREVIOUS). None: there is none, so that nobody is locked out by trying."""
        deadline = time.monotonic() + PATIENCE
        while True:
            for stage in ("AWSCURRENT", "AWSPENDING"):
                if (found := self._other(stage, refused)) is not None:
                    return found
            if not self._managed() or time.monotonic() > deadline:
                return self._other("AWSPREVIOUS", refused)
            time.sleep(LOOK)  # between two looks: Secrets Manager has no way to wait

    def _other(self, stage: str, refused: str) -> str | None:
        found = self.version(stage)
        return found.password if found and found.user in ("", self.user) and found.password != refused else None

    def flaw(self, refused: str) -> tuple[str, str]:
        """Why a server may not have taken the password, and what to do."""
        return (
            f"the password of {self.user} in the secret {self.name}",
            "put into it what the database has; or, where a rotation is set up, "
            f"hgaurora secret rotate {self._aws.environment} sets a new one in both",
        )


def read(said: Mapping[str, Any], name: str, *, environment: str) -> Login:
    """What GetSecretValue says: JSON with ``username`` and ``password``, or the password alone.

    :raises ConfigError: it holds no password. What it holds is not repeated.
    """
    text = said.get("SecretString")
    if text is None:
        text = bytes(said.get("SecretBinary", b"")).decode("utf-8", "replace")
    try:
        value = json.loads(text)
    except ValueError:
        value = text.strip()
    user, password = "", value
    if isinstance(value, dict):
        user, password = value.get("username", ""), value.get("password")
    if not isinstance(password, str) or not password or not isinstance(user, str):
        raise ConfigError(
            f"{environment}: the secret {name} holds no password",
            state="nothing was sent to the database",
            hint='it is JSON with "username" and "password", as RDS makes it',
        )
    return Login(user, password, str(said.get("VersionId", "")))
