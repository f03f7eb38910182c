# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section B on MariaDB or MySQL: the connection, deadlocks, poolers, old servers.

DDL commits by itself there, so what is shown is not that all of it was rolled back, but that the next run does what is
missing and nothing twice. Cuts at every statement of forty shapes are ``python -m tests.crash.mysql``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hgaurora.adapters.database.mysql import connection
from hgaurora.adapters.migrations import process
from hgaurora.adapters.migrations.process import ChildSession
from hgaurora.core.errors import ConfigError, HgAuroraError, Interrupted, MigrationFailed, RemoteError
from hgaurora.core.model import Script
from tests import weak
from tests.adapters.migrating import Bench, bench, chain, migrate
from tests.engines import my_connection
from tests.flows.test_blocking import rows, running, until
from tests.world import Repo, call, query

from .faults import Fault, FaultProxy, Pooler
from .test_connection import app_error, by_way_of, server, shop, through
from .test_statements import shop as bare_shop

#: each run of it adds a row and draws a number; the table with it can be made again and again
BODY = (
    "op.execute('INSERT INTO log VALUES (1)')\nop.execute('CREATE TABLE IF NOT EXISTS made (id int)')\n"
    "op.execute('UPDATE total SET n = n + 100')"
)
#: parts of the messages of one migration, in order, with what comes before them on the same connection. A message that
#: is a statement begins with the command's byte: the journal's rows hold the same text
MESSAGES = {
    "data": (b"\x03INSERT INTO log", b""),
    "its journal row": (b"hgaurora_statement", b"\x03INSERT INTO log"),
    "its commit": (b"\x03COMMIT", b"\x03INSERT INTO log"),
    "intent": (b"'intent'", b""),
    "ddl": (b"\x03CREATE TABLE IF NOT EXISTS made", b""),
    "its result": (b"SET state = 'done'", b"'intent'"),
    "version row": (b"alembic_version (version_num) VALUES", b""),
    "ledger row": (b"hgaurora_step (id", b""),
    "commit": (b"\x03COMMIT", b"hgaurora_step (id"),
}
#: a child whose rows in the statement journal are forgotten when a run begins
FORGETS = (
    'for row in self.look(self.ledger["journal_open"], {}):',
    'for row in self.look("DELETE FROM hgaurora_statement WHERE closed = 0") or ():',
)


@pytest.fixture
def dev(my_database: str) -> Iterator[Bench]:
    made = bench(my_database)
    made.query("CREATE TABLE log (n int)")
    made.query("CREATE TABLE total (n int)")
    made.query("INSERT INTO total VALUES (0)")
    yield made
    made.database.close()


def again(dev: Bench, body: str = BODY) -> bool:
    """Run it again as the next command does: only what the ledger does not have. True: it was run."""
    state = dev.database.state()
    if "r1" in state.applied:
        return False
    dev.deploy(chain(body))
    return True


def effects(dev: Bench) -> tuple[int, int, int]:
    """How often each of the three was done."""
    (found,) = dev.query("SELECT (SELECT COUNT(*) FROM log), (SELECT n DIV 100 FROM total)")
    return (*found, len(dev.query("SHOW TABLES LIKE 'made'")))


def once(dev: Bench) -> None:
    """Its effects are there once, and the ledger knows it."""
    assert effects(dev) == (1, 1, 1)
    assert list(dev.database.state().applied) == ["r1"]
    assert dev.database.verify() == []
    assert dev.query("SELECT COUNT(*) FROM hgaurora_statement WHERE closed = 0") == [(0,)]


def cut(dev: Bench, message: str, side: str) -> None:
    """One run whose connection is cut at a message."""
    text, behind = MESSAGES[message]
    fault = Fault(text, side, behind)
    with FaultProxy(*server(dev), fault) as proxy:
        far = through(dev, proxy)
        with far.child(scripts := chain(BODY)) as session:
            far.begin(session, scripts)
            with pytest.raises(Interrupted):
                session.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert fault.struck.is_set()
    # the server may not have seen yet that the cut connection is the other one of the two
    assert dev.database.holder() is None


