# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``trace --url`` of copies: of each snapshot that deploys took, restored by hand, and of copies without a ledger.

On a local server (base backups), on PostgreSQL by URL (``pg_dump``) and on MariaDB or MySQL (their dumps).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from hgaurora.adapters.database.mysql.connection import from_url
from hgaurora.adapters.local import binaries, mysql_clients
from hgaurora.adapters.local.engine import Engine
from hgaurora.core.errors import InputError
from tests.engines import fresh_database, fresh_my_database, own_url, told_apart
from tests.world import Repo, call, dump, migration, query, settings, sql

#: what both understand
SCRIPTS = {
    "0001_customers": "CREATE TABLE customers (id int PRIMARY KEY, name varchar(40) DEFAULT 'nobody')",
    "0002_orders": "CREATE TABLE orders (id int PRIMARY KEY, net decimal(10,2), customer int NOT NULL)",
    "0003_bought": "ALTER TABLE orders ADD CONSTRAINT bought FOREIGN KEY (customer) REFERENCES customers (id)",
    "0004_big": "CREATE VIEW big AS SELECT id, net FROM orders WHERE net > 100",
    "0005_worth": "ALTER TABLE orders ADD CONSTRAINT worth CHECK (net > 0)",
}
#: the migrations of each deploy: the second has a snapshot in its middle
DEPLOYS = (("0001_customers",), ("0002_orders", "0003_bought"), ("0004_big",), ("0005_worth",))
#: each snapshot: the deploy whose result it holds, how far the next one had come
SNAPSHOTS = {
    "dev-2-1": (0, ()),
    "dev-2-2": (0, ("0002_orders",)),
    "dev-3-1": (1, ()),
    "dev-4-1": (2, ()),
}


@dataclass
class Shop:
    """A repository with an environment ``dev`` that was deployed four times, and how copies of it are made."""

    repo: Repo
    nodes: list[str]
    #: the URL of a copy that somebody made by hand from what a snapshot left on disk
    restored: Callable[[str], AbstractContextManager[str]]
    #: the URL of the environment's database
    url: Callable[[], str]

    def trace(self, url: str) -> dict[str, Any]:
        """What is said of a database, for scripts."""
        (found,) = call(self.repo, "trace", url=url, json=True).json()
        return dict(found)

    def place(self, deploy: int) -> str:
        """A changeset as screens call it."""
        return f"{self.nodes[deploy][:12]} (default)"


def _deployed(repo: Repo, text: str) -> list[str]:
    repo.commit({"hgaurora.toml": text}, "settings")
    nodes: list[str] = []
    names = list(SCRIPTS)
    for deploy in DEPLOYS:
        files = {
            f"migrations/versions/{name}.py": migration(
                name[:4], names[names.index(name) - 1][:4] if names.index(name) else None, sql(SCRIPTS[name])
            )
            for name in deploy
        }
        nodes.append(repo.commit(files, f"to {deploy[-1]}"))
        call(repo, "deploy", env="dev", rev=nodes[-1])
    return nodes


def _left(repo: Repo, snapshot: str, content: str) -> Path:
    """What a snapshot left on disk."""
    (found,) = (path for path in (repo.root / ".hg").rglob(content) if path.parent.name == snapshot)
    return found


@pytest.fixture(params=[*(pytest.param(one, marks=pytest.mark.whole) for one in ("local", "url")), "mysql"])
def shop(request: pytest.FixtureRequest, repo: Repo, tmp_path: Path) -> Iterator[Shop]:
    """Each kind of environment."""
    each = 'snapshot = "each"'
    if request.param == "local":
        text = f'[environments.dev]\ntarget = "local"\n{each}\n'
        restored = _base_backup(repo, tmp_path)
        try:
            yield Shop(
                repo,
                _deployed(repo, text),
                restored,
                lambda: str(call(repo, "engine", verb="start", env="dev", json=True).json()[0]["socket"]),
            )
        finally:
            call(repo, "engine", verb="stop")
        return
    mysql = request.param == "mysql"
    url = request.getfixturevalue("my_database" if mysql else "pg_database")
    server = request.getfixturevalue("my_server" if mysql else "pg_server")
    restored = (_loaded_mysql if mysql else _loaded)(repo, server, tmp_path)
    yield Shop(repo, _deployed(repo, settings({"dev": url}, extra={"dev": each})), restored, lambda: str(url))


def _base_backup(repo: Repo, folder: Path) -> Callable[[str], AbstractContextManager[str]]:
    @contextmanager
    def restored(snapshot: str) -> Iterator[str]:
        """A server started on the base backup, beside the one it was taken of."""
        data = _left(repo, snapshot, "data")
        beside = Engine(folder / f"beside-{snapshot}", fsync=False)
        beside.folder.mkdir(mode=0o700)
        shutil.copytree(data, beside.data)
        beside.data.chmod(0o700)
        shutil.copy(data.parents[2] / "password", beside.folder)
        beside.start()
        try:
            yield own_url(beside, "app")
        finally:
            beside.stop()

    return restored


