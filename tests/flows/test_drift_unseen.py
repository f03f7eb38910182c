# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where the catalogue's rows are those of the record nothing is captured, and what anybody changes is found as ever."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from hgaurora import app
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.blocking import Obstacles
from hgaurora.core.errors import DriftError, RemoteError
from hgaurora.core.schema.model import Schema
from hgaurora.core.schema.record import DeltaRow
from hgaurora.ports import Connection
from tests.world import Recorder, Repo, call, migration, query, settings, sql

CHAIN = {
    f"migrations/versions/r{number}.py": migration(
        f"r{number}", f"r{number - 1}" if number > 1 else None, sql(text), sql("SELECT 1")
    )
    for number, text in enumerate(
        (
            "CREATE TABLE orders (id int PRIMARY KEY, net int)",
            "ALTER TABLE orders ADD gross int",
            "CREATE VIEW totals AS SELECT sum(net) AS net FROM orders",
            "ALTER TABLE orders RENAME COLUMN net TO netto",
            "CREATE TYPE mood AS ENUM ('sad', 'glad')",
        ),
        1,
    )
}


@dataclass
class _Counting(Adapters):
    """How often the whole schema was captured; ``beside``: what somebody else does right after the first look."""

    url: str
    beside: str = ""
    captured: int = field(default=0, init=False)

    def database(self, connection: Connection, environment: str) -> PostgresDatabase:
        return _Database(connection, environment=environment, seen=self)


class _Database(PostgresDatabase):
    def __init__(self, connection: Connection, *, environment: str, seen: _Counting) -> None:
        super().__init__(connection, environment=environment)
        self.seen = seen

    def capture(self, *, marked: bool = False) -> Schema:
        self.seen.captured += 1
        return super().capture(marked=marked)

    def obstacles(self, older: float) -> Obstacles:
        """Asked after the first look, before the first migration."""
        if self.seen.beside:
            query(self.seen.url, self.seen.beside)
        return super().obstacles(older)


def _deploy(repo: Repo, url: str, rev: str, beside: str = "", **options: object) -> tuple[int, list[str]]:
    """Captures of the whole, and the lines said beside the result."""
    ui, history, counting = Recorder(), HglibHistory(repo.root), _Counting(url, beside)
    try:
        app.run("deploy", {"env": "dev", "rev": rev, **options}, history=history, ui=ui, adapters=counting)
    finally:
        history.close()
    return counting.captured, ui.err


@pytest.fixture
def revs(shop: Repo) -> list[str]:
    """A changeset for each migration; the first is deployed."""
    made, files = [], dict[str, str | bytes | None]()
    for name, text in CHAIN.items():
        files[name] = text
        made.append(shop.commit(files))
    call(shop, "deploy", env="dev", rev=made[0])
    return made


@pytest.fixture
def snapshots(shop: Repo, revs: list[str], pg_database: str) -> None:
    """A snapshot before each migration, which is why a run looks again."""
    shop.commit({"hgaurora.toml": settings({"dev": pg_database}, extra={"dev": 'snapshot = "each"'})})


def test_only_the_first_deploy_captures(shop: Repo, revs: list[str], pg_database: str) -> None:
    for rev in revs[1:]:
        captured, said = _deploy(shop, pg_database, rev)
        # the one at the end, where a small schema is proven
        assert (captured, [line for line in said if "beside" in line]) == (1, [])
    assert call(shop, "drift", env="dev").code == 0
    before = query(pg_database, 'SELECT id, "full" FROM hgaurora.part ORDER BY id')
    _deploy(shop, pg_database, revs[-1], accept_drift=True)
    assert query(pg_database, 'SELECT id, "full" FROM hgaurora.part ORDER BY id') == before


def test_a_change_by_hand_is_found_by_the_next_deploy(shop: Repo, revs: list[str], pg_database: str) -> None:
    query(pg_database, "COMMENT ON COLUMN orders.id IS 'by hand'")
    with pytest.raises(DriftError):
        _deploy(shop, pg_database, revs[1])
    assert _deploy(shop, pg_database, revs[1], accept_drift=True)[0] == 2
    assert _deploy(shop, pg_database, revs[2])[0] == 1