@pytest.mark.parametrize(
    ("message", "side"),
    [
        ("data", "after"),
        ("its journal row", "after"),
        ("intent", "before"),
        ("intent", "after"),
        ("ddl", "before"),
        ("its result", "before"),
        ("version row", "after"),
        ("ledger row", "before"),
    ],
)
def test_b1_a_connection_lost_in_the_midst(dev: Bench, message: str, side: str) -> None:
    cut(dev, message, side)
    assert dev.database.state().applied == {}
    assert again(dev)
    once(dev)


@pytest.mark.parametrize(
    ("message", "side", "ran"),
    [
        ("its commit", "before", True),
        ("its commit", "after", True),
        ("ddl", "after", True),
        ("its result", "after", True),
        ("commit", "before", True),
        ("commit", "after", False),
    ],
)
def test_b2_the_answer_to_what_commits_is_lost(dev: Bench, message: str, side: str, ran: bool) -> None:
    """COMMIT of a data change, DDL that commits by itself, COMMIT of the step."""
    cut(dev, message, side)
    assert again(dev) is ran
    once(dev)


@pytest.mark.parametrize(("message", "side"), [("ddl", "before"), ("its commit", "after"), ("commit", "before")])
def test_b1_b2_control_without_the_journal(dev: Bench, message: str, side: str) -> None:
    """Where the next run does not know what the lost one sent, it ends well and a change was made twice."""
    cut(dev, message, side)
    dev.start = weak.child(FORGETS, file="mysql/journal.py")
    assert again(dev)
    assert effects(dev)[0] == 2


# -- B5: what a dead client sent goes on

#: it takes effect when its client is long dead
SLOW = "op.execute('CREATE TABLE made AS SELECT SLEEP(1.5) AS n')"
RUNS = "SELECT 1 FROM information_schema.processlist WHERE id = %s AND info LIKE 'CREATE TABLE made%%'"


def killed_under_it(dev: Bench) -> int:
    """A child killed under a statement that its server session goes on with; the session's number."""
    with dev.child(scripts := chain(SLOW)) as session:
        dev.begin(session, scripts)
        backend = session.backend
        assert backend is not None
        thread = threading.Thread(target=_run, args=(session, scripts))
        thread.start()
        until(lambda: dev.query(RUNS, backend), "it runs")
        os.kill(session.pid, signal.SIGKILL)
        thread.join()
        return backend


def _run(session: ChildSession, scripts: list[Script]) -> None:
    with pytest.raises(Interrupted):
        session.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def test_b5_a_dead_client_s_statement_is_awaited(dev: Bench) -> None:
    backend = killed_under_it(dev)
    assert not dev.query(RUNS, backend)
    assert dev.database.holder() is None
    # what it did is seen by the next run, which does not do it again
    assert dev.query("SELECT COUNT(*) FROM made") == [(1,)]
    (result,) = dev.deploy(chain(SLOW))
    assert (result.statements, result.replayed) == (1, 1)


def test_b5_control_not_awaited(dev: Bench) -> None:
    class Hasty(ChildSession):
        def _await_server(self, backend: int) -> None:
            return

    dev.start = Hasty
    backend = killed_under_it(dev)
    assert dev.query(RUNS, backend)
    assert dev.database.holder() is not None
    until(lambda: not dev.query(RUNS, backend), "it ends")
    # done by nobody: who had looked before would not have known
    assert dev.query("SELECT COUNT(*) FROM made") == [(1,)]


# -- B9: a deadlock, after statements that stand already

#: the other session holds b and wants a; by the trigger it adds one to b, too
CROSSING = (
    "op.execute('INSERT INTO log VALUES (1)')\n"
    'op.execute("""CREATE TRIGGER crossing AFTER UPDATE ON a FOR EACH ROW UPDATE b SET n = n + 1""")\n'
    "op.execute('UPDATE a SET n = n + 1')"
)


