# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where programs on AWS get their credentials from: a container's agent, an instance's metadata, IAM Identity Center.

Each helper gives the environment variables that lead a client there, and nowhere else.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from tests import canaries
from tests.emulator.calls import WSGI, Answer
from tests.emulator.iam import Directory

_CONTAINER, _TOKEN = "/emulator/container/", "/latest/api/token"
_METADATA = "/latest/meta-data/iam/security-credentials/"
_START = "https://hgaurora.awsapps.com/start"


class Vending:
    """A WSGI application before the others.

    :param directory: who makes sessions.
    :param url: where this is served.
    :ivar seconds: how long sessions last that are handed out.
    :ivar given: how many were.
    """

    def __init__(self, app: WSGI, directory: Directory, url: Callable[[], str]) -> None:
        self._app, self._directory, self._url = app, directory, url
        self.seconds: float = 3600
        self.given = 0
        self._containers: dict[str, tuple[str, str]] = {}
        self._instance = ""
        self._token = canaries.secret()
        self._sso: dict[str, str] = {}

    # -- for tests ---------------------------------------------------------------------------------------------------

    def container(self, role: str) -> dict[str, str]:
        """As an ECS task or an EKS pod of a role."""
        name, word = secrets.token_hex(8), canaries.secret()
        self._containers[name] = role, word
        uri = f"{self._url()}{_CONTAINER}{name}"
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": uri, "AWS_CONTAINER_AUTHORIZATION_TOKEN": word}

    def instance(self, role: str) -> dict[str, str]:
        """As an EC2 instance with a profile of a role."""
        self._instance = role
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self._url(), "AWS_EC2_METADATA_DISABLED": "false"}

    def web_identity(self, role: str, token: str, folder: Path, name: str = "job") -> dict[str, str]:
        """As a CI job with an OpenID token; the file is read anew at each refresh."""
        file = folder / "web-identity-token"
        file.write_text(token)
        return {"AWS_WEB_IDENTITY_TOKEN_FILE": str(file), "AWS_ROLE_ARN": role, "AWS_ROLE_SESSION_NAME": name}

    def sso(self, role: str, folder: Path, region: str = "eu-west-1", *, logged_in: bool = True) -> dict[str, str]:
        """As a person with an SSO profile; ``HOME`` is the folder.

        :param logged_in: there is a token, good for eight hours.
        """
        account, name = role.split(":")[4], role.rpartition("/")[2]
        aws = folder / ".aws"
        (aws / "sso" / "cache").mkdir(parents=True, exist_ok=True)
        (aws / "config").write_text(
            f"[profile sso]\nsso_session = hgaurora\nsso_account_id = {account}\nsso_role_name = {name}\n"
            f"region = {region}\n"
            f"[sso-session hgaurora]\nsso_start_url = {_START}\nsso_region = {region}\n"
        )
        if logged_in:
            token = canaries.secret()
            self._sso[token] = role
            ends = datetime.now(UTC) + timedelta(hours=8)
            text = json.dumps({"accessToken": token, "expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "startUrl": _START})
            (aws / "sso" / "cache" / f"{hashlib.sha1(b'hgaurora').hexdigest()}.json").write_text(text)
        files = {"AWS_CONFIG_FILE": str(aws / "config"), "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**files, "AWS_PROFILE": "sso", "HOME": str(folder)}

    # -- requests ----------------------------------------------------------------------------------------------------

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """What is none of ours goes on."""
        answer = self._answer(environ)
        return self._app(environ, start_response) if answer is None else answer.send(environ, start_response)

    def _answer(self, environ: dict[str, Any]) -> Answer | None:
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(_CONTAINER):
            role, word = self._containers.get(path.removeprefix(_CONTAINER), ("", ""))
            if not role or environ.get("HTTP_AUTHORIZATION") != word:
                return Answer(403, b"{}")
            return self._json(self._session(role, "container"))
        if path == _TOKEN:
            return Answer(200, self._token.encode())
        if path.startswith(_METADATA):
            if environ.get("HTTP_X_AWS_EC2_METADATA_TOKEN") != self._token:
                return Answer(401)
            name = self._instance.rpartition("/")[2]
            if not name:
                return Answer(404)
            if path == _METADATA:
                return Answer(200, name.encode())
            return self._json({"Code": "Success", "Type": "AWS-HMAC", **self._session(self._instance, "i-0123456789")})
        if path == "/federation/credentials":
            asked = parse_qs(environ.get("QUERY_STRING", ""))
            role = self._sso.get(environ.get("HTTP_X_AMZ_SSO_BEARER_TOKEN", ""), "")
            if not role:
                return self._json({"message": "Session token not found or invalid"}, 401, "UnauthorizedException")
            if (role.split(":")[4], role.rpartition("/")[2]) != (asked["account_id"][0], asked["role_name"][0]):
                return self._json({"message": "No access"}, 403, "ForbiddenException")
            made = self._session(role, "ann@example.com")
            ends = datetime.strptime(made["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            given = {"accessKeyId": made["AccessKeyId"], "secretAccessKey": made["SecretAccessKey"]}
            given |= {"sessionToken": made["Token"]}
            return self._json({"roleCredentials": {**given, "expiration": int(ends.timestamp() * 1000)}})
        return None

    def _session(self, role: str, name: str) -> dict[str, str]:
        self.given += 1
        keys = self._directory.session(role, name, self.seconds)
        ends = datetime.now(UTC) + timedelta(seconds=self.seconds)
        return {
            "RoleArn": role,
            "AccessKeyId": keys["aws_access_key_id"],
            "SecretAccessKey": keys["aws_secret_access_key"],
            "Token": keys["aws_session_token"],
            "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }

    def _json(self, value: object, status: int = 200, code: str = "") -> Answer:
        headers = [("Content-Type", "application/json"), *([("x-amzn-ErrorType", code)] if code else [])]
        return Answer(status, json.dumps(value).encode(), tuple(headers))
