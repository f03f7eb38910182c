# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""With the policy that ``iam-policy --for`` prints, and no other, each command works; with any action taken out it does
not. What it asks of AWS is what the policy has: no action less, and none more."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.commands import AWS_COMMANDS
from hgaurora.core import iam
from hgaurora.core.errors import HgAuroraError, RemoteError
from hgaurora.core.settings import Environment, read_settings
from tests.cloud import DEPLOYER, Cloud
from tests.emulator import Made
from tests.emulator.faults import denied
from tests.planes import Quick, settings
from tests.world import Recorder, Repo, call, migration, sql

_numbers = count(1)


@dataclass
class World:
    """A repository, a cluster it deploys to, and roles."""

    cloud: Cloud
    made: Made
    repo: Repo
    history: HglibHistory
    monkeypatch: pytest.MonkeyPatch = field(init=False)
    migrations: int = 0
    #: the command that still has what it was prepared with
    prepared: str = ""
    #: somebody moved the version table, and nobody has adopted that yet
    stamped: bool = False

    def settings(self, extra: str) -> Environment:
        """Lay settings down, and read them."""
        text = settings(self.cloud, {"prod": self.made}, {"prod": extra})
        if "secret" in extra:
            text = text.replace(f'user = "{DEPLOYER}"', f'user = "{self.made.user}"')
        (self.repo.root / "hgaurora.toml").write_text(text)
        return read_settings(text).environments["prod"]

    def commit(self) -> None:
        """One more migration."""
        self.migrations += 1
        n, before = self.migrations, f"{self.migrations - 1:04}" if self.migrations > 1 else None
        text = migration(f"{n:04}", before, sql(f"CREATE TABLE t{n} (id int)"), sql(f"DROP TABLE t{n}"))
        self.repo.commit({f"migrations/versions/{n:04}_t{n}.py": text}, f"t{n}")

    def run(self, command: str, **options: Any) -> Recorder:
        """A command on prod."""
        given = {"env": "prod", **options}
        return call(self.repo, command, history=self.history, adapters=Quick(), **given)

    def as_everything(self) -> None:
        """By the role that may do all; what is in the way of other commands is cleared."""
        self.cloud.take(self.monkeypatch, self.cloud.as_role())
        if self.stamped:
            self.stamped = False
            self.run("adopt", yes=True)

    def as_printed(self, command: str, found: Environment, *, without: str = "") -> None:
        """By a role that has what ``iam-policy`` prints, less one action."""
        policy = iam.policy(command, found)
        if not without:
            assert json.loads("\n".join(self.run("iam-policy", **{"for": command}).out)) == policy
        for statement in policy["Statement"]:
            statement["Action"] = [one for one in statement["Action"] if one != without] or ["none:none"]
        role = self.cloud.directory.role(f"printed-{next(_numbers)}", policy)
        self.cloud.take(self.monkeypatch, self.cloud.as_role(role))
        self.cloud.directory.asked.clear()

    def asked(self) -> set[str]:
        """Actions that were wanted since; who one is needs no permission."""
        return {action for action, _ in self.cloud.directory.asked} - {"sts:GetCallerIdentity"}


