# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One environment's AWS: credentials, clients, and who they are.

Credentials come from botocore's own chain (environment, profiles with roles, web identity, SSO, container, instance);
``role-arn`` is assumed on top of it. What renews itself there renews itself here: a deploy may outlast an hour.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from ...core.settings import Environment
from .answers import watch
from .errors import note_call, prefix, translated

CONNECT_TIMEOUT = 5.0  # seconds
READ_TIMEOUT = 30.0  # seconds; RDS takes some for what it begins
ATTEMPTS = 5  # the first included; botocore's standard mode, with its back-off

#: where a key that is written down was found; a session's key that is kept there can not be renewed either
_FILES = frozenset({"shared-credentials-file", "config-file", "explicit", "boto-config", "ec2-credentials-file"})


@dataclass(frozen=True)
class Caller:
    """Who AWS says the credentials are.

    :ivar kind: role | user | root | federated.
    :ivar static: a long-term key is at the bottom of it, or a key that is written down in a file.
    :ivar expires: when the credentials end; None: never, or it can not be told (a session's key in the environment).
    :ivar source: where botocore found them, in its words, such as ``assume-role-with-web-identity``.
    """

    arn: str
    account: str
    user_id: str
    kind: str
    static: bool
    expires: datetime | None
    source: str = ""

    @property
    def name(self) -> str:
        """In words, such as ``role Developer, session mia``."""
        _, _, path = self.arn.rpartition(":")
        if self.kind == "role":
            parts = path.split("/")
            return f"role {parts[1]}, session {parts[-1]}"
        if self.kind == "root":
            return "the account's root user"
        if self.kind == "federated":
            return f"federated user {path.partition('/')[2]}"
        return f"user {path.rpartition('/')[2]}"


class Aws:
    """One environment's AWS; clients are made once and are safe for threads.

    :param settings: of the environment.
    :param environment: its name, for messages.
    :param user: who asks, as hg says it; in the name of the session, for CloudTrail.
    :param timeouts: seconds to connect and to read.
    """

    def __init__(
        self,
        settings: Environment,
        *,
        environment: str,
        user: str,
        timeouts: tuple[float, float] = (CONNECT_TIMEOUT, READ_TIMEOUT),
    ) -> None:
        self.settings = settings
        self.environment = environment
        self.user = user
        self._timeouts = timeouts
        self._lock = threading.RLock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._session: Any = None
        self._caller: Caller | None = None

    @property
    def region(self) -> str:
        """The environment's region."""
        return self.settings.region or ""

    @property
    def account(self) -> str:
        """The account that the credentials are for: see :meth:`caller`."""
        return self.caller().account

    def client(self, service: str, region: str | None = None) -> Any:
        """A botocore client, such as of ``rds``, ``logs``, ``secretsmanager``, ``cloudwatch``.

        Its exceptions know their call, for :func:`.errors.translated`.

        :param region: another one than the environment's.
        """
        key = (service, region or self.region)
        with self._lock:
            if key not in self._clients:
                with translated(f"use AWS {service}", environment=self.environment):
                    self._clients[key] = self._made(self._credentialed(), *key)
            return self._clients[key]

    def caller(self) -> Caller:
        """Who the credentials are; AWS is asked once.

        :raises SecurityError: there are no credentials, or AWS does not take them.
        """
        with self._lock:
            if self._caller is None:
                with translated("ask AWS who asks", environment=self.environment, state="nothing was done"):
                    said = self.client("sts").get_caller_identity()
                    self._caller = self._judged(said)
            return self._caller

    def _judged(self, said: Mapping[str, Any]) -> Caller:
        credentials = self._credentialed().get_credentials()
        frozen = credentials.get_frozen_credentials()
        arn = str(said["Arn"])
        method = str(credentials.method)
        return Caller(
            arn=arn,
            account=str(said["Account"]),
            user_id=str(said["UserId"]),
            kind=kind_of(arn),
            static=long_term(frozen.access_key, frozen.token) or method in _FILES or self._rests_on_static(),
            expires=getattr(credentials, "_expiry_time", None),
            source=method,
        )

    def _rests_on_static(self) -> bool:
        """Whether a role was assumed from a key that is written down: by ``role-arn``, or in a profile."""
        base = self._base()
        if self.settings.role_arn and not self._direct():
            found = base.get_credentials()
            frozen = found.get_frozen_credentials()
            if long_term(frozen.access_key, frozen.token) or found.method in _FILES:
                return True
            method = found.method
        else:
            method = self._credentialed().get_credentials().method
        return method == "assume-role" and profile_is_static(
            base.full_config.get("profiles", {}), base.get_config_variable("profile") or "default", os.environ
        )

    # -- making ------------------------------------------------------------------------------------------------------

    def _base(self) -> Any:
        """A session with botocore's chain."""
        with self._lock:
            if not hasattr(self, "_chain"):
                self._chain: Any = _watched()
            return self._chain

    def _credentialed(self) -> Any:
        """A session with the credentials that count."""
        with self._lock:
            if self._session is None:
                self._session = self._assumed() or self._base()
                if self._session.get_credentials() is None:
                    from botocore.exceptions import NoCredentialsError

                    raise NoCredentialsError()
            return self._session

    def _direct(self) -> str | None:
        """The role that an identity token is exchanged for, under a session name of ours; None: botocore's chain
        decides. A key in the environment goes before a token there, as it does in that chain."""
        token, named = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), os.environ.get("AWS_ROLE_ARN")
        if not token or os.environ.get("AWS_ACCESS_KEY_ID"):
            return None
        wanted = self.settings.role_arn
        if wanted:
            return wanted if named in (None, "", wanted) else None
        return None if os.environ.get("AWS_ROLE_SESSION_NAME") else named or None

    def _assumed(self) -> Any:
        """A session of a role that is assumed here; None where none is."""
        from botocore import credentials

        direct = self._direct()
        role = direct or self.settings.role_arn
        if not role:
            return None
        base = self._base()
        extra = {"RoleSessionName": session_name(self.user)}

        def creator(service: str, **given: Any) -> Any:
            config = given.pop("config", None)
            return self._made(base, service, self.region, config=config, **given)

        fetcher: Any
        if direct:
            path = os.environ["AWS_WEB_IDENTITY_TOKEN_FILE"]
            load = credentials.FileWebIdentityTokenLoader(path)
            fetcher = credentials.AssumeRoleWithWebIdentityCredentialFetcher(
                creator, lambda: self._token(load, path), role, extra_args=extra
            )
            method = "assume-role-with-web-identity"
        else:
            source = base.get_credentials()
            if source is None:
                return base  # says so in its own words
            if self.settings.external_id:
                extra["ExternalId"] = self.settings.external_id
            fetcher = credentials.AssumeRoleCredentialFetcher(creator, source, role, extra_args=extra)
            method = "assume-role"
        session = _watched()
        session._credentials = credentials.DeferredRefreshableCredentials(
            refresh_using=fetcher.fetch_credentials, method=method
        )
        return session

    def _token(self, load: Any, path: str) -> str:
        from botocore.exceptions import CredentialRetrievalError

        try:
            return str(load())
        except OSError as error:
            reason = f"the identity token {path} can not be read ({error.strerror})"
            raise CredentialRetrievalError(provider="web identity", error_msg=reason) from error

    def _made(self, session: Any, service: str, region: str, *, config: Any = None, **given: Any) -> Any:
        from botocore.config import Config

        connect, read = self._timeouts
        ours = Config(
            connect_timeout=connect,
            read_timeout=read,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
            user_agent_extra="hgaurora",
        )
        client = session.create_client(
            service, region_name=region or None, config=ours.merge(config) if config else ours, **given
        )
        name = prefix(client.meta.service_model.signing_name)

        def raised(exception: BaseException, event_name: str, **_: Any) -> None:
            note_call(exception, name, event_name.rpartition(".")[2])

        client.meta.events.register("after-call-error.*.*", raised)
        return client


