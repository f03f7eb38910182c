# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule of ``doctor``: a cluster that has nothing wrong, then one thing wrong at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hgaurora import cli
from hgaurora.core.doctor import OF_ALL, OF_CLUSTERS, Check, Facts, Identity, Server, Unknown, examine, screen
from hgaurora.core.doctor.attributes import ATTRIBUTES, TOOLS, assigned
from hgaurora.core.doctor.facts import NOT_ASKED, Refused
from hgaurora.core.doctor.rule import Rule
from hgaurora.core.settings import Environment

NOW = datetime(2026, 11, 20, 3, 11, tzinfo=UTC)
PROD = Environment(
    name="prod",
    cluster="shop-prod",
    region="eu-west-1",
    account="123456789012",
    database="shop",
    user="hgaurora",
    protected=True,
    log_group="/hgaurora/prod",
)
KEY = "arn:aws:kms:eu-west-1:123456789012:key/0f0f"


def _cluster(**more: Any) -> dict[str, Any]:
    return {
        "DBClusterIdentifier": "shop-prod",
        "Status": "available",
        "Engine": "aurora-postgresql",
        "EngineVersion": "16.4",
        "EngineMode": "provisioned",
        "StorageEncrypted": True,
        "KmsKeyId": KEY,
        "DeletionProtection": True,
        "BackupRetentionPeriod": 7,
        "LatestRestorableTime": NOW - timedelta(minutes=3),
        "CopyTagsToSnapshot": True,
        "IAMDatabaseAuthenticationEnabled": True,
        "EnabledCloudwatchLogsExports": ["postgresql"],
        "DatabaseInsightsMode": "standard",
        "MasterUserSecret": {"SecretArn": "arn", "SecretStatus": "active"},
        "HttpEndpointEnabled": False,
        "DBClusterParameterGroup": "shop",
        "DBClusterMembers": [
            {"DBInstanceIdentifier": "shop-1", "IsClusterWriter": True, "DBClusterParameterGroupStatus": "in-sync"},
            {"DBInstanceIdentifier": "shop-2", "IsClusterWriter": False, "DBClusterParameterGroupStatus": "in-sync"},
        ],
        **more,
    }


def _member(name: str, zone: str, **more: Any) -> dict[str, Any]:
    return {
        "DBInstanceIdentifier": name,
        "DBInstanceArn": f"arn:aws:rds:eu-west-1:123456789012:db:{name}",
        "DBInstanceStatus": "available",
        "DBInstanceClass": "db.r6g.large",
        "AvailabilityZone": zone,
        "PromotionTier": 1,
        "PubliclyAccessible": False,
        "CACertificateIdentifier": "rds-ca-rsa2048-g1",
        "CertificateDetails": {"CAIdentifier": "rds-ca-rsa2048-g1", "ValidTill": NOW + timedelta(days=400)},
        "MonitoringInterval": 60,
        "PerformanceInsightsEnabled": True,
        "PendingModifiedValues": {},
        **more,
    }


GOOD = Facts(
    settings=PROD,
    now=NOW,
    server=Server(product="PostgreSQL", version="16.4", user="hgaurora", read_only=False, ledger=True),
    identity=Identity(
        arn="arn:aws:sts::123456789012:assumed-role/d/mia", account="123456789012", kind="role", static=False
    ),
    cluster=_cluster(),
    instances=[_member("shop-1", "eu-west-1a"), _member("shop-2", "eu-west-1b")],
    parameters={"rds.force_ssl": "1"},
    maintenance=[],
    key={"KeyId": "0f0f", "KeyManager": "CUSTOMER", "KeyState": "Enabled"},
    secret=None,
    alarms=[{"AlarmName": "cpu", "StateValue": "OK"}],
    snapshots=(12, 100),
    group={"logGroupName": "/hgaurora/prod", "retentionInDays": 731},
    permissions={"rds:CreateDBClusterSnapshot": True},
    skew=0.0,
)
MYSQL = replace(
    GOOD,
    cluster=_cluster(
        Engine="aurora-mysql",
        EngineVersion="8.0.mysql_aurora.3.08.0",
        BacktrackWindow=86400,
        EnabledCloudwatchLogsExports=["audit", "error", "slowquery"],
    ),
    parameters={"require_secure_transport": "ON"},
    server=Server(product="MySQL", version="8.0.39", user="hgaurora", read_only=False, ledger=True),
)
SECRET = replace(
    GOOD, settings=replace(PROD, secret="shop/prod"), secret={"Name": "shop/prod", "RotationEnabled": True}
)
SERVERLESS = replace(
    GOOD,
    cluster=_cluster(ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 8}),
    instances=[
        _member(name, zone, DBInstanceClass="db.serverless") for name, zone in (("shop-1", "a"), ("shop-2", "b"))
    ],
)
URL = Facts(
    settings=Environment(name="url", url="postgresql://db.example.org/shop?sslmode=verify-full", protected=True),
    now=NOW,
    server=GOOD.server,
)


