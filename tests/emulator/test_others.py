# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Managed passwords, settings, events, parameter groups, global databases, and IAM by resource."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pymysql
import pytest

from tests.emulator import Emulator, Made
from tests.emulator.conftest import ENGINES, sql
from tests.emulator.secured import Secured
from tests.emulator.test_clusters import New, empty, refused


def secret_of(aws: Emulator, rds: Any, id: str) -> tuple[dict[str, Any], dict[str, str]]:
    """What a cluster says of its secret, and what is in it."""
    found = rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["MasterUserSecret"]
    value = aws.client("secretsmanager").get_secret_value(SecretId=found["SecretArn"])
    return found, json.loads(value["SecretString"])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_managed_password_logs_in_and_rotates(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    made = aws.cluster(new("managed"), engine, ManageMasterUserPassword=True)
    said, first = secret_of(aws, rds, made.id)
    assert said["SecretStatus"] == "active"
    assert ":secret:rds!cluster-" in said["SecretArn"]
    assert first["username"] == made.user
    assert sql(made, "select 1", password=first["password"]) == [(1,)]
    aws.hold("secret")
    rotate = {"DBClusterIdentifier": made.id, "RotateMasterUserPassword": True}
    assert refused(rds.modify_db_cluster, **rotate) == "InvalidParameterCombination"
    rds.modify_db_cluster(ApplyImmediately=True, **rotate)
    assert secret_of(aws, rds, made.id)[0]["SecretStatus"] == "rotating"
    aws.release()
    aws.states.settle()
    said, second = secret_of(aws, rds, made.id)
    assert said["SecretStatus"] == "active"
    assert sql(made, "select 1", password=second["password"]) == [(1,)]
    with pytest.raises((psycopg.OperationalError, pymysql.OperationalError)):
        sql(made, "select 1", password=first["password"])
    manager = aws.client("secretsmanager")
    before = manager.get_secret_value(SecretId=said["SecretArn"], VersionStage="AWSPREVIOUS")
    assert json.loads(before["SecretString"]) == first
    # given up for a password of one's own, and taken again
    rds.modify_db_cluster(
        DBClusterIdentifier=made.id, ManageMasterUserPassword=False, MasterUserPassword="battery-staple"
    )
    aws.states.settle()
    assert sql(made, "select 1", password="battery-staple") == [(1,)]
    assert refused(manager.get_secret_value, SecretId=said["SecretArn"]) == "ResourceNotFoundException"
    rds.modify_db_cluster(DBClusterIdentifier=made.id, ManageMasterUserPassword=True)
    aws.states.settle()
    again, third = secret_of(aws, rds, made.id)
    assert again["SecretArn"] != said["SecretArn"]
    assert sql(made, "select 1", password=third["password"]) == [(1,)]


def test_a_managed_password_is_not_in_a_restore(aws: Emulator, rds: Any, new: New) -> None:
    made = aws.cluster(new("managed"), ManageMasterUserPassword=True)
    _, word = secret_of(aws, rds, made.id)
    id = new("kept")
    rds.create_db_cluster_snapshot(DBClusterIdentifier=made.id, DBClusterSnapshotIdentifier=id)
    aws.states.settle()
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier=id, SnapshotIdentifier=id, Engine=made.engine)
    copy = aws.writer(id)
    assert "MasterUserSecret" not in rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]
    assert sql(copy, "select 1", password=word["password"]) == [(1,)]


