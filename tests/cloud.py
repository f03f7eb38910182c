# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated AWS as tests of the product want it: clusters that take tokens, roles, settings. Fixture ``aws``."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from hgaurora.adapters.aws.session import Aws
from hgaurora.core.settings import Environment
from tests.emulator import Made, names
from tests.emulator.secured import Secured

#: the database user of every cluster here; it signs in by IAM and may do what a deploy needs
DEPLOYER = "deployer"
ENGINES = ("aurora-postgresql", "aurora-mysql")
EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_GRANTS = {
    "aurora-postgresql": ["GRANT ALL ON DATABASE shop TO {user}", "GRANT ALL ON SCHEMA public TO {user}"],
    "aurora-mysql": ["GRANT ALL ON shop.* TO {user}"],
}
#: everything that botocore reads from the environment and the home of whoever runs the tests
_FOREIGN = ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_SESSION_NAME")
_numbers = itertools.count(1)


class Cloud(Secured):
    """See the module. ``allowed`` is a role that may do everything."""

    def __init__(self) -> None:
        super().__init__()
        self._shops: dict[str, Made] = {}
        self._role = ""

    @property
    def allowed(self) -> str:
        """The ARN of a role that may do everything."""
        self._role = self._role or self.directory.role("hgaurora-deploy", EVERYTHING)
        return self._role

    def shop(self, engine: str = "aurora-postgresql") -> Made:
        """The module's cluster of an engine, with a database ``shop``; made at the first need."""
        if engine not in self._shops:
            self._shops[engine] = self.fresh(engine)
        return self._shops[engine]

    def fresh(self, engine: str = "aurora-postgresql", **more: Any) -> Made:
        """A new cluster. ``more`` goes to CreateDBCluster."""
        id = f"shop-{engine.removeprefix('aurora-')}-{next(_numbers)}"
        made = self.cluster(id, engine, **{"EnableIAMDatabaseAuthentication": True, **more})
        self.iam_user(id, DEPLOYER, _GRANTS[engine])
        return made

    def described(self, made: Made) -> dict[str, Any]:
        """What DescribeDBClusters says of a cluster."""
        found = self.client("rds").describe_db_clusters(DBClusterIdentifier=made.id)["DBClusters"]
        return dict(found[0])

    def environment(self, made: Made, **more: Any) -> Environment:
        """Settings for a cluster."""
        usual: dict[str, Any] = {
            "name": "prod",
            "cluster": made.id,
            "region": self.default_region,
            "account": self.account,
            "database": made.database,
            "user": DEPLOYER,
            "protected": True,
            "ca_bundle": str(self.authority.bundle),
        }
        return Environment(**{**usual, **more})

    def asked(self, settings: Environment, *, user: str = "Ana <ana@example.org>") -> Aws:
        """The adapter's side of it, by the credentials that the process's environment has."""
        return Aws(settings, environment=settings.name, user=user)

    def as_role(self, role: str | None = None, name: str = "ci") -> dict[str, str]:
        """Environment variables of a session of a role; by default of the one that may do everything."""
        return self.env_of(self.directory.session(role or self.allowed, name))

    def take(self, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
        """Let the process have these credentials, and none of its own."""
        for name in _FOREIGN:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)


def reachable() -> None:
    """Let this process, and what it starts, resolve the endpoints of every emulator. Once, for good."""
    if names._entered is None:
        names.enter(names.shared())


__all__ = ["DEPLOYER", "ENGINES", "EVERYTHING", "Cloud", "reachable"]