@dataclass(frozen=True)
class Defect:
    """One thing wrong: the rule that says so, its level where protected and elsewhere, words it says."""

    rule: str
    change: Callable[[Facts], Facts]
    level: str
    elsewhere: str
    words: str
    of: Facts = GOOD


def cluster(**more: Any) -> Callable[[Facts], Facts]:
    """Other fields of the cluster."""

    def change(facts: Facts) -> Facts:
        assert isinstance(facts.cluster, Mapping)
        return replace(facts, cluster={**facts.cluster, **more})

    return change


def second(**more: Any) -> Callable[[Facts], Facts]:
    """Other fields of the second member."""

    def change(facts: Facts) -> Facts:
        assert not isinstance(facts.instances, Unknown)
        return replace(facts, instances=[facts.instances[0], {**facts.instances[1], **more}])

    return change


def facts(**more: Any) -> Callable[[Facts], Facts]:
    """Other facts."""
    return lambda given: replace(given, **more)


def server(**more: Any) -> Callable[[Facts], Facts]:
    """Another server."""

    def change(given: Facts) -> Facts:
        assert isinstance(given.server, Server)
        return replace(given, server=replace(given.server, **more))

    return change


def settings(**more: Any) -> Callable[[Facts], Facts]:
    """Other settings."""
    return lambda given: replace(given, settings=replace(given.settings, **more))


