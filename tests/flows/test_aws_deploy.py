# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Deploys to Aurora clusters on the emulated AWS: tokens, TLS, snapshots, gates, on both engines."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.aws.tags import from_aws
from hgaurora.core.errors import HgAuroraError, InputError, Interrupted, PolicyError, RemoteError, StateError
from tests import canaries
from tests.cloud import ENGINES, Cloud
from tests.emulator import Made
from tests.emulator import faults as f
from tests.emulator.calls import Answer, Call
from tests.planes import Quick, client, settings
from tests.world import Recorder, Repo, call, environ, migration, sql

TEN = 10


@pytest.fixture(params=ENGINES)
def made(aws: Cloud, request: pytest.FixtureRequest) -> Made:
    """A fresh cluster of each engine."""
    aws.snapshot_quota = 100
    return aws.fresh(request.param)


@pytest.fixture
def one(aws: Cloud) -> Made:
    """A fresh cluster, where the engine does not matter."""
    aws.snapshot_quota = 100
    return aws.fresh()


def table(number: int) -> tuple[str, str]:
    """A migration that makes a table."""
    name = f"{number:04}"
    text = migration(
        name,
        f"{number - 1:04}" if number > 1 else None,
        sql(f"CREATE TABLE t{number} (id int)"),
        sql(f"DROP TABLE t{number}"),
    )
    return f"migrations/versions/{name}_t{number}.py", text


def shop(repo: Repo, aws: Cloud, made: Made, migrations: int, extra: str = "") -> list[str]:
    """A repository with an environment ``prod`` on the cluster, and some changesets of one migration each."""
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": extra})}, "settings")
    return [repo.commit(dict([table(number)]), f"t{number}, OPS-{number}") for number in range(1, migrations + 1)]


def run(repo: Repo, command: str = "deploy", **options: Any) -> Recorder:
    """A command on prod."""
    return call(repo, command, adapters=Quick(), **{"env": "prod", **options})


def rows(aws: Cloud, made: Made) -> dict[str, dict[str, Any]]:
    """The cluster's snapshots, by name, in the order they were made."""
    found = client(aws).describe_db_cluster_snapshots(SnapshotType="manual", DBClusterIdentifier=made.id)
    ordered = sorted(found["DBClusterSnapshots"], key=lambda row: row["SnapshotCreateTime"])
    return {row["DBClusterSnapshotIdentifier"]: row for row in ordered}


def tables(aws: Cloud, made: Made) -> set[str]:
    """Those of the migrations, as the server has them."""
    text = "select table_name from information_schema.tables where table_schema in ('public', 'shop')"
    cluster = aws.region(aws.account, aws.default_region).cluster(made.id)
    with cluster.plane.admin("shop") as session, session.cursor() as cursor:
        cursor.execute(text)
        return {name for (name,) in cursor.fetchall() if name[:1] == "t" and name[1:].isdigit()}


def test_ten_migrations_have_ten_tagged_snapshots(aws: Cloud, made: Made, repo: Repo) -> None:
    nodes = shop(repo, aws, made, 1)
    first = run(repo)
    assert any("none taken" in line and "holds nothing but the ledger" in line for line in first.out)
    assert rows(aws, made) == {}
    nodes += [repo.commit(dict([table(n)]), f"t{n}, OPS-{n}") for n in range(2, TEN + 2)]
    aws.faults.restart()
    said = run(repo)
    assert said.out[-1].startswith(f"prod is now at {nodes[-1][:12]} (default), heads {TEN + 1:04}")
    found = rows(aws, made)
    number = made.id.removeprefix("shop-")
    assert list(found) == [f"hgaurora-shop-{number}-prod-2-{n}" for n in range(1, TEN + 1)]
    tags = [from_aws(row["TagList"]) for row in found.values()]
    assert [one["before"] for one in tags] == [f"{n:04}" for n in range(2, TEN + 2)]
    assert [one["heads"] for one in tags] == [f"{n:04}" for n in range(1, TEN + 1)]
    assert len({one["fingerprint"] for one in tags}) == TEN
    for one in tags:
        assert one["environment"] == one["environments"] == "prod"
        assert (one["deployment"], one["node"], one["branch"]) == ("prod-2", nodes[0], "default")
        assert one["database"] == "shop"
        assert one["ledger"]
        assert one["tool-version"]
    assert len(aws.faults.calls("rds:CreateDBClusterSnapshot")) == TEN
    # no statement of a migration before its snapshot is available: each one is described so first
    assert tables(aws, made) == {f"t{n}" for n in range(1, TEN + 2)}
    listed = run(repo, "snapshots", json=True).json()
    assert [row["snapshot"] for row in listed] == list(reversed(found))
    assert run(repo, "status", env=None, json=True).json()[0]["deploy"] == "prod-2"