def crossed(folder: Path, url: str, extra: str) -> subprocess.CompletedProcess[str]:
    """A deploy whose UPDATE (of a, then by a trigger of b) another transaction crosses (b, then a), which has changed
    more, so that the deploy's is the one that the server gives up."""
    for text in (
        "CREATE TABLE log (n int)",
        "CREATE TABLE a (n int)",
        "CREATE TABLE b (n int)",
        "CREATE TABLE c (n int)",
        "INSERT INTO a VALUES (0)",
        "INSERT INTO b VALUES (0)",
    ):
        rows(url, text)
    repo = bare_shop(folder, url, CROSSING, f'lock-timeout = "20s"\n{extra}')
    with my_connection(url) as other, other.cursor() as cursor:
        other.begin()
        # weight: InnoDB gives up the transaction that changed fewer rows
        cursor.execute("INSERT INTO c VALUES (1), (2), (3), (4), (5), (6), (7), (8)")
        cursor.execute("UPDATE b SET n = n + 10")
        with running(repo, "deploy", "dev") as process:
            waits = (
                "SELECT 1 FROM information_schema.innodb_trx t JOIN information_schema.processlist p"
                " ON p.id = t.trx_mysql_thread_id WHERE p.db = DATABASE() AND t.trx_state = 'LOCK WAIT'"
            )
            # InnoDB's table is made anew only where nobody asked for a tenth of a second
            until(lambda: rows(url, waits) or process.poll() is not None, "it waits for b", every=0.15)
            assert process.poll() is None, process.communicate()
            cursor.execute("UPDATE a SET n = n + 10")  # granted when the migration was given up
            other.commit()
            out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess([], process.returncode, out, err)


def test_b9_a_crossing_transaction(tmp_path: Path, my_database: str) -> None:
    """Tried again from where it stands: what was committed before is not done twice."""
    ended = crossed(tmp_path / "shop", my_database, "")
    assert ended.returncode == 0, ended.stderr
    assert rows(my_database, "SELECT a.n, b.n, (SELECT COUNT(*) FROM log) FROM a, b") == [(11, 12, 1)]


def test_b9_control_one_try(tmp_path: Path, my_database: str) -> None:
    """The tries are bounded, what stands is said, and the next run goes on from there."""
    ended = crossed(tmp_path / "shop", my_database, "lock-tries = 1")
    assert ended.returncode == 60
    assert "Deadlock found" in ended.stderr
    assert rows(my_database, "SELECT a.n, b.n, (SELECT COUNT(*) FROM log) FROM a, b") == [(10, 11, 1)]


def test_b9_control_the_whole_of_it_again(dev: Bench) -> None:
    """What a retry of the whole migration would do, as on PostgreSQL: the changes before it are made twice."""
    gate = BODY + "\nop.execute('SELECT 1 FROM gate')"
    with pytest.raises(HgAuroraError):
        dev.deploy(chain(gate))
    dev.query("CREATE TABLE gate (n int)")
    dev.start = weak.child(FORGETS, file="mysql/journal.py")
    assert again(dev, gate)
    assert effects(dev)[:2] == (2, 2)


# -- B11, B12: controls of what tests/adapters/test_child_mysql_hostile.py refuses

#: a script that breaks a rule, and the protection against it (file, what is there, without it)
HOSTILE = {
    "b11": (
        "op.execute('INSERT INTO log VALUES (1)')\nop.get_bind().rollback()",
        "mysql/guard.py",
        ("        if self.lost:\n", "        if False:\n"),
    ),
    "b12": (
        "op.execute('DO RELEASE_ALL_LOCKS()')\nop.execute('INSERT INTO log VALUES (1)')",
        "mysql/journal.py",
        (
            "        self.ledger = ledger\n",
            "        self.ledger = json.loads(__import__('re').sub("
            "r'IS_USED_LOCK\\([^)]*\\) <=> %\\(backend\\)s', '1', json.dumps(ledger)))\n",
        ),
    ),
}


