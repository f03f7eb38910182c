# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Snapshots of a cluster that nobody needs any more, and their copies elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.aws.tags import from_aws
from hgaurora.core import iam
from hgaurora.core.errors import Declined, InputError, StateError
from hgaurora.core.settings import read_settings
from tests.cloud import DEPLOYER, EVERYTHING, Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.planes import Quick, client, settings
from tests.world import Recorder, Repo, call, migration, sql


@pytest.fixture
def made(aws: Cloud) -> Made:
    """A fresh cluster."""
    return aws.fresh()


def shop(aws: Cloud, repo: Repo, made: Made, extra: str = "", *, deploys: int = 5) -> None:
    """Deploys of one migration each: all but the first take a snapshot."""
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": extra})}, "settings")
    for number in range(1, deploys + 1):
        up, down = sql(f"CREATE TABLE t{number} (id int)"), sql(f"DROP TABLE t{number}")
        text = migration(f"{number:04}", f"{number - 1:04}" if number > 1 else None, up, down)
        repo.commit({f"migrations/versions/{number:04}_t.py": text})
        run(repo, "deploy")


def run(repo: Repo, command: str = "snapshots", **options: Any) -> Recorder:
    """A command on prod."""
    return call(repo, command, adapters=Quick(), env="prod", **options)


def there(aws: Cloud, region: str | None = None, account: str | None = None) -> list[str]:
    """The manual snapshots of a region."""
    return sorted(
        name
        for name, one in aws.region(account or aws.account, region or aws.default_region).snapshots.items()
        if one.record["SnapshotType"] == "manual"
    )


def test_what_nobody_needs_goes(aws: Cloud, made: Made, repo: Repo) -> None:
    shop(aws, repo, made, "keep = 2")
    foreign = f"hgaurora-{made.id}-by-hand"
    client(aws).create_db_cluster_snapshot(DBClusterSnapshotIdentifier=foreign, DBClusterIdentifier=made.id)
    aws.states.settle()
    name = f"hgaurora-{made.id}-prod-{{}}-1"
    before = there(aws)
    assert {name.format(n) for n in (2, 3, 4, 5)} | {foreign} <= set(before)
    dry = run(repo, prune=True, dry_run=True)
    goes = [before for before, line in pairwise(dry.out) if line.endswith("goes")]
    assert goes == [name.format(3), name.format(2)]
    assert all(len(line) <= 80 for line in (*dry.out, *run(repo).out))
    assert dry.out[-1] == "nothing was changed; without -n these are deleted"
    with pytest.raises(InputError, match="nobody can be asked"):
        run(repo, prune=True)
    with pytest.raises(Declined):
        run(repo, prune=True, answers=["no"])
    assert there(aws) == before
    done = run(repo, prune=True, answers=["prod"])
    assert done.out[-1] == "deleted 2 snapshots of prod"
    assert set(before) - set(there(aws)) == {name.format(3), name.format(2)}
    assert foreign in there(aws)
    assert "nothing to delete" in run(repo, prune=True, yes=True).out[0]
    rows = run(repo, prune=True, keep=1, yes=True, json=True).json()
    assert [(row["snapshot"], row["kept"], row["deleted"]) for row in rows] == [
        (name.format(5), "prod-5 needs it", False),
        (name.format(4), None, True),
    ]


def test_a_revert_needs_its_own(aws: Cloud, made: Made, repo: Repo) -> None:
    shop(aws, repo, made, deploys=3)
    run(repo, "revert", yes=True)
    rows = run(repo, prune=True, keep=1, yes=True, json=True).json()
    assert [row["snapshot"].rsplit("-", 2)[1] for row in rows if row["kept"]] == ["4", "3"]
    assert [row["snapshot"].rsplit("-", 2)[1] for row in rows if row["deleted"]] == ["2"]


def test_one_that_can_not_be_deleted_is_said(aws: Cloud, made: Made, repo: Repo) -> None:
    shop(aws, repo, made, deploys=4)
    aws.faults.inject(f.denied, "rds:DeleteDBClusterSnapshot", nth=2, times=None)
    with pytest.raises(Exception, match="rds:DeleteDBClusterSnapshot") as raised:
        run(repo, prune=True, keep=1, yes=True)
    assert (raised.value.state or "").startswith("1 snapshot of prod deleted, ")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "options",
    [
        {"keep": 3},
        {"keep": 0},
        {"keep": 0, "prune": True, "yes": True},
        {"yes": True},
        {"dry_run": True},
        {"prune": True, "copy": True},
    ],
    ids=str,
)
def test_options_that_mean_nothing(aws: Cloud, made: Made, repo: Repo, options: dict[str, Any]) -> None:
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    with pytest.raises(InputError):
        run(repo, **options)


