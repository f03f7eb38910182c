# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Section D: several at once, on each engine."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hgaurora import app
from hgaurora.adapters.database.mysql import compose
from hgaurora.adapters.database.mysql import ledger_sql as my_ledger
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import HgAuroraError, Interrupted, LockHeld, MigrationFailed, StateError
from hgaurora.core.graph import heads
from hgaurora.core.model import Script, State
from hgaurora.ports import Connection
from tests.adapters.migrating import Bench, bench, chain, migrate, new, script
from tests.engines import fresh_database, fresh_my_database
from tests.flows.test_blocking import running, until
from tests.reliability import both
from tests.reliability.faults import Fault, FaultProxy
from tests.world import ROOT, Recorder, Repo, call, environ, migration, query, settings, sql, versions

#: each run of it adds a row
STEP = "INSERT INTO log VALUES ({n}); CREATE TABLE t{n} (id int)"


@pytest.fixture
def dev(url: str) -> Iterator[Bench]:
    made = bench(url)
    made.query("CREATE TABLE log (n int)")
    yield made
    made.database.close()


def shop(folder: Path, url: str, count: int = 3, extra: str = "") -> tuple[Repo, list[str]]:
    """A changeset for each of some migrations; their nodes."""
    query(url, "CREATE TABLE log (n int)")
    repo = Repo(folder)
    nodes = []
    text = settings({"dev": url}, extra={"dev": f'snapshot = "none"\n{extra}'})
    for n in range(1, count + 1):
        parent = f"{n - 1:04}" if n > 1 else None
        down = sql(f"DROP TABLE t{n}; DELETE FROM log WHERE n = {n}")
        one = migration(f"{n:04}", parent, sql(STEP.format(n=n)), down)
        nodes.append(repo.commit({"hgaurora.toml": text, f"migrations/versions/{n:04}.py": one}, f"{n}"))
    repo.close()
    return repo, nodes


def sound(url: str) -> set[str]:
    """Ledger, version table and tables agree, and each effect is there once; the version rows."""
    made = bench(url)
    try:
        state = made.database.state()
        assert made.database.verify() == []
    finally:
        made.database.close()
    assert state.open is None
    assert state.half == {}
    assert state.lock is None
    assert set(state.versions or ()) == set(state.recorded) == versions(url)
    assert set(heads(state.applied)) == set(state.recorded)
    effects = sorted(row[0] for row in query(url, "SELECT n FROM log"))
    assert effects == sorted(int(one) for one in state.applied)
    return versions(url)


def at_once(repo: Repo, commands: Sequence[Sequence[str]]) -> list[subprocess.CompletedProcess[str]]:
    """Commands that are started together; what each ended with."""
    with ExitStack() as stack:
        processes = [stack.enter_context(running(repo, *words)) for words in commands]
        ended = [(process, *process.communicate(timeout=120)) for process in processes]
    found = [subprocess.CompletedProcess([], process.returncode, out, err) for process, out, err in ended]
    assert not any("Traceback" in one.stderr for one in found)
    return found


@contextmanager
def going_on(session: Any, step: Script, waits: Callable[[], object]) -> Iterator[list[BaseException]]:
    """A step runs in the block, from when it waits for something; the list has the error that it ended with."""
    ended: list[BaseException] = []

    def run() -> None:
        try:
            session.run(migrate(step), ordinal=1, snapshot=None)
        except HgAuroraError as error:
            ended.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        until(waits, "it waits")
        yield ended
    finally:
        thread.join(60)
    assert not thread.is_alive()


# -- D1, D2


def test_d1_control_the_lock_s_answer_is_not_listened_to(dev: Bench) -> None:
    """Then not everybody ends well: the next protection, a fence, finds that the lock is another session's."""
    scripts = chain("op.execute('INSERT INTO log VALUES (1)')")
    with dev.child(scripts) as first:
        dev.begin(first, scripts)
        with dev.child(scripts) as second:
            assert not second.lock()
        dev.start = both.deaf(dev)
        with dev.child(scripts) as second:
            dev.begin(second, scripts)
            with pytest.raises(MigrationFailed, match="lock is no longer held"):
                second.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    assert dev.query("SELECT count(*) FROM log") == [(0,)]


