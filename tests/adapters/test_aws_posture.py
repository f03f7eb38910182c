# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``doctor`` against an emulated AWS: a cluster with nothing wrong, each defect planted, found and mended."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hgaurora.adapters.aws.posture import gathered, principal
from hgaurora.adapters.aws.session import Aws, Caller
from hgaurora.core import iam
from hgaurora.core.doctor import Check, Facts, Server, examine, screen
from hgaurora.core.settings import Environment
from tests import awscli
from tests.emulator.secured import Secured

ENGINES = ("aurora-postgresql", "aurora-mysql")
SERVER = Server(product="PostgreSQL", version="16.4", user="hgaurora", read_only=False, ledger=True)
LOGS = {"aurora-postgresql": ["postgresql"], "aurora-mysql": ["audit", "error", "slowquery"]}
FORCED = {"aurora-postgresql": ("rds.force_ssl", "1"), "aurora-mysql": ("require_secure_transport", "ON")}
FAMILY = {"aurora-postgresql": "aurora-postgresql16", "aurora-mysql": "aurora-mysql8.0"}


@dataclass
class Ward:
    """A cluster that is examined, and who examines it.

    :ivar keys: AWS keys, as boto3 takes them.
    """

    aws: Secured
    engine: str
    settings: Environment
    monkeypatch: pytest.MonkeyPatch
    keys: dict[str, str]
    _asks: dict[str, Aws] = field(default_factory=dict)

    @property
    def cluster(self) -> dict[str, Any]:
        """What DescribeDBClusters answers from."""
        return self.here.clusters[str(self.settings.cluster)].record

    @property
    def here(self) -> Any:
        """The region."""
        return self.aws.region(self.aws.account, self.aws.default_region)

    def member(self, number: int) -> Any:
        """A member: 1 is the writer."""
        return self.here.instances[f"{self.settings.cluster}-{number}"]

    def facts(self, *, clock: Callable[[], datetime] | None = None, **more: Any) -> Facts:
        """What AWS says, asked by the adapter as the command does."""
        for name, value in self.aws.env_of(self.keys).items():
            self.monkeypatch.setenv(name, value)
        facts = Facts(settings=self.settings, now=datetime.now(UTC), server=SERVER, **more)
        key = f"{self.keys['aws_access_key_id']} {self.settings}"
        # a client costs more than all its calls
        asked = self._asks[key] = self._asks.get(key) or Aws(self.settings, environment="prod", user="mia")
        return gathered(asked, facts, clock=clock) if clock else gathered(asked, facts)

    def checks(self, **more: Any) -> dict[str, Check]:
        """The answer, by rule."""
        return {one.name: one for one in examine(self.facts(**more))}

    def wrong(self, **more: Any) -> dict[str, tuple[str, str]]:
        """Level and words of what is not ok."""
        return {name: (one.level, one.found) for name, one in self.checks(**more).items() if one.level != "ok"}

    @contextmanager
    def with_fields(self, record: dict[str, Any], **fields: Any) -> Iterator[None]:
        """Other values in a record, for a while; None: AWS leaves the field out."""
        with self.aws.lock:
            before = dict(record)
            record.update(fields)
        yield
        with self.aws.lock:
            record.clear()
            record.update(before)


@pytest.fixture(scope="module")
def aws() -> Iterator[Secured]:
    """One emulator for the module."""
    with Secured() as emulator:
        emulator.delay("*", 0.02)
        yield emulator