_OUT = [{"DBInstanceIdentifier": "shop-1", "IsClusterWriter": True, "DBClusterParameterGroupStatus": "pending-reboot"}]
DEFECTS = (
    Defect("cluster", facts(cluster=Refused("eu-west-1 has no cluster x")), "fail", "fail", "is not there: eu-west-1"),
    Defect("status", cluster(Status="modifying"), "fail", "warning", "is modifying"),
    Defect("engine-version", cluster(EngineVersion="13.9"), "fail", "fail", "13.9"),
    Defect("engine-version", cluster(Engine="docdb"), "fail", "fail", "not Aurora"),
    Defect("engine-version", cluster(EngineVersion="5.7.mysql_aurora.2.11.1"), "fail", "fail", "5.7", MYSQL),
    Defect("engine-mode", cluster(EngineMode="serverless"), "fail", "warning", "serverless"),
    Defect("storage-encryption", cluster(StorageEncrypted=False), "fail", "warning", "is off"),
    Defect(
        "encryption-key",
        facts(key={"KeyId": "1", "KeyManager": "AWS", "KeyState": "Enabled"}),
        "warning",
        "warning",
        "AWS manages",
    ),
    Defect(
        "encryption-key",
        facts(key={"KeyId": "1", "KeyManager": "CUSTOMER", "KeyState": "PendingDeletion"}),
        "fail",
        "fail",
        "PendingDeletion",
    ),
    Defect("encryption-key", facts(key=None), "warning", "warning", "default"),
    Defect("deletion-protection", cluster(DeletionProtection=False), "fail", "warning", "is off"),
    Defect(
        "backup-retention", cluster(BackupRetentionPeriod=3), "warning", "warning", "is 3 days, 7 or more is wanted"
    ),
    Defect("backup-retention", cluster(BackupRetentionPeriod=1), "warning", "warning", "is 1 day, 7 or more is wanted"),
    Defect(
        "latest-restorable",
        cluster(LatestRestorableTime=NOW - timedelta(hours=1)),
        "warning",
        "warning",
        "60 minutes behind",
    ),
    Defect("copied-tags", cluster(CopyTagsToSnapshot=False), "warning", "warning", "is off"),
    Defect("backtrack-window", cluster(BacktrackWindow=0), "warning", "warning", "is none", MYSQL),
    Defect("snapshot-quota", facts(snapshots=(90, 100)), "warning", "warning", "has 10 of 100 left"),
    Defect("snapshot-quota", facts(snapshots=(100, 100)), "fail", "warning", "has 0 of 100 left"),
    Defect(
        "pending-changes",
        cluster(PendingModifiedValues={"EngineVersion": "17.1"}),
        "warning",
        "warning",
        "EngineVersion",
    ),
    Defect(
        "pending-changes",
        second(PendingModifiedValues={"DBInstanceClass": "x"}),
        "warning",
        "warning",
        "shop-2: DBInstanceClass",
    ),
    Defect(
        "pending-maintenance",
        facts(maintenance=[{"PendingMaintenanceActionDetails": [{"Action": "system-update"}]}]),
        "warning",
        "warning",
        "system-update",
    ),
    Defect("writer", cluster(DBClusterMembers=[]), "fail", "warning", "is none"),
    Defect("members", facts(instances=[]), "warning", "warning", "are none"),
    Defect("members", second(DBInstanceStatus="rebooting"), "warning", "warning", "shop-2 is rebooting"),
    Defect("zones", second(AvailabilityZone="eu-west-1a"), "fail", "warning", "2 members in eu-west-1a"),
    Defect("zones", lambda given: replace(given, instances=given.instances[:1]), "fail", "warning", "1 member in"),  # type: ignore[index]
    Defect("failover-target", second(PromotionTier=15), "warning", "warning", "is nobody"),
    Defect(
        "failover-target",
        second(DBInstanceClass="db.t4g.medium"),
        "warning",
        "warning",
        "is nobody of class db.r6g.large",
    ),
    Defect("parameter-group", cluster(DBClusterMembers=_OUT), "warning", "warning", "shop-1 is pending-reboot"),
    Defect("private", second(PubliclyAccessible=True), "fail", "warning", "shop-2"),
    Defect("certificate", second(CACertificateIdentifier="rds-ca-2019"), "fail", "warning", "rds-ca-2019"),
    Defect(
        "certificate",
        second(CertificateDetails={"ValidTill": NOW + timedelta(days=30)}),
        "warning",
        "warning",
        "ends 2026-12-20",
    ),
    Defect(
        "certificate",
        second(CertificateDetails={"ValidTill": NOW - timedelta(days=1)}),
        "fail",
        "warning",
        "ends 2026-11-19",
    ),
    Defect(
        "serverless-minimum",
        cluster(ServerlessV2ScalingConfiguration={"MinCapacity": 0, "MaxCapacity": 8}),
        "warning",
        "warning",
        "0 units",
        SERVERLESS,
    ),
    Defect("log-exports", cluster(EnabledCloudwatchLogsExports=[]), "warning", "warning", "lack postgresql"),
    Defect(
        "log-exports",
        cluster(EnabledCloudwatchLogsExports=["error"]),
        "warning",
        "warning",
        "lack audit, slowquery",
        MYSQL,
    ),
    Defect("performance-insights", second(PerformanceInsightsEnabled=False), "warning", "warning", "off on shop-2"),
    Defect("enhanced-monitoring", second(MonitoringInterval=0), "warning", "warning", "off on shop-2"),
    Defect("alarms", facts(alarms=[]), "warning", "warning", "are none"),
    Defect("alarms", facts(wanted_alarms=("cpu", "disk")), "fail", "warning", "are not there: disk"),
    Defect("alarms", facts(alarms=[{"AlarmName": "cpu", "StateValue": "ALARM"}]), "warning", "warning", "cpu is ALARM"),
    Defect("iam-authentication", cluster(IAMDatabaseAuthenticationEnabled=False), "fail", "warning", "is off"),
    Defect(
        "iam-authentication", cluster(IAMDatabaseAuthenticationEnabled=False), "warning", "warning", "is off", SECRET
    ),
    Defect("forced-tls", facts(parameters={"rds.force_ssl": "0"}), "fail", "warning", "rds.force_ssl is 0"),
    Defect("forced-tls", facts(parameters={}), "fail", "warning", "rds.force_ssl is 0"),
    Defect("forced-tls", facts(parameters={}), "fail", "warning", "require_secure_transport is OFF", MYSQL),
    Defect("master-secret", cluster(MasterUserSecret=None), "warning", "warning", "somebody keeps"),
    Defect("master-secret", cluster(MasterUserSecret={"SecretStatus": "impaired"}), "warning", "warning", "impaired"),
    Defect("secret", facts(secret=None), "fail", "fail", "shop/prod is not there", SECRET),
    Defect("secret", facts(secret={"Name": "shop/prod"}), "warning", "warning", "never rotated", SECRET),
    Defect("secret", facts(secret={"Name": "shop/prod", "DeletedDate": NOW}), "fail", "fail", "to be deleted", SECRET),
    Defect("data-api", cluster(HttpEndpointEnabled=True), "warning", "warning", "is on"),
    Defect("credentials", facts(identity=replace(GOOD.identity, static=True)), "fail", "warning", "does not expire"),  # type: ignore[type-var]
    Defect("credentials", facts(identity=replace(GOOD.identity, kind="root")), "fail", "fail", "root"),  # type: ignore[type-var]
    Defect("account", settings(account=None), "warning", "warning", "is not named"),
    Defect("account", settings(account="210987654321"), "fail", "fail", "is 123456789012"),
    Defect(
        "tls", settings(url="postgresql://db.example.org/shop?sslmode=require"), "fail", "warning", "is require", URL
    ),
    Defect("tls", settings(url="mysql://db.example.org/shop"), "fail", "warning", "is none", URL),
    Defect("permissions", facts(permissions={"rds:X": False, "rds:Y": True}), "fail", "warning", "lack rds:X"),
    Defect("log-group", settings(log_group=None), "warning", "warning", "is none"),
    Defect("log-group", facts(group=None), "warning", "warning", "is not there, and there were deploys"),
    Defect("log-group", facts(group={"retentionInDays": 30}), "warning", "warning", "is kept 30 days"),
    Defect("clock", facts(skew=90.0), "warning", "warning", "90s ahead of AWS's"),
    Defect("clock", facts(skew=-400.0), "fail", "fail", "400s behind AWS's"),
    Defect("connection", facts(server=Refused("no route", hint="look")), "fail", "fail", "no route"),
    Defect("connection", server(read_only=True), "fail", "fail", "only reads"),
    Defect("server-version", server(version="13.2"), "fail", "fail", "PostgreSQL 13.2", URL),
    Defect("server-version", server(product="MariaDB", version="10.5.9-MariaDB"), "fail", "fail", "10.5.9", URL),
    Defect(
        "ledger",
        server(damage=["event 7 is not what its hash says", "x"]),
        "fail",
        "fail",
        "event 7 is not what its hash says, and 1 more",
    ),
    Defect("journal", server(undelivered=12), "warning", "warning", "lacks 12 events"),
    Defect("settings-source", facts(trusted=False), "fail", "none", "working directory"),
)