def test_settings_are_kept_and_changed(aws: Emulator, rds: Any, new: New) -> None:
    id = new("set")
    found = empty(
        rds,
        id,
        StorageEncrypted=True,
        BackupRetentionPeriod=14,
        EnableIAMDatabaseAuthentication=True,
        EnableCloudwatchLogsExports=["postgresql"],
        CopyTagsToSnapshot=True,
        Tags=[{"Key": "team", "Value": "shop"}],
    )
    assert (found["StorageEncrypted"], found["BackupRetentionPeriod"]) == (True, 14)
    assert found["IAMDatabaseAuthenticationEnabled"]
    assert found["EnabledCloudwatchLogsExports"] == ["postgresql"]
    aws.states.settle()
    changed = rds.modify_db_cluster(
        DBClusterIdentifier=id,
        BackupRetentionPeriod=7,
        EnableIAMDatabaseAuthentication=False,
        CloudwatchLogsExportConfiguration={"DisableLogTypes": ["postgresql"]},
    )["DBCluster"]
    assert (changed["BackupRetentionPeriod"], changed["IAMDatabaseAuthenticationEnabled"]) == (7, False)
    assert not changed.get("EnabledCloudwatchLogsExports")
    rds.create_db_cluster_snapshot(DBClusterIdentifier=id, DBClusterSnapshotIdentifier=id)
    aws.states.settle()
    snapshot = rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=id)["DBClusterSnapshots"][0]
    assert snapshot["TagList"] == [{"Key": "team", "Value": "shop"}]
    assert snapshot["KmsKeyId"] == found["KmsKeyId"]


def test_events_tell_what_happened(aws: Emulator, rds: Any, new: New) -> None:
    id = new("told")
    empty(rds, id)
    aws.states.settle()
    rds.create_db_cluster_snapshot(DBClusterIdentifier=id, DBClusterSnapshotIdentifier=id)
    aws.states.settle()
    words = {"SourceIdentifier": id}
    assert refused(rds.describe_events, **words) == "InvalidParameterCombination"
    cluster = rds.describe_events(SourceType="db-cluster", **words)["Events"]
    assert [event["Message"] for event in cluster] == ["DB cluster created"]
    snapshot = rds.describe_events(SourceType="db-cluster-snapshot", **words)["Events"]
    assert [event["EventCategories"] for event in snapshot] == [["backup"], ["backup"]]


def test_maintenance_and_certificates(aws: Emulator, rds: Any, new: New) -> None:
    arn = empty(rds, new("old"))["DBClusterArn"]
    assert not rds.describe_pending_maintenance_actions()["PendingMaintenanceActions"]
    aws.maintenance[arn] = [{"Action": "system-update", "Description": "a new minor version"}]
    found = rds.describe_pending_maintenance_actions(ResourceIdentifier=arn)["PendingMaintenanceActions"]
    assert found[0]["PendingMaintenanceActionDetails"][0]["Action"] == "system-update"
    aws.maintenance.clear()
    names = [row["CertificateIdentifier"] for row in rds.describe_certificates()["Certificates"]]
    assert "rds-ca-rsa2048-g1" in names
    unknown = {"CertificateIdentifier": "rds-ca-2015"}
    assert refused(rds.describe_certificates, **unknown) == "CertificateNotFound"


def test_parameter_groups(aws: Emulator, rds: Any, new: New) -> None:
    made = empty(rds, new("param"))
    default = made["DBClusterParameterGroup"]
    assert default.startswith("default.aurora-postgresql")
    groups = rds.describe_db_cluster_parameter_groups(DBClusterParameterGroupName=default)["DBClusterParameterGroups"]
    assert len(groups) == 1

    def value(group: str, name: str) -> str | None:
        pages = rds.get_paginator("describe_db_cluster_parameters").paginate(DBClusterParameterGroupName=group)
        rows = [row for page in pages for row in page["Parameters"] if row["ParameterName"] == name]
        return rows[0].get("ParameterValue") if rows else None

    assert value(default, "rds.force_ssl") == "0"
    own = {"DBClusterParameterGroupName": new("own")}
    rds.create_db_cluster_parameter_group(**own, DBParameterGroupFamily="aurora-postgresql15", Description="x")
    force = {"ParameterName": "rds.force_ssl", "ParameterValue": "1", "ApplyMethod": "immediate"}
    rds.modify_db_cluster_parameter_group(**own, Parameters=[force])
    assert value(own["DBClusterParameterGroupName"], "rds.force_ssl") == "1"
    aws.states.settle()
    changed = rds.modify_db_cluster(DBClusterIdentifier=made["DBClusterIdentifier"], **own)["DBCluster"]
    assert changed["DBClusterParameterGroup"] == own["DBClusterParameterGroupName"]
    nobody = {"DBClusterParameterGroupName": "nobody"}
    assert refused(rds.describe_db_cluster_parameters, **nobody) == "DBParameterGroupNotFound"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_parameter_forces_tls(new: New, engine: str) -> None:
    postgresql = engine == "aurora-postgresql"
    with Secured() as aws:
        rds = aws.client("rds")
        made = aws.cluster(new("forced"), engine)
        assert sql(made, "select 1") == [(1,)]
        group = {"DBClusterParameterGroupName": "strict"}
        rds.create_db_cluster_parameter_group(**group, DBParameterGroupFamily="x", Description="x")
        name, value = ("rds.force_ssl", "1") if postgresql else ("require_secure_transport", "ON")
        words = {"ParameterName": name, "ParameterValue": value, "ApplyMethod": "immediate"}
        rds.modify_db_cluster_parameter_group(**group, Parameters=[words])
        rds.modify_db_cluster(DBClusterIdentifier=made.id, **group)
        common = {"host": made.address, "port": made.port, "user": made.user, "password": made.password}
        if postgresql:
            with pytest.raises(psycopg.OperationalError, match="no encryption"):
                psycopg.connect(**common, dbname="shop", sslmode="disable")
            psycopg.connect(**common, dbname="shop", sslmode="require").close()
        else:
            with pytest.raises(pymysql.OperationalError, match="secure transport"):
                pymysql.connect(**common, ssl_disabled=True)
            pymysql.connect(**common, ssl={"check_hostname": False}).close()


