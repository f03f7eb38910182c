# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From a cluster as AWS describes it to a connection: who may, where, how safely, with which password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...core.errors import ConfigError, StateError
from ...ports import Connection
from . import identity
from .bundle import bundle
from .errors import translated
from .secrets import Secret
from .session import Aws
from .tokens import Tokens

#: the engine of ours by AWS's name, and its usual port
ENGINES = {"aurora-postgresql": ("postgresql", 5432), "aurora-mysql": ("mysql", 3306)}

_UNSENT = "nothing was sent to the database"


def connection(aws: Aws, cluster: Mapping[str, Any], *, host: str | None = None) -> Connection:
    """How to reach a cluster's writer. Account, region and credentials are checked here, so before anything is sent.

    TLS is verified to the certificate's name, by either driver. The password is an IAM token, or that of ``secret``.

    :param cluster: an item of DescribeDBClusters.
    :param host: another endpoint of it than the writer's.
    :raises SecurityError: wrong account, or credentials that are not admitted.
    :raises ConfigError: there is no CA bundle, no user, or it is no Aurora.
    :raises StateError: it has no endpoint yet, or IAM authentication is off.
    """
    settings, environment = aws.settings, aws.environment
    caller = identity.admitted(aws)
    identity.same_place(aws, cluster)
    name = str(cluster["DBClusterIdentifier"])
    if cluster.get("Engine") not in ENGINES:
        raise ConfigError(
            f"{environment}: {name} is {cluster.get('Engine')}, which is no Aurora",
            state=_UNSENT,
            hint="name an Aurora PostgreSQL or Aurora MySQL cluster; other databases go by url",
        )
    engine, usual = ENGINES[cluster["Engine"]]
    endpoint = str(host or cluster.get("Endpoint") or "").lower()
    if not endpoint:
        raise StateError(f"{environment}: cluster {name} has no endpoint yet", state=_UNSENT, hint="try again later")
    port, resource_id = int(cluster.get("Port") or usual), str(cluster["DbClusterResourceId"])
    certificates = bundle(settings.ca_bundle, environment=environment)
    login = _login(aws, cluster, endpoint, port)
    database = settings.database or ""
    parameters = {"host": endpoint, "port": str(port), "dbname": database, "user": login.user}
    if engine == "mysql":
        parameters |= {"ssl-mode": "verify-full", "ssl-ca": certificates}
    else:
        # without GSSAPI first: there is none, and it would be asked for before TLS
        parameters |= {"sslmode": "verify-full", "sslrootcert": certificates, "gssencmode": "disable"}
    return Connection(
        engine=engine,
        parameters=parameters,
        schema=database if engine == "mysql" else settings.schema,
        password=login.password,
        again=login.again,
        flaw=login.flaw,
        environment=environment,
        caller=caller.arn,
        resource_id=resource_id,
    )


def secret_of(aws: Aws, cluster: Mapping[str, Any]) -> Secret:
    """The secret that ``secret`` names, or the cluster's own.

    :raises ConfigError: the environment has none, or the cluster has none of its own.
    :raises SecurityError: wrong account, or credentials that are not admitted.
    """
    identity.admitted(aws)
    identity.same_place(aws, cluster)
    named, name = aws.settings.secret, str(cluster["DBClusterIdentifier"])
    if named is None:
        raise ConfigError(
            f"{aws.environment} has no secret: its user {aws.settings.user or ''} signs in by IAM",
            state="nothing was done",
            hint=f'set secret = "managed", or the name of a secret, for {aws.environment}',
        )
    if named != "managed":
        return Secret(aws, named, user=aws.settings.user)
    master = cluster.get("MasterUserSecret") or {}
    if not master.get("SecretArn"):
        raise ConfigError(
            f"{aws.environment}: AWS does not manage the master password of {name}",
            state=_UNSENT,
            hint=f"aws rds modify-db-cluster --db-cluster-identifier {name} --manage-master-user-password, "
            "or name a secret of your own",
        )
    user = aws.settings.user
    if user not in (None, cluster.get("MasterUsername")):
        raise ConfigError(
            f"{aws.environment}: the managed secret is that of {cluster.get('MasterUsername')}, user says {user}",
            state=_UNSENT,
            hint="leave user out, or name a secret of that user",
        )
    return Secret(aws, str(master["SecretArn"]), user=user, managed=lambda: managed_status(aws, name) == "rotating")


def managed_status(aws: Aws, name: str) -> str:
    """The state of a cluster's own secret: creating, active, rotating, impaired; empty: it has none."""
    with translated(f"describe cluster {name}", environment=aws.environment):
        found = aws.client("rds").describe_db_clusters(DBClusterIdentifier=name)["DBClusters"]
    return str((found[0].get("MasterUserSecret") or {}).get("SecretStatus", ""))


def _login(aws: Aws, cluster: Mapping[str, Any], host: str, port: int) -> Secret | Tokens:
    settings, environment = aws.settings, aws.environment
    if settings.secret:
        return secret_of(aws, cluster)
    name = str(cluster["DBClusterIdentifier"])
    if not settings.user:
        raise ConfigError(
            f"{environment} names no database user",
            state=_UNSENT,
            hint='add user = "...", one that signs in by IAM, or secret = "managed"',
        )
    if not cluster.get("IAMDatabaseAuthenticationEnabled"):
        raise StateError(
            f"{environment}: IAM authentication is off for cluster {name}",
            state=_UNSENT,
            hint=f"aws rds modify-db-cluster --db-cluster-identifier {name} --enable-iam-database-authentication "
            '--apply-immediately, or secret = "managed"',
        )
    return Tokens(aws, host=host, port=port, user=settings.user, resource_id=str(cluster["DbClusterResourceId"]))