@pytest.mark.usefixtures("snapshots")
def test_a_change_beside_a_run_is_found(shop: Repo, revs: list[str], pg_database: str) -> None:
    captured, said = _deploy(shop, pg_database, revs[1], beside="CREATE TABLE by_hand (n int)")
    # before the step, as it was not as recorded, and at the end
    assert captured == 2
    assert "warning: dev was changed beside this run: 1 change" in said
    assert any("by_hand" in line for line in said)
    assert call(shop, "drift", env="dev").code == 0


class _BetweenSteps(_Database):
    """Somebody else is there after the first migration; so much time has passed that the run looks again."""

    def obstacles(self, older: float) -> Obstacles:
        return PostgresDatabase.obstacles(self, older)

    def record_delta(self, delta: DeltaRow, *, deployment: str | None, epoch: str | None) -> None:
        super().record_delta(delta, deployment=deployment, epoch=epoch)
        if delta.step is not None and delta.step.revision == "r2":
            query(self.seen.url, self.seen.beside)


class _Between(_Counting):
    def database(self, connection: Connection, environment: str) -> PostgresDatabase:
        return _BetweenSteps(connection, environment=environment, seen=self)


@pytest.mark.usefixtures("snapshots")
def test_what_somebody_changes_between_two_steps_is_not_taken_for_the_second(
    shop: Repo, revs: list[str], pg_database: str
) -> None:
    """A snapshot lies between them, which takes minutes in production: before the second step the run looks again."""
    history, ui = HglibHistory(shop.root), Recorder()
    adapters = _Between(pg_database, "ALTER TABLE orders ADD backdoor int")
    try:
        app.run("deploy", {"env": "dev", "rev": revs[3]}, history=history, ui=ui, adapters=adapters)
    finally:
        history.close()
    assert "warning: dev was changed beside this run: 1 change" in ui.err
    causes = query(
        pg_database,
        "SELECT payload::json ->> 'cause', payload::json ->> 'revision', payload::json ->> 'changes'"
        " FROM hgaurora.event WHERE kind = 'delta' ORDER BY seq",
    )
    (drift,) = [row for row in causes if row[0] == "drift"]
    assert "backdoor" in drift[2]
    assert not [row for row in causes if row[1] == "r4" and "backdoor" in row[2]]
    assert call(shop, "drift", env="dev").code == 0


class _Losing(_BetweenSteps):
    """The connection is lost at the last look."""

    def capture(self, *, marked: bool = False) -> Schema:
        raise RemoteError("dev: the connection was lost")


class _LosesTheEnd(_Counting):
    def database(self, connection: Connection, environment: str) -> PostgresDatabase:
        return _Losing(connection, environment=environment, seen=self)


def test_what_was_changed_beside_a_run_that_ended_early_is_found_by_the_next(
    shop: Repo, revs: list[str], pg_database: str
) -> None:
    """The mark of a step stands for what the run has seen, not for what others wrote meanwhile."""
    ui, history = Recorder(), HglibHistory(shop.root)
    adapters = _LosesTheEnd(pg_database, "CREATE TABLE by_hand (n int)")
    try:
        with pytest.raises(RemoteError):
            app.run("deploy", {"env": "dev", "rev": revs[1]}, history=history, ui=ui, adapters=adapters)
    finally:
        history.close()
    with pytest.raises(DriftError) as caught:
        _deploy(shop, pg_database, revs[2])
    assert "added table by_hand" in caught.value.message


def test_adopted_by_one_migration_it_is_that_migration_s_and_drift_goes_on(
    shop: Repo, revs: list[str], pg_database: str
) -> None:
    """What bare Alembic ran is the migration's; where it changed nothing, nothing counts as stopped halfway."""
    query(pg_database, "ALTER TABLE orders ADD gross int; UPDATE alembic_version SET version_num = 'r2'")
    call(shop, "adopt", env="dev", rev=revs[1])
    assert call(shop, "drift", env="dev").code == 0
    (step,) = query(
        pg_database,
        "SELECT payload::json ->> 'changes' FROM hgaurora.event WHERE kind = 'delta' AND payload::json ->> 'revision' ="
        " 'r2'",
    )
    assert "gross" in step[0]
    query(pg_database, "UPDATE alembic_version SET version_num = 'r3'")
    call(shop, "adopt", env="dev", rev=revs[2])
    assert call(shop, "drift", env="dev").code == 0
    query(pg_database, "CREATE TABLE evil (a int)")
    with pytest.raises(DriftError):
        _deploy(shop, pg_database, revs[3])