@pytest.mark.parametrize("number", HOSTILE)
def test_b11_b12_control_without_the_protection(dev: Bench, number: str) -> None:
    """Refused; without the protection it stands, though the script took it back, or by who has no lock."""
    body, file, edit = HOSTILE[number]
    with pytest.raises(MigrationFailed, match=r"rolled back by itself|lock is no longer held"):
        dev.deploy(chain(body))
    before = effects(dev)[0]
    assert before == (1 if number == "b11" else 0)
    dev.start = weak.child(edit, file=file)
    if number == "b11":
        again(dev, body)
        assert list(dev.database.state().applied) == ["r1"]
    else:
        with pytest.raises(MigrationFailed):
            # the step's own rows are under a copy of the fence that stays
            again(dev, body)
    assert effects(dev)[0] == 1


# -- B14


@pytest.mark.parametrize("limit", [0.2, 0.0])
def test_b14_a_runaway_statement(dev: Bench, limit: float) -> None:
    """Ended by the server; the control, without a limit, goes on to its end."""
    numbers = "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 900)"
    scripts = chain(f"op.execute('{numbers} SELECT COUNT(*) FROM n a, n b, n c WHERE c.i < 8')")
    if limit:
        with pytest.raises(MigrationFailed, match=r"max_statement_time|maximum statement execution time"):
            dev.deploy(scripts, backfill_timeout=limit)
    else:
        dev.deploy(scripts, backfill_timeout=limit)
    assert list(dev.database.state().applied) == ([] if limit else ["r1"])


# -- B19: a pooler


def test_b19_a_pooler_in_between(tmp_path: Path, my_database: str, dev: Bench) -> None:
    """One that hands each statement to whichever of its sessions is free: refused while it is planned."""
    with Pooler(*server(dev)) as pooler:
        error = app_error(shop(tmp_path / "shop", by_way_of(pooler, my_database)))
    assert isinstance(error, ConfigError), error.message
    assert "is a pooler" in error.message
    assert query(my_database, "SHOW TABLES LIKE 'hgaurora%'") == []
    assert query(my_database, "SHOW TABLES LIKE 'made'") == []


def test_b19_control_the_lock_is_nobody_s(my_database: str, dev: Bench) -> None:
    """What is refused: through it two sessions both believe to hold one lock."""
    with Pooler(*server(dev)) as pooler:
        pooled = by_way_of(pooler, my_database)
        held = []
        with my_connection(pooled) as one, my_connection(pooled) as two:
            for each in (one, two):
                with each.cursor() as cursor:
                    cursor.execute("SELECT GET_LOCK('b19', 0)")
                    held.append(cursor.fetchone())
    assert held == [(1,), (1,)]


def test_b19_control_a_proxy_that_is_no_pooler(tmp_path: Path, my_database: str, dev: Bench) -> None:
    """The same path with a session for each client is taken."""
    with FaultProxy(*server(dev)) as proxy:
        call(bare_shop(tmp_path / "shop", by_way_of(proxy, my_database), BODY), "deploy", env="dev")
    assert query(my_database, "SHOW TABLES LIKE 'made'") == [("made",)]