def test_each_command_works_on_a_cluster(aws: Cloud, made: Made, repo: Repo) -> None:
    nodes = shop(repo, aws, made, 3)
    planned = run(repo, dry_run=True)
    version = client(aws).describe_db_clusters(DBClusterIdentifier=made.id)["DBClusters"][0]["EngineVersion"]
    product = "Aurora PostgreSQL" if "postgresql" in made.engine else "Aurora MySQL"
    assert planned.out[0] == f"prod  {made.id}, database shop, {product} {version}, eu-west-1"
    assert tables(aws, made) == set()
    run(repo)
    assert run(repo).out == [f"prod is at {nodes[2][:12]} (default): nothing to do"]
    assert run(repo, "log").out[1].startswith("prod-1 ")
    assert run(repo, "drift").code == 0
    assert nodes[2][:12] in "\n".join(run(repo, "trace").out)
    back = run(repo, "revert", yes=True)
    assert back.out[-1].startswith("prod is now at no changeset")
    assert tables(aws, made) == set()
    run(repo)
    assert tables(aws, made) == {"t1", "t2", "t3"}
    names = list(rows(aws, made))
    compared = call(repo, "diff", adapters=Quick(), a=names[1], b="prod")
    assert compared.out


def test_a_restore_is_refused(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 2)
    run(repo)
    (name,) = rows(aws, one)
    for options in ({"way": "restore"}, {"to": name}):
        with pytest.raises(StateError, match="by downgrade only") as raised:
            run(repo, "revert", yes=True, **options)
        assert "hgaurora revert prod --way downgrade" in (raised.value.hint or "")
    assert not any("--way restore" in line for line in run(repo, "revert", dry_run=True).out)


def test_one_for_a_deploy_and_a_mark_for_each_migration(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 1)
    run(repo)
    repo.commit({"hgaurora.toml": settings(aws, {"prod": one}, {"prod": 'snapshot = "deploy"'}), **dict([table(2)])})
    repo.commit(dict([table(3)]))
    run(repo)
    (row,) = rows(aws, one).values()
    assert "before" not in from_aws(row["TagList"])
    marks = [event for event in events(repo) if event["kind"] == "point-in-time"]
    assert [mark["payload"]["before"] for mark in marks] == ["0002", "0003"]
    for mark in marks:
        assert mark["payload"]["cluster"] == one.id
        assert mark["payload"]["latest-restorable"] <= mark["payload"]["at"]