def _watched() -> Any:
    """A botocore session that takes no answer which is not whole."""
    from botocore.session import Session

    session = Session()
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    watch(session)
    return session


@cache
def _loader(path: str | None) -> Any:
    """The descriptions of AWS's services, read once by all sessions of this process: to parse them takes most of the
    time in which a client is made."""
    from botocore.loaders import create_loader

    return create_loader(path)


def session_name(user: str) -> str:
    """A name for a session of a role that carries who asks: an address, or else a name; at most 64 characters."""
    address = re.search(r"<([^<>]+)>", user)
    plain = re.sub(r"[^\w+=,.@-]+", "-", address[1] if address else user, flags=re.ASCII).strip("-")
    return f"hgaurora-{plain or 'nobody'}"[:64]


def kind_of(arn: str) -> str:
    """role | user | root | federated, by a caller's ARN."""
    path = arn.rpartition(":")[2]
    for start, kind in (("assumed-role/", "role"), ("federated-user/", "federated"), ("user/", "user")):
        if path.startswith(start):
            return kind
    return "root" if path == "root" else "federated"


def long_term(access_key: str, token: str | None) -> bool:
    """Whether a key has the shape of one that never ends. Judged by shape, for what CI exchanged an identity token for
    comes as environment variables too."""
    return not token or not access_key.startswith("ASIA")


def profile_is_static(
    profiles: Mapping[str, Mapping[str, Any]],
    name: str,
    environ: Mapping[str, str],
    *,
    seen: frozenset[str] = frozenset(),
) -> bool:
    """Whether the chain of ``source_profile`` and ``credential_source`` of a profile ends at a key that is written
    down."""
    profile = profiles.get(name, {})
    if name in seen:
        return False  # botocore refuses a circle itself, but for a profile that is its own source: that has keys
    if "role_arn" in profile:
        source = profile.get("source_profile")
        if source == name:
            return "aws_access_key_id" in profile
        if source:
            return profile_is_static(profiles, source, environ, seen=seen | {name})
        return profile.get("credential_source") == "Environment" and long_term(
            environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SESSION_TOKEN")
        )
    return "aws_access_key_id" in profile