def _found(given: Facts, rule: str) -> Check | None:
    return next((one for one in examine(given) if one.name == rule), None)


@pytest.mark.parametrize(
    "given", [GOOD, MYSQL, SECRET, SERVERLESS, URL], ids=["postgresql", "mysql", "secret", "serverless", "url"]
)
def test_nothing_wrong(given: Facts) -> None:
    checks = examine(given)
    assert [(one.name, one.found) for one in checks if one.level != "ok"] == []
    assert not any(one.stands for one in checks)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda one: f"{one.rule}-{one.words}")
def test_each_defect_is_found_and_nothing_else(defect: Defect) -> None:
    for protected, level in ((True, defect.level), (False, defect.elsewhere)):
        given = defect.change(defect.of)
        given = replace(given, settings=replace(given.settings, protected=protected))
        found = _found(given, defect.rule)
        if level == "none":
            assert found is None
            continue
        assert found is not None
        assert (found.level, found.stands) == (level, level == "fail")
        assert defect.words in found.found
        assert found.why
        assert screen.mends(found.mend, given), "it says what mends it"


def test_each_rule_has_a_defect() -> None:
    assert {one.rule for one in DEFECTS} == {rule.name for rule in (*OF_CLUSTERS, *OF_ALL)}


@pytest.mark.parametrize("name", [one.name for one in fields(Facts) if one.default is NOT_ASKED])
def test_what_may_not_be_asked_is_unknown_never_ok(name: str) -> None:
    of = SECRET if name == "secret" else GOOD
    given = replace(of, **{name: Unknown("rds:Describe is not allowed", "rds:Describe")})  # type: ignore[arg-type]
    before = {one.name: one for one in examine(of)}
    changed = [one for one in examine(given) if one != before.get(one.name)]
    assert changed
    assert {one.level for one in changed} == {"unknown"}
    for one in changed:
        assert screen.mends(one.mend, given) == ["hgaurora iam-policy prod --for doctor allows rds:Describe"]


