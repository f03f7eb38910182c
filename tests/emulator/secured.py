# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulator with everything before it: faults, IAM, limits of CloudWatch Logs, rotation, tokens and TLS.

::

    with Secured() as aws:
        prod = aws.cluster("shop-prod", EnableIAMDatabaseAuthentication=True)
        role = aws.directory.role("deploy", policy)
        keys = aws.directory.session(role)                        # boto3.client("rds", endpoint_url=aws.url, **keys)
        aws.faults.inject(throttle, "rds:Describe*", nth=2)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hgaurora.adapters.local import mysqld
from tests.emulator.alarms import Alarms
from tests.emulator.calls import WSGI
from tests.emulator.faults import Faults
from tests.emulator.iam import ACCOUNT, Directory, Iam
from tests.emulator.iamfront import DOOR
from tests.emulator.logs import Logs
from tests.emulator.secrets import Secrets
from tests.emulator.server import KEY, SECRET, Emulator
from tests.emulator.serving import session
from tests.emulator.stacks import Stacks
from tests.emulator.vending import Vending


class Secured(Emulator):
    """See the module.

    :ivar directory: IAM: users, roles, sessions, and the clock that ends them.
    :ivar faults: the outermost layer; its log numbers the calls.
    :ivar iam: signatures and policies; its ``issuers`` vouch for web identities.
    :ivar logs: CloudWatch Logs.
    :ivar vending: credentials as containers, instances and SSO users get them; for :meth:`env_bare`.
    :ivar stacks: CloudFormation; ``made`` is what there is.
    :ivar vault: Secrets Manager; its ``functions`` rotate one's own secrets.
    """

    faults: Faults
    iam: Iam
    logs: Logs
    vault: Secrets
    vending: Vending

    def __init__(self, *, mysql: mysqld.Programs | None = None) -> None:
        self.directory = Directory()
        self.directory.root(ACCOUNT, access_key=KEY, secret=SECRET)
        super().__init__(mysql=mysql, keys=self.directory)
        self.middleware = [self._layers]

    def _layers(self, app: WSGI) -> WSGI:
        self.stacks = Stacks(Alarms(app))
        self.vault = Secrets(self.stacks, self)
        self.logs = Logs(self.vault)
        self.iam = Iam(self.logs, self.directory)
        self.faults = Faults(self.iam, self.directory.arn)
        self.vending = Vending(self.faults, self.directory, lambda: self.url)
        return self.vending

    def skew(self, seconds: float) -> None:
        """AWS's clock is ahead of this machine's (below 0: behind): in ``Date``, and for signatures."""
        self.iam.skew = seconds
        self._server.skew = seconds  # type: ignore[union-attr]

    def as_(self, service: str, keys: dict[str, str], *, region: str | None = None, **more: Any) -> Any:
        """A boto3 client of somebody's keys, such as :meth:`Directory.session` gives."""
        return session(region or self.default_region, **keys).client(service, endpoint_url=self.url, **more)

    def env_of(self, keys: dict[str, str]) -> dict[str, str]:
        """:meth:`Emulator.env` with somebody's keys."""
        env = self.env(key=keys["aws_access_key_id"], secret=keys["aws_secret_access_key"])
        return {**env, **({"AWS_SESSION_TOKEN": t} if (t := keys.get("aws_session_token")) else {})}

    def env_bare(self, source: dict[str, str]) -> dict[str, str]:
        """:meth:`Emulator.env` without keys, with what a helper of :attr:`vending` gives."""
        env = {name: value for name, value in self.env().items() if not name.startswith("AWS_ACCESS_KEY")}
        env.pop("AWS_SECRET_ACCESS_KEY")
        return {**env, **source}

    def iam_user(self, cluster: str, name: str, grants: Sequence[str] = ()) -> None:
        """A database user of a cluster that shows tokens.

        :param grants: statements that are run as an administrator, with ``{user}`` for the user.
        """
        here = self.region(self.account, self.default_region).cluster(cluster)
        database = here.record["DatabaseName"]
        postgresql = here.record["Engine"] == "aurora-postgresql"
        user = name if postgresql else f"'{name}'@'{DOOR}'"
        made = f"CREATE USER {user} IN ROLE rds_iam" if postgresql else f"CREATE USER {user}"
        with here.plane.admin(database) as connection, connection.cursor() as cursor:
            for text in (made, *grants):
                cursor.execute(text.replace("{user}", user))
