# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Backtrack: back, and forward again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pymysql
import pytest

from tests.emulator import Emulator
from tests.emulator.conftest import sql
from tests.emulator.test_clusters import New, refused
from tests.emulator.test_snapshots import next_second

#: nothing in the product asks for these yet
pytestmark = pytest.mark.whole


def test_back_and_forward_again(aws: Emulator, rds: Any, new: New) -> None:
    made = aws.cluster(new("film"), "aurora-mysql", BacktrackWindow=3600)
    sql(made, "create table t (i int primary key)", "insert into t values (1)")
    first = next_second()
    sql(made, "insert into t values (2)")
    second = next_second()
    sql(made, "drop table t")
    next_second()
    aws.hold("backtrack")
    begun = rds.backtrack_db_cluster(DBClusterIdentifier=made.id, BacktrackTo=first)
    assert begun["Status"] == "applying"
    assert rds.describe_db_clusters(DBClusterIdentifier=made.id)["DBClusters"][0]["Status"] == "backtracking"
    snapshot = {"DBClusterIdentifier": made.id, "DBClusterSnapshotIdentifier": "meanwhile"}
    assert refused(rds.create_db_cluster_snapshot, **snapshot) == "InvalidDBClusterStateFault"
    with pytest.raises(pymysql.OperationalError):
        sql(made, "select 1")
    aws.release()
    aws.states.settle()
    found = rds.describe_db_cluster_backtracks(DBClusterIdentifier=made.id)["DBClusterBacktracks"]
    assert [row["Status"] for row in found] == ["completed"]
    again = aws.made(made.id)
    assert (again.endpoint, again.resource_id) == (made.endpoint, made.resource_id)
    assert sql(made, "select i from t") == [(1,)]
    sql(made, "insert into t values (9)")
    other = next_second()
    sql(made, "delete from t")
    for time, rows in ((second, [(1,), (2,)]), (other, [(1,), (9,)]), (first, [(1,)])):
        next_second()
        rds.backtrack_db_cluster(DBClusterIdentifier=made.id, BacktrackTo=time)
        aws.states.settle()
        assert sql(made, "select i from t order by i") == rows


def test_what_is_refused(aws: Emulator, rds: Any, new: New) -> None:
    off = aws.cluster(new("off"), "aurora-mysql")
    on = aws.cluster(new("on"), "aurora-mysql", BacktrackWindow=3600)
    found = rds.describe_db_clusters(DBClusterIdentifier=on.id)["DBClusters"][0]
    earliest = found["EarliestBacktrackTime"]
    call = rds.backtrack_db_cluster
    assert refused(call, DBClusterIdentifier=off.id, BacktrackTo=earliest) == "InvalidParameterValue"
    early = earliest - timedelta(hours=1)
    assert refused(call, DBClusterIdentifier=on.id, BacktrackTo=early) == "InvalidParameterValue"
    late = earliest + timedelta(hours=1)
    assert refused(call, DBClusterIdentifier=on.id, BacktrackTo=late) == "InvalidParameterValue"
    enable = {"DBClusterIdentifier": off.id, "BacktrackWindow": 60}
    assert refused(rds.modify_db_cluster, **enable) == "InvalidParameterCombination"
    unknown = {"DBClusterIdentifier": on.id, "BacktrackIdentifier": "nobody"}
    assert refused(rds.describe_db_cluster_backtracks, **unknown) == "DBClusterBacktrackNotFoundFault"
    postgresql = {"DBClusterIdentifier": "pg", "Engine": "aurora-postgresql", "MasterUsername": "admin1"}
    word = "correct-horse"
    wrong = refused(rds.create_db_cluster, MasterUserPassword=word, BacktrackWindow=60, **postgresql)
    assert wrong == "InvalidParameterValue"
