# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Secrets Manager where moto is not like it: rotation that changes the value, and the database's password with it.

A rotation has AWS's steps and stages: a new version is AWSPENDING, the database gets the password, and then the version
is AWSCURRENT and the one before it AWSPREVIOUS. In between, the password that AWSCURRENT names does not log in.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

from tests import canaries
from tests.emulator.calls import WSGI, Answer, Call, Layer

if TYPE_CHECKING:
    from tests.emulator.server import Emulator

_DAY = 86_400  # s
#: how often RDS rotates what it manages
_EVERY = 7
#: what nobody but the owning service may do
_OWNERS = {"PutSecretValue", "UpdateSecret", "DeleteSecret", "UpdateSecretVersionStage", "CancelRotateSecret"}


def pend(secret: FakeSecret, text: str, version: str | None = None) -> str:
    """A new version that is AWSPENDING; its id.

    :raises RotationRuns: another one is pending.
    """
    if pending(secret):
        raise RotationRuns
    version = version or str(uuid.uuid4())
    row = {"createdate": int(time.time()), "version_id": version, "version_stages": ["AWSPENDING"]}
    secret.versions[version] = {**row, "secret_string": text}
    return version


def promote(secret: FakeSecret, version: str) -> None:
    """A version becomes AWSCURRENT, and the one that was is AWSPREVIOUS."""
    for row in secret.versions.values():
        was_current = "AWSCURRENT" in row["version_stages"]
        row["version_stages"] = ["AWSPREVIOUS"] if was_current else []
    secret.versions[version]["version_stages"] = ["AWSCURRENT"]
    # AWS forgets what has no stage, by and by
    for id in [id for id, row in secret.versions.items() if not row["version_stages"]]:
        del secret.versions[id]
    secret.set_default_version_id(version)
    secret.secret_string = secret.versions[version]["secret_string"]
    secret.last_changed_date = secret.last_rotation_date = int(time.time())


def pending(secret: FakeSecret) -> bool:
    """A version is AWSPENDING and not AWSCURRENT."""
    stages = [row["version_stages"] for row in secret.versions.values()]
    return any("AWSPENDING" in labels and "AWSCURRENT" not in labels for labels in stages)


class RotationRuns(Exception):
    """A version is pending already."""


@dataclass
class Rotation:
    """What a Lambda does for a secret of one's own.

    :ivar apply: sets the password (``username``, ``password``) on the database.
    :ivar alternate: by turns for a user and its ``_clone``, so that the previous one goes on to log in.
    """

    apply: Callable[[dict[str, Any]], None]
    alternate: bool = False

    def next(self, value: dict[str, Any]) -> dict[str, Any]:
        """The value after this one."""
        name = str(value["username"])
        if self.alternate:
            name = name.removesuffix("_clone") if name.endswith("_clone") else f"{name}_clone"
        return {**value, "username": name, "password": canaries.secret()}


class Secrets(Layer):
    """Before moto's Secrets Manager.

    :param emulator: whose clusters have managed secrets; without it there are none.
    :ivar functions: Lambdas, by ARN.
    """

    def __init__(self, app: WSGI, emulator: Emulator | None = None) -> None:
        super().__init__(app)
        self._emulator = emulator
        self.functions: dict[str, Rotation] = {}

    def handle(self, call: Call) -> Answer:
        """Rotation, and what managed secrets do not take; all else is moto's."""
        if call.service != "secretsmanager":
            return call.forward(self.app)
        found = secretsmanager_backends[call.account][call.region].secrets.get(str(call.params.get("SecretId") or ""))
        secret = found if isinstance(found, FakeSecret) else None
        managed = secret is not None and secret.owning_service == "rds"
        if managed and call.operation in _OWNERS:
            text = "You can't modify this secret because it is managed by rds."
            return call.error("InvalidRequestException", text)
        if secret is not None and call.operation == "RotateSecret":
            if secret.is_deleted():
                text = "You tried to perform the operation on a secret that's currently marked deleted."
                return call.error("InvalidRequestException", text)
            try:
                return self._managed(call, secret) if managed else self._own(call, secret)
            except RotationRuns:
                text = "A previous rotation isn't complete. That rotation will be reattempted."
                return call.error("InvalidRequestException", text)
        answer = call.forward(self.app)
        if secret is not None and managed and call.operation == "DescribeSecret" and answer.status == 200:
            since = secret.last_rotation_date or secret.created_date or 0
            told: dict[str, Any] = {"RotationEnabled": True, "RotationRules": {"AutomaticallyAfterDays": _EVERY}}
            told |= {"NextRotationDate": since + _EVERY * _DAY, "OwningService": "rds"}
            if secret.last_rotation_date:
                told["LastRotatedDate"] = secret.last_rotation_date
            kept = {key: value for key, value in answer.json().items() if key != "RotationLambdaARN"}
            return call.result({**kept, **told})
        return answer

    def _managed(self, call: Call, secret: FakeSecret) -> Answer:
        assert self._emulator is not None
        with self._emulator.lock:
            here = self._emulator.region(call.account, call.region)
            cluster = next(one for one in here.clusters.values() if one.secret == secret.name)
            self._emulator.rotate(cluster, here)
        version = next(id for id, row in secret.versions.items() if "AWSPENDING" in row["version_stages"])
        return call.result({"ARN": secret.arn, "Name": secret.name, "VersionId": version})

    def _own(self, call: Call, secret: FakeSecret) -> Answer:
        arn = str(call.params.get("RotationLambdaARN") or secret.rotation_lambda_arn or "")
        if not arn:
            text = "No Lambda rotation function ARN is associated with this secret."
            return call.error("InvalidRequestException", text)
        if arn not in self.functions:
            text = (
                "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants "
            )
            return call.error("AccessDenied", text + "access to the principal secretsmanager.amazonaws.com.")
        function = self.functions[arn]
        current = next(row for row in secret.versions.values() if "AWSCURRENT" in row["version_stages"])
        value = function.next(json.loads(current["secret_string"]))
        version = pend(secret, json.dumps(value), call.params.get("ClientRequestToken"))
        secret.rotation_requested = secret.rotation_enabled = True
        secret.rotation_lambda_arn = arn
        days = int(call.params.get("RotationRules", {}).get("AutomaticallyAfterDays") or secret.auto_rotate_after_days)
        if days:
            secret.auto_rotate_after_days = days
            secret.next_rotation_date = int(time.time()) + days * _DAY

        def work() -> None:
            function.apply(value)

        def done() -> None:
            promote(secret, version)

        def failed() -> None:
            """It stays pending, as after a Lambda that broke."""

        if self._emulator is None:
            work()
            done()
        else:
            self._emulator.states.start("secret", secret.name, work, done, failed)
        return call.result({"ARN": secret.arn, "Name": secret.name, "VersionId": version})