@pytest.fixture(scope="module")
def made_world(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A cluster with two deploys."""
    made = cloud.fresh(readers=1, ManageMasterUserPassword=True)
    repo = Repo(Path(tmp_path_factory.mktemp("iam")) / "shop")
    history = HglibHistory(repo.root)
    world = World(cloud, made, repo, history)
    world.settings("")
    repo.commit({"hgaurora.toml": (repo.root / "hgaurora.toml").read_text()}, "settings")
    world.commit()
    for client, name in (("cloudwatch", "errors"),):
        alarm = {"Namespace": "shop", "MetricName": "errors", "Statistic": "Sum", "Period": 60, "Threshold": 1.0}
        alarms = cloud.client(client)
        alarms.put_metric_alarm(AlarmName=name, EvaluationPeriods=1, ComparisonOperator="GreaterThanThreshold", **alarm)
        alarms.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="well")
        for dimension, id in (("DBClusterIdentifier", made.id), ("DBInstanceIdentifier", f"{made.id}-2")):
            for metric in ("AuroraReplicaLag", "AuroraReplicaLagMaximum"):
                data = {"MetricName": metric, "Dimensions": [{"Name": dimension, "Value": id}], "Value": 20.0}
                alarms.put_metric_data(Namespace="AWS/RDS", MetricData=[data])
    yield world
    history.close()
    repo.close()


@pytest.fixture
def world(made_world: World, aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> World:
    """The module's, with this test's process."""
    made_world.monkeypatch = monkeypatch
    return made_world


@dataclass(frozen=True)
class Case:
    """A command: its options, what is so before it, further settings.

    :ivar also: options of a second run, where a command does several things.
    :ivar of: the command, where a policy is for a part of it.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    also: Mapping[str, Any] | None = None
    before: Callable[[World], object] = lambda world: None
    extra: str = ""
    of: str = ""


def _pending(world: World) -> None:
    world.commit()


def _deployed(world: World) -> None:
    world.commit()
    world.run("deploy")


def _unsent(world: World) -> None:
    """A deploy whose events wait, for CloudWatch took none."""
    world.cloud.faults.inject(denied, "logs:*", times=None)
    _deployed(world)
    world.cloud.faults.clear()


def _stamped(world: World) -> None:
    """A migration that somebody ran by hand, with Alembic's version table moved along."""
    world.run("deploy")
    world.commit()
    here = world.cloud.region(world.cloud.account, world.cloud.default_region)
    with here.cluster(world.made.id).plane.admin(world.made.database) as connection:
        connection.execute(f"CREATE TABLE t{world.migrations} (id int)")
        connection.execute("UPDATE alembic_version SET version_num = %s", (f"{world.migrations:04}",))
    world.stamped = True


def _several(world: World) -> None:
    """More deploys with snapshots than are kept."""
    for _ in range(3):
        _deployed(world)


#: a group for each run: making it is part of what is allowed
_GROUP = 'log-group = "/hgaurora/{number}"\nlog-retention = 365\nrequire-journal = true'
_GATES = 'alarms = ["errors"]\nreplica-lag = "10s"'
CASES: Mapping[str, Case] = {
    "status": Case(),
    "log": Case(),
    "diff": Case({"env": None, "a": "prod", "b": "prod-1"}),
    "drift": Case(),
    "trace": Case(),
    "annotate": Case(),
    "snapshots": Case(),
    "deploy": Case(before=_pending, extra=f"{_GROUP}\n{_GATES}"),
    "revert": Case({"dry_run": True}, {"yes": True}, before=_deployed, extra=_GROUP),
    "adopt": Case({"yes": True}, before=_stamped, extra=_GROUP),
    "journal": Case({"verb": "sync"}, {"verb": "verify"}, _unsent, _GROUP.replace("true", "false")),
    "prune": Case({"prune": True, "keep": 1, "yes": True}, before=_several, of="snapshots"),
    "secret-rotate": Case({"verb": "rotate"}, extra='secret = "managed"', of="secret"),
    "doctor": Case(extra='log-group = "/hgaurora/{number}"'),
}


def _ready(world: World, case: Case) -> Environment:
    """What is so before it, with another log group than the command's."""
    world.as_everything()
    world.settings(case.extra.format(number=next(_numbers)))
    case.before(world)
    return world.settings(case.extra.format(number=next(_numbers)))


@pytest.mark.parametrize("command", CASES)
def test_a_command_asks_for_what_its_policy_has(world: World, command: str) -> None:
    world.as_everything()
    world.settings("")
    world.run("deploy")
    case = CASES[command]
    found = _ready(world, case)
    world.as_printed(command, found)
    world.stamped = False
    said = world.run(case.of or command, **case.options)
    assert said.code == 0, said.err
    if case.also is not None:
        # 1: events of other tests are in other groups
        assert world.run(case.of or command, **case.also).code in (0, 1)
    assert world.asked() == iam.actions(command, found, seldom=False)


def test_each_command_that_asks_aws_is_here() -> None:
    assert set(CASES) == set(AWS_COMMANDS)


def test_a_snapshot_that_fails_is_deleted_by_who_made_it(world: World) -> None:
    """What is asked where something went wrong is in the policy too."""
    world.as_everything()
    world.settings("")
    world.run("deploy")
    for command in ("deploy", "revert"):
        (_pending if command == "deploy" else _deployed)(world)
        before = set(world.cloud.region(world.cloud.account, world.cloud.default_region).snapshots)
        world.cloud.fail("snapshot", f"hgaurora-{world.made.id}-*")
        found = world.settings("")
        world.as_printed(command, found)
        with pytest.raises(RemoteError, match=r"snapshot \S+ failed in RDS$"):
            world.run(command, yes=True)
        assert "rds:DeleteDBClusterSnapshot" in world.asked()
        assert world.asked() <= iam.actions(command, found)
        assert set(world.cloud.region(world.cloud.account, world.cloud.default_region).snapshots) == before
        world.as_everything()
        world.run("deploy")


def test_a_group_that_is_there_is_compared_by_who_writes_it(world: World) -> None:
    world.as_everything()
    group = f"/hgaurora/there-{next(_numbers)}"
    logs = world.cloud.client("logs")
    logs.create_log_group(logGroupName=group)
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    found = world.settings(f'log-group = "{group}"\nlog-retention = 365')
    world.commit()
    world.as_printed("deploy", found)
    said = world.run("deploy")
    assert any("keeps events 30 days; log-retention says 365 days" in line for line in said.err), said.err
    assert "logs:DescribeLogGroups" in world.asked()
    assert world.asked() <= iam.actions("deploy", found)


def _each_action() -> Iterator[tuple[str, str]]:
    """Commands that stand for all that have the same grants, with what each may do. (``doctor`` has tests of its own:
    what it may not ask is unknown.)"""
    for command in ("status", "snapshots", "prune", "deploy", "revert", "adopt", "journal", "secret-rotate"):
        extra = CASES[command].extra.format(number=1)
        text = f'[environments.prod]\ncluster = "x"\nregion = "eu-west-1"\ndatabase = "shop"\n{extra}'
        found = read_settings(text).environments["prod"]
        for action in sorted(iam.actions(command, found, seldom=False)):
            yield command, action


def _sampled(every: list[tuple[str, str]]) -> Iterator[Any]:
    """A seeded third of them in each run, the others with ``--whole``."""
    sample = random.Random(2).sample(every, len(every) // 3)
    for one in every:
        yield pytest.param(*one, marks=() if one in sample else pytest.mark.whole)


@pytest.mark.parametrize(("command", "action"), list(_sampled(list(_each_action()))))
def test_without_any_action_it_does_not_work(world: World, command: str, action: str) -> None:
    """It refuses, or says what is missing; it never goes on as if nothing were."""
    case = CASES[command]
    if world.prepared != command or case.also:  # the first of two runs may have done its part
        _ready(world, case)
        world.prepared = command
    found = world.settings(case.extra.format(number=next(_numbers)))
    world.as_printed(command, found, without=action)
    runs = [case.options, *([case.also] if case.also else [])]
    try:
        said = [world.run(case.of or command, **options) for options in runs]
    except HgAuroraError as error:
        text = json.dumps(error.as_json())
    else:
        world.prepared = ""
        text = "\n".join(line for one in said for line in (*one.err, *one.out))
    named = "PAM authentication failed" if action == "rds-db:connect" else action
    assert named in text, text
