# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a control plane must do, asked of that of an Aurora cluster, on the wire; each engine where it matters."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hgaurora.adapters.aws.cluster import AuroraCluster
from hgaurora.adapters.aws.snapshots import ClusterSnapshots
from hgaurora.adapters.database.mysql import connection as mysql
from hgaurora.core.errors import InputError, Interrupted, RemoteError, SnapshotTaken, StateError
from tests.cloud import ENGINES, Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.emulator.faults import Faults
from tests.planes import QUICK, client, plane

TAGS = {"environment": "prod", "deployment": "prod-1", "node": "a" * 40, "heads": "0001,0002", "before": "0003"}
_numbers = itertools.count(1)


@pytest.fixture
def emulator(aws: Cloud) -> Cloud:
    """The module's AWS; its quota as ever."""
    aws.snapshot_quota = 100
    return aws


@pytest.fixture
def faults(emulator: Cloud) -> Faults:
    """Its outermost layer, with an empty log."""
    emulator.faults.restart()
    return emulator.faults


@pytest.fixture(params=ENGINES)
def made(emulator: Cloud, request: pytest.FixtureRequest) -> Made:
    """A cluster of each engine."""
    return emulator.shop(request.param)


@pytest.fixture
def shop(emulator: Cloud) -> Made:
    """A cluster, where the engine does not matter."""
    return emulator.shop()


@pytest.fixture
def name() -> str:
    """A fresh identifier."""
    return f"hgaurora-shop-prod-{next(_numbers)}-1"


def quiet(state: str, percent: int | None) -> None:
    """Nobody follows."""


def take(control: AuroraCluster, snapshot: str, tags: Mapping[str, str] = TAGS) -> list[tuple[str, int | None]]:
    seen: list[tuple[str, int | None]] = []
    control.start_snapshot(snapshot, tags=tags)
    control.wait_snapshot(snapshot, progress=lambda state, percent: seen.append((state, percent)))
    return seen


def there(emulator: Cloud, *names: str) -> list[str]:
    """Which of some snapshots RDS has."""
    rows = client(emulator).describe_db_cluster_snapshots(SnapshotType="manual")["DBClusterSnapshots"]
    return [row["DBClusterSnapshotIdentifier"] for row in rows if row["DBClusterSnapshotIdentifier"] in names]


# the cluster


def test_the_writer_endpoint_is_reached(emulator: Cloud, made: Made) -> None:
    connection = plane(emulator, emulator.environment(made, schema="app")).connection()
    assert (connection.parameters["host"], connection.parameters["port"]) == (made.endpoint, str(made.port))
    assert (connection.engine, connection.schema) == {
        "aurora-postgresql": ("postgresql", "app"),
        "aurora-mysql": ("mysql", "shop"),
    }[made.engine]
    assert connection.resource_id == made.resource_id


def test_a_cluster_that_is_not_there_is_said(emulator: Cloud, shop: Made) -> None:
    control = plane(emulator, replace(emulator.environment(shop), cluster="shop-prdo", account="123456789012"))
    with pytest.raises(StateError, match="no cluster shop-prdo in eu-west-1, account 123456789012") as raised:
        control.connection()
    assert raised.value.state == "nothing was done"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Engine": "docdb"}, "no Aurora cluster: its engine is docdb"),
        ({"Endpoint": "shop.cluster-ro-c0ffee123456.eu-west-1.rds.amazonaws.com"}, "not that of its writer"),
        ({"Endpoint": "any.cluster-custom-c0ffee123456.eu-west-1.rds.amazonaws.com"}, "not that of its writer"),
        ({"Endpoint": None}, "no writer endpoint"),
        ({"ReplicationSourceIdentifier": "arn:aws:rds:us-east-1:123456789012:cluster:shop-us"}, "follows shop-us in"),
    ],
    ids=["another product", "reader", "custom", "none", "replica"],
)
def test_what_takes_no_writes_is_refused(emulator: Cloud, shop: Made, change: dict[str, object], said: str) -> None:
    class Other(AuroraCluster):
        def _record(self) -> Mapping[str, Any]:
            return {**super()._record(), **change}

    with pytest.raises(StateError, match=said):
        plane(emulator, emulator.environment(shop), kind=Other).connection()


def test_the_secondary_of_a_global_database_is_refused_and_its_writer_taken(emulator: Cloud) -> None:
    first = emulator.cluster("globe-1", "aurora-postgresql")
    rds = client(emulator)
    rds.create_global_cluster(GlobalClusterIdentifier="globe", SourceDBClusterIdentifier=first.arn)
    other = emulator.client("rds", region="us-east-1")
    other.create_db_cluster(DBClusterIdentifier="globe-2", Engine="aurora-postgresql", GlobalClusterIdentifier="globe")
    emulator.states.settle()
    assert plane(emulator, emulator.environment(first)).described().id == "globe-1"
    second = replace(emulator.environment(first), cluster="globe-2", region="us-east-1")
    with pytest.raises(StateError, match="globe-2 takes no writes: it follows globe-1 in eu-west-1"):
        plane(emulator, second).connection()