def test_what_aws_leaves_out_is_unknown() -> None:
    """An absent boolean is not a false one."""
    bare = {"DBClusterIdentifier": "shop-prod", "Engine": "aurora-postgresql", "DBClusterMembers": []}
    given = replace(GOOD, cluster=bare)
    for rule in ("storage-encryption", "deletion-protection", "backup-retention", "copied-tags", "iam-authentication"):
        found = _found(given, rule)
        assert found is not None
        assert found.level == "unknown"


def test_a_cluster_that_is_not_there_is_one_fail() -> None:
    """What is about it is in one line, and not ok."""
    none = Refused("eu-west-1, account 123456789012 has no cluster shop-prod")
    given = replace(
        GOOD, cluster=none, instances=[], maintenance=[], parameters=none, key=none, skew=none, server=none, alarms=[]
    )
    lines = screen.lines(given, examine(given), 2.4, verbose=True)
    assert lines[0].startswith("prod, shop-prod: 1 fail, 1 unknown, ")
    assert "fail     cluster is not there: eu-west-1, account 123456789012 has no cluster" in lines
    assert "  mend   correct cluster, region or account of prod in hgaurora.toml" in lines
    assert any(re.fullmatch(r"unknown  others: \d\d checks of the cluster were not made", line) for line in lines)
    good = {one.name for one in examine(given) if one.level == "ok"}
    assert good == {"credentials", "account", "snapshot-quota", "log-group", "settings-source"}


def test_what_has_to_hold_of_each_member_does_not_hold_of_none() -> None:
    given = cluster(DBClusterMembers=[])(replace(GOOD, instances=[]))
    levels = {one.name: one.level for one in examine(given)}
    assert levels["members"] == "warning"
    assert levels["writer"] == levels["zones"] == "fail"
    for rule in (
        "private", "certificate", "performance-insights", "enhanced-monitoring", "parameter-group",
    ):  # fmt: skip
        assert levels[rule] == "unknown", rule


def test_permissions_of_which_iam_said_nothing() -> None:
    assert isinstance(GOOD.identity, Identity)
    found = _found(replace(GOOD, permissions={}), "permissions")
    root = _found(replace(GOOD, permissions={}, identity=replace(GOOD.identity, kind="root")), "permissions")
    assert found is not None
    assert root is not None
    assert (found.level, root.level) == ("unknown", "ok")


def test_an_unknown_that_could_be_a_fail_stands() -> None:
    graver = _found(replace(GOOD, permissions=Unknown("no")), "permissions")
    lighter = _found(replace(GOOD, alarms=Unknown("no")), "alarms")
    assert graver is not None
    assert lighter is not None
    assert (graver.stands, lighter.stands) == (True, False)


