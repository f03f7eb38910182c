# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clusters and instances: made, named, renamed, stopped, deleted; what is refused."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from botocore.exceptions import ClientError

from hgaurora.adapters.local import files
from tests.emulator import Emulator, Made, names
from tests.emulator.conftest import ENGINES, connect, sql

New = Callable[[str], str]
LOST = (psycopg.OperationalError, pymysql.OperationalError)


def refused(call: Callable[..., Any], **parameters: Any) -> str:
    """The error's code on the wire."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    return str(caught.value.response["Error"]["Code"])


def empty(rds: Any, id: str, **more: Any) -> dict[str, Any]:
    """A cluster without instances."""
    words: dict[str, Any] = {"Engine": "aurora-postgresql", "MasterUsername": "admin1"}
    words |= {} if more.get("ManageMasterUserPassword") else {"MasterUserPassword": "correct-horse"}
    return dict(rds.create_db_cluster(DBClusterIdentifier=id, **{**words, **more})["DBCluster"])


def test_a_cluster_is_described_as_it_was_made(rds: Any, shop: Made) -> None:
    found = rds.describe_db_clusters(DBClusterIdentifier=shop.arn)["DBClusters"][0]
    assert (found["Status"], found["Engine"], found["Port"]) == ("available", shop.engine, shop.port)
    assert found["Endpoint"].startswith(f"{shop.id}.cluster-c")
    assert found["Endpoint"].endswith(".eu-west-1.rds.amazonaws.com")
    assert found["ReaderEndpoint"] == found["Endpoint"].replace(".cluster-", ".cluster-ro-")
    assert [member["IsClusterWriter"] for member in found["DBClusterMembers"]] == [True]
    instance = rds.describe_db_instances(Filters=[{"Name": "db-cluster-id", "Values": [shop.id]}])["DBInstances"][0]
    assert instance["DBInstanceStatus"] == "available"
    assert instance["Endpoint"]["Address"].startswith(f"{shop.id}-1.")


def test_creating_takes_time(aws: Emulator, rds: Any, new: New) -> None:
    id = new("slow")
    aws.hold("cluster", id)
    assert empty(rds, id)["Status"] == "creating"
    assert rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["Status"] == "creating"
    snapshot = {"DBClusterIdentifier": id, "DBClusterSnapshotIdentifier": "s"}
    assert refused(rds.create_db_cluster_snapshot, **snapshot) == "InvalidDBClusterStateFault"
    aws.release("cluster", id)
    aws.states.settle()
    assert rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["Status"] == "available"


@pytest.mark.parametrize("id", ["1-bad", "a--b", "a-", "a_b", "a" * 64, "ä"])
def test_identifiers_have_a_rule(rds: Any, id: str) -> None:
    words = {"Engine": "aurora-postgresql", "MasterUsername": "a", "MasterUserPassword": "correct-horse"}
    assert refused(rds.create_db_cluster, DBClusterIdentifier=id, **words) == "InvalidParameterValue"


def test_identifiers_are_lower_case_and_unique(rds: Any, new: New) -> None:
    id = new("once")
    assert empty(rds, id.upper())["DBClusterIdentifier"] == id
    words = {"Engine": "aurora-postgresql", "MasterUsername": "a", "MasterUserPassword": "correct-horse"}
    assert refused(rds.create_db_cluster, DBClusterIdentifier=id, **words) == "DBClusterAlreadyExistsFault"


def test_clusters_come_in_pages(rds: Any, aws: Emulator, new: New) -> None:
    region = aws.client("rds", region="eu-central-1")
    ids = sorted(new("page") for _ in range(25))
    for id in ids:
        empty(region, id)
    first = region.describe_db_clusters(MaxRecords=20)
    assert len(first["DBClusters"]) == 20
    pages = region.get_paginator("describe_db_clusters").paginate(PaginationConfig={"PageSize": 20})
    assert sorted(one["DBClusterIdentifier"] for page in pages for one in page["DBClusters"]) == ids
    assert refused(region.describe_db_clusters, MaxRecords=5) == "InvalidParameterValue"


def test_what_is_not_there(rds: Any) -> None:
    assert refused(rds.describe_db_clusters, DBClusterIdentifier="nobody") == "DBClusterNotFoundFault"
    assert refused(rds.modify_db_cluster, DBClusterIdentifier="nobody") == "DBClusterNotFoundFault"
    assert refused(rds.describe_db_instances, DBInstanceIdentifier="nobody") == "DBInstanceNotFound"
    assert (
        refused(rds.describe_db_cluster_snapshots, DBClusterSnapshotIdentifier="no") == "DBClusterSnapshotNotFoundFault"
    )
    unknown = [{"Name": "colour", "Values": ["blue"]}]
    assert refused(rds.describe_db_clusters, Filters=unknown) == "InvalidParameterValue"


def test_what_the_emulator_does_not_know_is_an_error_of_aws(rds: Any) -> None:
    assert refused(rds.describe_integrations) == "InvalidAction"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_rename_takes_the_endpoint_along(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    old, other = aws.cluster(new("old"), engine), aws.cluster(new("other"), engine)
    sql(old, "create table t (i int primary key)", "insert into t values (1)")
    sql(other, "create table t (i int primary key)", "insert into t values (2)")
    taken = {"DBClusterIdentifier": old.id, "NewDBClusterIdentifier": other.id, "ApplyImmediately": True}
    assert refused(rds.modify_db_cluster, **taken) == "DBClusterAlreadyExistsFault"
    away = f"{old.id}-away"
    aws.hold("rename")
    rds.modify_db_cluster(DBClusterIdentifier=old.id, NewDBClusterIdentifier=away, ApplyImmediately=True)
    assert rds.describe_db_clusters(DBClusterIdentifier=old.id)["DBClusters"][0]["Status"] == "renaming"
    reserved = {"DBClusterIdentifier": other.id, "NewDBClusterIdentifier": away, "ApplyImmediately": True}
    assert refused(rds.modify_db_cluster, **reserved) == "DBClusterAlreadyExistsFault"
    aws.release()
    aws.states.settle()
    with pytest.raises(LOST):
        sql(old, "select 1")
    moved = aws.made(away)
    assert (moved.resource_id, moved.endpoint) == (old.resource_id, old.endpoint.replace(old.id, away))
    assert sql(moved, "select i from t") == [(1,)]
    assert [m["DBInstanceIdentifier"] for m in _members(rds, away)] == [f"{old.id}-1"]
    rds.modify_db_cluster(DBClusterIdentifier=other.id, NewDBClusterIdentifier=old.id, ApplyImmediately=True)
    aws.states.settle()
    swapped = aws.made(old.id)
    assert (swapped.endpoint, swapped.address, swapped.resource_id) == (old.endpoint, old.address, other.resource_id)
    assert sql(swapped, "select i from t") == [(2,)]
    # and back
    rds.modify_db_cluster(DBClusterIdentifier=old.id, NewDBClusterIdentifier=other.id, ApplyImmediately=True)
    aws.states.settle()
    rds.modify_db_cluster(DBClusterIdentifier=away, NewDBClusterIdentifier=old.id, ApplyImmediately=True)
    aws.states.settle()
    assert sql(old, "select i from t") == [(1,)]
    assert sql(other, "select i from t") == [(2,)]


def _members(rds: Any, id: str) -> list[dict[str, Any]]:
    return list(rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["DBClusterMembers"])


def test_a_rename_without_hurry_only_waits(rds: Any, aws: Emulator, new: New) -> None:
    id = new("patient")
    empty(rds, id)
    aws.states.settle()
    found = rds.modify_db_cluster(DBClusterIdentifier=id, NewDBClusterIdentifier=new("later"))["DBCluster"]
    assert found["PendingModifiedValues"]["DBClusterIdentifier"].startswith("later")
    assert rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["Status"] == "available"


def test_stopped_and_started_it_has_its_data(aws: Emulator, rds: Any, shop: Made) -> None:
    sql(shop, "create table kept (i int primary key)", "insert into kept values (7)")
    rds.stop_db_cluster(DBClusterIdentifier=shop.id)
    aws.states.settle()
    assert rds.describe_db_clusters(DBClusterIdentifier=shop.id)["DBClusters"][0]["Status"] == "stopped"
    with pytest.raises(LOST):
        sql(shop, "select 1")
    assert refused(rds.stop_db_cluster, DBClusterIdentifier=shop.id) == "InvalidDBClusterStateFault"
    rds.start_db_cluster(DBClusterIdentifier=shop.id)
    aws.states.settle()
    assert sql(shop, "select i from kept") == [(7,)]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_reader_only_reads_until_a_failover(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    made = aws.cluster(new("pair"), engine, readers=1)
    sql(made, "create table t (i int primary key)", "insert into t values (1)")

    def at(name: str) -> Made:
        return replace(made, address=aws.hostaddr(name)[0])

    def instance(number: int) -> Made:
        id = f"{made.id}-{number}"
        return at(rds.describe_db_instances(DBInstanceIdentifier=id)["DBInstances"][0]["Endpoint"]["Address"])

    def reads(of: Made) -> bool:
        text = "select pg_is_in_recovery()" if "postgres" in engine else "select @@read_only"
        return bool(sql(of, text)[0][0])

    assert [reads(of) for of in (made, at(made.reader), instance(1), instance(2))] == [False, True, False, True]
    assert files.until(lambda: _has(at(made.reader), "t"), 60)
    session = connect(made)
    rds.failover_db_cluster(DBClusterIdentifier=made.id)
    aws.states.settle()
    with pytest.raises(LOST):
        session.cursor().execute("select 1")
    assert [m["DBInstanceIdentifier"] for m in _members(rds, made.id) if m["IsClusterWriter"]] == [f"{made.id}-2"]
    assert [reads(of) for of in (made, at(made.reader), instance(1), instance(2))] == [False, True, True, False]
    rds.failover_db_cluster(DBClusterIdentifier=made.id, TargetDBInstanceIdentifier=f"{made.id}-1")
    aws.states.settle()
    assert [reads(of) for of in (made, instance(1), instance(2))] == [False, False, True]
    rds.stop_db_cluster(DBClusterIdentifier=made.id)
    aws.states.settle()
    rds.start_db_cluster(DBClusterIdentifier=made.id)
    aws.states.settle()
    sql(made, "create table after_start (i int primary key)")
    assert files.until(lambda: _has(at(made.reader), "after_start"), 60)
    rds.delete_db_instance(DBInstanceIdentifier=f"{made.id}-2", SkipFinalSnapshot=True)
    aws.states.settle()
    assert not reads(at(made.reader))


def _has(made: Made, table: str) -> bool:
    """Whether what was done has arrived."""
    return bool(sql(made, f"select 1 from information_schema.tables where table_name = '{table}'"))


@pytest.mark.parametrize("engine", ENGINES)
def test_deleting_asks_for_order_and_keeps_a_last_snapshot(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    made = aws.cluster(new("gone"), engine, DeletionProtection=True)
    sql(made, "create table t (i int primary key)", "insert into t values (3)")
    assert refused(rds.delete_db_cluster, DBClusterIdentifier=made.id) == "InvalidParameterCombination"
    skip = {"DBClusterIdentifier": made.id, "SkipFinalSnapshot": True}
    assert refused(rds.delete_db_cluster, **skip) == "InvalidParameterCombination"
    rds.modify_db_cluster(DBClusterIdentifier=made.id, DeletionProtection=False)
    assert refused(rds.delete_db_cluster, **skip) == "InvalidDBClusterStateFault"
    rds.delete_db_instance(DBInstanceIdentifier=f"{made.id}-1", SkipFinalSnapshot=True)
    aws.states.settle()
    rds.delete_db_cluster(DBClusterIdentifier=made.id, FinalDBSnapshotIdentifier=f"{made.id}-last")
    aws.states.settle()
    assert refused(rds.describe_db_clusters, DBClusterIdentifier=made.id) == "DBClusterNotFoundFault"
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier=made.id, SnapshotIdentifier=f"{made.id}-last", Engine=engine
    )
    again = aws.writer(made.id)
    assert again.endpoint == made.endpoint
    assert sql(again, "select i from t", password=made.password) == [(3,)]


@pytest.mark.parametrize("engine", ENGINES)
def test_programs_resolve_endpoints(aws: Emulator, new: New, engine: str, tmp_path: Path) -> None:
    made = aws.cluster(new("named"), engine)
    driver, word = ("psycopg", "dbname") if engine == "aurora-postgresql" else ("pymysql", "database")
    code = (
        f"import subprocess, sys, {driver}\n"
        "if sys.argv[1:]: sys.exit(subprocess.run([sys.executable, '-I', '-c', sys.argv[1]], env={}).returncode)\n"
        f"{driver}.connect(host={made.endpoint!r}, port={made.port}, user={made.user!r},"
        f" password=sys.stdin.read(), {word}={made.database!r}).close()\n"
    )
    given: dict[str, Any] = {"input": made.password, "text": True}
    assert aws.run([sys.executable, "-c", code], **given).returncode == 0
    # nothing of the environment is needed: so it goes for the migration child
    assert aws.run([sys.executable, "-c", code, code], **given).returncode == 0
    # not without our hosts file; another test may have let this process itself see it
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n")
    argv = names.command(hosts, [sys.executable, "-c", code])
    without = subprocess.run(argv, capture_output=True, check=False, **given)
    assert without.returncode != 0
    assert made.endpoint in without.stderr


def test_a_process_can_enter_itself(aws: Emulator, shop: Made) -> None:
    code = (
        "import pathlib, socket, sys, threading\n"
        "from tests.emulator import names\n"
        "names.enter(pathlib.Path(sys.argv[1]))\n"
        "look = lambda: print(socket.gethostbyname(sys.argv[2]))\n"
        "look(); thread = threading.Thread(target=look); thread.start(); thread.join()\n"
    )
    argv = [sys.executable, "-c", code, str(aws.hosts.path), shop.endpoint]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [shop.address] * 2


def test_two_emulators_do_not_meet(aws: Emulator, shop: Made) -> None:
    with Emulator() as other:
        twin = other.cluster(shop.id, shop.engine)
        assert twin.endpoint != shop.endpoint
        assert twin.address != shop.address
        sql(twin, "create table only_here (i int primary key)")
        with pytest.raises((psycopg.errors.UndefinedTable, pymysql.ProgrammingError)):
            sql(shop, "select * from only_here")
    assert sql(shop, "select 1") == [(1,)]


def test_instances_have_rules(aws: Emulator, rds: Any, shop: Made) -> None:
    common = {"DBInstanceClass": "db.r6g.large", "DBClusterIdentifier": shop.id, "Engine": shop.engine}
    again = {**common, "DBInstanceIdentifier": f"{shop.id}-1"}
    assert refused(rds.create_db_instance, **again) == "DBInstanceAlreadyExists"
    other = next(engine for engine in ENGINES if engine != shop.engine)
    wrong = {**common, "DBInstanceIdentifier": "x", "Engine": other}
    assert refused(rds.create_db_instance, **wrong) == "InvalidParameterCombination"
    serverless = {**common, "DBInstanceIdentifier": "x", "DBInstanceClass": "db.serverless"}
    assert refused(rds.create_db_instance, **serverless) == "InvalidParameterCombination"


def test_serverless_capacity_is_echoed(aws: Emulator, rds: Any, new: New) -> None:
    id = new("less")
    empty(rds, id, ServerlessV2ScalingConfiguration={"MinCapacity": 0.5, "MaxCapacity": 4})
    made = rds.create_db_instance(
        DBInstanceIdentifier=f"{id}-1",
        DBInstanceClass="db.serverless",
        Engine="aurora-postgresql",
        DBClusterIdentifier=id,
    )
    assert made["DBInstance"]["DBInstanceStatus"] == "creating"
    aws.states.settle()
    found = rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]
    assert found["ServerlessV2ScalingConfiguration"] == {"MinCapacity": 0.5, "MaxCapacity": 4}
