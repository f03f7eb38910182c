# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The master user's password: changed, or kept and rotated by RDS in Secrets Manager."""

from __future__ import annotations

import json
import re
import uuid

from moto.secretsmanager.models import secretsmanager_backends

from tests.canaries import secret

from .base import Calls
from .errors import Fault, invalid
from .secrets import RotationRuns
from .store import Cluster, Region


class MasterCalls(Calls):
    """What calls about clusters use."""

    @staticmethod
    def check_password(password: str | None) -> None:
        """:raises Fault: too short, or with characters that AWS refuses."""
        if password is not None and (len(password) < 8 or re.search(r"[/@\" ]|[^ -~]", password)):
            raise invalid(
                "The parameter MasterUserPassword is not a valid password: 8 or more printable characters, "
                "none of '/', '@', '\"', ' '"
            )

    def change_password(self, cluster: Cluster, password: str) -> None:
        """On the server, or at its next start; the cluster is resetting-master-credentials meanwhile."""
        before = cluster.status
        cluster.record["Status"] = "resetting-master-credentials"

        def work() -> None:
            with cluster.work:
                cluster.password, cluster.reset = password, not cluster.plane.running()
                if not cluster.reset:
                    cluster.plane.master(cluster.record["MasterUsername"], password)

        def done() -> None:
            cluster.record["Status"] = before

        self.emulator.states.start("password", cluster.id, work, done, done)

    def manage_secret(self, cluster: Cluster, here: Region) -> None:
        """A secret of RDS's in Secrets Manager, with a password that logs in."""
        if "MasterUserSecret" not in cluster.record:
            cluster.secret = f"rds!cluster-{uuid.uuid4()}"
            key = self.asked.get("MasterUserSecretKmsKeyId") or "alias/aws/secretsmanager"
            cluster.password = secret()
            made = secretsmanager_backends[here.account][here.name].create_managed_secret(
                "rds",
                cluster.secret,
                secret_string=_secret_text(cluster),
                description=f"The secret associated with the primary RDS DB cluster: {cluster.record['DBClusterArn']}",
                tags=[{"Key": "aws:rds:primaryDBClusterArn", "Value": cluster.record["DBClusterArn"]}],
                kms_key_id=key,
            )
            cluster.record["MasterUserSecret"] = {"SecretArn": made.arn, "SecretStatus": "creating", "KmsKeyId": key}
        self._secret_job(cluster)

    def rotate(self, cluster: Cluster, here: Region) -> None:
        """A new password on the server and, once it logs in there, in the secret."""
        try:
            self.emulator.rotate(cluster, here)
        except RotationRuns as err:
            text = f"DB cluster {cluster.id} has a rotation of its master password under way"
            raise Fault("InvalidDBClusterStateFault", text) from err

    def _secret_job(self, cluster: Cluster) -> None:
        def work() -> None:
            with cluster.work:
                cluster.reset = not cluster.plane.running()
                if not cluster.reset:
                    cluster.plane.master(cluster.record["MasterUsername"], cluster.password)

        def done() -> None:
            cluster.record["MasterUserSecret"]["SecretStatus"] = "active"

        def failed() -> None:
            cluster.record["MasterUserSecret"]["SecretStatus"] = "impaired"

        self.emulator.states.start("secret", cluster.id, work, done, failed)

    def drop_secret(self, cluster: Cluster, here: Region) -> None:
        """Give the managed secret up; without effect where there is none."""
        if cluster.record.pop("MasterUserSecret", None):
            secretsmanager_backends[here.account][here.name].secrets.pop(str(cluster.secret))


def _secret_text(cluster: Cluster) -> str:
    return json.dumps({"username": cluster.record["MasterUsername"], "password": cluster.password})