def test_a_database_without_a_ledger_is_not_pruned(aws: Cloud, made: Made, repo: Repo) -> None:
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    with pytest.raises(StateError, match="has no ledger"):
        run(repo, prune=True, yes=True)


def test_copies_in_another_region(aws: Cloud, made: Made, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    shop(aws, repo, made, 'snapshot-copy = { region = "eu-central-1" }', deploys=3)
    aws.states.settle()
    copies = aws.region(aws.account, "eu-central-1").snapshots
    ours = {one for one in there(aws) if f"-{made.id}-" in one}
    assert {name for name in copies if f"-{made.id}-" in name} == ours
    assert len(ours) == 2
    for name in ours:
        record = copies[name].record
        source = aws.region(aws.account, aws.default_region).snapshots[name].record
        assert record["Status"] == "available"
        assert from_aws(record["TagList"]) == from_aws(source["TagList"])
    gone = sorted(ours)[0]
    del copies[gone]
    # from here on by a role that may do what iam-policy says, and no more
    text = (repo.root / "hgaurora.toml").read_text()
    policy = iam.policy("snapshots", read_settings(text, source="hgaurora.toml").environments["prod"])
    aws.take(monkeypatch, aws.as_role(aws.directory.role(f"copies-{made.id}", policy)))
    dry = run(repo, copy=True, dry_run=True)
    assert dry.out[-1] == "nothing was changed; without -n 1 copy begin"
    assert gone not in copies
    assert any(line.startswith(gone) and line.endswith("begun") for line in run(repo, copy=True).out)
    aws.states.settle()
    assert copies[gone].record["Status"] == "available"


def test_a_copy_that_can_not_begin_does_no_harm(aws: Cloud, made: Made, repo: Repo) -> None:
    aws.faults.inject(f.denied, "rds:CopyDBClusterSnapshot", times=None)
    shop(aws, repo, made, 'snapshot-copy = { region = "eu-central-1" }', deploys=2)
    repo.commit({"migrations/versions/0003_t.py": migration("0003", "0002", "pass")})
    said = run(repo, "deploy")
    assert said.code == 0
    assert any("not all copied to eu-central-1" in line and "snapshots prod --copy" in line for line in said.err)
    aws.faults.clear()
    aws.fail("copy", "*", times=1)
    run(repo, copy=True)
    aws.states.settle()
    rows = run(repo, copy=True, json=True).json()
    assert [row["copy"] for row in rows].count("copying") == 1  # the one that failed is made anew
    aws.states.settle()
    assert {row["copy"] for row in run(repo, copy=True, json=True).json()} == {"available"}


def test_no_copies_are_set(aws: Cloud, made: Made, repo: Repo) -> None:
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made})}, "settings")
    with pytest.raises(InputError, match="nowhere"):
        run(repo, copy=True)


def test_copies_in_another_account(aws: Cloud, made: Made, repo: Repo) -> None:
    """Shared with it, and copied there by a role of it."""
    other = "210987654321"
    ours = {"AWS": f"arn:aws:iam::{aws.account}:root"}
    trust = {"Statement": [{"Effect": "Allow", "Principal": ours, "Action": "sts:AssumeRole"}]}
    role = aws.directory.role("snapshots", EVERYTHING, account=other, trust=trust)
    shop(aws, repo, made, f'snapshot-copy = {{ account = "{other}", role = "{role}" }}', deploys=2)
    aws.states.settle()
    (name,) = [one for one in there(aws) if f"-{made.id}-" in one]
    found = aws.region(other, aws.default_region).snapshots[name].record
    source = aws.region(aws.account, aws.default_region).snapshots[name]
    assert (found["Status"], source.shared) == ("available", {other})
    assert from_aws(found["TagList"]) == from_aws(source.record["TagList"])
    assert run(repo, copy=True, json=True).json()[0]["copy"] == "available"


# another project's on the same cluster


