# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What is known of a cluster before a deploy: values that the rules of :mod:`.policy` judge. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Member:
    """One instance of a cluster."""

    id: str
    writer: bool
    #: its status in AWS's words; None: the cluster names it, and it is not there
    status: str | None
    #: what waits for a restart or the maintenance window: AWS's names of the settings
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One CloudWatch alarm."""

    name: str
    #: OK, ALARM or INSUFFICIENT_DATA
    state: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class BlueGreen:
    """A blue/green deployment that a cluster is a side of."""

    id: str
    name: str
    status: str


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How many there may be, and are."""

    used: int
    most: int


#: states in which a cluster takes statements and snapshots; a snapshot is waited for by the run that needs the next one
SERVING = ("available", "backing-up")


def mend(cluster: str, status: str, *, again: str = "deploy") -> str:
    """What brings a cluster back to serve, or how to wait until it does.

    :param status: as AWS says it, and none of :data:`SERVING`.
    :param again: what to do then.
    """
    named = f"--db-cluster-identifier {cluster}"
    if status == "stopped":
        return f"aws rds start-db-cluster {named}; {again} again when it is available"
    if status.startswith("inaccessible-encryption-credentials"):
        return "give RDS its KMS key back: enable the key, or mend its policy"
    return f"{again} again when it is available: aws rds wait db-cluster-available {named}"


def unanswering(cluster: str, status: str) -> tuple[str, str]:
    """Why an endpoint may not answer, by the state of its cluster, and what to do.

    :param status: as AWS says it; empty: it is not known.
    """
    if not status:
        return f"the state of {cluster} is not known", "see that the cluster is available, then try again"
    if status in SERVING:
        hint = f"see that this machine reaches the network of {cluster}: security groups, subnets, name resolution"
        return f"{cluster} is {status}", hint
    return f"{cluster} is {status}", mend(cluster, status, again="the same command")


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """One cluster, as AWS describes it now.

    ``alarms`` are those found of the ones asked for; ``lag`` is the newest figure of each reader in seconds (the
    cluster's own under its name), None where nobody asked. ``quota`` is that of manual cluster snapshots; None: nobody
    asked, or AWS did not say.
    """

    cluster: str
    status: str
    members: tuple[Member, ...] = ()
    pending: tuple[str, ...] = ()
    blue_green: tuple[BlueGreen, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    lag: Mapping[str, float] | None = None
    quota: Quota | None = None
    data: Mapping[str, object] = field(default_factory=dict)

    @property
    def writer(self) -> Member | None:
        """The instance that takes writes."""
        return next((one for one in self.members if one.writer), None)

    @property
    def readers(self) -> tuple[Member, ...]:
        """The others."""
        return tuple(one for one in self.members if not one.writer)
