# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a call needs to be allowed: actions, each on resources, each with its condition keys.

From AWS's service authorization reference, for the calls hgaurora makes; all others need their action on ``*``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from moto.logs.models import logs_backends
from moto.rds.models import rds_backends
from moto.secretsmanager.models import secretsmanager_backends

from tests.emulator.base import current
from tests.emulator.calls import Call

#: the tags of what an ARN names
Tags = Callable[[str], Mapping[str, str]]


@dataclass(frozen=True)
class Need:
    """One action on one resource, with condition keys in lower case."""

    action: str
    resource: str = "*"
    context: Mapping[str, Sequence[str]] = field(default_factory=dict)


#: parameters of RDS that name a resource, and its type in an ARN
_RDS = {
    "DBClusterIdentifier": "cluster",
    "SourceDBClusterIdentifier": "cluster",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SnapshotIdentifier": "cluster-snapshot",
    "SourceDBClusterSnapshotIdentifier": "cluster-snapshot",
    "TargetDBClusterSnapshotIdentifier": "cluster-snapshot",
    "FinalDBSnapshotIdentifier": "cluster-snapshot",
    "DBInstanceIdentifier": "db",
    "DBClusterParameterGroupName": "cluster-pg",
    "DBParameterGroupName": "pg",
    "DBSubnetGroupName": "subgrp",
    "BlueGreenDeploymentIdentifier": "deployment",
    "DBClusterEndpointIdentifier": "cluster-endpoint",
    "GlobalClusterIdentifier": "global-cluster",
    "ResourceName": "",
    "ResourceIdentifier": "",
    "Source": "",
}
#: types that a list of all is asked on
_LISTS = {
    "DescribeDBClusters": ("cluster",),
    "DescribeDBInstances": ("db",),
    "DescribeDBClusterSnapshots": ("cluster", "cluster-snapshot"),
    "DescribeBlueGreenDeployments": ("deployment",),
    "DescribeGlobalClusters": ("global-cluster",),
    "DescribeDBClusterEndpoints": ("cluster-endpoint",),
    "DescribePendingMaintenanceActions": ("db",),
}
#: which parameter names what a call makes, and tags
_MADE = {
    "CreateDBCluster": "DBClusterIdentifier",
    "CreateDBInstance": "DBInstanceIdentifier",
    "CreateDBClusterSnapshot": "DBClusterSnapshotIdentifier",
    "CopyDBClusterSnapshot": "TargetDBClusterSnapshotIdentifier",
    "RestoreDBClusterFromSnapshot": "DBClusterIdentifier",
    "RestoreDBClusterToPointInTime": "DBClusterIdentifier",
}
#: RDS asks these of the caller where it manages the master password
_MANAGED = {
    "ManageMasterUserPassword": ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
    "RotateMasterUserPassword": ("secretsmanager:RotateSecret",),
}
_STREAM_CALLS = {"PutLogEvents", "CreateLogStream", "GetLogEvents", "DeleteLogStream"}
#: one parameter is the ARN itself
_ARNS = {
    ("sts", "AssumeRole"): "RoleArn",
    ("sns", "Publish"): "TopicArn",
    ("iam", "SimulatePrincipalPolicy"): "PolicySourceArn",
}


def needs(call: Call, account: str, tags: Tags | None = None) -> list[Need]:
    """All that must be allowed; the first is the call's own action.

    :param tags: how to look up a resource's tags; moto's own by default.
    """
    made = {"rds": _rds, "logs": _logs, "secretsmanager": _secrets}.get(call.service, _others)
    return list(made(call, account, tags or (lambda arn: tags_of(account, call.region, arn))))


def _rds(call: Call, account: str, tags: Tags) -> Iterator[Need]:
    prefix, action, params = f"arn:aws:rds:{call.region}:{account}", call.name, call.params

    def arn(kind: str, name: str) -> str:
        if name.startswith("arn:"):
            return name
        if kind == "global-cluster":
            return f"arn:aws:rds::{account}:global-cluster:{name}"
        return f"{prefix}:{kind}:{name.lower()}"

    requested = _requested(params.get("Tags", ()), "rds:req-tag/")
    if "Engine" in params:
        requested["rds:databaseengine"] = [params["Engine"]]
    found = [(name, arn(kind, str(params[name]))) for name, kind in _RDS.items() if isinstance(params.get(name), str)]
    kinds = {resource.split(":")[5] for _, resource in found}
    found += [("", arn(kind, "*")) for kind in _LISTS.get(call.operation, ()) if kind not in kinds]
    made = _MADE.get(call.operation)
    for name, resource in found:
        context = {**requested}
        if name != made:  # what is only being made has no tags
            kind = resource.split(":")[5]
            for key, value in tags(resource).items():
                context[f"aws:resourcetag/{key.lower()}"] = context[f"rds:{kind}-tag/{key.lower()}"] = [value]
        yield Need(action, resource, context)
    if not found:
        yield Need(action, "*", requested)
    if made and params.get("Tags"):
        yield Need("rds:AddTagsToResource", dict(found)[made], requested)
    for name, actions in _MANAGED.items():
        if params.get(name):
            for other in actions:
                yield Need(other, f"arn:aws:secretsmanager:{call.region}:{account}:secret:rds!cluster-*")
            yield Need("kms:DescribeKey", f"arn:aws:kms:{call.region}:{account}:key/aws-managed")
    for name in ("MonitoringRoleArn", "RoleArn"):
        if params.get(name):
            yield Need("iam:PassRole", str(params[name]))