#: what it sends stands at once on PostgreSQL, too
AT_ONCE = "with op.get_context().autocommit_block():\n    op.execute('INSERT INTO log VALUES (1)')"


@pytest.mark.parametrize("without", [(), ("epoch", "lock", "versions")], ids=["fenced", "without"])
def test_d1_control_two_who_believe_to_hold_the_lock(dev: Bench, without: tuple[str, ...]) -> None:
    """Two runs of one migration, neither of which listens to the lock's answer. With the fences the late one sends
    nothing; with the fences out as well, its change is made twice. On MySQL the statement journal's key stops it even
    then."""
    dev.start = both.deaf(dev, *without)
    scripts = chain(AT_ONCE)
    with dev.child(scripts) as late:
        dev.begin(late, scripts)
        with dev.child(scripts) as other:
            dev.begin(other, scripts)
            # the one that the server says holds it is the late one
            if not without:
                with pytest.raises(MigrationFailed, match="lock is no longer held"):
                    other.run(migrate(scripts[0]), ordinal=1, snapshot=None)
            else:
                other.run(migrate(scripts[0]), ordinal=1, snapshot=None)
        with pytest.raises(HgAuroraError) as caught:
            late.run(migrate(scripts[0]), ordinal=1, snapshot=None)
    if not without:
        assert "another run has taken the environment over" in caught.value.message
    if without and dev.mysql:
        assert "Duplicate entry" in caught.value.message
    assert dev.query("SELECT count(*) FROM log") == [(0 if not without else 1 if dev.mysql else 2,)]


def test_d1_a_look_while_the_ledger_is_made(my_database: str) -> None:
    """Tables are made one by one here, and only then have rows: half of that is not a ledger that lost something."""
    dev = bench(my_database)

    class Late(MysqlDatabase):
        first = True

        def _filled(self, tables: Collection[str]) -> list[str]:
            if self.first and tables:
                self.first = False
                assert dev.database.acquire()
                dev.database.begin(new(), base_epoch=None, scripts=[])
            return super()._filled(tables)

    for text in my_ledger.CREATE:
        dev.query(compose.compose(text, database=both.dbname(my_database), version_table="alembic_version"))
    late = Late(dev.connection, environment="dev")
    state = late.state()
    assert not late.first
    assert state.open is not None
    late.close()
    dev.query("DELETE FROM hgaurora_environment")
    # the control: what has lost something is told from it
    with pytest.raises(StateError, match="remains of a ledger"):
        dev.database.state()
    dev.database.close()


def test_d1_a_look_while_the_first_migration_commits(dev: Bench) -> None:
    """The version table is made by it: not there when the look began, and what the ledger says at its end."""
    scripts = chain("op.execute('INSERT INTO log VALUES (1)')")
    with dev.child(scripts) as session:
        dev.begin(session, scripts)
        meanwhile = [lambda: session.run(migrate(scripts[0]), ordinal=1, snapshot=None)]

        class Late(type(dev.database)):  # type: ignore[misc]
            def _without(self, text: Any) -> Any:
                while meanwhile and re.search("deployed_by|AS undelivered", str(text)):
                    meanwhile.pop()()
                return text

            def _one(self, text: Any, *values: Any) -> Any:
                return super()._one(self._without(text), *values)

            def _bundle(self, texts: Any, **how: Any) -> Any:
                return super()._bundle(self._without(texts), **how)

        late = Late(dev.connection, environment="dev")
        state = late.state()
        late.close()
    assert meanwhile == []
    assert state.versions == state.recorded == ("r1",)


class Together(Adapters):
    """Between plan and lock, the first time, each waits for the other."""

    def __init__(self, barrier: threading.Barrier) -> None:
        self._barrier = [barrier]

    def migrator(self) -> Any:
        while self._barrier:
            self._barrier.pop().wait(60)
        return super().migrator()


