# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots with real data, restores, clones and points in time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hgaurora.adapters.local import files
from tests.emulator import Emulator, Made
from tests.emulator.conftest import ENGINES, sql
from tests.emulator.test_clusters import New, empty, refused

ACCOUNTS = 20


def snap(aws: Emulator, of: Made, id: str, **more: Any) -> dict[str, Any]:
    """A snapshot that is available."""
    aws.client("rds").create_db_cluster_snapshot(DBClusterIdentifier=of.id, DBClusterSnapshotIdentifier=id, **more)
    aws.states.settle()
    return one(aws, id)


def one(aws: Emulator, id: str) -> dict[str, Any]:
    """A snapshot as it is described."""
    found = aws.client("rds").describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=id)
    return dict(found["DBClusterSnapshots"][0])


def restored(aws: Emulator, rds: Any, of: Made, snapshot: str, id: str, **more: Any) -> Made:
    """A snapshot's data, served; its password is the one of then."""
    rds.restore_db_cluster_from_snapshot(DBClusterIdentifier=id, SnapshotIdentifier=snapshot, Engine=of.engine, **more)
    return aws.writer(id)


def test_a_restore_has_the_data_of_the_snapshot(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    sql(shop, "create table first (i int primary key)", "insert into first values (1)")
    found = snap(aws, shop, new("before"))
    sql(shop, "insert into first values (2)", "create table second (i int primary key)")
    copy = restored(aws, rds, shop, found["DBClusterSnapshotIdentifier"], new("copy"))
    assert sql(copy, "select i from first", password=shop.password) == [(1,)]
    assert sql(shop, "select i from first order by i") == [(1,), (2,)]
    # two clusters with two lives
    sql(copy, "drop table first", password=shop.password)
    assert sql(shop, "select count(*) from first") == [(2,)]
    assert copy.resource_id != shop.resource_id
    assert found["DbClusterResourceId"] == shop.resource_id
    settings = rds.describe_db_clusters(DBClusterIdentifier=copy.id)["DBClusters"][0]
    assert not settings["IAMDatabaseAuthenticationEnabled"]


@contextmanager
def load(made: Made) -> Iterator[None]:
    """Money goes from account to account, each in a transaction, all the time."""
    sql(made, "create table account (id int primary key, balance int not null)")
    sql(made, "insert into account values " + ", ".join(f"({i}, 100)" for i in range(ACCOUNTS)))
    over, moved = threading.Event(), [0]

    def move() -> None:
        begin = "begin" if made.engine == "aurora-postgresql" else "start transaction"
        while not over.is_set():
            for number in range(ACCOUNTS - 1):
                take = f"update account set balance = balance - 1 where id = {number}"
                give = f"update account set balance = balance + 1 where id = {number + 1}"
                sql(made, begin, take, give, "commit")
                moved[0] += 1

    thread = threading.Thread(target=move)
    thread.start()
    try:
        assert files.until(lambda: moved[0] >= 5, 60)
        yield
    finally:
        over.set()
        thread.join()
        sql(made, "drop table account")


def test_a_snapshot_under_load_is_of_one_instant(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    ids = [new("busy") for _ in range(3)]
    with load(shop):
        for id in ids:
            snap(aws, shop, id)
    totals = []
    for id in ids:
        copy = restored(aws, rds, shop, id, new("total"))
        totals.append(sql(copy, "select count(*), sum(balance) from account", password=shop.password))
    assert [tuple(map(int, total[0])) for total in totals] == [(ACCOUNTS, ACCOUNTS * 100)] * 3


def test_a_snapshot_takes_its_time(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    id = new("held")
    aws.hold("snapshot", "held-*")
    begun = rds.create_db_cluster_snapshot(DBClusterIdentifier=shop.id, DBClusterSnapshotIdentifier=id)
    assert begun["DBClusterSnapshot"]["Status"] == "creating"
    found = one(aws, id)
    assert (found["Status"], found["Port"]) == ("creating", 0)
    assert found["PercentProgress"] < 100
    assert rds.describe_db_clusters(DBClusterIdentifier=shop.id)["DBClusters"][0]["Status"] == "backing-up"
    second = {"DBClusterIdentifier": shop.id, "DBClusterSnapshotIdentifier": new("second")}
    assert refused(rds.create_db_cluster_snapshot, **second) == "InvalidDBClusterStateFault"
    early = {"DBClusterIdentifier": "early", "SnapshotIdentifier": id, "Engine": shop.engine}
    assert refused(rds.restore_db_cluster_from_snapshot, **early) == "InvalidDBClusterSnapshotStateFault"
    delete = {"DBClusterSnapshotIdentifier": id}
    assert refused(rds.delete_db_cluster_snapshot, **delete) == "InvalidDBClusterSnapshotStateFault"
    assert sql(shop, "select 1") == [(1,)]
    aws.release("snapshot", "held-*")
    aws.states.settle()
    assert (one(aws, id)["Status"], one(aws, id)["PercentProgress"]) == ("available", 100)
    rds.delete_db_cluster_snapshot(**delete)
    assert refused(rds.describe_db_cluster_snapshots, **delete) == "DBClusterSnapshotNotFoundFault"


@pytest.mark.parametrize(("late", "seen"), [(False, [(1,)]), (True, [(1,), (2,)])])
def test_its_instant_may_be_early_or_late(
    aws: Emulator, rds: Any, shop: Made, new: New, late: bool, seen: list[tuple[int]]
) -> None:
    table, id = new("t").replace("-", "_"), new("instant")
    sql(shop, f"create table {table} (i int primary key)", f"insert into {table} values (1)")
    aws.late_snapshots = late
    aws.hold("snapshot")
    rds.create_db_cluster_snapshot(DBClusterIdentifier=shop.id, DBClusterSnapshotIdentifier=id)
    aws.states.worked("snapshot", id)
    sql(shop, f"insert into {table} values (2)")
    aws.release()
    aws.states.settle()
    aws.late_snapshots = False
    copy = restored(aws, rds, shop, id, new("when"))
    assert sql(copy, f"select i from {table} order by i", password=shop.password) == seen


def test_a_snapshot_can_fail(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    id = new("fails")
    aws.fail("snapshot", id)
    assert snap(aws, shop, id)["Status"] == "failed"
    assert rds.describe_db_clusters(DBClusterIdentifier=shop.id)["DBClusters"][0]["Status"] == "available"
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=id)


def test_names_of_snapshots(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    id = new("taken")
    snap(aws, shop, id.upper())
    again = {"DBClusterIdentifier": shop.id, "DBClusterSnapshotIdentifier": id}
    assert refused(rds.create_db_cluster_snapshot, **again) == "DBClusterSnapshotAlreadyExistsFault"
    wrong = {"DBClusterIdentifier": shop.id, "DBClusterSnapshotIdentifier": "rds:mine"}
    assert refused(rds.create_db_cluster_snapshot, **wrong) == "InvalidParameterValue"


def test_there_is_a_quota(aws: Emulator, new: New) -> None:
    rds = aws.client("rds", region="us-west-2")
    made = empty(rds, new("counted"))["DBClusterIdentifier"]
    aws.states.settle()
    aws.snapshot_quota = 2
    try:
        for _ in range(2):
            rds.create_db_cluster_snapshot(DBClusterIdentifier=made, DBClusterSnapshotIdentifier=new("n"))
            aws.states.settle()
        more = {"DBClusterIdentifier": made, "DBClusterSnapshotIdentifier": new("n")}
        assert refused(rds.create_db_cluster_snapshot, **more) == "SnapshotQuotaExceeded"
        quotas = {row["AccountQuotaName"]: row for row in rds.describe_account_attributes()["AccountQuotas"]}
        assert (quotas["ManualClusterSnapshots"]["Used"], quotas["ManualClusterSnapshots"]["Max"]) == (2, 2)
        first = rds.describe_db_cluster_snapshots()["DBClusterSnapshots"][0]["DBClusterSnapshotIdentifier"]
        rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=first)
        rds.create_db_cluster_snapshot(**more)
    finally:
        aws.snapshot_quota = 100


def test_snapshots_are_found_in_many_ways(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    ids = {snap(aws, shop, new("way"))["DBClusterSnapshotIdentifier"] for _ in range(2)}

    def names(**words: Any) -> set[str]:
        pages = rds.get_paginator("describe_db_cluster_snapshots").paginate(PaginationConfig={"PageSize": 20}, **words)
        return {row["DBClusterSnapshotIdentifier"] for page in pages for row in page["DBClusterSnapshots"]}

    assert ids <= names(DBClusterIdentifier=shop.id)
    assert ids <= names(DbClusterResourceId=shop.resource_id)
    assert ids <= names(SnapshotType="manual")
    assert not names(SnapshotType="automated")
    assert not names(DbClusterResourceId="cluster-NOBODY")
    assert names(Filters=[{"Name": "db-cluster-snapshot-id", "Values": sorted(ids)}]) == ids
    arn = one(aws, min(ids))["DBClusterSnapshotArn"]
    assert one(aws, arn)["DBClusterSnapshotIdentifier"] == min(ids)
    assert refused(rds.describe_db_cluster_snapshots, MaxRecords=101) == "InvalidParameterValue"


def test_tags_have_limits(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    id, common = new("tagged"), {"DBClusterIdentifier": shop.id}
    node = {"Key": "node", "Value": "a" * 40}
    for bad in (
        [{"Key": "k" * 129, "Value": ""}],
        [{"Key": "k", "Value": "v" * 257}],
        [{"Key": "k", "Value": "semi;colon"}],
        [{"Key": "aws:mine", "Value": ""}],
        [{"Key": f"k{number}", "Value": ""} for number in range(51)],
    ):
        words = {**common, "DBClusterSnapshotIdentifier": id, "Tags": bad}
        assert refused(rds.create_db_cluster_snapshot, **words) == "InvalidParameterValue"
    found = snap(aws, shop, id, Tags=[node])
    assert found["TagList"] == [node]
    arn = found["DBClusterSnapshotArn"]
    rds.add_tags_to_resource(ResourceName=arn, Tags=[{"Key": "seen", "Value": "yes"}])
    assert len(rds.list_tags_for_resource(ResourceName=arn)["TagList"]) == 2
    rds.remove_tags_from_resource(ResourceName=arn, TagKeys=["seen"])
    assert one(aws, id)["TagList"] == [node]
    nobody = arn.replace(id, "nobody")
    assert refused(rds.list_tags_for_resource, ResourceName=nobody) == "DBClusterSnapshotNotFoundFault"


def test_a_copy_in_another_region_restores(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    sql(shop, "create table travels (i int primary key)", "insert into travels values (5)")
    found = snap(aws, shop, new("far"), Tags=[{"Key": "k", "Value": "v"}])
    there = aws.client("rds", region="us-east-1")
    id = new("copied")
    words = {"SourceDBClusterSnapshotIdentifier": found["DBClusterSnapshotArn"], "SourceRegion": "eu-west-1"}
    there.copy_db_cluster_snapshot(TargetDBClusterSnapshotIdentifier=id, CopyTags=True, **words)
    aws.states.settle()
    copied = there.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier=id)["DBClusterSnapshots"][0]
    assert (copied["Status"], copied["TagList"]) == ("available", found["TagList"])
    assert copied["SourceDBClusterSnapshotArn"] == found["DBClusterSnapshotArn"]
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier=found["DBClusterSnapshotIdentifier"])
    there.restore_db_cluster_from_snapshot(DBClusterIdentifier=id, SnapshotIdentifier=id, Engine=shop.engine)
    copy = aws.writer(id, region="us-east-1")
    assert sql(copy, "select i from travels", password=shop.password) == [(5,)]


def test_another_account_sees_what_is_shared(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    found = snap(aws, shop, new("shared"))
    role = "arn:aws:iam::222233334444:role/reader"
    key = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="tests")["Credentials"]
    other = aws.client("rds", key=key["AccessKeyId"], secret=key["SecretAccessKey"], token=key["SessionToken"])
    assert not other.describe_db_clusters()["DBClusters"]
    arn = {"DBClusterSnapshotIdentifier": found["DBClusterSnapshotArn"]}
    assert refused(other.describe_db_cluster_snapshots, **arn) == "DBClusterSnapshotNotFoundFault"
    share = {"DBClusterSnapshotIdentifier": found["DBClusterSnapshotIdentifier"], "AttributeName": "restore"}
    rds.modify_db_cluster_snapshot_attribute(ValuesToAdd=["222233334444"], **share)
    assert other.describe_db_cluster_snapshots(**arn)["DBClusterSnapshots"]
    shared = other.describe_db_cluster_snapshots(IncludeShared=True)["DBClusterSnapshots"]
    mine = other.describe_db_cluster_snapshots()["DBClusterSnapshots"]
    assert len(shared) == len(mine) + 1
    source = found["DBClusterSnapshotArn"]
    other.copy_db_cluster_snapshot(
        SourceDBClusterSnapshotIdentifier=source, TargetDBClusterSnapshotIdentifier=new("mine")
    )
    aws.states.settle()
    rds.modify_db_cluster_snapshot_attribute(ValuesToRemove=["222233334444"], **share)
    assert refused(other.describe_db_cluster_snapshots, **arn) == "DBClusterSnapshotNotFoundFault"
    assert len(other.describe_db_cluster_snapshots()["DBClusterSnapshots"]) == len(mine) + 1


def test_restores_are_refused(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    found = snap(aws, shop, new("refuses"))["DBClusterSnapshotIdentifier"]
    restore: Callable[..., Any] = rds.restore_db_cluster_from_snapshot
    other = next(engine for engine in ENGINES if engine != shop.engine)
    onto = {"DBClusterIdentifier": shop.id, "SnapshotIdentifier": found, "Engine": shop.engine}
    assert refused(restore, **onto) == "DBClusterAlreadyExistsFault"
    assert refused(restore, **{**onto, "DBClusterIdentifier": "new", "Engine": other}) == "InvalidParameterValue"
    nobody = {**onto, "DBClusterIdentifier": "new", "SnapshotIdentifier": "nobody"}
    assert refused(restore, **nobody) == "DBClusterSnapshotNotFoundFault"


@pytest.mark.parametrize("kind", ["full-copy", "copy-on-write"])
def test_a_clone_diverges(aws: Emulator, rds: Any, shop: Made, new: New, kind: str) -> None:
    table, id = new("c").replace("-", "_"), new("clone")
    sql(shop, f"create table {table} (i int primary key)", f"insert into {table} values (1)")
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier=id,
        SourceDBClusterIdentifier=shop.id,
        RestoreType=kind,
        UseLatestRestorableTime=True,
    )
    clone = aws.writer(id)
    assert sql(clone, f"select i from {table}", password=shop.password) == [(1,)]
    sql(clone, f"insert into {table} values (2)", password=shop.password)
    assert sql(shop, f"select i from {table}") == [(1,)]
    lineage = rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0].get("CloneGroupId")
    assert bool(lineage) == (kind == "copy-on-write")


def test_a_point_in_time(aws: Emulator, rds: Any, shop: Made, new: New) -> None:
    table, id = new("p").replace("-", "_"), new("then")
    sql(shop, f"create table {table} (i int primary key)", f"insert into {table} values (1)")
    then = next_second()
    sql(shop, f"insert into {table} values (2)", f"delete from {table} where i = 1")
    words = {"DBClusterIdentifier": id, "SourceDBClusterIdentifier": shop.id}
    restore: Callable[..., Any] = rds.restore_db_cluster_to_point_in_time
    assert refused(restore, **words) == "InvalidParameterCombination"
    both = {**words, "RestoreToTime": then, "UseLatestRestorableTime": True}
    assert refused(restore, **both) == "InvalidParameterCombination"
    clone = {**words, "RestoreToTime": then, "RestoreType": "copy-on-write"}
    assert refused(restore, **clone) == "InvalidParameterCombination"
    assert refused(restore, **words, RestoreToTime=then - timedelta(days=1)) == "InvalidRestoreFault"
    assert refused(restore, **words, RestoreToTime=then + timedelta(days=1)) == "InvalidParameterValue"
    restore(**words, RestoreToTime=then)
    copy = aws.writer(id)
    assert sql(copy, f"select i from {table}", password=shop.password) == [(1,)]
    assert sql(shop, f"select i from {table}") == [(2,)]
    # what was restored has points in time of its own
    sql(copy, f"insert into {table} values (9)", password=shop.password)
    then = next_second()
    sql(copy, f"delete from {table}", password=shop.password)
    second = new("then")
    restore(DBClusterIdentifier=second, SourceDBClusterIdentifier=id, RestoreToTime=then)
    copy = aws.writer(second)
    assert sql(copy, f"select i from {table} order by i", password=shop.password) == [(1,), (9,)]


def next_second() -> datetime:
    """A time after all that was done and before all that will be: binary logs know whole seconds."""
    then = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)
    assert files.until(lambda: datetime.now(UTC) > then + timedelta(seconds=0.05), 5)
    return then


def test_restores_of_an_unknown_or_wrong_state(aws: Emulator, rds: Any, new: New) -> None:
    words = {"DBClusterIdentifier": new("x"), "SourceDBClusterIdentifier": "nobody", "UseLatestRestorableTime": True}
    assert refused(rds.restore_db_cluster_to_point_in_time, **words) == "DBClusterNotFoundFault"
    bare = empty(rds, new("bare"))["DBClusterIdentifier"]
    aws.states.settle()
    words |= {"SourceDBClusterIdentifier": bare, "RestoreType": "copy-on-write"}
    assert refused(rds.restore_db_cluster_to_point_in_time, **words) == "InvalidDBClusterStateFault"
