# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether an answer of AWS is whole: every one is held against what hgaurora needs of it, in this place only.

A status of 200 says little: a portal says it too, a proxy may send half a body with a length that fits, and where JSON
is spoken botocore (1.44) takes what it can not read for an answer without members. What is not whole is
:class:`~.errors.NotWhole`, which is an answer that was lost: what was asked for may be done.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from .errors import _NOTE, NotWhole, prefix

_CREDENTIALS = tuple(f"Credentials.{name}" for name in ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"))

#: by operation, the members that whoever calls it relies on. ``[]`` is a list, ``[+]`` one that is not empty, ``?`` in
#: front is what AWS may leave out; of members with ``|`` between them there must be one. An answer without them is
#: none of AWS's: it leaves out what has no value, never these (API references of the services).
NEEDED: Mapping[str, tuple[str, ...]] = {
    "cloudformation:DescribeStacks": (
        "Stacks[+].StackStatus",
        "Stacks[].?Outputs[].OutputKey",
        "Stacks[].?Outputs[].OutputValue",
    ),
    "cloudformation:ListExports": ("Exports[].Name", "Exports[].Value"),
    "cloudwatch:DescribeAlarms": (
        "MetricAlarms|CompositeAlarms",
        "?MetricAlarms[].AlarmName",
        "?CompositeAlarms[].AlarmName",
    ),
    "cloudwatch:GetMetricData": tuple(f"MetricDataResults[].{name}" for name in ("Id", "Timestamps", "Values")),
    "iam:SimulatePrincipalPolicy": ("EvaluationResults[+].EvalActionName", "EvaluationResults[].EvalDecision"),
    "kms:DescribeKey": ("KeyMetadata.KeyId",),
    "logs:CreateLogGroup": (),
    "logs:CreateLogStream": (),
    "logs:DescribeLogGroups": ("logGroups[].logGroupName",),
    "logs:FilterLogEvents": ("events[].message",),
    # its token is deprecated, and what was rejected is said only where there is such: it has to be JSON
    "logs:PutLogEvents": (),
    "logs:PutRetentionPolicy": (),
    "rds:CopyDBClusterSnapshot": ("DBClusterSnapshot.DBClusterSnapshotIdentifier",),
    "rds:CreateDBClusterSnapshot": ("DBClusterSnapshot.DBClusterSnapshotIdentifier",),
    "rds:DeleteDBClusterSnapshot": ("DBClusterSnapshot.DBClusterSnapshotIdentifier",),
    "rds:DescribeAccountAttributes": tuple(f"AccountQuotas[+].{name}" for name in ("AccountQuotaName", "Used", "Max")),
    "rds:DescribeBlueGreenDeployments": ("BlueGreenDeployments[].BlueGreenDeploymentIdentifier",),
    "rds:DescribeDBClusterParameters": ("Parameters[].ParameterName",),
    "rds:DescribeDBClusterSnapshots": tuple(
        f"DBClusterSnapshots[].{name}"
        for name in ("DBClusterSnapshotIdentifier", "DBClusterSnapshotArn", "Status", "?TagList[].Key")
    ),
    # one is always asked for by its name
    "rds:DescribeDBClusters": tuple(
        f"DBClusters[+].{name}"
        for name in (
            "DBClusterIdentifier",
            "DBClusterArn",
            "DbClusterResourceId",
            "Engine",
            "?DBClusterMembers[].DBInstanceIdentifier",
        )
    ),
    "rds:DescribeDBInstances": tuple(
        f"DBInstances[].{name}" for name in ("DBInstanceIdentifier", "DBInstanceArn", "DBInstanceStatus")
    ),
    "rds:DescribeGlobalClusters": ("GlobalClusters[+].GlobalClusterMembers[].DBClusterArn",),
    "rds:DescribePendingMaintenanceActions": ("PendingMaintenanceActions[].ResourceIdentifier",),
    "rds:ModifyDBClusterSnapshotAttribute": ("DBClusterSnapshotAttributesResult",),
    "secretsmanager:DescribeSecret": ("ARN",),
    "secretsmanager:GetSecretValue": ("SecretString|SecretBinary", "VersionId"),
    "secretsmanager:RotateSecret": ("ARN",),
    "sts:AssumeRole": _CREDENTIALS,
    "sts:AssumeRoleWithWebIdentity": _CREDENTIALS,
    "sts:GetCallerIdentity": ("Arn", "Account", "UserId"),
}


def watch(session: Any) -> None:
    """Let every client of a botocore session refuse answers that are not whole, those that the session itself has for
    its credentials too; and let errors of AWS know their call."""
    session.register("before-parse.*.*", _came)
    session.register("after-call.*.*", _answered)


def _came(operation_model: Any, response_dict: Mapping[str, Any], **_: Any) -> None:
    """Before botocore reads it. A failure of the service (5xx) is left to botocore, which tries again.

    :raises NotWhole: it is not in the protocol's form.
    """
    status = int(response_dict["status_code"])
    if status < 500 and not in_form(operation_model, status, response_dict["body"]):
        raise NotWhole(*_call(operation_model), status)


def _answered(parsed: Any, model: Any, **_: Any) -> None:
    """When botocore has read it.

    :raises NotWhole: a success without what is needed.
    """
    service, operation = _call(model)
    if not isinstance(parsed, dict):
        return
    meta = parsed.setdefault("ResponseMetadata", {})
    if "Error" in parsed:
        meta[_NOTE] = (service, operation)
    elif meta.get("HTTPStatusCode", 200) < 300:
        for path in NEEDED.get(f"{service}:{operation}", ()):
            if not has(parsed, path):
                raise NotWhole(service, operation)


def _call(model: Any) -> tuple[str, str]:
    return prefix(model.service_model.signing_name), str(model.name)


def in_form(model: Any, status: int, body: bytes) -> bool:
    """Whether a body is what its protocol wants: an object of JSON, and of a success one that has a member of the
    operation's output, or none at all; XML with the operation's result, or with an error. XML that can not be read is
    left to botocore, which says so.

    :param model: botocore's of the operation.
    :param status: of HTTP.
    """
    protocol, shape, good = model.service_model.resolved_protocol, model.output_shape, status < 300
    if protocol == "json":
        wanted = set(shape.members) if good and shape is not None else set()
        if not body:
            return good and not wanted
        try:
            said = json.loads(body)
        except ValueError:
            return False
        return isinstance(said, dict) and (not said or not wanted or not wanted.isdisjoint(said))
    if protocol != "query":
        return True
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return True
    if not good:
        return any(_local(one) == "Error" for one in root.iter())
    wrapper = shape.serialization.get("resultWrapper") if shape is not None else None
    return wrapper is None or any(_local(child) == wrapper for child in root)


def _local(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def has(value: Any, path: str) -> bool:
    """Whether an answer has a path of :data:`NEEDED`, in each item of its lists."""
    head, _, rest = path.partition(".")
    optional, some, many = head.startswith("?"), head.endswith("[+]"), head.endswith(("[]", "[+]"))
    names = head.lstrip("?").removesuffix("[]").removesuffix("[+]").split("|")
    if not isinstance(value, Mapping):
        return False
    found = next((value[name] for name in names if value.get(name) is not None), None)
    if found is None:
        return optional
    if not many:
        return has(found, rest) if rest else True
    return isinstance(found, list) and (bool(found) or not some) and (not rest or all(has(one, rest) for one in found))
