# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``journal``: outages delay and lose nothing, the log alone gives the schema, what differs is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from moto.logs.models import logs_backends

from hgaurora.adapters.aws import session
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import InputError, RemoteError, StateError
from hgaurora.core.schema.form import fingerprints, parts
from hgaurora.core.settings import Environment
from tests import journal_reader
from tests.emulator import faults as f
from tests.emulator.faults import Faults
from tests.emulator.logs import Logs
from tests.emulator.serving import moto, serving
from tests.world import Recorder, Repo, call, migration, query, settings, sql

ACCOUNT, REGION = "123456789012", "eu-west-1"
_groups = count(1)


class InCloudWatch(Adapters):
    """A database by url, whose journal is a log group."""

    def __init__(self, group: str) -> None:
        self.group = group

    def journal(self, folder: Path, environment: str, settings: Environment, **more: Any) -> Any:
        """As for a cluster."""
        there = replace(settings, log_group=self.group, region=REGION, log_retention=365)
        return super().journal(folder, environment, there, **more)


@dataclass
class Shop:
    """A repository with migrations, a database of one engine, a log group."""

    engine: str
    url: str
    repo: Repo
    history: HglibHistory
    group: str
    faults: Faults
    logs: Logs

    def call(self, command: str, **options: Any) -> Recorder:
        """One command; its journal is in CloudWatch."""
        given = {"env": "dev", **options}
        return call(self.repo, command, history=self.history, adapters=InCloudWatch(self.group), **given)

    def sync(self) -> Recorder:
        """``journal sync dev``"""
        return self.call("journal", verb="sync")

    def verify(self) -> dict[str, Any]:
        """``journal verify dev``"""
        (said,) = self.call("journal", verb="verify", json=True).json()
        return dict(said)

    def commit(self, number: int, body: str, back: str) -> None:
        """One more migration."""
        before = f"r{number - 1}" if number > 1 else None
        text = migration(f"r{number}", before, sql(body), sql(back))
        self.repo.commit({f"migrations/versions/r{number}.py": text}, f"r{number}")

    def fold(self) -> journal_reader.Folded:
        """The schema by the program that reads CloudWatch alone."""
        return journal_reader.fold(journal_reader.messages(self.group, "dev"))

    def live(self) -> str:
        """The structure fingerprint of the database as it is now."""
        adapters = Adapters()
        with_it = adapters.database(adapters.reach(self.url), "dev")
        try:
            seen = with_it.capture()
            return fingerprints(seen.engine, seen.major, parts(seen)).structure
        finally:
            with_it.close()

    @property
    def stored(self) -> dict[str, Any]:
        """The group's streams, in moto."""
        found: dict[str, Any] = logs_backends[ACCOUNT][REGION].groups[self.group].streams
        return found

    def waiting(self) -> int:
        """Events that the ledger holds back."""
        table = "hgaurora.event" if self.engine == "postgresql" else "hgaurora_event"
        ((number,),) = query(self.url, f"SELECT count(*) FROM {table} WHERE delivered_at IS NULL")
        return int(number)