def _logs(call: Call, account: str, tags: Tags) -> Iterator[Need]:
    params, action = call.params, call.name
    prefix = f"arn:aws:logs:{call.region}:{account}:log-group"
    if call.operation in ("GetQueryResults", "StopQuery", "DescribeQueries"):
        yield Need(action)
        return
    if call.operation in ("TagResource", "UntagResource", "ListTagsForResource"):
        yield Need(action, str(params["resourceArn"]), _requested(params.get("tags", {})))
        return
    stream = params.get("logStreamName", "") if call.operation in _STREAM_CALLS else ""
    names = [*params.get("logGroupNames", ()), *params.get("logGroupIdentifiers", ())] or [
        params.get("logGroupName") or params.get("logGroupIdentifier") or ""
    ]
    for name in names:
        group = name.removesuffix(":*").rpartition(":log-group:")[2]
        yield Need(action, f"{prefix}:{group}:log-stream:{stream}", _requested(params.get("tags", {})))
    if call.operation == "CreateLogGroup" and params.get("tags"):
        yield Need("logs:TagResource", f"{prefix}:{names[0]}", _requested(params["tags"]))


def _secrets(call: Call, account: str, tags: Tags) -> Iterator[Need]:
    params = call.params
    context: dict[str, Sequence[str]] = _requested(params.get("Tags", ()))
    if call.operation == "GetSecretValue":
        context["secretsmanager:versionstage"] = [params.get("VersionStage", "AWSCURRENT")]
    prefix = f"arn:aws:secretsmanager:{call.region}:{account}:secret:"
    name = str(params.get("SecretId") or params.get("Name") or "")
    if not name:
        yield Need(call.name, "*", context)
        return
    secrets = secretsmanager_backends[account][call.region].secrets
    known = next((one.arn for one in secrets.values() if name in (one.arn, one.name)), None)
    resource = known or (name if name.startswith("arn:") else prefix + name)
    for key, value in tags(resource).items():
        context[f"aws:resourcetag/{key.lower()}"] = context[f"secretsmanager:resourcetag/{key.lower()}"] = [value]
    yield Need(call.name, resource, context)


def _others(call: Call, account: str, tags: Tags) -> Iterator[Need]:
    params, service = call.params, {"stepfunctions": "states"}.get(call.service, call.service)
    action, here = f"{service}:{call.operation}", f"{service}:{call.region}:{account}"
    if (parameter := _ARNS.get((call.service, call.operation))) and params.get(parameter):
        yield Need(action, str(params[parameter]))
    elif service == "cloudwatch" and call.operation == "DescribeAlarms":
        yield Need(action, f"arn:aws:{here}:alarm:*")
    elif service == "events" and call.operation == "PutEvents":
        for bus in {str(entry.get("EventBusName") or "default") for entry in params.get("Entries", ())}:
            yield Need(action, bus if bus.startswith("arn:") else f"arn:aws:{here}:event-bus/{bus}")
    elif service == "cloudformation" and params.get("StackName"):
        stack = str(params["StackName"])
        yield Need(action, stack if stack.startswith("arn:") else f"arn:aws:{here}:stack/{stack}/*")
    elif service == "kms" and params.get("KeyId"):
        key = str(params["KeyId"])
        yield Need(action, key if key.startswith("arn:") else f"arn:aws:{here}:key/{key}")
    elif service == "ssm" and params.get("Name"):
        yield Need(action, f"arn:aws:{here}:parameter/{str(params['Name']).lstrip('/')}")
    else:
        yield Need(action)


def _requested(tags: Any, *prefixes: str) -> dict[str, Sequence[str]]:
    pairs = tags if isinstance(tags, Mapping) else {tag["Key"]: tag.get("Value", "") for tag in tags}
    context: dict[str, Sequence[str]] = {}
    for key, value in pairs.items():
        for prefix in ("aws:requesttag/", *prefixes):
            context[prefix + key.lower()] = [value]
    if pairs:
        context["aws:tagkeys"] = list(pairs)
    return context


def tags_of(account: str, region: str, arn: str) -> dict[str, str]:
    """As the emulator, or moto without it, has them; none for what does not exist."""
    service = arn.split(":")[2]
    emulator = current.get(None)
    if service == "rds" and emulator is not None:
        record = next(emulator.region(account, arn.split(":")[3] or region).tagged(arn), None)
        listed: Any = record["TagList"] if record else None
    elif service == "rds" and not arn.endswith(":*"):
        listed = rds_backends[account][arn.split(":")[3] or region].list_tags_for_resource(arn)
    elif service == "secretsmanager":
        secrets = secretsmanager_backends[account][region].secrets.values()
        listed = next((one.tags for one in secrets if one.arn == arn), None)
    elif service == "logs":
        return dict(logs_backends[account][region].list_tags_for_resource(arn))
    else:
        listed = None
    return {tag["Key"]: tag["Value"] for tag in listed or ()}