# snapshots


def test_a_snapshot_is_whole_while_others_write(emulator: Cloud, made: Made, name: str) -> None:
    control = plane(emulator, emulator.environment(made))
    live = control.connection()
    stop = threading.Event()
    run(live, "create table if not exists busy (n int)")

    def write() -> None:
        while not stop.is_set():
            run(live, "insert into busy values (1), (2), (3)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert take(control, name)[-1] == ("available", 100)
    finally:
        stop.set()
        writer.join()
    found = control.snapshots()[0]
    assert (found.id, found.state, found.environment) == (name, "available", "prod")
    assert (found.deployment, found.node, found.before) == ("prod-1", "a" * 40, "0003")
    assert (found.heads, found.tags) == (("0001", "0002"), TAGS)


def run(connection: Any, statement: str) -> None:
    """One statement."""
    if connection.engine == "mysql":
        session = mysql.opened(connection, application="shop")
        session.cursor().execute(statement)
        session.close()
        return
    import psycopg

    with psycopg.connect(**connection.parameters, password=connection.password(), autocommit=True) as session:
        session.execute(statement)


def test_snapshots_are_listed_newest_first_and_only_ours(emulator: Cloud, shop: Made, name: str) -> None:
    control = plane(emulator, emulator.environment(shop, name="listed"))
    others = plane(emulator, emulator.environment(shop, name="other"))
    assert control.snapshots() == []
    take(control, f"{name}-a", {**TAGS, "environment": "listed"})
    take(control, f"{name}-b", {**TAGS, "environment": "listed"})
    take(others, f"{name}-c", {**TAGS, "environment": "other"})
    client(emulator).create_db_cluster_snapshot(
        DBClusterSnapshotIdentifier=f"{name}-by-hand", DBClusterIdentifier=shop.id
    )
    emulator.states.settle()
    assert [one.id for one in control.snapshots()] == [f"{name}-b", f"{name}-a"]


def test_only_ours_are_deleted(emulator: Cloud, shop: Made, name: str) -> None:
    control = plane(emulator, emulator.environment(shop))
    take(control, name)
    control.delete_snapshot(name)
    control.delete_snapshot(name)
    assert there(emulator, name) == []
    client(emulator).create_db_cluster_snapshot(DBClusterSnapshotIdentifier=f"{name}-x", DBClusterIdentifier=shop.id)
    emulator.states.settle()
    with pytest.raises(StateError, match="was not made by hgaurora for prod"):
        control.delete_snapshot(f"{name}-x")
    with pytest.raises(StateError, match="not made by hgaurora for other"):
        plane(emulator, emulator.environment(shop, name="other")).delete_snapshot(name + "-x")
    assert there(emulator, f"{name}-x") == [f"{name}-x"]


def test_one_that_is_being_made_is_not_deleted(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    control = plane(emulator, emulator.environment(shop))
    emulator.hold("snapshot", name)
    control.start_snapshot(name, tags=TAGS)
    with pytest.raises(StateError, match=f"snapshot {name} is creating"):
        control.delete_snapshot(name)
    emulator.release()
    control.wait_snapshot(name, progress=quiet)


@pytest.mark.parametrize("wrong", ["", "../x", "a/b", "1a", "a--b", "a-", "x" * 64])
def test_names_that_are_none_are_refused(emulator: Cloud, shop: Made, wrong: str) -> None:
    with pytest.raises(InputError):
        plane(emulator, emulator.environment(shop)).delete_snapshot(wrong)


def test_the_same_id_is_one_snapshot(emulator: Cloud, shop: Made, name: str) -> None:
    control = plane(emulator, emulator.environment(shop))
    take(control, name)
    assert take(control, name)[-1] == ("available", 100)
    control.start_snapshot(f"{name}-b", tags=TAGS)
    other = plane(emulator, emulator.environment(shop))  # another process, as far as it can tell
    assert take(other, f"{name}-b")[-1] == ("available", 100)
    assert control.wait_snapshot(f"{name}-b", progress=quiet) == other.snapshots()[0]


@pytest.mark.parametrize(
    "tags",
    [{}, {"environment": "staging"}, {"environment": "prod", "ledger": "other"}],
    ids=["without tags", "of another environment", "of an earlier ledger"],
)
def test_a_snapshot_of_somebody_else_is_not_adopted(
    emulator: Cloud, shop: Made, name: str, tags: dict[str, str]
) -> None:
    if tags:
        take(plane(emulator, emulator.environment(shop, name=tags["environment"])), name, {**TAGS, **tags})
    else:
        client(emulator).create_db_cluster_snapshot(DBClusterSnapshotIdentifier=name, DBClusterIdentifier=shop.id)
        emulator.states.settle()
    with pytest.raises(SnapshotTaken, match="not the one asked for"):
        plane(emulator, emulator.environment(shop)).start_snapshot(name, tags={**TAGS, "ledger": "ours"})


def test_a_snapshot_of_another_cluster_is_not_adopted(emulator: Cloud, shop: Made, name: str) -> None:
    other = emulator.shop("aurora-mysql")
    take(plane(emulator, emulator.environment(other)), name)
    with pytest.raises(SnapshotTaken, match=f"cluster {other.id}"):
        plane(emulator, emulator.environment(shop)).start_snapshot(name, tags=TAGS)


def test_a_control_that_adopts_all_takes_what_is_not_ours(emulator: Cloud, shop: Made, name: str) -> None:
    """The control of the tests above: without the look at the tags somebody else's is taken."""

    class Trusting(ClusterSnapshots):
        def _must_be_ours(self, snapshot: str, row: Mapping[str, Any]) -> None:
            pass

    take(plane(emulator, emulator.environment(shop, name="staging")), name, {**TAGS, "environment": "staging"})
    control = plane(emulator, emulator.environment(shop))
    control._taken.__class__ = Trusting
    assert take(control, name)[-1] == ("available", 100)


def test_progress_is_told_once_a_second_at_most(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    emulator.delay("snapshot", 0.6)
    seen = take(plane(emulator, emulator.environment(shop)), name)
    assert [state for state, _ in seen] == ["creating", "available"]
    assert len(faults.calls("rds:DescribeDBClusterSnapshots")) > 4


def test_one_that_fails_leaves_nothing(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    emulator.fail("snapshot", name)
    control = plane(emulator, emulator.environment(shop))
    with pytest.raises(RemoteError, match=f"snapshot {name} failed") as raised:
        take(control, name)
    assert raised.value.hint
    assert there(emulator, name) == []
    with pytest.raises(StateError, match=f"no snapshot {name}-z"):
        control.wait_snapshot(f"{name}-z", progress=quiet)


def test_one_that_fails_and_can_not_be_deleted(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    """What is wrong is that it failed; that it is still there is said beside it."""
    emulator.fail("snapshot", name)
    faults.inject(f.denied, "rds:DeleteDBClusterSnapshot", times=None)
    with pytest.raises(RemoteError, match=f"snapshot {name} failed in RDS, and what there is of it stays: ") as raised:
        take(plane(emulator, emulator.environment(shop)), name)
    assert "(AccessDenied, rds:DeleteDBClusterSnapshot)" in raised.value.message
    assert (raised.value.hint or "").startswith(f"the events of {shop.id} in RDS say why")
    assert len(there(emulator, name)) == 1
    # the next run finds it
    with pytest.raises(RemoteError, match=f"snapshot {name} failed in RDS, and what there is of it stays: "):
        take(plane(emulator, emulator.environment(shop)), name)


def test_one_that_failed_unwatched_is_made_anew(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    emulator.fail("snapshot", name)
    plane(emulator, emulator.environment(shop)).start_snapshot(name, tags=TAGS)
    emulator.states.settle()
    assert take(plane(emulator, emulator.environment(shop)), name)[-1] == ("available", 100)


def test_a_busy_cluster_is_waited_for(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    first, second = (plane(emulator, emulator.environment(shop)) for _ in range(2))
    emulator.hold("snapshot", f"{name}-a")
    first.start_snapshot(f"{name}-a", tags=TAGS)
    second.start_snapshot(name, tags=TAGS)
    states: list[str] = []

    def seen(state: str, percent: int | None) -> None:
        states.append(state)
        emulator.release()

    second.wait_snapshot(name, progress=seen)
    assert states[0] == f"waits for {shop.id}, which is busy"
    assert states[-1] == "available"


def test_a_wait_ends(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    emulator.hold("snapshot", name)
    control = plane(emulator, emulator.environment(shop), pace=replace(QUICK, limit=0.2))
    with pytest.raises(Interrupted, match=f"snapshot {name} is not there after 0s"):
        take(control, name)
    emulator.release()
    assert take(plane(emulator, emulator.environment(shop)), name)[-1] == ("available", 100)


def test_too_many(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    emulator.snapshot_quota = 0
    with pytest.raises(StateError, match="as many manual cluster snapshots as this account may have") as raised:
        take(plane(emulator, emulator.environment(shop)), name)
    assert "--prune" in (raised.value.hint or "")


LOST: dict[str, f.Fault] = {
    "cut after": f.cut_after,
    "500 after": f.failure_after,
    "truncated": f.truncated,
    "cut before": f.cut_before,
    "throttled": f.throttle,
    "500": f.failure,
}


#: once, or at each of the SDK's attempts, whose pauses take seconds
CASES = [(name, times) for name in LOST for times in (1, 5) if times == 1 or name in ("cut after", "500")]


@pytest.mark.parametrize(("lost", "times"), CASES)
def test_a_lost_answer_never_makes_two(
    emulator: Cloud, shop: Made, name: str, faults: Faults, lost: str, times: int
) -> None:
    faults.inject(LOST[lost], "rds:CreateDBClusterSnapshot", times=times)
    control = plane(emulator, emulator.environment(shop))
    if (lost, times) == ("500", 5):
        with pytest.raises(Interrupted, match="not known"):
            take(control, name)
        assert there(emulator, name) == []
    else:
        assert take(control, name)[-1] == ("available", 100)
    made = [call for call in faults.calls("rds:CreateDBClusterSnapshot") if call.outcome.startswith("200")]
    emulator.states.settle()
    faults.restart()
    assert take(plane(emulator, emulator.environment(shop)), name)[-1] == ("available", 100)
    assert there(emulator, name) == [name]
    assert len(made) <= 1


@pytest.mark.parametrize(
    "fault", [f.throttle, f.failure, f.cut_before, f.truncated, f.html], ids=lambda one: one.__name__
)
def test_a_look_that_fails_is_made_again(
    emulator: Cloud, shop: Made, name: str, faults: Faults, fault: f.Fault
) -> None:
    faults.inject(fault, "rds:DescribeDBClusterSnapshots", times=2)
    emulator.delay("snapshot", 0.1)
    assert take(plane(emulator, emulator.environment(shop)), name)[-1] == ("available", 100)


def test_a_look_that_is_denied_is_said_and_the_next_run_goes_on(
    emulator: Cloud, shop: Made, name: str, faults: Faults
) -> None:
    faults.inject(f.denied, "rds:DescribeDBClusterSnapshots", times=None)
    with pytest.raises(Interrupted, match="iam-policy prod"):
        take(plane(emulator, emulator.environment(shop)), name)
    faults.restart()
    assert take(plane(emulator, emulator.environment(shop)), name)[-1] == ("available", 100)
    assert len(there(emulator, name)) == 1


def test_a_denied_snapshot_is_said(emulator: Cloud, shop: Made, name: str, faults: Faults) -> None:
    faults.inject(f.denied, "rds:CreateDBClusterSnapshot", times=None)
    with pytest.raises(RemoteError, match="AccessDenied, rds:CreateDBClusterSnapshot") as raised:
        take(plane(emulator, emulator.environment(shop)), name)
    assert "iam-policy prod" in (raised.value.hint or "")
    assert there(emulator, name) == []


def test_tags_of_all_characters_are_taken(emulator: Cloud, shop: Made, name: str) -> None:
    control = plane(emulator, emulator.environment(shop))
    branch = "fix, <b>'é\u202e\n" + "x" * 300
    take(control, name, {**TAGS, "branch": branch, "heads": ",".join(f"{n:012x}" for n in range(30)), "empty": ""})
    (found,) = [one for one in control.snapshots() if one.id == name]
    assert found.tags["branch"].startswith("fix_ _b__é_\n" + "x" * 9)
    assert len(found.tags["branch"]) == 256
    assert found.heads[:2] == ("000000000000", "000000000001")
    assert "empty" not in found.tags


def test_a_restore_is_refused(emulator: Cloud, shop: Made) -> None:
    control = plane(emulator, emulator.environment(shop))
    assert control.restoring() is None
    calls: list[Callable[[], object]] = [
        lambda: control.restore_copy("x", deployment="prod-1"),
        lambda: control.restore_close(deployment="prod-1"),
        lambda: control.restore_open(deployment="prod-1"),
        lambda: control.restore_swap(deployment="prod-1"),
        lambda: control.restore_note(deployment="prod-1", action="copy"),
        lambda: control.restore_done(deployment="prod-1"),
    ]
    for one in calls:
        with pytest.raises(StateError, match="by downgrade only"):
            one()


def test_a_mark_says_how_far_backups_reach(emulator: Cloud, shop: Made) -> None:
    mark = plane(emulator, emulator.environment(shop)).mark()
    assert mark["cluster"] == shop.id
    assert str(mark["latest-restorable"]) <= str(mark["at"])


def test_clients_raise_what_the_model_says(emulator: Cloud, shop: Made) -> None:
    """The control of the rest: this is the real wire, and a name is taken once."""
    rds = client(emulator)
    with pytest.raises(ClientError, match="DBClusterSnapshotNotFoundFault"):
        rds.describe_db_cluster_snapshots(DBClusterSnapshotIdentifier="nowhere")
