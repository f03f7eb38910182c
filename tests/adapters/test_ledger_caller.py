# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who AWS says ran it, and the cluster it ran on: the ledger's third version."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from hgaurora.core.errors import SecurityError
from hgaurora.core.model import Kind
from tests.adapters.migrating import Bench, bench, chain, database

ARN = "arn:aws:sts::123456789012:assumed-role/deploy/hgaurora-ana"
MAKE = 'op.execute("CREATE TABLE t{0} (n integer)")'


@pytest.fixture(params=["postgresql", "mysql"])
def dev(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = bench(request.getfixturevalue("my_database" if request.param == "mysql" else "pg_database"))
    yield made
    made.database.close()


def by(dev: Bench, caller: str | None, cluster: str | None) -> Bench:
    """The same database, reached as somebody in a cluster."""
    dev.database.close()
    connection = replace(dev.connection, caller=caller, resource_id=cluster)
    return replace(dev, connection=connection, database=database(connection))


def test_every_event_names_the_caller(dev: Bench) -> None:
    run = by(dev, ARN, "cluster-ONE")
    run.deploy(chain(MAKE.format(1)))
    run.database.event("dev-1", "snapshot-available", {"snapshot": "s"})
    events = run.database.events()
    assert {one["kind"] for one in events} >= {"ledger-created", "deployment-started", "step", "deployment-finished"}
    assert {one["payload"]["caller"] for one in events} == {ARN}
    assert run.database.deployments()[0].caller == ARN
    assert run.database.verify() == []
    run.database.close()


def test_without_aws_nobody_is_named(dev: Bench) -> None:
    dev.deploy(chain(MAKE.format(1)))
    assert not any("caller" in one["payload"] for one in dev.database.events())
    assert dev.database.deployments()[0].caller is None
    assert dev.query("SELECT cluster_resource_id FROM hgaurora.environment") == [(None,)]


def test_a_ledger_stays_with_its_cluster(dev: Bench) -> None:
    scripts = chain(MAKE.format(1), MAKE.format(2))
    dev.deploy(scripts[:1])
    # a ledger that knows no cluster learns it
    one = by(dev, ARN, "cluster-ONE")
    one.deploy([], [])
    assert dev.query("SELECT cluster_resource_id FROM hgaurora.environment") == [("cluster-ONE",)]
    other = by(one, ARN, "cluster-TWO")
    before = other.database.events()
    with other.child(scripts) as session, pytest.raises(SecurityError, match=r"cluster-ONE.*cluster-TWO") as caught:
        other.begin(session, scripts)
    assert "adopt dev" in (caught.value.hint or "")
    assert other.database.events() == before
    assert other.database.state().epoch == one.database.state().epoch
    # control: what takes it on purpose may
    with other.child([]) as session:
        begun, epoch = other.begin(session, [], kind=Kind.ADOPT)
    other.database.finish(begun.id, epoch=epoch, ok=True, heads_after=["r1"], target=None)
    other.deploy([], [])
    assert dev.query("SELECT cluster_resource_id FROM hgaurora.environment") == [("cluster-TWO",)]
    for made in (one, other):
        made.database.close()


def test_a_ledger_of_version_2_becomes_one_of_version_3(dev: Bench) -> None:
    dev.deploy(chain(MAKE.format(1)))
    dev.query("ALTER TABLE hgaurora.deployment DROP COLUMN caller")
    dev.query("UPDATE hgaurora.environment SET ledger_version = 2")
    assert dev.database.state().ledger == 2
    assert dev.database.deployments()[0].caller is None
    before = dev.database.tip()
    run = by(dev, ARN, None)
    run.deploy([], [])
    assert run.database.state().ledger == 3
    assert next((one["kind"], one["payload"].get("to")) for one in run.database.events(after=before)) == (
        "ledger-upgraded",
        3,
    )
    assert [one.caller for one in run.database.deployments()] == [ARN, None]
    assert run.database.verify() == []
    run.database.close()


def test_an_upgrade_that_was_cut_off_goes_on(my_database: str) -> None:
    """DDL commits by itself: the column may be there while the ledger still says version 2."""
    dev = bench(my_database)
    dev.deploy(chain(MAKE.format(1)))
    dev.query("UPDATE hgaurora.environment SET ledger_version = 2")
    dev.deploy([], [])
    assert dev.database.state().ledger == 3
    dev.database.close()


def test_a_restored_copy_is_another_cluster(dev: Bench) -> None:
    """A rebase takes the cluster that the copy is in, whatever version the snapshot's ledger had."""
    run = by(dev, ARN, "cluster-ONE")
    run.deploy(chain(MAKE.format(1)))
    rows = run.database.export_after(run.database.tip())
    dev.query("ALTER TABLE hgaurora.deployment DROP COLUMN caller")
    dev.query("UPDATE hgaurora.environment SET ledger_version = 2")
    copy = by(run, ARN, "cluster-COPY")
    copy.database.rebase(rows, deployment="dev-9", node=None, branch=None)
    asked = "SELECT cluster_resource_id, ledger_version FROM hgaurora.environment"
    assert dev.query(asked) == [("cluster-COPY", 3)]
    assert copy.database.events(kind="rebased")[0]["payload"]["caller"] == ARN
    copy.database.close()
