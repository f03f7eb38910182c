# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Blue/green: real replication under load, a switchover that loses nothing, or that is called off."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pymysql
import pytest

from hgaurora.adapters.local import files
from tests.emulator import Emulator, Made
from tests.emulator.conftest import ENGINES, sql
from tests.emulator.test_clusters import LOST, New, refused

#: nothing in the product asks for these yet
pytestmark = pytest.mark.whole


def able(aws: Emulator, id: str, engine: str) -> Made:
    """A cluster with a parameter group of its own."""
    made = aws.cluster(id, engine)
    group = {"DBClusterParameterGroupName": f"{id}-group"}
    rds = aws.client("rds")
    rds.create_db_cluster_parameter_group(**group, DBParameterGroupFamily="any", Description="x")
    rds.modify_db_cluster(DBClusterIdentifier=id, **group)
    return made


def green_of(aws: Emulator, rds: Any, made: Made, name: str) -> tuple[str, Made]:
    """A deployment whose green follows."""
    begun = rds.create_blue_green_deployment(BlueGreenDeploymentName=name, Source=made.arn)["BlueGreenDeployment"]
    assert begun["Status"] == "PROVISIONING"
    aws.states.settle()
    id = begun["BlueGreenDeploymentIdentifier"]
    found = described(rds, id)
    assert found["Status"] == "AVAILABLE", aws.states.errors
    return id, aws.made(found["Target"].rpartition(":")[2])


def described(rds: Any, id: str) -> dict[str, Any]:
    """A deployment."""
    found = rds.describe_blue_green_deployments(BlueGreenDeploymentIdentifier=id)
    return dict(found["BlueGreenDeployments"][0])


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_lost(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    made = able(aws, new("blue"), engine)
    serial = "serial" if engine == "aurora-postgresql" else "int auto_increment"
    sql(made, f"create table t (id {serial} primary key, n int not null)")
    acknowledged, over = [], threading.Event()

    def write() -> None:
        number = 0
        while not over.is_set():
            try:
                for _ in range(20):
                    sql(made, f"insert into t (n) values ({number})")
                    acknowledged.append(number)
                    number += 1
            except (*LOST, psycopg.errors.ReadOnlySqlTransaction, pymysql.MySQLError):
                number += 1  # may be there or not

    writer = threading.Thread(target=write)
    writer.start()
    try:
        id, green = green_of(aws, rds, made, new("pair"))
        assert green.id.startswith(f"{made.id}-green-")
        sql(green, "set default_transaction_read_only = off" if "postgres" in engine else "select 1", _column(green))
        rds.switchover_blue_green_deployment(BlueGreenDeploymentIdentifier=id)
        aws.states.settle()
        assert described(rds, id)["Status"] == "SWITCHOVER_COMPLETED", aws.states.errors
        before = len(acknowledged)
        assert files.until(lambda: len(acknowledged) >= before + 20, 60)
    finally:
        over.set()
        writer.join()
    live = aws.made(made.id)
    assert (live.endpoint, live.resource_id) == (made.endpoint, green.resource_id)
    there = {row[0] for row in sql(live, "select n from t")}
    assert set(acknowledged) <= there
    assert sql(live, "select added from t limit 1") == [(None,)]
    old = aws.made(f"{made.id}-old1")
    assert old.resource_id == made.resource_id
    assert len(sql(old, "select n from t")) < len(there)
    again = {"BlueGreenDeploymentIdentifier": id}
    assert refused(rds.switchover_blue_green_deployment, **again) == "InvalidBlueGreenDeploymentStateFault"
    found = described(rds, id)
    assert found["Source"].endswith("-old1")
    assert len(found["SwitchoverDetails"]) == 2
    names = [row["DBInstanceIdentifier"] for row in rds.describe_db_instances()["DBInstances"]]
    assert {f"{made.id}-1", f"{made.id}-1-old1"} <= set(names)
    assert refused(rds.delete_blue_green_deployment, **again, DeleteTarget=True) == "InvalidParameterCombination"
    rds.delete_blue_green_deployment(**again)
    aws.states.settle()
    assert refused(rds.describe_blue_green_deployments, **again) == "BlueGreenDeploymentNotFoundFault"
    sql(old, "insert into t (n) values (-1)")
    assert sql(live, "select count(*) from t where n = -1") == [(0,)]


def _column(made: Made) -> str:
    """Additive, so that rows go on coming."""
    return "alter table t add column added int"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_switchover_that_takes_too_long_is_called_off(aws: Emulator, rds: Any, new: New, engine: str) -> None:
    made = able(aws, new("slow"), engine)
    sql(made, "create table t (id int primary key)", "insert into t values (1)")
    id, green = green_of(aws, rds, made, new("pair"))
    # a row in the way: green stops following
    off = "set default_transaction_read_only = off" if "postgres" in engine else "select 1"
    sql(green, off, "insert into t values (2)")
    sql(made, "insert into t values (2)")
    aws.switchover_patience = 1
    try:
        rds.switchover_blue_green_deployment(BlueGreenDeploymentIdentifier=id)
        aws.states.settle()
    finally:
        aws.switchover_patience = 3600
    aws.states.errors.clear()
    found = described(rds, id)
    assert found["Status"] == "SWITCHOVER_FAILED"
    assert "catch up" in found["StatusDetails"]
    sql(made, "insert into t values (3)")
    assert aws.made(made.id).resource_id == made.resource_id
    rds.delete_blue_green_deployment(BlueGreenDeploymentIdentifier=id, DeleteTarget=True)
    aws.states.settle()
    assert refused(rds.describe_db_clusters, DBClusterIdentifier=green.id) == "DBClusterNotFoundFault"
    assert sql(made, "select id from t order by id") == [(1,), (2,), (3,)]


def test_what_is_refused(aws: Emulator, rds: Any, new: New) -> None:
    plain = aws.cluster(new("plain"))
    create = rds.create_blue_green_deployment
    words = {"BlueGreenDeploymentName": "p", "Source": plain.arn}
    assert refused(create, **words) == "SourceClusterNotSupportedFault"
    assert refused(create, **{**words, "Source": plain.arn + "x"}) == "DBClusterNotFoundFault"
    assert refused(create, **{**words, "BlueGreenDeploymentName": "a--b"}) == "InvalidParameterValue"
    unknown = {"BlueGreenDeploymentIdentifier": "bgd-nobody"}
    assert refused(rds.switchover_blue_green_deployment, **unknown) == "BlueGreenDeploymentNotFoundFault"