def _made(aws: Secured, engine: str) -> str:
    """A cluster with nothing wrong."""
    rds, id = aws.client("rds"), f"shop-{engine[7:]}"
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    name, value = FORCED[engine]
    group = {"DBClusterParameterGroupName": f"{id}-group"}
    rds.create_db_cluster_parameter_group(**group, DBParameterGroupFamily=FAMILY[engine], Description="ours")
    parameter = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
    rds.modify_db_cluster_parameter_group(**group, Parameters=[parameter])
    aws.cluster(
        id,
        engine,
        readers=1,
        **group,
        **({"BacktrackWindow": 86400} if engine == "aurora-mysql" else {}),
        ManageMasterUserPassword=True,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=LOGS[engine],
        StorageEncrypted=True,
        KmsKeyId=key,
        DeletionProtection=True,
        BackupRetentionPeriod=7,
        CopyTagsToSnapshot=True,
    )
    for member in aws.region(aws.account, aws.default_region).instances.values():
        member.record.update(MonitoringInterval=60, PerformanceInsightsEnabled=True)
    aws.client("cloudwatch").put_metric_alarm(
        AlarmName=f"{id}-cpu",
        Namespace="AWS/RDS",
        MetricName="CPUUtilization",
        Dimensions=[{"Name": "DBClusterIdentifier", "Value": id}],
        Statistic="Average",
        Period=60,
        EvaluationPeriods=5,
        Threshold=90,
        ComparisonOperator="GreaterThanThreshold",
    )
    aws.client("cloudwatch").set_alarm_state(AlarmName=f"{id}-cpu", StateValue="OK", StateReason="well")
    aws.client("logs").create_log_group(logGroupName=f"/hgaurora/{id}")
    aws.client("logs").put_retention_policy(logGroupName=f"/hgaurora/{id}", retentionInDays=731)
    return id


@pytest.fixture(scope="module")
def clusters(aws: Secured) -> Mapping[str, str]:
    """One of each engine."""
    return {engine: _made(aws, engine) for engine in ENGINES}