def test_b19_a_pooler_that_does_not_show(
    tmp_path: Path, my_database: str, dev: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that greets as the server does is found by the fence, before anything that stays is sent."""
    # its sessions do not end with their clients
    monkeypatch.setattr(process, "SERVER", 0.5)
    with Pooler(*server(dev), honest=False) as pooler:
        error = app_error(bare_shop(tmp_path / "shop", by_way_of(pooler, my_database), BODY))
    assert "lock is no longer held" in error.message
    assert effects(dev) == (0, 0, 0)


# -- B21: banners


def greeted(dev: Bench, folder: Path, said: bytes, url: str) -> Repo | HgAuroraError:
    """A dry run behind a greeting that says another version; the error, or None."""
    was = dev.query("SELECT VERSION()")[0][0].encode()

    def other(data: bytes) -> bytes:
        if data[4:5] != b"\x0a":  # a greeting begins with the protocol's version
            return data
        greeting = data[4:].replace(was + b"\0", said + b"\0", 1)
        return len(greeting).to_bytes(3, "little") + data[3:4] + greeting

    with FaultProxy(*server(dev)) as proxy:
        proxy.on_server = other
        repo = shop(folder, by_way_of(proxy, url))
        try:
            call(repo, "deploy", env="dev", dry_run=True)
        except HgAuroraError as error:
            return error
    return repo


@pytest.mark.parametrize(
    ("banner", "name"),
    [
        (b"10.5.29-MariaDB", "MariaDB 10.5.29"),
        (b"5.7.44-log", "MySQL 5.7.44"),
    ],
)
def test_b21_an_old_server(tmp_path: Path, my_database: str, dev: Bench, banner: bytes, name: str) -> None:
    """Before MariaDB 10.6 and MySQL 8 a statement of DDL is not atomic, so nothing could be proven after a crash."""
    error = greeted(dev, tmp_path / "shop", banner, my_database)
    assert isinstance(error, ConfigError), error
    assert f"is {name}" in error.message
    assert "MariaDB 10.6 or MySQL 8.0 or later" in str(error.hint)


@pytest.mark.parametrize("banner", [b"10.5.29-MariaDB", b"10.6.21-MariaDB", b"8.0.36"])
def test_b21_each_product_by_its_own_version(tmp_path: Path, my_database: str, dev: Bench, banner: bytes) -> None:
    """MariaDB 10.5 is not taken for a MySQL newer than 8, nor MySQL 8.0 for a MariaDB older than 10.6."""
    found = greeted(dev, tmp_path / "shop", banner, my_database)
    if b"10.5." in banner:
        assert isinstance(found, ConfigError), found
        assert "is MariaDB 10.5.29" in found.message
    elif (b"MariaDB" in banner) is ("MariaDB" in dev.query("SELECT VERSION()")[0][0]):
        assert isinstance(found, Repo), found
    else:
        # what follows speaks to another product than there is; the version is not what it stops at
        assert not isinstance(found, ConfigError), found


def test_b21_control_a_server_new_enough(tmp_path: Path, my_database: str, dev: Bench) -> None:
    """The same path with the oldest that is taken, and without the look at the version."""
    mariadb = "MariaDB" in dev.query("SELECT VERSION()")[0][0]
    found = greeted(dev, tmp_path / "one", b"10.6.0-MariaDB" if mariadb else b"8.0.11", my_database)
    assert isinstance(found, Repo), found


def test_b21_control_without_the_look(
    tmp_path: Path, my_database: str, dev: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "OLDEST", {"MariaDB": (5, 5), "MySQL": (5, 5)})
    mariadb = "MariaDB" in dev.query("SELECT VERSION()")[0][0]
    found = greeted(dev, tmp_path / "shop", b"10.5.29-MariaDB" if mariadb else b"7.9.99", my_database)
    assert isinstance(found, Repo), found


def test_b21_a_server_of_postgresql(tmp_path: Path, pg_database: str) -> None:
    """It waits for its client to speak first, as that one does: told apart when the time to connect is up."""
    at = urlsplit(pg_database)
    repo = shop(tmp_path / "shop", f"mysql://root@{at.hostname}:{at.port}/shop?connect-timeout=1")
    error = app_error(repo, dry_run=True)
    assert isinstance(error, ConfigError), error.message
    assert "is a server of PostgreSQL" in error.message
    assert "postgresql://" in str(error.hint)


def test_b21_a_server_that_says_nothing(tmp_path: Path) -> None:
    """Neither of the two: asked no longer than twice the time to connect."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        repo = shop(tmp_path / "shop", f"mysql://root@127.0.0.1:{silent.getsockname()[1]}/shop?connect-timeout=1")
        error = app_error(repo, dry_run=True)
    assert isinstance(error, RemoteError), error.message
    assert "no greeting in 1 s" in error.message