@pytest.fixture
def other(aws: Cloud, made: Made, tmp_path: Path) -> Iterator[Repo]:
    """Another project, with an environment ``prod`` of its own, in another database of the same cluster: one deploy of
    two migrations."""
    with aws.region(aws.account, aws.default_region).cluster(made.id).plane.admin("postgres") as session:
        session.autocommit = True
        session.execute(f"CREATE DATABASE shop4 OWNER {DEPLOYER}")
    found = Repo(tmp_path / "shop4")
    text = settings(aws, {"prod": made}).replace('"shop"', '"shop4"')
    found.commit({"hgaurora.toml": text}, "settings")
    for number in (1, 2):
        found.commit({f"migrations/versions/{number:04}_t.py": table(number)})
    run(found, "deploy")
    yield found
    found.close()


def table(number: int) -> str:
    """A migration that can not be taken back."""
    up = sql(f"CREATE TABLE t{number} (id int)")
    return migration(f"{number:04}", f"{number - 1:04}" if number > 1 else None, up, "raise NotImplementedError")


def test_another_ledger_s_are_not_ours(aws: Cloud, made: Made, repo: Repo, other: Repo) -> None:
    """Of the same environment's name on the same cluster, and of a deploy of the same name."""
    copy = 'snapshot-copy = { region = "eu-central-1" }'
    (theirs,) = [row["snapshot"] for row in run(other, json=True).json()]
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": copy})}, "settings")
    for number in (1, 2):
        repo.commit({f"migrations/versions/{number:04}_t.py": table(number)})
    said = run(repo, "deploy")
    assert "copying 1 snapshot to eu-central-1" in said.err
    listed = run(repo)
    (ours,) = [line.split()[0] for line in listed.out if line.startswith("hgaurora-")]
    assert ours != theirs
    assert listed.err == [f"left alone: 1 snapshot of a prod on {made.id} that has another ledger"]
    assert [row["snapshot"] for row in run(other, json=True).json()] == [theirs]
    # the way back from a deploy of the same name is our own snapshot, though theirs is the older one
    with pytest.raises(StateError, match="can not: there is no downgrade") as raised:
        run(repo, "revert", dry_run=True)
    assert f"restore {ours} into" in (raised.value.hint or "")
    with pytest.raises(InputError, match="is no changeset, deploy or snapshot"):
        run(repo, "revert", dry_run=True, to=theirs)
    # a copy of theirs is neither begun, nor taken for one of ours
    aws.states.settle()
    assert theirs not in there(aws, "eu-central-1")
    dry = run(repo, copy=True, dry_run=True)
    assert [line.split() for line in dry.out] == [[ours, "available"]]
    # pruned is neither, and the reason is said
    client(aws).remove_tags_from_resource(ResourceName=arn(aws, ours), TagKeys=["hgaurora:ledger"])
    pruned = run(repo, prune=True, yes=True, keep=1)
    assert pruned.out[0] == "prod: nothing to delete; 1 snapshot kept"
    assert pruned.out[-1].endswith("its tags name no ledger")
    assert pruned.err[-1] == listed.err[0]
    assert f"no ledger is named by the tags of {ours}" in run(repo).err[-1]
    assert run(repo, copy=True, json=True).json() == []
    assert {ours, theirs} <= set(there(aws))


def arn(aws: Cloud, snapshot: str) -> str:
    """A snapshot's."""
    return str(aws.region(aws.account, aws.default_region).snapshots[snapshot].record["DBClusterSnapshotArn"])


def test_without_a_ledger_they_are_shown_and_nothing_else(aws: Cloud, made: Made, repo: Repo, other: Repo) -> None:
    """A database that was made anew, or can not be read: who looks for the way back has to see what there is."""
    copy = 'snapshot-copy = { region = "eu-central-1" }'
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": copy})}, "settings")
    listed = run(repo)
    assert listed.out[2].startswith("hgaurora-")
    assert listed.err == ["prod has no ledger: these are of earlier ones, or of another project's prod"]
    with pytest.raises(StateError, match="has no ledger, so nobody knows which"):
        run(repo, copy=True)
    lost = settings(aws, {"prod": made}).replace('"shop"', '"gone"')
    repo.commit({"hgaurora.toml": lost}, "settings")
    unread = run(repo)
    assert unread.out == listed.out
    assert unread.err[0].startswith("warning: whose these are is not known, for the ledger can not be read: ")