def reach(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """AWS is at an address, for this process."""
    given = {"ENDPOINT_URL": address, "ACCESS_KEY_ID": "AKIAEXAMPLE000000000", "SECRET_ACCESS_KEY": "x"}
    for name, value in {**given, "DEFAULT_REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, Logs, Faults]]:
    logs = Logs(moto())
    faults = Faults(logs)
    with serving(faults) as url:
        yield url, logs, faults


@pytest.fixture(params=["postgresql", "mysql"])
def shop(
    request: pytest.FixtureRequest,
    repo: Repo,
    served: tuple[str, Logs, Faults],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    """Nothing deployed yet."""
    address, logs, faults = served
    reach(monkeypatch, address)
    # an outage is told after one attempt: botocore's own waits are not what is looked at here
    monkeypatch.setattr(session, "ATTEMPTS", 1)
    faults.restart()
    logs.ahead = 0.0
    url = request.getfixturevalue("pg_database" if request.param == "postgresql" else "my_database")
    repo.commit(
        {"hgaurora.toml": settings({"dev": url}, extra={"dev": 'snapshot = "none"\nlock-wait = "0s"'})}, "settings"
    )
    history = HglibHistory(repo.root)
    made = Shop(request.param, url, repo, history, f"/hgaurora/flow-{next(_groups)}", faults, logs)
    made.commit(1, "CREATE TABLE a (id int NOT NULL PRIMARY KEY, n varchar(20) DEFAULT 'x', m int)", "DROP TABLE a")
    made.commit(
        2,
        "CREATE UNIQUE INDEX a_n ON a (n, m)",
        "DROP INDEX a_n" if request.param == "postgresql" else "DROP INDEX a_n ON a",
    )
    made.commit(3, 'CREATE TABLE b (id int PRIMARY KEY REFERENCES a (id), "ü" int)'.replace('"ü"', "u"), "DROP TABLE b")
    yield made
    history.close()


def test_the_log_alone_gives_the_schema(shop: Shop) -> None:
    """One delta for each migration; folded from nothing they are the live schema, at each point."""
    for number in (1, 2, 3):
        shop.call("deploy", rev=f"desc('re:^r{number}$')")
        found = shop.fold()
        assert found.structure == found.said == shop.live()
        # of the first also what was there before it
        assert found.deltas == number + 1
    assert len(shop.stored) == 1
    shop.commit(4, "ALTER TABLE a ADD COLUMN later int", "ALTER TABLE a DROP COLUMN later")
    shop.call("deploy")
    before = shop.fold()
    shop.call("revert", to="previous", yes=True)
    after = shop.fold()
    assert after.structure == after.said == shop.live() != before.structure
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    flat = [json.loads(text) for text in journal_reader.messages(shop.group, "dev")]
    (delta,) = [
        one for one in flat if (one["event"], one.get("revision"), one.get("direction")) == ("delta", "r4", "up")
    ]
    assert delta["added"].endswith("a.later")


def test_an_outage_of_a_whole_deploy_and_a_revert_loses_nothing(shop: Shop) -> None:
    shop.call("deploy", rev="desc('re:^r1$')")
    shop.faults.inject(f.unavailable, "logs:*", times=None)
    deployed = shop.call("deploy")
    (warned,) = [line for line in deployed.err if line.startswith("warning: journal")]
    assert warned == (
        f"warning: journal {shop.group}: ServiceUnavailableException, logs:PutLogEvents; {shop.waiting()} events "
        "wait in the ledger (hgaurora journal sync dev)"
    )
    assert deployed.code == 0
    waiting = shop.waiting()
    reverted = shop.call("revert", to="previous", yes=True)
    assert reverted.code == 0
    assert shop.waiting() > waiting
    with pytest.raises(RemoteError) as caught:
        shop.sync()
    assert caught.value.state == f"{shop.waiting()} events wait in the ledger, 0 were delivered"
    shop.faults.clear()
    said = shop.verify()
    assert (said["agree"], len(said["waiting"]), said["ledger"], said["missing"]) == (False, shop.waiting(), [], [])
    waiting = shop.waiting()
    assert shop.sync().out == [f"dev: {waiting} events delivered to {shop.group}"]
    assert shop.waiting() == 0
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    # in order: as CloudWatch shows them, by its own time, too
    (stream,) = shop.stored.values()
    assert [json.loads(event.message)["seq"] for event in stream.events] == list(range(1, said["events"] + 1))
    found = shop.fold()
    assert found.structure == shop.live()
    assert shop.sync().out == [f"dev: nothing waits for {shop.group}"]


def test_require_journal_stops_a_deploy_before_anything_and_never_a_revert(shop: Shop) -> None:
    shop.call("deploy", rev="desc('re:^r1$')")
    text = (shop.repo.root / "hgaurora.toml").read_text()
    shop.repo.commit({"hgaurora.toml": f"{text}require-journal = true\n"}, "require it")
    shop.faults.inject(f.denied, "logs:PutLogEvents", times=None)
    before = query(shop.url, f"SELECT count(*) FROM {'hgaurora.' if shop.engine == 'postgresql' else 'hgaurora_'}event")
    with pytest.raises(RemoteError) as caught:
        shop.call("deploy")
    error = caught.value
    assert error.message == (f"dev: journal {shop.group} can not be written (AccessDeniedException, logs:PutLogEvents)")
    assert error.state == "require-journal is on; stopped before the first snapshot"
    assert error.hint == "hgaurora iam-policy dev --for deploy prints what the role needs"
    assert error.exit_code == 100
    after = query(shop.url, f"SELECT count(*) FROM {'hgaurora.' if shop.engine == 'postgresql' else 'hgaurora_'}event")
    assert before == after
    reverted = shop.call("revert", to="previous", yes=True)
    assert reverted.code == 0
    assert any(line.startswith("warning: journal") for line in reverted.err)
    shop.faults.clear()
    assert shop.call("deploy").code == 0
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)


def test_a_delivery_whose_answer_is_lost_is_made_again(shop: Shop) -> None:
    shop.faults.inject(f.cut_after, "logs:PutLogEvents", nth=2)
    deployed = shop.call("deploy")
    assert any("wait in the ledger" in line for line in deployed.err)
    assert shop.waiting() > 0
    shop.sync()
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    assert said["doubled"] == list(range(1, said["events"] + 1))
    assert said["notes"] == [f"there more than once, as a delivery may be repeated: events 1 to {said['events']}"]
    assert shop.fold().structure == shop.live()


def test_what_differs_is_named(shop: Shop) -> None:
    shop.call("deploy")
    (stream,) = shop.stored.values()
    kept = list(stream.events)
    whole = shop.verify()
    assert whole["agree"]
    # gone from CloudWatch; delivered long ago, else verify would wait for it
    table = "hgaurora.event" if shop.engine == "postgresql" else "hgaurora_event"
    stream.events[:] = [event for event in kept if json.loads(event.message)["seq"] != 3]
    query(shop.url, f"UPDATE {table} SET delivered_at = '2026-11-01 00:00:00' WHERE seq = 3")
    said = shop.verify()
    assert (said["agree"], said["missing"]) == (False, [3])
    assert f"is missing in {shop.group}" in said["findings"][0]
    # another one
    stream.events[:] = kept
    edited = kept[1].message.replace('"user":"ana"', '"user":"mia"')
    assert edited != kept[1].message
    kept[1].message, good = edited, kept[1].message
    said = shop.verify()
    assert f"event 2 (deployment-started, dev-1) differs: {shop.group} has another payload" in said["findings"][0]
    kept[1].message = good
    # the ledger's end cut away and the chain made to fit: only the journal knows better
    place = "hgaurora.environment" if shop.engine == "postgresql" else "hgaurora_environment"
    last = whole["events"]
    query(shop.url, f"DELETE FROM {table} WHERE seq = {last}")
    query(
        shop.url,
        f"UPDATE {place} SET tip_seq = {last - 1}, tip_hash = (SELECT hash FROM {table} WHERE seq = {last - 1})",
    )
    said = shop.verify()
    assert f"event {last} is in {shop.group} and not in the ledger" in said["findings"]


@pytest.mark.parametrize("fault", [f.portal, f.half], ids=lambda fault: fault.__name__)
def test_an_answer_that_is_none_of_cloudwatch_loses_no_event(shop: Shop, fault: f.Fault) -> None:
    shop.call("deploy", rev="desc('re:^r1$')")
    shop.faults.inject(fault, "logs:PutLogEvents", times=None)
    deployed = shop.call("deploy", rev="desc('re:^r2$')")
    (warned,) = [line for line in deployed.err if line.startswith("warning: journal")]
    assert f"the answer of AWS to logs:PutLogEvents was not whole; {shop.waiting()} events wait" in warned
    assert (deployed.code, shop.waiting() > 0) == (0, True)
    with pytest.raises(RemoteError, match="was not whole"):
        shop.sync()
    shop.faults.clear()
    shop.sync()
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)


def test_what_is_missing_is_delivered_again(shop: Shop) -> None:
    """After somebody took events away, and after another log group was set."""
    shop.call("deploy")
    table = "hgaurora.event" if shop.engine == "postgresql" else "hgaurora_event"
    (stream,) = shop.stored.values()
    gone = (3, 4, 7)
    kept = [event for event in stream.events if json.loads(event.message)["seq"] not in gone]
    then = "2026-11-01 00:00:00"

    def long_ago() -> None:
        # else it is waited for until it comes into sight
        query(shop.url, f"UPDATE {table} SET delivered_at = '{then}' WHERE seq IN (3, 4, 7)")

    stream.events[:] = kept
    long_ago()
    found = shop.call("journal", verb="verify")
    assert (found.code, found.out[3]) == (1, "missing  events 3, 4, 7 (hgaurora journal sync dev --missing)")
    planned = shop.call("journal", verb="sync", missing=True, dry_run=True)
    assert planned.out[-1] == f"dev: 3 events would go to {shop.group} again; nothing was changed"
    assert shop.verify()["missing"] == list(gone)
    # it can not be written: nothing is lost
    shop.faults.inject(f.portal, "logs:PutLogEvents", times=None)
    with pytest.raises(RemoteError, match="was not whole") as caught:
        shop.call("journal", verb="sync", missing=True)
    assert "the same command again does the rest" in (caught.value.state or "")
    shop.faults.clear()
    again = shop.call("journal", verb="sync", missing=True)
    assert again.out == [f"dev: nothing waits for {shop.group}", f"dev: 3 events delivered again to {shop.group}"]
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    assert shop.fold().structure == shop.live()
    assert shop.call("journal", verb="sync", missing=True).out[-1] == f"dev: nothing is missing in {shop.group}"
    # another group: nothing is in it
    shop.group += "-other"
    then_all = f"UPDATE {table} SET delivered_at = '{then}'"
    query(shop.url, then_all)
    ((said_again,),) = [shop.call("journal", verb="sync", missing=True, json=True).json()]
    assert said_again["again"] == said["events"]
    said = shop.verify()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    assert shop.fold().structure == shop.live()
    # a ledger that was edited does not get into the journal so
    query(shop.url, f"UPDATE {table} SET kind = 'stp' WHERE seq = 5")
    with pytest.raises(StateError, match="the ledger was edited") as refused:
        shop.call("journal", verb="sync", missing=True)
    assert refused.value.hint == "hgaurora journal verify dev"
    with pytest.raises(InputError, match="--missing goes with sync"):
        shop.call("journal", verb="verify", missing=True)


@pytest.mark.whole
def test_a_really_large_delta_goes_in_parts(
    repo: Repo, pg_database: str, served: tuple[str, Logs, Faults], monkeypatch: pytest.MonkeyPatch
) -> None:
    """3,000 tables are adopted at once."""
    address, logs, faults = served
    reach(monkeypatch, address)
    faults.restart()
    query(
        pg_database,
        "DO $$ BEGIN FOR n IN 1..3000 LOOP EXECUTE pg_catalog.format("
        "'CREATE TABLE t%s (id int PRIMARY KEY, net numeric(12,2), gross numeric(12,2) NOT NULL, note text)', n);"
        " IF n % 100 = 0 THEN COMMIT; END IF; END LOOP; END $$",
    )
    query(pg_database, "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    query(pg_database, "INSERT INTO alembic_version VALUES ('r1')")
    repo.commit({"hgaurora.toml": settings({"dev": pg_database})}, "settings")
    history = HglibHistory(repo.root)
    try:
        shop = Shop("postgresql", pg_database, repo, history, f"/hgaurora/flow-{next(_groups)}", faults, logs)
        shop.commit(1, "SELECT 1", "SELECT 1")
        shop.call("adopt")
        said = shop.verify()
        assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
        found = shop.fold()
        assert found.structure == found.said == shop.live()
        assert len(found.parts) > 3000
    finally:
        history.close()
    batches = [call.params["logEvents"] for call in faults.calls("logs:PutLogEvents")]
    texts = [event["message"] for batch in batches for event in batch]
    assert len(batches) > 2
    assert max(len(text) for text in texts) <= 256 * 1024 - 26
    assert sum(1 for text in texts if json.loads(text).get("parts", 0) > 4) > 4


def test_the_file_journal_is_compared_too(repo: Repo, my_database: str) -> None:
    repo.commit({"hgaurora.toml": settings({"dev": my_database}), "migrations/versions/r1.py": migration(
        "r1", None, sql("CREATE TABLE a (n int)"))}, "one")  # fmt: skip
    call(repo, "deploy", env="dev")
    path = repo.root / ".hg/hgaurora/dev/journal.jsonl"
    found = call(repo, "journal", verb="verify", env="dev")
    assert (found.code, len(found.out)) == (0, 1)
    assert found.out[0].startswith(f"dev: ledger and {path} agree: ")
    lines = path.read_text().splitlines()
    path.write_text(
        "\n".join([lines[0].replace('"kind":"ledger-created"', '"kind":"ledger-creatad"'), *lines[1:]]) + "\n"
    )
    found = call(repo, "journal", verb="verify", env="dev")
    assert found.code == 1
    assert found.out[0].startswith(f"differs  event 1 (ledger-created) differs: {path} has another kind, hash")
    assert found.out[1].startswith(f"dev: ledger and {path} do not agree")


def test_require_journal_of_a_file(repo: Repo, my_database: str) -> None:
    toml = settings({"dev": my_database}, extra={"dev": 'snapshot = "none"\nrequire-journal = true'})
    repo.commit({"hgaurora.toml": toml, "migrations/versions/r1.py": migration("r1", None, "pass")}, "one")
    path = repo.root / ".hg/hgaurora/dev/journal.jsonl"
    path.mkdir(parents=True)
    with pytest.raises(RemoteError, match="can not be written") as caught:
        call(repo, "deploy", env="dev")
    assert caught.value.state == "require-journal is on; stopped before the first snapshot"
    path.rmdir()
    assert call(repo, "deploy", env="dev").code == 0
    assert b"probe" not in path.read_bytes()


def test_every_environment_and_none(repo: Repo, my_database: str) -> None:
    toml = settings({"dev": my_database}) + '\n[environments.other]\ntarget = "local"\n'
    repo.commit({"hgaurora.toml": toml, "migrations/versions/r1.py": migration("r1", None, "pass")}, "one")
    assert call(repo, "journal", verb="sync").out == []
    call(repo, "deploy", env="dev")
    assert len(call(repo, "journal", verb="verify").out) == 1
    assert call(repo, "journal", verb="sync", dry_run=True).out[0].endswith("; nothing was changed")


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
def test_ledger_and_journal_agree_after_a_restore(repo: Repo, request: pytest.FixtureRequest, engine: str) -> None:
    """Rows that a rebase carried over, or sealed anew, are no edits."""
    url = request.getfixturevalue("pg_database" if engine == "postgresql" else "my_database")
    toml = settings({"dev": url}, extra={"dev": 'snapshot = "each"'})
    first = migration("r1", None, sql("CREATE TABLE a (n int)"), sql("DROP TABLE a"))
    repo.commit({"hgaurora.toml": toml, "migrations/versions/r1.py": first}, "one")
    assert call(repo, "deploy", env="dev").code == 0
    second = migration("r2", "r1", sql("CREATE TABLE b (n int)"), sql("DROP TABLE b"))
    repo.commit({"migrations/versions/r2.py": second}, "two")
    assert call(repo, "deploy", env="dev").code == 0
    assert call(repo, "revert", env="dev", way="restore", yes=True).code == 0
    (said,) = call(repo, "journal", verb="verify", env="dev", json=True).json()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
    assert call(repo, "deploy", env="dev").code == 0
    (said,) = call(repo, "journal", verb="verify", env="dev", json=True).json()
    assert said["agree"], json.dumps({**said, "hash": None}, indent=1)
