# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``doctor`` knows of an environment before it judges. What could not be asked is :class:`Unknown`, never a value.

Rows of AWS are kept as boto3 gives them, under AWS's names: a rule reads the field that the documentation names. A
field that AWS left out is unknown too, for it leaves out much that is set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from ..settings.model import Environment

T = TypeVar("T")
#: one row of a Describe call
Row = Mapping[str, object]


@dataclass(frozen=True)
class Unknown:
    """Not known, and why: ``kms:DescribeKey is not allowed``, ``AWS does not say``.

    :ivar action: the IAM action that is missing, where it is that.
    """

    why: str
    action: str | None = None


@dataclass(frozen=True)
class Refused(Unknown):
    """It was asked, and that it could not be answered is itself wrong.

    :ivar hint: what to do.
    """

    hint: str | None = None


NOT_ASKED = Unknown("not asked")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who asks AWS.

    :ivar kind: role, user, root or federated.
    :ivar static: the credentials do not expire.
    """

    arn: str
    account: str
    kind: str
    static: bool
    expires: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Server:
    """What the database says of itself.

    :ivar product: PostgreSQL, MySQL or MariaDB.
    :ivar encrypted: this connection speaks TLS; None: the server does not say.
    :ivar ledger: it has one.
    :ivar damage: what is wrong with the ledger, a line each.
    :ivar undelivered: events that the journal does not have yet.
    """

    product: str
    version: str
    user: str
    read_only: bool
    encrypted: bool | None = None
    ledger: bool = False
    damage: Sequence[str] | Unknown = ()
    undelivered: int = 0


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that rules may look at. Facts about a cluster are not asked of other environments.

    :ivar server: None: a local one that is made by the first deploy.
    :ivar trusted: the settings come from where a pushed changeset can not change them.
    :ivar cluster: DescribeDBClusters; Refused: there is no such cluster; ``instances`` are those of its members.
    :ivar parameters: of the cluster's parameter group, by name; None: the engine's own default.
    :ivar maintenance: DescribePendingMaintenanceActions, of cluster and members.
    :ivar key: kms DescribeKey of the storage's key; None: there is none.
    :ivar secret: DescribeSecret of what the settings name; None: they name none.
    :ivar alarms: those that the settings name (``wanted_alarms``), or, where they name none, those about this cluster.
    :ivar snapshots: manual cluster snapshots of the account and region: used, allowed.
    :ivar group: DescribeLogGroups of the settings' log group; None: there is none of that name.
    :ivar permissions: what the command ``deploy`` needs, by action, and whether it is allowed.
    :ivar skew: seconds that this machine's clock is ahead of AWS's.
    """

    settings: Environment
    now: datetime
    trusted: bool = True
    server: Server | Unknown | None = NOT_ASKED
    identity: Identity | Unknown = NOT_ASKED
    cluster: Row | Unknown = NOT_ASKED
    instances: Sequence[Row] | Unknown = NOT_ASKED
    parameters: Mapping[str, str | None] | Unknown = NOT_ASKED
    maintenance: Sequence[Row] | Unknown = NOT_ASKED
    key: Row | Unknown | None = NOT_ASKED
    secret: Row | Unknown | None = NOT_ASKED
    alarms: Sequence[Row] | Unknown = NOT_ASKED
    wanted_alarms: Sequence[str] = ()
    snapshots: tuple[int, int] | Unknown = NOT_ASKED
    group: Row | Unknown | None = NOT_ASKED
    permissions: Mapping[str, bool] | Unknown = NOT_ASKED
    skew: float | Unknown = NOT_ASKED
    #: what the tool that made the cluster is called, such as terraform; None: not known
    made_by: str | None = field(default=None)

    @property
    def protected(self) -> bool:
        """What is wrong here is graver."""
        return self.settings.protected

    @property
    def mysql(self) -> bool:
        """The engine is MySQL's kind."""
        if isinstance(self.cluster, Unknown):
            return self.settings.engine == "mysql"
        return "mysql" in str(self.cluster.get("Engine", self.settings.engine))


class Missing(Exception):
    """A rule needs what is unknown."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.why)
        self.unknown = unknown


def known(fact: T | Unknown) -> T:
    """A fact.

    :raises Missing: it is unknown.
    """
    if isinstance(fact, Unknown):
        raise Missing(fact)
    return fact


def flag(row: Row | Unknown, name: str) -> bool:
    """A boolean of a row.

    :raises Missing: the row is unknown, or does not say.
    """
    value = known(row).get(name)
    if not isinstance(value, bool):
        raise Missing(Unknown(f"AWS does not say {name}"))
    return value


def number(row: Row | Unknown, name: str) -> float:
    """A number of a row.

    :raises Missing: the row is unknown, or does not say.
    """
    value = known(row).get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Missing(Unknown(f"AWS does not say {name}"))
    return value


def word(row: Row | Unknown, name: str) -> str:
    """A text of a row.

    :raises Missing: the row is unknown, or does not say.
    """
    value = known(row).get(name)
    if not isinstance(value, str):
        raise Missing(Unknown(f"AWS does not say {name}"))
    return value


def time(row: Row | Unknown, name: str) -> datetime:
    """A time of a row, aware.

    :raises Missing: the row is unknown, or does not say.
    """
    value = known(row).get(name)
    if not isinstance(value, datetime):
        raise Missing(Unknown(f"AWS does not say {name}"))
    return value


def rows(row: Row | Unknown, name: str) -> list[Row]:
    """Rows inside a row; none where it has none."""
    value = known(row).get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def words(row: Row | Unknown, name: str) -> list[str]:
    """Texts inside a row; none where it has none."""
    value = known(row).get(name)
    return [str(one) for one in value] if isinstance(value, list) else []
