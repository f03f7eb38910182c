# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``doctor`` asks AWS about one cluster: two rounds of Describe calls, each round at once. Nothing is changed.

What may not be asked, or has no answer, is :class:`~hgaurora.core.doctor.Unknown` and says so; it never passes for
good. Only without credentials, or without AWS, is there nothing to say at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from ...core import iam
from ...core.doctor.facts import Facts, Identity, Refused, Row, Unknown
from ...core.errors import HgAuroraError, RemoteError
from .errors import DENIED, code_of, translated
from .session import Aws, Caller

T = TypeVar("T")
#: calls that are under way together; botocore keeps ten connections of a client
_AT_ONCE = 8
#: what the quota of manual cluster snapshots is called
_QUOTA = "ManualClusterSnapshots"


def gathered(aws: Aws, facts: Facts, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Facts:
    """The facts, with those of AWS.

    :param clock: this machine's; it is held against AWS's.
    :raises SecurityError: no credentials, or none that AWS takes.
    :raises RemoteError: AWS can not be reached.
    """
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="doctor") as pool:
        return _Bulk(aws, facts, pool, clock).facts()


class _Bulk:
    """One bulk of questions."""

    def __init__(self, aws: Aws, facts: Facts, pool: ThreadPoolExecutor, clock: Callable[[], datetime]) -> None:
        self._aws, self._facts, self._pool, self._clock = aws, facts, pool, clock
        self._settings = facts.settings

    def facts(self) -> Facts:
        """Ask, and wait for the answers."""
        caller = self._aws.caller()
        identity = Identity(
            arn=caller.arn, account=caller.account, kind=caller.kind, static=caller.static, expires=caller.expires
        )
        ask = self._ask
        found = ask(self._cluster)
        instances = ask(self._instances)
        alarms, snapshots, group = ask(self._alarms), ask(self._snapshots), ask(self._group)
        answer = found.result()
        cluster, skew = answer if not isinstance(answer, Unknown) else (answer, answer)
        permissions = ask(lambda: self._permissions(caller, cluster))
        members = instances.result()
        maintenance = ask(lambda: self._maintenance(_known(members)))
        parameters = ask(lambda: self._parameters(_known(cluster)))
        key, secret = ask(lambda: self._key(_known(cluster))), ask(lambda: self._secret(cluster))
        return replace(
            self._facts,
            identity=identity,
            cluster=cluster,
            skew=skew,
            instances=members,
            maintenance=maintenance.result(),
            alarms=alarms.result(),
            snapshots=snapshots.result(),
            group=group.result(),
            permissions=permissions.result(),
            parameters=parameters.result(),
            key=key.result(),
            secret=secret.result(),
        )

    def _ask(self, question: Callable[[], T]) -> Future[T | Unknown]:
        def asked() -> T | Unknown:
            try:
                with translated("ask AWS", environment=self._settings.name):
                    return question()
            except _NotKnown as error:
                return error.unknown
            except RemoteError as error:
                return _unknown(error)

        return self._pool.submit(asked)

    # the questions

    def _cluster(self) -> tuple[Row, float | Unknown]:
        sent, client, settings = self._clock(), self._aws.client("rds"), self._settings
        try:
            answer = client.describe_db_clusters(DBClusterIdentifier=settings.cluster)
        except client.exceptions.ClientError as error:
            if code_of(error) != "DBClusterNotFoundFault":
                raise
            where = f"{settings.region}, account {self._aws.account}"
            raise _NotKnown(Refused(f"{where} has no cluster {settings.cluster}")) from error
        skew = _skew(answer, sent, self._clock())
        # Neptune and DocumentDB answer here too; the rule about the engine says what it is
        return answer["DBClusters"][0], skew

    def _instances(self) -> Sequence[Row]:
        wanted = [{"Name": "db-cluster-id", "Values": [self._settings.cluster]}]
        return _pages(self._aws.client("rds"), "describe_db_instances", "DBInstances", Filters=wanted)

    def _parameters(self, cluster: Row) -> Mapping[str, str | None]:
        group = cluster.get("DBClusterParameterGroup")
        if not group:
            raise _NotKnown(Unknown("AWS does not say DBClusterParameterGroup"))
        rows = _pages(
            self._aws.client("rds"), "describe_db_cluster_parameters", "Parameters", DBClusterParameterGroupName=group
        )
        return {str(row["ParameterName"]): _text(row.get("ParameterValue")) for row in rows}

    def _maintenance(self, members: Sequence[Row]) -> Sequence[Row]:
        rows = _pages(self._aws.client("rds"), "describe_pending_maintenance_actions", "PendingMaintenanceActions")
        cluster = f":cluster:{(self._settings.cluster or '').lower()}"
        arns = {one["DBInstanceArn"] for one in members}
        return [
            row for row in rows if row["ResourceIdentifier"] in arns or str(row["ResourceIdentifier"]).endswith(cluster)
        ]

    def _alarms(self) -> Sequence[Row]:
        client, wanted = self._aws.client("cloudwatch"), list(self._facts.wanted_alarms)
        types = ["MetricAlarm", "CompositeAlarm"]
        if wanted:
            answer = client.describe_alarms(AlarmNames=wanted, AlarmTypes=types)
            return [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        cluster = (self._settings.cluster or "").lower()
        rows = _pages(client, "describe_alarms", "MetricAlarms")
        return [row for row in rows if _about(row, cluster)]

    def _snapshots(self) -> tuple[int, int]:
        for row in self._aws.client("rds").describe_account_attributes()["AccountQuotas"]:
            if row["AccountQuotaName"] == _QUOTA:
                return int(row["Used"]), int(row["Max"])
        raise _NotKnown(Unknown(f"AWS does not say the quota {_QUOTA}"))

    def _group(self) -> Row | None:
        name = self._settings.log_group
        if name is None:
            return None
        rows = _pages(self._aws.client("logs"), "describe_log_groups", "logGroups", logGroupNamePrefix=name)
        return next((row for row in rows if row["logGroupName"] == name), None)

    def _key(self, cluster: Row) -> Row | None:
        key = cluster.get("KmsKeyId")
        return self._aws.client("kms").describe_key(KeyId=key)["KeyMetadata"] if key else None

    def _secret(self, cluster: Row | Unknown) -> Row | None:
        name = self._settings.secret
        if name == "managed":
            managed = _known(cluster).get("MasterUserSecret")
            name = str(managed["SecretArn"]) if isinstance(managed, Mapping) and managed.get("SecretArn") else None
        if name is None:
            return None
        client = self._aws.client("secretsmanager")
        try:
            answer: Row = client.describe_secret(SecretId=name)
        except client.exceptions.ResourceNotFoundException:
            return None
        return answer

    def _permissions(self, caller: Caller, cluster: Row | Unknown) -> Mapping[str, bool]:
        """By IAM's own simulator: what a deploy needs, each action on its resources."""
        source = principal(caller, self._settings.role_arn)
        if source is None:
            return {}  # the account's root may do all; another rule says that it is root
        client, allowed = self._aws.client("iam"), dict[str, bool]()
        id = "*" if isinstance(cluster, Unknown) else str(cluster.get("DbClusterResourceId", "*"))
        settings = replace(self._settings, account=self._settings.account or caller.account)
        for statement in iam.policy("deploy", settings)["Statement"]:
            answer = client.simulate_principal_policy(
                PolicySourceArn=source,
                ActionNames=statement["Action"],
                ResourceArns=[_one(arn, id) for arn in statement["Resource"]],
                ContextEntries=_context(statement.get("Condition", {})),
            )
            asked = set(statement["Action"])
            if missing := asked - {row["EvalActionName"] for row in answer["EvaluationResults"]}:
                raise _NotKnown(Unknown(f"IAM does not say whether {min(missing)} is allowed"))
            for row in answer["EvaluationResults"]:
                good = row["EvalDecision"] == "allowed"
                allowed[row["EvalActionName"]] = allowed.get(row["EvalActionName"], True) and good
        return allowed


class _NotKnown(Exception):
    """There is no answer."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.why)
        self.unknown = unknown


def principal(caller: Caller, role: str | None) -> str | None:
    """The ARN that IAM's simulator knows a caller by; None: it is root, whom no policy holds.

    The ARN of a role's session does not say the role's path, the settings may.

    :param role: the role that the settings name.
    """
    if caller.kind == "root":
        return None
    if caller.kind != "role":
        return caller.arn
    name = caller.arn.split("/")[1]
    if role and role.rpartition("/")[2] == name:
        return role
    partition = caller.arn.split(":")[1]
    return f"arn:{partition}:iam::{caller.account}:role/{name}"


def _unknown(error: HgAuroraError) -> Unknown:
    aws = error.data.get("aws")
    told = aws if isinstance(aws, Mapping) else {}
    action = ":".join(str(told[key]) for key in ("service", "operation") if told.get(key))
    if told.get("code") in DENIED:
        return Unknown(f"{action} is not allowed", action)
    code = f"{action}: {told['code']}" if told.get("code") else error.message
    return Unknown(code)


def _known(answer: T | Unknown) -> T:
    if isinstance(answer, Unknown):
        raise _NotKnown(answer)
    return answer


def _pages(client: Any, operation: str, key: str, **asked: Any) -> list[Row]:
    pages: Iterable[Any] = client.get_paginator(operation).paginate(**asked)
    # what every page must have is in answers.NEEDED
    return [row for page in pages for row in page.get(key, ())]


def _about(alarm: Row, cluster: str) -> bool:
    """Whether an alarm watches the cluster, or a member of it by the usual names."""
    dimensions = alarm.get("Dimensions")
    for one in dimensions if isinstance(dimensions, list) else ():
        if one.get("Name") == "DBClusterIdentifier" and str(one.get("Value")).lower() == cluster:
            return True
    return False


def _one(arn: str, cluster: str) -> str:
    """A resource that a call would name, for a pattern of ours: a narrower policy than ours may allow it.

    Calls that list are asked on ``*`` itself.

    :param cluster: the cluster's resource id.
    """
    if arn.endswith("*") and (":cluster-snapshot:hgaurora-" in arn or ":log-stream:" in arn):
        return f"{arn[:-1]}0"
    return arn.replace(":dbuser:*/", f":dbuser:{cluster}/")


def _context(condition: Mapping[str, Mapping[str, str]]) -> list[dict[str, object]]:
    """What a request of ours would carry."""
    return [
        {"ContextKeyName": key, "ContextKeyValues": [value], "ContextKeyType": "string"}
        for keys in condition.values()
        for key, value in keys.items()
    ]


def _skew(answer: Mapping[str, Any], sent: datetime, came: datetime) -> float | Unknown:
    said = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    if not said:
        return Unknown("AWS's answer has no date")
    # the header has whole seconds, and was written somewhere between
    here = sent + (came - sent) / 2
    ahead = (here - parsedate_to_datetime(said)).total_seconds()
    return 0.0 if -1 <= ahead <= 1 else ahead


def _text(value: object) -> str | None:
    return None if value is None else str(value)