@pytest.fixture
def ward(aws: Secured, clusters: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Ward:
    """A cluster in good order, and a role that may deploy to it and examine it."""
    return _ward(aws, ENGINES[0], clusters, monkeypatch)


@pytest.fixture(params=ENGINES)
def each(
    request: pytest.FixtureRequest, aws: Secured, clusters: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> Ward:
    """The same on each engine."""
    return _ward(aws, request.param, clusters, monkeypatch)


def _ward(aws: Secured, engine: str, clusters: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Ward:
    id = clusters[engine]
    settings = Environment(
        name="prod",
        cluster=id,
        region=aws.default_region,
        account=aws.account,
        database="shop",
        user="hgaurora",
        protected=True,
        log_group=f"/hgaurora/{id}",
    )
    return Ward(aws, engine, settings, monkeypatch, _keys(aws, settings))


def _keys(
    aws: Secured, settings: Environment, *, without: str = "", more: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """A session of a role whose policies are those that the tool prints."""
    policies = [iam.policy(command, settings) for command in ("deploy", "doctor")]
    for policy in policies:
        for row in policy["Statement"]:
            row["Action"] = [action for action in row["Action"] if action != without] or ["none:none"]
    name = f"mia-{settings.cluster}-{without.replace(':', '-')}"
    role = next((one.arn for one in _roles(aws) if one.name == name), None) or aws.directory.role(
        name, *policies, *([more] if more else [])
    )
    return aws.directory.session(role, "mia")


def _roles(aws: Secured) -> Any:
    from moto.iam.models import iam_backends

    return list(iam_backends[aws.account]["aws"].roles.values())


def test_nothing_wrong(each: Ward) -> None:
    """With the two policies that ``iam-policy`` prints, everything is known and ok."""
    assert each.wrong() == {}
    assert set(each.checks()) >= {"permissions", "alarms", "snapshot-quota", "clock", "encryption-key"}


@dataclass(frozen=True)
class Planted:
    """A defect of a record: the rule that finds it, of whom, what is other then.

    :ivar runs: the command that is printed mends it at once.
    """

    rule: str
    level: str
    of: str  # cluster | reader
    fields: Mapping[str, Any]
    runs: bool = False
    engine: str = ""


#: those of the first round stand in each other's way, or in a mend's
DEFECTS = (
    (
        Planted("status", "fail", "cluster", {"Status": "modifying"}),
        Planted("engine-version", "fail", "cluster", {"EngineVersion": "7.4"}),
        Planted("storage-encryption", "fail", "cluster", {"StorageEncrypted": False}),
        Planted("members", "warning", "reader", {"DBInstanceStatus": "rebooting"}),
    ),
    (
        Planted("engine-mode", "fail", "cluster", {"EngineMode": "serverless"}),
        Planted("encryption-key", "warning", "cluster", {"KmsKeyId": None}),
        Planted("deletion-protection", "fail", "cluster", {"DeletionProtection": False}, True),
        Planted("backup-retention", "warning", "cluster", {"BackupRetentionPeriod": 3}, True),
        Planted("copied-tags", "warning", "cluster", {"CopyTagsToSnapshot": False}, True),
        Planted("backtrack-window", "warning", "cluster", {"BacktrackWindow": 0}, engine="aurora-mysql"),
        Planted("pending-changes", "warning", "reader", {"PendingModifiedValues": {"DBInstanceClass": "db.x"}}),
        Planted("zones", "fail", "reader", {"AvailabilityZone": "eu-west-1a"}),
        Planted("failover-target", "warning", "reader", {"PromotionTier": 15}, True),
        Planted("private", "fail", "reader", {"PubliclyAccessible": True}, True),
        Planted("certificate", "fail", "reader", {"CACertificateIdentifier": "rds-ca-2019"}, True),
        Planted("log-exports", "warning", "cluster", {"EnabledCloudwatchLogsExports": []}, True),
        Planted("performance-insights", "warning", "reader", {"PerformanceInsightsEnabled": False}, True),
        Planted("enhanced-monitoring", "warning", "reader", {"MonitoringInterval": 0}, True),
        Planted("iam-authentication", "fail", "cluster", {"IAMDatabaseAuthenticationEnabled": False}, True),
        Planted("data-api", "warning", "cluster", {"HttpEndpointEnabled": True}),
    ),
)


@pytest.mark.parametrize("planted", DEFECTS, ids=["first", "second"])
def test_each_defect_of_a_cluster_is_found_and_mended(each: Ward, planted: tuple[Planted, ...]) -> None:
    """All that were planted and nothing else; the commands that are printed mend theirs, and no other."""
    planted = tuple(one for one in planted if one.engine in ("", each.engine))
    records = {"cluster": each.cluster, "reader": each.member(2).record}
    before = {of: dict(record) for of, record in records.items()}
    with each.aws.lock:
        for one in planted:
            records[one.of].update(one.fields)
    facts = each.facts()
    wrong = [one for one in examine(facts) if one.level != "ok"]
    assert {(one.name, one.level) for one in wrong} == {(one.rule, one.level) for one in planted}
    mended = {one.rule for one in planted if one.runs}
    for check in wrong:
        if check.name in mended:
            (mend,) = screen.mends(check.mend, facts)
            awscli.run(each.aws.client, mend.replace("\0", " ").replace("ROLE", "arn:aws:iam::123456789012:role/m"))
    each.aws.states.settle()
    if mended:
        assert set(each.wrong()) == {one.rule for one in planted if not one.runs}
    with each.aws.lock:
        for of, record in records.items():
            record.clear()
            record.update(before[of])
    assert each.wrong() == {}


def test_the_controls_see_the_commands() -> None:
    """The command line's stand-in knows AWS's names, and no others."""
    service, operation, values, region = awscli.parsed(
        "aws rds modify-db-cluster --db-cluster-identifier x --no-deletion-protection --region eu-west-1"
    )
    assert (service, operation, region) == ("rds", "ModifyDBCluster", "eu-west-1")
    assert values == {"DBClusterIdentifier": "x", "DeletionProtection": False}
    with pytest.raises(KeyError):
        awscli.parsed("aws rds modify-db-cluster --deletion-protected")


def test_every_printed_command_is_one_of_aws(each: Ward) -> None:
    """Also those that a test does not run."""
    facts = each.facts()
    broken = replace(facts, cluster={**each.cluster, "EngineVersion": "1"}, alarms=[], snapshots=(1, 1), maintenance=[])
    seen = 0
    for one in examine(broken):
        for mend in screen.mends(one.mend, broken):
            if mend.startswith("aws "):
                awscli.parsed(mend.replace("\0", " "))
                seen += 1
    assert seen > 10


def test_a_key_that_is_to_be_deleted(ward: Ward) -> None:
    kms, key = ward.aws.client("kms"), ward.cluster["KmsKeyId"].rpartition("/")[2]
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert ward.wrong()["encryption-key"] == ("fail", "is PendingDeletion")
    kms.cancel_key_deletion(KeyId=key)
    kms.enable_key(KeyId=key)
    assert ward.wrong() == {}


def test_one_member_alone(ward: Ward) -> None:
    with ward.aws.lock:
        reader = ward.here.instances.pop(ward.member(2).id)
    assert ward.wrong() == {"zones": ("fail", "1 member in eu-west-1a")}
    with ward.aws.lock:
        ward.here.instances[reader.id] = reader
    assert ward.wrong() == {}


def test_a_parameter_group_that_is_not_applied(ward: Ward) -> None:
    ward.member(2).group = "pending-reboot"
    assert ward.wrong() == {"parameter-group": ("warning", f"{ward.member(2).id} is pending-reboot")}
    ward.member(2).group = "in-sync"
    assert ward.wrong() == {}


def test_tls_that_is_not_forced(each: Ward) -> None:
    """Found by the parameter's value, and by the engine's default where a group says nothing; mended by command."""
    name, _ = FORCED[each.engine]
    off = {"rds.force_ssl": "0"}.get(name, "OFF")
    row = {"ParameterName": name, "ParameterValue": off, "ApplyMethod": "immediate"}
    group = each.cluster["DBClusterParameterGroup"]
    each.aws.client("rds").modify_db_cluster_parameter_group(DBClusterParameterGroupName=group, Parameters=[row])
    facts = each.facts()
    (wrong,) = [one for one in examine(facts) if one.level != "ok"]
    assert (wrong.name, wrong.level, wrong.found) == ("forced-tls", "fail", f"is off ({name} is {off})")
    (mend,) = screen.mends(wrong.mend, facts)
    awscli.run(each.aws.client, mend.replace("\0", " "))
    assert each.wrong() == {}


def test_a_password_that_somebody_keeps(ward: Ward) -> None:
    managed = ward.cluster.pop("MasterUserSecret")
    assert ward.wrong() == {"master-secret": ("warning", "is a password that somebody keeps")}
    ward.cluster["MasterUserSecret"] = {**managed, "SecretStatus": "impaired"}
    assert ward.wrong() == {"master-secret": ("warning", "is managed by AWS, impaired")}
    ward.cluster["MasterUserSecret"] = managed
    assert ward.wrong() == {}


def test_backups_that_are_behind(ward: Ward) -> None:
    ward.aws.restorable_lag = timedelta(hours=1)
    with ward.with_fields(ward.cluster, EarliestRestorableTime=datetime.now(UTC) - timedelta(days=2)):
        level, said = ward.wrong()["latest-restorable"]
    ward.aws.restorable_lag = timedelta(0)
    assert (level, said) == ("warning", "is 60 minutes behind")
    assert ward.wrong() == {}


def test_no_room_for_a_snapshot(ward: Ward) -> None:
    ward.aws.snapshot_quota = 0
    assert ward.wrong() == {"snapshot-quota": ("fail", "has 0 of 0 left")}
    ward.aws.snapshot_quota = 100
    assert ward.wrong() == {}


def test_maintenance_that_waits(ward: Ward) -> None:
    """Of a member and of the cluster; not that of others."""
    waits = [{"Action": "system-update"}]
    ward.aws.maintenance = {"arn:aws:rds:eu-west-1:123456789012:db:somebody-else": waits}
    assert ward.wrong() == {}
    for record, key in ((ward.member(2).record, "DBInstanceArn"), (ward.cluster, "DBClusterArn")):
        ward.aws.maintenance = {record[key]: waits}
        assert ward.wrong() == {"pending-maintenance": ("warning", "waits: system-update")}
    ward.aws.maintenance = {}
    assert ward.wrong() == {}


def test_alarms(ward: Ward) -> None:
    """Those that the settings name have to be there; else one about the cluster."""
    cloudwatch, name = ward.aws.client("cloudwatch"), f"{ward.settings.cluster}-cpu"
    assert ward.wrong(wanted_alarms=(name,)) == {}
    assert ward.wrong(wanted_alarms=(name, "disk")) == {"alarms": ("fail", "are not there: disk")}
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a test")
    assert ward.wrong() == {"alarms": ("warning", f"{name} is ALARM")}
    described = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    cloudwatch.delete_alarms(AlarmNames=[name])
    facts = ward.facts()
    (wrong,) = [one for one in examine(facts) if one.level != "ok"]
    assert (wrong.name, wrong.level) == ("alarms", "warning")
    (mend,) = screen.mends(wrong.mend, facts)
    awscli.run(ward.aws.client, mend.replace("\0", " "))
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="well")
    assert ward.wrong() == {}
    again = cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"][0]
    assert again["Dimensions"] == described["Dimensions"]


def test_the_log_group(ward: Ward) -> None:
    logs, group = ward.aws.client("logs"), ward.settings.log_group
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    facts = ward.facts()
    (wrong,) = [one for one in examine(facts) if one.level != "ok"]
    assert (wrong.name, wrong.level, wrong.found) == ("log-group", "warning", f"{group} is kept 30 days")
    (mend,) = screen.mends(wrong.mend, facts)
    awscli.run(ward.aws.client, mend.replace("\0", " "))
    assert ward.wrong() == {}
    whole = ward.settings
    ward.settings = replace(whole, log_group=None)
    assert ward.wrong()["log-group"][0] == "warning"
    ward.settings = replace(whole, log_group=f"{group}-not-there")
    # there were deploys, and none could make it
    assert ward.wrong()["log-group"] == ("warning", f"{group}-not-there is not there, and there were deploys")
    before = replace(ward.facts(), server=replace(SERVER, ledger=False))
    (found,) = [one.found for one in examine(before) if one.name == "log-group"]
    assert found == f"{group}-not-there is not there yet: the first deploy makes it"


def test_a_clock_that_is_off(ward: Ward) -> None:
    for seconds, level, words in ((90, "warning", "ahead of"), (-90, "warning", "behind"), (400, "fail", "ahead of")):
        found = ward.wrong(clock=lambda ahead=seconds: datetime.now(UTC) + timedelta(seconds=ahead))  # type: ignore[misc]
        assert found["clock"][0] == level
        assert re.fullmatch(
            rf"is {abs(seconds) // 10}\ds {words} AWS's|is {abs(seconds) - 1}s {words} AWS's", found["clock"][1]
        )
    assert ward.wrong() == {}


def test_a_secret_of_ones_own(ward: Ward) -> None:
    vault = ward.aws.client("secretsmanager")
    name = f"shop/{ward.engine}"
    ward.settings = replace(ward.settings, secret=name)
    # what is not there has no ARN that a policy could name
    wide = {"Effect": "Allow", "Action": "secretsmanager:DescribeSecret", "Resource": "*"}
    ward.keys = _keys(ward.aws, ward.settings, without="none:own", more={"Version": "2012-10-17", "Statement": wide})
    assert ward.wrong() == {"secret": ("fail", f"{name} is not there")}
    vault.create_secret(Name=name, SecretString="{}")
    assert ward.wrong() == {"secret": ("warning", "is never rotated")}
    vault.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert ward.wrong() == {"secret": ("fail", "is to be deleted")}


def test_the_managed_secret(ward: Ward) -> None:
    ward.settings = replace(ward.settings, secret="managed")
    ward.keys = _keys(ward.aws, ward.settings, without="none:managed")
    assert ward.wrong() == {}
    assert ward.checks()["secret"].found == "is rotated by RDS"


def test_a_key_that_does_not_expire(ward: Ward) -> None:
    policies = [iam.policy(command, ward.settings) for command in ("deploy", "doctor")]
    for policy in policies:
        for row in policy["Statement"]:
            if row["Sid"] == "Simulation":
                row["Resource"] = ["*"]
    ward.keys = ward.aws.directory.user(f"mia-{ward.engine}", *policies)
    assert ward.wrong() == {
        "credentials": ("fail", f"is arn:aws:iam::123456789012:user/mia-{ward.engine} with a key that does not expire")
    }


def test_another_account(ward: Ward) -> None:
    ward.settings = replace(ward.settings, account="210987654321")
    # in that account the role is nobody, too
    assert ward.wrong().items() >= {"account": ("fail", "is 123456789012")}.items()
    ward.settings = replace(ward.settings, account=None)
    assert ward.wrong() == {"account": ("warning", "is not named in hgaurora.toml")}


def _deploys(ward: Ward) -> list[str]:
    return sorted(iam.actions("deploy", ward.settings) - iam.actions("doctor", ward.settings))


def test_each_permission_of_a_deploy_is_missed(ward: Ward) -> None:
    """Proven by IAM's own simulator: whichever is taken out of the role is named."""
    assert len(_deploys(ward)) > 5
    for action in _deploys(ward):
        ward.keys = _keys(ward.aws, ward.settings, without=action)
        assert ward.wrong() == {"permissions": ("fail", f"lack {action}")}


def test_a_narrower_policy_than_ours_will_do(ward: Ward) -> None:
    """One that names the cluster's resource id; and with another one's it does not."""
    for id, wrong in ((ward.cluster["DbClusterResourceId"], {}), ("cluster-OTHER", {"permissions"})):
        policies = [iam.policy(command, ward.settings) for command in ("deploy", "doctor")]
        for policy in policies:
            for row in policy["Statement"]:
                row["Resource"] = [arn.replace(":dbuser:*/", f":dbuser:{id}/") for arn in row["Resource"]]
        ward.keys = ward.aws.directory.session(ward.aws.directory.role(f"narrow-{id}", *policies), "mia")
        assert set(ward.wrong()) == set(wrong)


def test_each_permission_of_doctor_is_missed(ward: Ward) -> None:
    """What may not be asked is unknown, by the action's name, and nothing that rests on it is ok. (rds-db:connect is
    the database's to ask.)"""
    before = ward.checks()
    for action in sorted(iam.actions("doctor", ward.settings) - {"rds-db:connect", "rds:DescribeGlobalClusters"}):
        ward.keys = _keys(ward.aws, ward.settings, without=action)
        wrong = ward.checks()
        changed = {name: one for name, one in wrong.items() if one != before.get(name) and name != "credentials"}
        # seconds pass between two looks
        changed = {name: one for name, one in changed.items() if (name, one.level) != ("clock", "ok")}
        unknown = {one.found for name, one in changed.items() if name != "permissions"}
        assert unknown <= {f"{action} is not allowed"}
        assert changed, action
        assert {one.level for one in changed.values()} <= {"unknown", "fail"}


@pytest.mark.parametrize(
    ("arn", "kind", "role", "wanted"),
    [
        ("arn:aws:iam::1:root", "root", None, None),
        ("arn:aws:iam::1:user/x/mia", "user", None, "arn:aws:iam::1:user/x/mia"),
        ("arn:aws:sts::1:assumed-role/deploy/mia", "role", None, "arn:aws:iam::1:role/deploy"),
        (
            "arn:aws:sts::1:assumed-role/deploy/m",
            "role",
            "arn:aws:iam::1:role/ci/deploy",
            "arn:aws:iam::1:role/ci/deploy",
        ),
        ("arn:aws:sts::1:assumed-role/other/m", "role", "arn:aws:iam::1:role/ci/deploy", "arn:aws:iam::1:role/other"),
        ("arn:aws-cn:sts::1:assumed-role/deploy/mia", "role", None, "arn:aws-cn:iam::1:role/deploy"),
    ],
)
def test_whom_the_simulator_is_asked_about(arn: str, kind: str, role: str | None, wanted: str | None) -> None:
    assert principal(Caller(arn, "1", "id", kind, False, None), role) == wanted