def test_custom_endpoints(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    id = new("reports")
    words = {"DBClusterEndpointIdentifier": id, "EndpointType": "READER"}
    rds.create_db_cluster_endpoint(DBClusterIdentifier=shop.id, **words)
    found = rds.describe_db_cluster_endpoints(DBClusterIdentifier=shop.id)["DBClusterEndpoints"]
    assert [row["EndpointType"] for row in found] == ["WRITER", "READER", "CUSTOM"]
    address, _ = aws.hostaddr(found[2]["Endpoint"])
    assert address.startswith("127.")
    rds.delete_db_cluster_endpoint(DBClusterEndpointIdentifier=id)
    assert len(rds.describe_db_cluster_endpoints(DBClusterIdentifier=shop.id)["DBClusterEndpoints"]) == 2


def test_a_global_database_has_one_writer(aws: Emulator, rds: Any, new: New) -> None:
    first = empty(rds, new("near"))
    aws.states.settle()
    name = {"GlobalClusterIdentifier": new("world")}
    rds.create_global_cluster(**name, SourceDBClusterIdentifier=first["DBClusterArn"])
    far = aws.client("rds", region="us-east-1")
    second = far.create_db_cluster(DBClusterIdentifier=new("far"), Engine=first["Engine"], **name)["DBCluster"]
    members = rds.describe_global_clusters(**name)["GlobalClusters"][0]["GlobalClusterMembers"]
    assert {member["DBClusterArn"]: member["IsWriter"] for member in members} == {
        first["DBClusterArn"]: True,
        second["DBClusterArn"]: False,
    }
    aws.states.settle()
    gone = {"DBClusterIdentifier": second["DBClusterIdentifier"], "SkipFinalSnapshot": True}
    assert refused(far.delete_db_cluster, **gone) == "InvalidDBClusterStateFault"
    for arn in (first["DBClusterArn"], second["DBClusterArn"]):
        rds.remove_from_global_cluster(**name, DbClusterIdentifier=arn)
    rds.delete_global_cluster(**name)
    assert refused(rds.describe_global_clusters, **name) == "GlobalClusterNotFoundFault"
    far.delete_db_cluster(**gone)


def test_every_call_is_noted(aws: Emulator, rds: Any) -> None:
    before = len(aws.calls)
    rds.describe_db_clusters(MaxRecords=50)
    aws.client("sts").get_caller_identity()
    noted = [(call.name, call.params, call.region) for call in aws.calls[before:]]
    assert noted == [
        ("rds:DescribeDBClusters", {"MaxRecords": 50}, "eu-west-1"),
        ("sts:GetCallerIdentity", {}, "eu-west-1"),
    ]