def _loaded(repo: Repo, server: str, folder: Path) -> Callable[[str], AbstractContextManager[str]]:
    @contextmanager
    def restored(snapshot: str) -> Iterator[str]:
        """A database of another name, loaded by pg_restore."""
        with psycopg.connect(server) as connection:
            programs = binaries.for_dump(connection.info.server_version // 10000, tls=False)
        with fresh_database(server) as copy:
            place, env = told_apart(copy)
            argv = [programs.program("pg_restore"), "--exit-on-error", "-d", place]
            subprocess.run([*argv, str(_left(repo, snapshot, "database.dump"))], env=env, check=True)
            yield copy

    return restored


def _loaded_mysql(repo: Repo, server: str, folder: Path) -> Callable[[str], AbstractContextManager[str]]:
    @contextmanager
    def restored(snapshot: str) -> Iterator[str]:
        """A database of another name, loaded by the server's client."""
        with fresh_my_database(server) as copy:
            left = _left(repo, snapshot, "database.sql").parent
            _load(server, copy, folder, "".join(path.read_text() for path in sorted(left.glob("*.sql"))))
            yield copy

    return restored


def _load(server: str, url: str, folder: Path, text: str) -> None:
    ((version,),) = query(server, "SELECT VERSION()")
    mariadb = "MariaDB" in version
    target = from_url(url)
    with mysql_clients.options(target, folder, mariadb=mariadb) as first:
        argv = [mysql_clients.clients(mariadb).client, first, target.schema]
        subprocess.run(argv, input=text, text=True, check=True)


def test_each_snapshot_restored_by_hand(shop: Shop) -> None:
    taken = {one["snapshot"] for one in call(shop.repo, "snapshots", env="dev", json=True).json()}
    # the first deploy's was of an empty database
    assert taken == {*SNAPSHOTS, "dev-1-1"}
    for snapshot, (deploy, done) in SNAPSHOTS.items():
        with shop.restored(snapshot) as copy:
            found = shop.trace(copy)
            said = call(shop.repo, "trace", url=copy).out
        assert (found["by"], found["sure"]) == ("ledger", "ledger and schema agree"), snapshot
        assert (found["node"], found["deploy"]) == (shop.nodes[deploy], f"dev-{deploy + 1}"), snapshot
        assert (found["copy_of"]["environment"], found["copy_of"]["snapshot"]) == ("dev", f"snapshot {snapshot}")
        assert found["half_way"]["done"] == list(done), snapshot
        assert said[0] == f"this database is at {shop.place(deploy)}: ledger and schema agree"
        assert said[1].startswith(f"  copy of   dev, snapshot {snapshot}, ")
        assert said[2] == (
            f"  half way  dev-{deploy + 2} to {shop.place(deploy + 1)}; done: {', '.join(done) or 'no migration'}"
        )
        assert all(len(line) <= 80 for line in said)


def test_each_snapshot_restored_in_place(shop: Shop) -> None:
    for snapshot, (deploy, done) in reversed(SNAPSHOTS.items()):
        if done:
            continue
        call(shop.repo, "revert", env="dev", way="restore", to=snapshot)
        found = shop.trace(shop.url())
        assert (found["by"], found["sure"]) == ("ledger", "ledger and schema agree"), snapshot
        assert found["node"] == shop.nodes[deploy], snapshot


@contextmanager
def _elsewhere(shop: Shop, deploy: int, server: str) -> Iterator[str]:
    """The schema after a deploy on another server, with another owner, other grants and other collations."""
    with fresh_database(server) as bare:
        name = bare.rpartition("/")[2]
        # a database has its collation from the beginning
        query(server, f"DROP DATABASE {name}")
        query(server, f"CREATE DATABASE {name} TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
        if deploy == len(DEPLOYS) - 1:
            query(bare, dump(shop.url()))
        else:
            with shop.restored(f"dev-{deploy + 2}-1") as copy:
                query(bare, dump(copy))
        query(bare, "ALTER TABLE customers OWNER TO pg_monitor")
        query(bare, "GRANT SELECT ON customers TO PUBLIC")
        query(bare, 'ALTER TABLE customers ALTER name TYPE varchar(40) COLLATE "POSIX"')
        yield bare


@pytest.mark.parametrize("shop", ["url"], indirect=True)
def test_a_copy_without_a_ledger_on_another_major(shop: Shop, other_major: str) -> None:
    for deploy, node in enumerate(shop.nodes):
        with _elsewhere(shop, deploy, other_major) as copy:
            found = shop.trace(copy)
            assert (found["by"], found["node"], found["deploy"]) == ("schema", node, f"dev-{deploy + 1}")
            assert found["sure"].startswith("structure is equal; texts of postgresql ")
            said = call(shop.repo, "trace", url=copy).out
            assert said[0] == f"this database is at {shop.place(deploy)}, by schema alone"
            assert said[2] == "  besides   2 differences of owners, grants, collations or the like, not counted"
            assert all(len(line) <= 80 for line in said)
            query(copy, "ALTER TABLE customers ADD by_hand text")
            found = shop.trace(copy)
            assert (found["node"], found["sure"]) == (node, "nearest")
            said = call(shop.repo, "trace", url=copy).out
            assert said[:2] == [
                f"nearest is {shop.place(deploy)}, by schema alone; 1 difference:",
                "  added column customers.by_hand text null",
            ]
            assert said[2] == "  besides   2 differences of owners, grants, collations or the like, not counted"


def _bare(copy: str) -> None:
    """Take away what tells where a copy comes from."""
    if not copy.startswith("mysql"):
        query(copy, "DROP SCHEMA hgaurora CASCADE; DROP TABLE alembic_version")
        return
    for (name,) in query(copy, "SHOW TABLES"):
        if name.startswith(("hgaurora_", "alembic_version")):
            query(copy, f"DROP TABLE `{name}`")


@pytest.mark.parametrize("shop", ["url", "mysql"], indirect=True)
def test_a_copy_without_a_ledger_and_what_is_nearest(shop: Shop) -> None:
    for snapshot, (deploy, done) in SNAPSHOTS.items():
        if done:
            continue
        with shop.restored(snapshot) as copy:
            _bare(copy)
            found = shop.trace(copy)
            assert (found["by"], found["node"], found["deploy"]) == (
                "schema", shop.nodes[deploy], f"dev-{deploy + 1}",
            )  # fmt: skip
            assert (found["sure"], found["changes"]) == ("structure and texts are equal", []), snapshot
            query(copy, "CREATE INDEX by_hand ON customers (name)")
            said = call(shop.repo, "trace", url=copy).out
            assert said[:2] == [
                f"nearest is {shop.place(deploy)}, by schema alone; 1 difference:",
                "  added index by_hand on customers (name)",
            ]
            found = shop.trace(copy)
            assert (found["node"], found["sure"]) == (shop.nodes[deploy], "nearest")
            assert [(one["action"], one["path"][-1]) for one in found["changes"]] == [("added", "by_hand")]


@pytest.mark.parametrize("shop", ["mysql"], indirect=True)
def test_a_copy_with_other_grants_and_collations(shop: Shop) -> None:
    user = "hga_by_trace@localhost"
    for snapshot, (deploy, done) in SNAPSHOTS.items():
        if done:
            continue
        with shop.restored(snapshot) as copy:
            _bare(copy)
            query(copy, f"CREATE USER IF NOT EXISTS {user}")
            try:
                query(copy, f"GRANT SELECT ON customers TO {user}")
                query(copy, "ALTER DATABASE CHARACTER SET latin1 COLLATE latin1_bin")
                query(copy, "ALTER TABLE customers CONVERT TO CHARACTER SET latin1 COLLATE latin1_bin")
                found = shop.trace(copy)
                said = call(shop.repo, "trace", url=copy).out
            finally:
                query(copy, f"DROP USER {user}")
            assert (found["by"], found["node"]) == ("schema", shop.nodes[deploy])
            assert found["sure"] == "structure and texts are equal"
            assert said[2] == "  besides   3 differences of owners, grants, collations or the like, not counted"


@pytest.mark.parametrize("shop", ["url", "mysql"], indirect=True)
def test_two_changesets_with_the_same_schema(shop: Shop) -> None:
    """The one that made it is named, and the other said."""
    rows = shop.repo.commit({"migrations/versions/0006_rows.py": migration("0006", "0005", sql("DELETE FROM orders"))})
    call(shop.repo, "deploy", env="dev", rev=rows)
    with shop.restored("dev-5-1") as copy:
        assert shop.trace(copy)["node"] == shop.nodes[-1], "the ledger tells them apart"
        _bare(copy)
        found = shop.trace(copy)
        assert (found["node"], found["same_as"]) == (shop.nodes[-1], [rows])
        said = call(shop.repo, "trace", url=copy).out
        assert f"  same as   {rows[:12]} (default)" in said


@pytest.mark.parametrize("url", ["mysql://root:secret@host", "mysql://root:secret@[host/shop", "oracle://a:secret@b/c"])
def test_a_url_that_cannot_be_read(repo: Repo, url: str) -> None:
    repo.commit({"hgaurora.toml": settings({})}, "settings")
    with pytest.raises(InputError) as caught:
        call(repo, "trace", url=url)
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"
