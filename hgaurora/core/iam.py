# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What each command may do in AWS, as data; least-privilege policies and a check of ``doctor`` are made from it.

A :class:`Grant` is some actions on some resources. :data:`COMMANDS` says which grants a command has; :func:`policy`
writes them for one environment. Actions, and the resources they are asked on: AWS's Service Authorization Reference.
``sts:GetCallerIdentity`` needs no permission, and is in no policy.

In ARNs ``{cluster}`` and the like stand for what the settings say; what they do not say is ``*``. A database user is
allowed on every cluster of the account: a restored cluster has another resource id, and the way back must not need a
new policy in the middle of an incident.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .settings.model import Environment

#: the tag that says whose a snapshot is
OWNER = "hgaurora"
#: characters of a cluster's name that are always whole in the names of its snapshots
_WHOLE = 30


@dataclass(frozen=True)
class Grant:
    """Actions on resources.

    :ivar actions: such as ``rds:DescribeDBClusters``.
    :ivar resources: ARNs with places for what the settings say; ``*`` where AWS knows no resource for the action.
    :ivar condition: an IAM ``Condition`` block, with the same places.
    :ivar when: a field of the settings that must be set for it; with ``!`` in front, one that must not.
    :ivar seldom: what has to be so before the calls are made, where the settings can not tell.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    when: str = ""
    seldom: str = ""

    def applies(self, settings: Environment) -> bool:
        """Whether an environment needs it."""
        if not self.when:
            return True
        return bool(getattr(settings, self.when.removeprefix("!"))) != self.when.startswith("!")


_RDS = "arn:{partition}:rds:{region}:{account}"
_THERE = "arn:{partition}:rds:{copy-region}:{account}"
_CLUSTER = f"{_RDS}:cluster:{{cluster}}"
_SNAPSHOTS = f"{_RDS}:cluster-snapshot:hgaurora-{{snapshots}}*"
_SECRET = "arn:{partition}:secretsmanager:{region}:{account}:secret:{secret}"
_LOGS = "arn:{partition}:logs:{region}:{account}:log-group:{group}"

#: name to grant; the name is the statement's Sid
GRANTS: Mapping[str, Grant] = {
    "Cluster": Grant(("rds:DescribeDBClusters",), (_CLUSTER,)),
    "Members": Grant(("rds:DescribeDBInstances",), (f"{_RDS}:db:*",)),
    "Global": Grant(
        ("rds:DescribeGlobalClusters",),
        ("arn:{partition}:rds::{account}:global-cluster:*",),
        seldom="the cluster is a member of a global database",
    ),
    "Token": Grant(("rds-db:connect",), ("arn:{partition}:rds-db:{region}:{account}:dbuser:*/{user}",), when="!secret"),
    "Secret": Grant(("secretsmanager:GetSecretValue",), (_SECRET,), when="secret"),
    "SecretSeen": Grant(("secretsmanager:DescribeSecret",), (_SECRET,), when="secret"),
    "SecretRotate": Grant(("secretsmanager:RotateSecret",), (_SECRET,), when="secret"),
    # asked by the cluster's resource id, which is in no ARN
    "Snapshots": Grant(("rds:DescribeDBClusterSnapshots",), (f"{_RDS}:cluster:*", f"{_RDS}:cluster-snapshot:*")),
    "SnapshotMake": Grant(("rds:CreateDBClusterSnapshot",), (_CLUSTER, _SNAPSHOTS)),
    "SnapshotTag": Grant(
        ("rds:AddTagsToResource",), (_SNAPSHOTS,), {"StringEquals": {f"aws:RequestTag/{OWNER}": "{name}"}}
    ),
    "SnapshotDelete": Grant(
        ("rds:DeleteDBClusterSnapshot",),
        (_SNAPSHOTS,),
        {"StringEquals": {f"aws:ResourceTag/{OWNER}": "{name}"}},
    ),
    "SnapshotFailed": Grant(
        ("rds:DeleteDBClusterSnapshot",),
        (_SNAPSHOTS,),
        {"StringEquals": {f"aws:ResourceTag/{OWNER}": "{name}"}},
        seldom="a snapshot failed in RDS",
    ),
    "CopySeen": Grant(
        ("rds:DescribeDBClusterSnapshots",),
        (f"{_THERE}:cluster:*", f"{_THERE}:cluster-snapshot:*"),
        when="copies_to_region",
    ),
    "CopyMake": Grant(
        ("rds:CopyDBClusterSnapshot",), (_SNAPSHOTS, f"{_THERE}:cluster-snapshot:hgaurora-*"), when="copies_to_region"
    ),
    "CopyTag": Grant(
        ("rds:AddTagsToResource",),
        (f"{_THERE}:cluster-snapshot:hgaurora-*",),
        {"StringEquals": {f"aws:RequestTag/{OWNER}": "{name}"}},
        when="copies_to_region",
    ),
    "CopyDelete": Grant(
        ("rds:DeleteDBClusterSnapshot",),
        (f"{_THERE}:cluster-snapshot:hgaurora-*",),
        {"StringEquals": {f"aws:ResourceTag/{OWNER}": "{name}"}},
        when="copies_to_region",
        seldom="a copy failed and is made anew",
    ),
    "CopyShare": Grant(("rds:ModifyDBClusterSnapshotAttribute",), (_SNAPSHOTS,), when="copies_to_account"),
    "CopyRole": Grant(("sts:AssumeRole",), ("{copy-role}",), when="copies_to_account"),
    "StackSeen": Grant(
        ("cloudformation:DescribeStacks",),
        ("arn:{partition}:cloudformation:{region}:{account}:stack/{stack}/*",),
        when="from_stack",
    ),
    "ExportSeen": Grant(("cloudformation:ListExports",), ("*",), when="from_export"),
    "Quotas": Grant(("rds:DescribeAccountAttributes",), ("*",)),
    "Switchovers": Grant(("rds:DescribeBlueGreenDeployments",), (f"{_RDS}:deployment:*",)),
    "Parameters": Grant(("rds:DescribeDBClusterParameters",), (f"{_RDS}:cluster-pg:*",)),
    "Maintenance": Grant(("rds:DescribePendingMaintenanceActions",), (f"{_RDS}:db:*",)),
    "Alarms": Grant(("cloudwatch:DescribeAlarms",), ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",)),
    "AlarmGate": Grant(
        ("cloudwatch:DescribeAlarms",), ("arn:{partition}:cloudwatch:{region}:{account}:alarm:*",), when="alarms"
    ),
    "Lag": Grant(("cloudwatch:GetMetricData",), ("*",), when="replica_lag"),
    "Key": Grant(
        ("kms:DescribeKey",),
        ("arn:{partition}:kms:{region}:{account}:key/*",),
        seldom="the cluster is encrypted",
    ),
    "Journal": Grant(("logs:PutLogEvents", "logs:CreateLogStream"), (f"{_LOGS}:log-stream:*",), when="log_group"),
    "JournalGroup": Grant(("logs:CreateLogGroup",), (f"{_LOGS}:log-stream:",), when="log_group"),
    "JournalRetention": Grant(("logs:PutRetentionPolicy",), (f"{_LOGS}:log-stream:",), when="log_retention"),
    "JournalGroups": Grant(
        ("logs:DescribeLogGroups",), ("arn:{partition}:logs:{region}:{account}:log-group:*",), when="log_group"
    ),
    "JournalKept": Grant(
        ("logs:DescribeLogGroups",),
        ("arn:{partition}:logs:{region}:{account}:log-group:*",),
        when="log_kept",
        seldom="the log group is there, and a stream of it is new",
    ),
    "JournalRead": Grant(("logs:FilterLogEvents",), (f"{_LOGS}:log-stream:*",), when="log_group"),
    "Simulation": Grant(("iam:SimulatePrincipalPolicy",), ("{role}", "{user-of-iam}")),
}

_FIND = ("StackSeen", "ExportSeen", "Cluster", "Global")
_LOOK = (*_FIND, "Token", "Secret")
_DELIVER = ("Journal", "JournalGroup", "JournalRetention", "JournalKept")
_COPY = ("CopySeen", "CopyMake", "CopyTag", "CopyDelete", "CopyShare", "CopyRole")
_CHANGE = (*_LOOK, "Snapshots", "SnapshotMake", "SnapshotTag", "SnapshotFailed", *_COPY, *_DELIVER)
_GATES = ("Members", "Switchovers", "AlarmGate", "Lag", "Quotas")

#: command to its grants
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "deploy": (*_CHANGE, *_GATES),
    # the quota is asked for by -n alone
    "revert": (*_CHANGE, "Quotas"),
    "adopt": (*_LOOK, *_DELIVER),
    "status": _LOOK,
    "log": _LOOK,
    "diff": _LOOK,
    "drift": _LOOK,
    "trace": _LOOK,
    "annotate": _LOOK,
    # the ledger says which of them are its own
    "snapshots": (*_LOOK, "Snapshots", *_COPY),
    "prune": (*_LOOK, "Snapshots", "SnapshotDelete"),
    "journal": (*_LOOK, *_DELIVER, "JournalGroups", "JournalRead"),
    "secret-rotate": (*_FIND, "Secret", "SecretSeen", "SecretRotate"),
    "doctor": (
        *_LOOK,
        "Members",
        "Parameters",
        "Maintenance",
        "Alarms",
        "Quotas",
        "Key",
        "SecretSeen",
        "JournalGroups",
        "Simulation",
    ),
}  # fmt: skip


def grants(command: str, settings: Environment) -> Iterator[tuple[str, Grant]]:
    """What a command needs for one environment, by name."""
    for name in dict.fromkeys(COMMANDS[command]):
        if GRANTS[name].applies(settings):
            yield name, GRANTS[name]


def actions(command: str, settings: Environment, *, seldom: bool = True) -> set[str]:
    """The actions of a command.

    :param seldom: also those that only some clusters need.
    """
    return {action for _, grant in grants(command, settings) if seldom or not grant.seldom for action in grant.actions}


def policy(command: str, settings: Environment) -> dict[str, Any]:
    """The policy document: nothing but what the command does, on nothing but this environment."""
    places = _places(settings)
    statements: list[dict[str, object]] = []
    for name, grant in grants(command, settings):
        statement: dict[str, object] = {
            "Sid": name,
            "Effect": "Allow",
            "Action": list(grant.actions),
            "Resource": [found for one in grant.resources if (found := _filled(one, places))],
        }
        if grant.condition:
            statement["Condition"] = {
                operator: {key: _filled(value, places) for key, value in keys.items()}
                for operator, keys in grant.condition.items()
            }
        statements.append(statement)
    return {"Version": "2012-10-17", "Statement": statements}


def partition(region: str) -> str:
    """The part of AWS that a region is in, as ARNs say it."""
    for start, name in (("cn-", "aws-cn"), ("us-gov-", "aws-us-gov")):
        if region.startswith(start):
            return name
    return "aws"


def _places(settings: Environment) -> dict[str, str]:
    region, account = settings.region or "*", settings.account or "*"
    cluster = (settings.cluster or "*").lower()
    secret = settings.secret or ""
    part = partition(region)
    if secret == "managed":
        secret = "rds!cluster-*"
    elif secret.startswith("arn:"):
        secret = secret.split(":secret:", 1)[-1]
    elif secret:
        secret += "-??????"  # AWS adds six characters to a name
    return {
        "partition": part,
        "region": region,
        "account": account,
        "name": settings.name,
        "cluster": cluster,
        # a long name is cut, and a part of its hash keeps it apart
        "snapshots": f"{cluster}-" if len(cluster) <= _WHOLE else cluster[:_WHOLE],
        "copy-region": settings.snapshot_copy.get("region", "*"),
        "copy-role": settings.snapshot_copy.get("role", "*"),
        "stack": settings.cluster_from.place if settings.cluster_from else "",
        "user": settings.user or "*",
        "secret": secret,
        "group": settings.log_group or "*",
        # a policy may not have arn:aws:iam::ACCOUNT:*
        "role": settings.role_arn or f"arn:{part}:iam::{account}:role/*",
        "user-of-iam": "" if settings.role_arn else f"arn:{part}:iam::{account}:user/*",
    }


def _filled(text: str, places: Mapping[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", value)
    return text