def both_planned(repo: Repo, *commands: tuple[str, dict[str, Any]]) -> list[tuple[HgAuroraError | None, Recorder]]:
    """Commands of which each has its plan, and not yet the lock, when the other has; how each ended."""
    barrier = threading.Barrier(len(commands))
    ended: dict[int, tuple[HgAuroraError | None, Recorder]] = {}

    def one(number: int) -> None:
        action, options = commands[number]
        said = Recorder()
        error = None
        try:
            overtaken(repo, Together(barrier), action, said, **options)
        except HgAuroraError as caught:
            error = caught
        ended[number] = error, said

    threads = [threading.Thread(target=one, args=(number,)) for number in range(len(commands))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not barrier.broken
    return [ended[number] for number in range(len(commands))]


ANEW = "dev was changed by another run meanwhile; the plan is now"


def test_d2_two_different_changesets(tmp_path: Path, url: str) -> None:
    """Both planned from nothing. One after the other: the second plans anew from where the first left it."""
    repo, nodes = shop(tmp_path / "shop", url)
    ended = both_planned(repo, ("deploy", {"rev": nodes[1]}), ("deploy", {"rev": nodes[2]}))
    assert [error for error, _ in ended] == [None, None]
    anew = [ANEW in said.err for _, said in ended]
    assert sorted(anew) == [False, True]
    # who planned anew came last
    assert sound(url) == ({"0002"} if anew[0] else {"0003"})


def test_d2_control_it_does_not_look_again(tmp_path: Path, url: str) -> None:
    """The second goes on with the plan it had, and meets what the first has made."""
    repo, nodes = shop(tmp_path / "shop", url)
    with pytest.raises(MigrationFailed, match="already exists"):
        overtaken(repo, Blind(lambda: call(repo, "deploy", env="dev", rev=nodes[1])), "deploy", rev=nodes[2])


# -- D3


def test_d3_a_deploy_and_a_revert(tmp_path: Path, url: str) -> None:
    """Both planned from 0002. A deploy that comes second plans anew, a revert stops: each way the deploy is done."""
    repo, nodes = shop(tmp_path / "shop", url)
    call(repo, "deploy", env="dev", rev=nodes[0])
    call(repo, "deploy", env="dev", rev=nodes[1])
    (deployed, said), (reverted, _) = both_planned(repo, ("deploy", {"rev": nodes[2]}), ("revert", {}))
    assert deployed is None
    assert (ANEW in said.err) is (reverted is None)
    assert reverted is None or isinstance(reverted, LockHeld)
    assert sound(url) == {"0003"}


class Overtaken(Adapters):
    """Between plan and lock, once, something else is done."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile: list[Callable[[], object]] = [meanwhile]

    def migrator(self) -> Any:
        while self._meanwhile:
            self._meanwhile.pop()()
        return super().migrator()


class Blind(Overtaken):
    """And nobody looks again."""

    def database(self, connection: Connection, environment: str) -> Any:
        return _Blind(super().database(connection, environment))


class _Blind:
    """A database that says the state it said first."""

    def __init__(self, port: Any) -> None:
        self._port = port
        self._said: State | None = None

    def state(self) -> State:
        self._said = self._said or self._port.state()
        return self._said

    def begin(self, new: object, *, base_epoch: str | None, **more: Any) -> Any:
        return self._port.begin(new, base_epoch=self._port.state().epoch, **more)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)


def overtaken(repo: Repo, adapters: Adapters, action: str, said: Recorder | None = None, **options: Any) -> None:
    """A command with other adapters."""
    history = HglibHistory(repo.root)
    ui = said or Recorder()
    try:
        app.run(action, {"env": "dev", "yes": True, **options}, history=history, ui=ui, adapters=adapters)
    finally:
        history.close()


def test_d3_each_overtaken_by_the_other(tmp_path: Path, url: str) -> None:
    """A revert that was decided on for another state stops; a deploy plans anew."""
    repo, nodes = shop(tmp_path / "shop", url, 4)
    call(repo, "deploy", env="dev", rev=nodes[1])
    with pytest.raises(LockHeld, match="changed by another run while this one was asked for"):
        overtaken(repo, Overtaken(lambda: call(repo, "deploy", env="dev", rev=nodes[2])), "revert")
    assert sound(url) == {"0003"}
    overtaken(repo, Overtaken(lambda: call(repo, "revert", env="dev", yes=True)), "deploy", rev=nodes[3])
    assert sound(url) == {"0004"}


def test_d3_control_it_does_not_look_again(tmp_path: Path, url: str) -> None:
    """The revert goes on with its plan, below what was deployed meanwhile."""
    repo, nodes = shop(tmp_path / "shop", url)
    call(repo, "deploy", env="dev", rev=nodes[1])
    with pytest.raises(MigrationFailed, match="not where the plan ends"):
        overtaken(repo, Blind(lambda: call(repo, "deploy", env="dev", rev=nodes[2])), "revert")
    with pytest.raises(AssertionError):
        sound(url)
    assert (query(url, "SELECT n FROM log"), versions(url)) == ([(3,)], set())


# -- D4


ADD = "ALTER TABLE log ADD m int"


def reads(url: str) -> Any:
    """A session that has read the table: DDL on it has to wait."""
    return both.holding(url, "SELECT n FROM log")


def test_d4_the_session_with_the_lock_dies(dev: Bench) -> None:
    """The lock is held by the session that runs the DDL, so there is no DDL without it; the next run makes it whole."""
    scripts = chain(f"op.execute('INSERT INTO log VALUES (1)')\nop.execute('{ADD}')")
    with dev.child(scripts, lock_timeout=60.0) as session, reads(dev.url) as reader:
        dev.begin(session, scripts)
        with going_on(session, scripts[0], lambda: both.waiting(dev.url, ADD)) as ended:
            holder = dev.database.holder()
            assert holder is not None
            assert holder.pid == session.backend
            both.kill(dev.url, holder.pid)
            until(lambda: ended, "it is noticed")
            assert dev.database.holder() is None
            until(lambda: not both.waiting(dev.url, ADD), "the DDL is gone")
        reader.execute("ROLLBACK")
    assert isinstance(ended[0], Interrupted)
    assert dev.query("SELECT * FROM log") == ([(1,)] if dev.mysql else [])
    dev.deploy(scripts)
    assert dev.query("SELECT * FROM log") == [(1, None)]


def test_d4_control_the_lock_is_another_session_s(dev: Bench) -> None:
    """Then the DDL goes on, and takes effect, while another run has the lock."""
    usual, dev.start = dev.start, both.apart(dev)
    scripts = chain(f"op.execute('{ADD}')")
    with dev.child(scripts, lock_timeout=60.0) as session, reads(dev.url) as reader:
        dev.begin(session, scripts)
        with going_on(session, scripts[0], lambda: both.waiting(dev.url, ADD)) as ended:
            holder = dev.database.holder()
            assert holder is not None
            both.kill(dev.url, holder.pid)
            dev.start = usual
            with dev.child(scripts) as second:
                until(second.lock, "the lock is free")
                assert both.waiting(dev.url, ADD)
                reader.execute("ROLLBACK")
                until(lambda: not both.waiting(dev.url, ADD), "the DDL is done")
                until(lambda: dev.database.state().applied, "the step is recorded")
    assert ended == []


def test_d4_only_the_client_is_gone(my_database: str) -> None:
    """The server does not notice while it waits for a row, so the DDL goes on, and so does the lock; the catalogue
    proves afterwards what it did."""
    dev = bench(my_database)
    for text in both.GATE:
        dev.query(text)
    fill = f"CREATE TABLE made AS {both.gate(my_database)}"
    scripts = chain(f"op.execute({fill!r})")
    direct = dev.connection
    place = direct.parameters
    with FaultProxy(place["host"], int(place["port"]), Fault(b"\x03" + fill.encode(), "after")) as proxy:
        dev.connection = proxy.through(direct)
        with dev.child(scripts, lock_timeout=60.0) as session, both.holding(dev.url, both.CLOSED) as holder:
            dev.begin(session, scripts)
            with going_on(session, scripts[0], lambda: both.waiting(dev.url, fill)) as ended:
                until(lambda: ended, "the client notices")
                dev.connection = direct
                with dev.child(scripts) as second:
                    assert not second.lock()
                    assert both.waiting(dev.url, fill)
                    holder.execute("ROLLBACK")
                    until(second.lock, "the lock is free")
                    assert dev.query("SELECT n FROM made") == [(1,)]
    assert isinstance(ended[0], Interrupted)
    (step,) = dev.deploy(scripts)
    assert step.replayed == 1
    assert dev.query("SELECT n FROM made") == [(1,)]
    assert dev.database.verify() == []
    dev.database.close()


# -- D5


def two_who_believe(dev: Bench, *without: str) -> None:
    """Two children that both believe to hold the lock; the first goes on after the second took the deployment over."""
    late = both.deaf(dev)
    scripts = chain(STEP.format(n=1).join(("op.execute('", "')")))
    dev.start = both.unfenced(dev, *without) if without else dev.start
    with dev.child(scripts) as first:
        dev.begin(first, scripts)
        dev.start = late
        with dev.child(scripts) as second:
            dev.begin(second, scripts)
            first.run(migrate(scripts[0]), ordinal=1, snapshot=None)


def test_d5_one_that_was_taken_over_is_stopped(dev: Bench) -> None:
    """Two servers, or a machine that slept: the epoch is another one, and nothing is written."""
    with pytest.raises(MigrationFailed, match="another run has taken the environment over"):
        two_who_believe(dev)
    assert dev.query("SELECT count(*) FROM log") == [(0,)]
    assert dev.database.state().applied == {}


def test_d5_control_without_the_epoch(dev: Bench) -> None:
    two_who_believe(dev, "epoch")
    assert dev.query("SELECT count(*) FROM log") == [(1,)]


# -- D6


def as_alembic(url: str) -> str:
    """The URL with the driver that SQLAlchemy is to take."""
    return url.replace("postgresql://", "postgresql+psycopg://").replace("mysql://", "mysql+pymysql://")


@contextmanager
def bare(url: str, folder: Path, order: str) -> Iterator[subprocess.Popen[str]]:
    """Alembic by itself, told one thing to do."""
    words = [sys.executable, str(ROOT / "tests/foreign/bare.py"), str(folder), ""]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environ()
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"{as_alembic(url)}\n{order}\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            process.stdin.close()


def test_d6_bare_alembic_beside_a_deploy(tmp_path: Path, url: str) -> None:
    """Both run the same migration at once: its effect is there once, and what alembic did is found out."""
    query(url, "CREATE TABLE log (n int)")
    for text in both.GATE:
        query(url, text)
    repo = Repo(tmp_path / "shop")
    lines = 'snapshot = "none"\nlock-timeout = "60s"'
    body = "op.execute('CREATE TABLE t{n} (id int)')\nop.execute('INSERT INTO log VALUES ({n})')"
    files = {
        "hgaurora.toml": settings({"dev": url}, extra={"dev": lines}),
        "migrations/versions/0001.py": migration("0001", None, body.format(n=1)),
    }
    repo.commit(dict(files), "one")
    call(repo, "deploy", env="dev")
    waits = both.gate(url)
    second = migration("0002", "0001", sql(waits) + "\n" + body.format(n=2))
    repo.commit({"migrations/versions/0002.py": second}, "two")
    repo.close()
    with both.holding(url, both.CLOSED) as holder, running(repo, "deploy", "dev") as ours:
        with bare(url, repo.root / "migrations/versions", "tip") as theirs:
            until(lambda: both.waiting(url, waits) == 2, "both wait")
            holder.execute("ROLLBACK")
            said, _ = theirs.communicate(timeout=60)
        _, err = ours.communicate(timeout=60)
    assert query(url, "SELECT count(*) FROM log WHERE n = 2") == [(1,)]
    if ours.returncode == 0:
        assert "failed" in said
        assert sound(url) == {"0002"}
    else:
        # alembic was first: the deploy left nothing, and the next one names what is not in the ledger
        assert said.rstrip().endswith("ok"), err
        with pytest.raises(StateError) as caught:
            call(repo, "deploy", env="dev")
        assert "0002" in f"{caught.value.message} {caught.value.state}"


def another_branch_moves(dev: Bench, folder: Path, *without: str) -> list[BaseException]:
    """While a step of ours runs, bare Alembic takes another branch on; the error that ours ended with."""
    for text in both.GATE:
        dev.query(text)
    waits = both.gate(dev.url)
    insert = "op.execute('INSERT INTO log VALUES ({n})')"
    a1, b1 = (script(name, "pass") for name in ("a1", "b1"))
    a2 = script("a2", f"{sql(waits)}\n{insert.format(n=2)}", parents=["a1"])
    b2 = script("b2", insert.format(n=20), parents=["b1"])
    scripts = [a1, a2, b1, b2]
    (folder / "versions").mkdir()
    for one in scripts:
        (folder / one.path).write_bytes(one.content)
    dev.deploy(scripts, [migrate(a1), migrate(b1)])
    if without:
        dev.start = both.unfenced(dev, *without)
    with dev.child(scripts, lock_timeout=60.0) as session, both.holding(dev.url, both.CLOSED) as holder:
        dev.begin(session, scripts)
        with going_on(session, a2, lambda: both.waiting(dev.url, waits)) as ended:
            with bare(dev.url, folder / "versions", "up b2") as theirs:
                said, _ = theirs.communicate(timeout=60)
            assert said.rstrip().endswith("ok"), said
            holder.execute("ROLLBACK")
    return ended


def test_d6_bare_alembic_moves_another_branch_on(dev: Bench, tmp_path: Path) -> None:
    """What Alembic itself would let pass, because the row that each of the two changes is its own."""
    (ended,) = another_branch_moves(dev, tmp_path)
    assert isinstance(ended, MigrationFailed)
    assert "somebody beside it, changed Alembic's version table" in ended.message
    # where a statement stands by itself, the journal has it
    assert sorted(dev.query("SELECT n FROM log")) == ([(2,), (20,)] if dev.mysql else [(20,)])
    state = dev.database.state()
    assert set(state.versions or ()) == {"a1", "b2"}
    assert set(state.recorded) == {"a1", "b1"}
    assert list(state.half) == ([("a2", "up")] if dev.mysql else [])


def test_d6_control_the_version_table_is_not_looked_at(dev: Bench, tmp_path: Path) -> None:
    """Then the step is recorded, with version rows that are not there."""
    assert another_branch_moves(dev, tmp_path, "versions") == []
    state = dev.database.state()
    assert set(state.versions or ()) == {"a2", "b2"}
    assert set(state.recorded) == {"a2", "b1"}


# -- D7

#: threads; half of them on each engine
THREADS = 20
TWO = "op.execute('INSERT INTO log VALUES (1)')\nop.execute('INSERT INTO log VALUES (2)')"


@pytest.fixture
def twenty(pg_server: str, my_server: str) -> Iterator[list[str]]:
    """The URLs of a database for each thread."""
    with ExitStack() as stack:
        half = range(THREADS // 2)
        urls = [stack.enter_context(fresh_database(pg_server)) for _ in half]
        urls += [stack.enter_context(fresh_my_database(my_server)) for _ in half]
        for one in urls:
            query(one, "CREATE TABLE log (n int)")
        yield urls


def test_d7_threads_of_one_process(twenty: list[str]) -> None:
    """Each deployment has a process for its migrations, so what Alembic keeps in its modules is nobody else's."""
    ended: list[tuple[str, list[str]]] = []

    def one(url: str) -> None:
        made = bench(url)
        made.deploy(chain(TWO))
        ended.append((url, list(made.database.state().applied)))
        made.database.close()

    threads = [threading.Thread(target=one, args=(url,)) for url in twenty]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == sorted((url, ["r1"]) for url in twenty)
    assert [sorted(query(url, "SELECT n FROM log")) for url in twenty] == [[(1,), (2,)]] * THREADS


def test_d7_control_alembic_in_threads(twenty: list[str], tmp_path: Path) -> None:
    """The same twenty threads calling Alembic's commands in one process do not all do as they should."""
    (tmp_path / "versions").mkdir()
    (one,) = chain(TWO)
    (tmp_path / one.path).write_bytes(one.content)
    program = [sys.executable, str(ROOT / "tests/reliability/alembic_threads.py"), str(tmp_path)]

    def right(urls: list[str]) -> int:
        given = " ".join(map(as_alembic, urls))
        done = subprocess.run(
            program, input=given, env=environ(), capture_output=True, text=True, timeout=60, check=True
        )
        said = json.loads(done.stdout)
        found = 0
        for url in urls:
            found += said.get(as_alembic(url)) == "ok" and sorted(query(url, "SELECT n FROM log")) == [(1,), (2,)]
            query(url, "DELETE FROM log")
            query(url, "DROP TABLE IF EXISTS alembic_version")
        return found

    # one by itself does as it should
    assert right(twenty[:1]) == 1
    # it is a race: one of three rounds is enough
    assert any(right(twenty) < THREADS for _ in range(3))