def test_the_screen() -> None:
    given = cluster(DeletionProtection=False, BackupRetentionPeriod=3)(GOOD)
    terraform = replace(given, made_by="terraform")
    assert screen.lines(terraform, examine(terraform), 2.4, verbose=False) == [
        "prod, shop-prod: 1 fail, 1 warning, 34 ok                                   2.4s",
        "fail     deletion-protection is off",
        "  why    one mistaken call deletes the cluster",
        "  mend   deletion_protection = true (Terraform aws_rds_cluster)",
        "warning  backup-retention is 3 days, 7 or more is wanted",
        "  why    restore to a point in time reaches no further back",
        "  mend   backup_retention_period = 7 (Terraform aws_rds_cluster)",
        "ok       34 checks (-v lists them with the values found)",
    ]
    assert screen.lines(given, examine(given), 2.4, verbose=False)[3:5] == [
        "  mend   aws rds modify-db-cluster --db-cluster-identifier shop-prod \\",
        "             --region eu-west-1 --deletion-protection",
    ]


@pytest.mark.parametrize("made_by", [None, *TOOLS])
def test_every_line_fits(made_by: str | None) -> None:
    for defect in DEFECTS:
        _fits(replace(defect.change(defect.of), made_by=made_by))


def _fits(given: Facts) -> None:
    lines = screen.lines(given, examine(given), 2.4, verbose=True)
    for line in lines:
        # an option stays in one piece, with its value
        assert len(line) <= 80 or line.lstrip().startswith("--")
        assert line.isascii()
        assert "\0" not in line
        assert "{" not in line.replace('{"EnableLogTypes', "")
    json.dumps(screen.as_json(given, examine(given), 2.4))


def test_json() -> None:
    given = cluster(DeletionProtection=False)(GOOD)
    found = screen.as_json(given, examine(given), 2.44)
    assert (found["fail"], found["warning"], found["unknown"], found["good"]) == (1, 0, 0, False)
    checks = found["checks"]
    assert isinstance(checks, list)
    (wrong,) = [one for one in checks if one["level"] == "fail"]
    assert wrong["check"] == "deletion-protection"
    assert wrong["value"] is False
    assert set(wrong["mend"]) == {"aws", *TOOLS}
    assert wrong["mend"]["cdk"] == "deletionProtection: true (CDK rds.DatabaseCluster)"


@pytest.mark.parametrize(
    ("tool", "said"),
    [
        ("terraform", "iam_database_authentication_enabled = true (Terraform aws_rds_cluster)"),
        ("pulumi", "iamDatabaseAuthenticationEnabled: true (Pulumi aws.rds.Cluster)"),
        ("cloudformation", "EnableIAMDatabaseAuthentication: true (CloudFormation AWS::RDS::DBCluster)"),
        ("cdk", "iamAuthentication: true (CDK rds.DatabaseCluster)"),
        ("crossplane", "iamDatabaseAuthenticationEnabled: true (Crossplane Cluster, spec.forProvider)"),
        ("planton", "iamDatabaseAuthenticationEnabled: true (Project Planton AwsRdsCluster, spec)"),
        ("ansible", "enable_iam_database_authentication: true (Ansible amazon.aws.rds_cluster)"),
    ],
)
def test_a_property_in_each_tool(tool: str, said: str) -> None:
    assert assigned("iam", True, tool) == said


def test_a_tool_without_the_word_gets_the_command() -> None:
    assert not ATTRIBUTES["managed-secret"].ansible
    given = replace(cluster(MasterUserSecret=None)(GOOD), made_by="ansible")
    found = _found(given, "master-secret")
    assert found is not None
    (mend,) = screen.mends(found.mend, given)
    assert mend.startswith("aws rds modify-db-cluster")


@pytest.mark.parametrize("rule", [*OF_CLUSTERS, *OF_ALL], ids=lambda rule: rule.name)
def test_a_command_of_ours_that_mends_is_one(rule: Rule) -> None:
    """With the options that it names."""
    ours = r"hgaurora ([a-z-]+(?: (?:\{name\}|sync|verify|deploy|-\w|--[\w-]+)(?= |$))*)"
    for said in re.findall(ours, rule.mend.text):
        words = said.replace("{name}", "prod").split()
        cli._group(cli._Run([])).commands[words[0]].make_context(words[0], words[1:])
