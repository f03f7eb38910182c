# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of ``cluster = "..."`` share beside :mod:`.cloud`: a control plane that looks often, and settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hgaurora.adapters.aws.cluster import AuroraCluster, Pace
from hgaurora.adapters.aws.session import Aws
from hgaurora.app.compose import Adapters
from hgaurora.core.settings import Environment
from tests.cloud import DEPLOYER, Cloud
from tests.emulator import Made

#: quick looks, for states of the emulator last 20 ms
QUICK = Pace(first=0.01, longest=0.1, limit=30.0, patience=1.0)


def plane(cloud: Cloud, settings: Environment, *, pace: Pace = QUICK, kind: type = AuroraCluster) -> AuroraCluster:
    """A control plane by the credentials of the process's environment.

    Clients are shared by all of the module with the same settings: making one takes longer than most tests.
    """
    known: dict[str, Aws] = cloud.__dict__.setdefault("planes", {})
    key = repr((settings.name, settings.region, settings.role_arn))
    if key not in known:
        known[key] = cloud.asked(settings)
    made: AuroraCluster = kind(settings, known[key], pace=pace)
    return made


def client(cloud: Cloud, service: str = "rds") -> Any:
    """A boto3 client of root's, shared by the module."""
    known: dict[str, Any] = cloud.__dict__.setdefault("clients", {})
    if service not in known:
        known[service] = cloud.client(service)
    return known[service]


class Quick(Adapters):
    """The usual adapters, but for how often is looked at a snapshot."""

    def __init__(self, pace: Pace = QUICK) -> None:
        self.pace = pace

    def cluster(self, environment: str, settings: Environment, user: str) -> AuroraCluster:
        """The same with another pace."""
        made = super().cluster(environment, settings, user)
        return AuroraCluster(settings, made.aws, pace=self.pace)


def settings(
    cloud: Cloud, environments: Mapping[str, Made], extra: Mapping[str, str] | None = None, *, project: str = ""
) -> str:
    """The text of hgaurora.toml for environments on clusters; none is protected.

    :param extra: name to further lines.
    """
    text = f'[project]\nmigrations = "migrations"\n{project}\n'
    for name, made in environments.items():
        lines: dict[str, Any] = {
            "cluster": made.id,
            "region": cloud.default_region,
            "account": cloud.account,
            "database": made.database,
            "user": DEPLOYER,
            "ca-bundle": str(cloud.authority.bundle),
        }
        said = "\n".join(f'{key} = "{value}"' for key, value in lines.items())
        text += f"\n[environments.{name}]\n{said}\nprotected = false\n{(extra or {}).get(name, '')}\n"
    return text