def events(repo: Repo) -> list[dict[str, Any]]:
    """What the file journal has."""
    text = (repo.root / ".hg/hgaurora/prod/journal.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_no_snapshot(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 2, 'snapshot = "none"')
    run(repo)
    assert rows(aws, one) == {}


def test_two_environments_on_one_cluster_are_both_named(aws: Cloud, one: Made, repo: Repo) -> None:
    """And their snapshots have different names, though both are the first deploy."""
    cluster = aws.region(aws.account, aws.default_region).cluster(one.id)
    with cluster.plane.admin("postgres") as session:
        session.autocommit = True
        session.execute("CREATE DATABASE other OWNER deployer")
    text = settings(aws, {"prod": one, "test": one})
    head, tail = text.split("[environments.test]")
    repo.commit({"hgaurora.toml": head + "[environments.test]" + tail.replace('"shop"', '"other"')}, "settings")
    repo.commit(dict([table(1), table(2)]))
    run(repo)
    run(repo, env="test")
    found = {name: from_aws(row["TagList"]) for name, row in rows(aws, one).items()}
    assert [(tags["environment"], tags["environments"]) for tags in found.values()] == [
        ("prod", "prod,test"),
        ("test", "prod,test"),
    ]
    assert [row["snapshot"] for row in run(repo, "snapshots", json=True).json()] == [next(iter(found))]


def test_a_name_that_somebody_else_has(aws: Cloud, one: Made, repo: Repo) -> None:
    """Of an earlier life of the database, or of another repository: it is left alone, and ours is called otherwise."""
    shop(repo, aws, one, 2)
    taken = f"hgaurora-{one.id}-prod-1-1"
    client(aws).create_db_cluster_snapshot(DBClusterSnapshotIdentifier=taken, DBClusterIdentifier=one.id)
    aws.states.settle()
    run(repo)
    first, second = rows(aws, one)
    assert first == taken
    assert second.startswith(f"{taken}-")
    assert run(repo, "snapshots", json=True).json()[0]["snapshot"] == second


# faults


def test_a_lost_answer_is_adopted(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 3)
    aws.faults.restart()
    aws.faults.inject(f.cut_after, "rds:CreateDBClusterSnapshot", nth=1)
    run(repo)
    assert len(rows(aws, one)) == 2
    assert len(aws.faults.calls("rds:CreateDBClusterSnapshot")) == 3


def test_too_few_snapshots_left_is_refused_before_anything(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 1)
    run(repo)
    for number in (2, 3, 4):
        repo.commit(dict([table(number)]))
    aws.snapshot_quota = aws.region(aws.account, aws.default_region).manual() + 2
    aws.faults.restart()
    with pytest.raises(PolicyError, match="snapshot-quota") as raised:
        run(repo)
    (finding,) = raised.value.findings  # type: ignore[attr-defined]
    assert finding.message.startswith("this deploy takes 3 snapshots, and there is room for 2")
    assert "hgaurora snapshots prod --prune" in (finding.mend or "")
    assert aws.faults.calls("rds:CreateDBClusterSnapshot") == []
    assert events(repo)[-1]["kind"] == "deployment-finished"
    dry = Recorder()
    with pytest.raises(PolicyError):
        dry = run(repo, dry_run=True)
    assert dry.out == []


def _without_quota(call: Call, go: f.Go) -> Answer:
    """An answer that does not say the quota of manual cluster snapshots."""
    answer = go()
    body = answer.body.replace(b"ManualClusterSnapshots", b"SomethingElse")
    return replace(answer, body=body, headers=tuple(one for one in answer.headers if one[0] != "Content-Length"))


def test_a_quota_that_is_not_known_refuses(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 1)
    run(repo)
    repo.commit(dict([table(2)]))
    aws.faults.inject(_without_quota, "rds:DescribeAccountAttributes", times=None)
    for dry_run in (True, False):
        with pytest.raises(PolicyError, match="snapshot-quota") as raised:
            run(repo, dry_run=dry_run)
        (finding,) = raised.value.findings  # type: ignore[attr-defined]
        assert "whether there is room is not known" in finding.message
    assert aws.faults.calls("rds:CreateDBClusterSnapshot") == []
    assert run(repo, "revert", yes=True).code == 0


def test_the_quota_that_fills_up_in_the_middle(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 3)
    aws.faults.inject(
        f.around(lambda call: setattr(aws, "snapshot_quota", 0)), "rds:CreateDBClusterSnapshot", nth=2, times=None
    )
    with pytest.raises(StateError, match="as many manual cluster snapshots") as raised:
        run(repo)
    assert "heads 0002" in (raised.value.state or "")
    assert "--prune" in (raised.value.hint or "")
    aws.faults.clear()
    aws.snapshot_quota = 100
    run(repo)
    assert tables(aws, one) == {"t1", "t2", "t3"}


@pytest.mark.parametrize("busy", [False, True], ids=["at once", "when the cluster has time"])
def test_a_revert_is_not_held_up_by_the_quota(aws: Cloud, one: Made, repo: Repo, busy: bool) -> None:
    """It says so, beforehand too, and records a point in time in the snapshot's place."""
    shop(repo, aws, one, 1)
    run(repo)
    repo.commit(dict([table(2)]))
    run(repo)
    (kept,) = rows(aws, one)
    assert not any("snapshot-quota" in line for line in run(repo, "revert", dry_run=True).out)
    full = aws.region(aws.account, aws.default_region).manual()
    aws.snapshot_quota = full
    dry = run(repo, "revert", dry_run=True)
    assert f"warning snapshot-quota: {full} of {full} manual cluster snapshots are used" in "\n".join(dry.out)
    (planned,) = run(repo, "revert", dry_run=True, json=True).json()
    assert [row["rule"] for row in planned["findings"]] == ["snapshot-quota"]
    aws.faults.inject(f.denied, "rds:DescribeAccountAttributes", times=None)
    unknown = run(repo, "revert", dry_run=True)
    assert any(line.startswith("note snapshot-quota: it is not known") for line in unknown.out)
    if busy:
        aws.faults.inject(f.error("InvalidDBClusterStateFault"), "rds:CreateDBClusterSnapshot", nth=1)
    said = run(repo, "revert", yes=True, json=True).json()[0]
    assert (said["steps"][0]["what"], said["steps"][0]["snapshot"]) == ("none taken", None)
    assert tables(aws, one) == {"t1"}
    assert list(rows(aws, one)) == [kept]
    (mark,) = [event["payload"] for event in events(repo) if event["kind"] == "point-in-time"]
    assert (mark["before"], mark["cluster"], mark["instead-of"]) == ("0002", one.id, f"hgaurora-{one.id}-prod-3-1")
    assert mark["latest-restorable"] <= mark["at"]
    assert run(repo, "journal", verb="verify").code == 0
    # a deploy is refused, as before
    aws.faults.clear()
    with pytest.raises(PolicyError, match="snapshot-quota"):
        run(repo)


def test_a_snapshot_that_fails_stops_before_the_migration(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 2)
    aws.fail("snapshot", f"hgaurora-{one.id}-*")
    with pytest.raises(RemoteError, match="failed in RDS"):
        run(repo)
    assert tables(aws, one) == {"t1"}
    assert rows(aws, one) == {}
    run(repo)
    assert tables(aws, one) == {"t1", "t2"}


def test_nothing_is_executed_while_it_is_held(aws: Cloud, one: Made, repo: Repo) -> None:
    """The wait ends, the next run takes the same snapshot up; the journal has what was done meanwhile."""
    from tests.planes import QUICK

    shop(repo, aws, one, 2)
    aws.hold("snapshot", "hgaurora-*")
    short = type(QUICK)(first=0.01, longest=0.1, limit=0.5, patience=1.0)
    with pytest.raises(Interrupted, match="which this run waits: creating"):
        call(repo, "deploy", adapters=Quick(short), env="prod")
    assert tables(aws, one) == {"t1"}
    assert [event["kind"] for event in events(repo)][-1] == "snapshot-intent"
    (name,) = rows(aws, one)
    aws.release()
    run(repo)
    assert list(rows(aws, one)) == [name]
    assert tables(aws, one) == {"t1", "t2"}


@pytest.mark.parametrize("when", [f.before, f.after], ids=["before", "after"])
@pytest.mark.parametrize("what", ["rds:CreateDBClusterSnapshot", "rds:DescribeDBClusterSnapshots"])
def test_a_killed_run_is_taken_up(
    aws: Cloud, one: Made, repo: Repo, when: Callable[[Callable[[Any], object]], f.Fault], what: str
) -> None:
    """Killed before or after RDS heard of it: one snapshot, none orphaned, and it is the one of the ledger."""
    shop(repo, aws, one, 2)
    kept = environ(**aws.as_role())
    running: list[subprocess.Popen[str]] = []
    aws.faults.inject(when(lambda _: running[0].send_signal(signal.SIGKILL)), what)
    running.append(
        subprocess.Popen(
            [sys.executable, "-m", "hgaurora", "-R", str(repo.root), "deploy", "prod"],
            env=kept,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
    )
    out, _ = running[0].communicate(timeout=120)
    canaries.clean("deploy", out)
    assert running[0].returncode == -signal.SIGKILL, out
    aws.faults.clear()
    said = run(repo)
    assert said.out[-1].startswith("prod is now at ")
    (name,) = rows(aws, one)
    taken = [event["payload"]["snapshot"] for event in events(repo) if event["kind"] == "snapshot-available"]
    intended = {event["payload"]["snapshot"] for event in events(repo) if event["kind"] == "snapshot-intent"}
    assert (taken, intended) == ([name], {name})
    assert tables(aws, one) == {"t1", "t2"}


def test_one_whose_intent_is_not_written_first_is_orphaned(
    aws: Cloud, one: Made, repo: Repo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The control of the test above: with no record of the name, the next run takes another one."""
    shop(repo, aws, one, 2)
    program = tmp_path / "forgetful.py"
    program.write_text(
        "import sys\n"
        "from hgaurora import execute\n"
        "from hgaurora.cli import main\n"
        "def unwritten(database, control, deployment, before, *, again=False):\n"
        "    return control.snapshot_name(deployment, 1, again=True), True\n"
        "execute.snapshot_id = unwritten\n"
        "sys.exit(main())\n"
    )
    running: list[subprocess.Popen[str]] = []
    aws.faults.inject(f.after(lambda _: running[0].send_signal(signal.SIGKILL)), "rds:CreateDBClusterSnapshot")
    running.append(
        subprocess.Popen(
            [sys.executable, str(program), "-R", str(repo.root), "deploy", "prod"], env=environ(**aws.as_role())
        )
    )
    running[0].wait(120)
    aws.faults.clear()
    run(repo)
    assert len(rows(aws, one)) == 2


def test_what_cannot_be_downgraded_names_its_snapshot(aws: Cloud, one: Made, repo: Repo) -> None:
    """And no command that would be refused."""
    shop(repo, aws, one, 1)
    path, text = table(2)
    repo.commit({path: text.replace(f"op.execute({'DROP TABLE t2'!r})", "raise NotImplementedError")})
    run(repo)
    with pytest.raises(StateError, match="can not: there is no downgrade") as raised:
        run(repo, "revert", yes=True)
    hint = raised.value.hint or ""
    assert "--way restore" not in hint
    assert f"or restore {next(iter(rows(aws, one)))} into a new cluster" in hint


# a cluster that does not answer, and a database that is not there


def test_a_cluster_that_is_stopped_is_called_so(aws: Cloud, made: Made, repo: Repo) -> None:
    """Before the gates look at it, the database is read: so what can not connect says it."""
    shop(repo, aws, made, 1)
    run(repo)
    client(aws).stop_db_cluster(DBClusterIdentifier=made.id)
    aws.states.settle()
    commands: dict[str, dict[str, Any]] = {
        "deploy": {"dry_run": True},
        "status": {},
        "revert": {"dry_run": True},
        "journal": {"verb": "sync"},
    }
    for command, options in commands.items():
        with pytest.raises(RemoteError, match=f"^prod: .*; {made.id} is stopped$") as raised:
            run(repo, command, **options)
        mend = f"aws rds start-db-cluster --db-cluster-identifier {made.id}"
        assert raised.value.hint == f"{mend}; the same command again when it is available"


def test_a_database_that_is_not_there_is_named_by_its_key(aws: Cloud, made: Made, repo: Repo) -> None:
    text = settings(aws, {"prod": made}).replace('"shop"', '"nowhere"')
    repo.commit({"hgaurora.toml": text}, "settings")
    with pytest.raises(HgAuroraError, match=r"^prod: ") as raised:
        run(repo, "status")
    assert "mend the environment's database" in (raised.value.hint or "")


def test_a_word_that_means_nothing_on_a_cluster(aws: Cloud, one: Made, repo: Repo) -> None:
    shop(repo, aws, one, 1)
    with pytest.raises(InputError) as raised:
        call(repo, "diff", adapters=Quick(), a="nothing", b="prod")
    assert (raised.value.hint or "").endswith("snapshots hgaurora-shop-prod-42-1 on a cluster")
