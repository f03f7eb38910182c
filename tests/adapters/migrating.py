# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Scripts, plans and sessions for tests of the ledger and the child. No engine is made here."""

from __future__ import annotations

import hashlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from textwrap import dedent, indent
from typing import Any

import psycopg

from hgaurora.adapters.database.mysql.connection import from_url as mysql_from_url
from hgaurora.adapters.database.mysql.database import MysqlDatabase
from hgaurora.adapters.database.postgresql.database import PostgresDatabase
from hgaurora.adapters.database.postgresql.maintenance import from_url
from hgaurora.adapters.migrations.process import ChildMigrator, ChildSession
from hgaurora.core.model import Changeset, Deployment, Direction, Kind, Script, StepResult
from hgaurora.core.steps import Migrate
from hgaurora.ports import Connection, Job, NewDeployment
from tests.engines import my_connection

TARGET = Changeset(node="a" * 40, branch="default", phase="public", author="ann", description="a change")


def script(
    revision: str, up: str, down: str = "pass", *, parents: Sequence[str] = (), needs: Sequence[str] = ()
) -> Script:
    """A migration with the bodies given."""
    text = (
        f'"""{revision} does it"""\n'
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = {revision!r}\ndown_revision = {tuple(parents) or None!r}\nbranch_labels = None\n"
        f"depends_on = {tuple(needs) or None!r}\n\n"
        f"def upgrade():\n{indent(dedent(up), '    ')}\n\ndef downgrade():\n{indent(dedent(down), '    ')}\n"
    ).encode()
    return Script(
        revision=revision,
        parents=tuple(parents),
        depends_on=tuple(needs),
        branch_labels=(),
        path=f"versions/{revision}.py",
        message=f"{revision} does it",
        raw=hashlib.sha256(text).hexdigest(),
        normal=hashlib.sha256(text + b"n").hexdigest(),
        content=text,
    )


def chain(*bodies: str) -> list[Script]:
    """Scripts r1, r2, ... one after the other."""
    made: list[Script] = []
    for number, body in enumerate(bodies, 1):
        made.append(script(f"r{number}", body, parents=[made[-1].revision] if made else []))
    return made


def migrate(one: Script, direction: Direction = Direction.UP, *, recorded: bool = False) -> Migrate:
    """The plan's step for a script."""
    return Migrate(
        revision=one.revision,
        direction=direction,
        path=one.path,
        message=one.message,
        raw=one.raw,
        normal=one.normal,
        parents=one.parents,
        depends_on=one.depends_on,
        branch_labels=one.branch_labels,
        irreversible=one.irreversible,
        recorded=recorded,
        node=TARGET.node,
    )


def new(**changes: Any) -> NewDeployment:
    """A deployment that begins."""
    values: dict[str, Any] = {
        "environment": "dev",
        "kind": Kind.DEPLOY,
        "way": None,
        "target": TARGET,
        "change_request": None,
        "from_node": None,
        "from_branch": None,
        "heads_before": (),
        "user": "ann",
        "pusher": None,
        "host": "here",
        "pid": 1,
        "tool_version": "0",
        "reverts": (),
        "plan": {"steps": []},
    }
    return NewDeployment(**{**values, **changes})


@dataclass
class Bench:
    """One database, its ledger, and the children that are started on it."""

    url: str
    database: PostgresDatabase | MysqlDatabase
    connection: Connection
    job: Mapping[str, Any] = field(default_factory=dict)
    on_event: Callable[[Mapping[str, object]], None] | None = None
    #: what starts a child; tests take protections out there
    start: Callable[..., ChildSession] = ChildMigrator().start

    @contextmanager
    def child(
        self, scripts: Sequence[Script], *, recorded: Sequence[Script] = (), **job: Any
    ) -> Iterator[ChildSession]:
        """A child with the lock not yet taken."""
        values: dict[str, Any] = {
            "environment": "dev",
            "connection": self.connection,
            "target": {one.path: one.content for one in scripts},
            "recorded": {one.path: one.content for one in recorded},
        }
        session = self.start(Job(**{**values, **self.job, **job}), on_event=self.on_event)
        try:
            yield session
        finally:
            session.close()

    def begin(self, session: ChildSession, scripts: Sequence[Script], **changes: Any) -> tuple[Deployment, str]:
        """Lock, and open a deployment or take the open one up."""
        assert session.lock()
        state = self.database.state()
        begun, epoch = self.database.begin(
            new(**changes), base_epoch=state.epoch, scripts=scripts, resume=state.open.id if state.open else None
        )
        session.begin(deployment=begun.id, epoch=epoch)
        return begun, epoch

    def deploy(
        self,
        scripts: Sequence[Script],
        steps: Sequence[Migrate] | None = None,
        *,
        recorded: Sequence[Script] = (),
        **job: Any,
    ) -> list[StepResult]:
        """Run steps (all scripts up, where none are given) as one deployment, to its end."""
        with self.child(scripts, recorded=recorded, **job) as session:
            begun, epoch = self.begin(session, scripts)
            todo = steps if steps is not None else [migrate(one) for one in scripts]
            results = [session.run(step, ordinal=number, snapshot=None) for number, step in enumerate(todo, 1)]
        heads = results[-1].versions if results else ()
        self.database.finish(begun.id, epoch=epoch, ok=True, heads_after=heads, target=TARGET)
        return results

    @property
    def mysql(self) -> bool:
        """True for MySQL and MariaDB."""
        return self.connection.engine == "mysql"

    def other(self, environment: str = "dev", **parameters: str) -> PostgresDatabase | MysqlDatabase:
        """Another session on the same database, with some keywords of its connection changed."""
        changed = replace(self.connection, parameters={**self.connection.parameters, **parameters})
        return database(changed, environment)

    def query(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database, as a superuser beside everything. ``hgaurora.event`` is the ledger's table on each."""
        if self.mysql:
            with my_connection(self.url) as session, session.cursor() as cursor:
                cursor.execute(text.replace("hgaurora.", "hgaurora_"), values or None)
                return list(cursor.fetchall())
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(text, values or None)
            return cursor.fetchall() if cursor.description else []


@contextmanager
def counted(connection: Connection) -> Iterator[tuple[Connection, Callable[[], int]]]:
    """The same database through a proxy on loopback that counts round trips: turns from client to server."""
    turns = 0
    server = (connection.parameters["host"], int(connection.parameters["port"]))

    def pump(client: socket.socket) -> None:
        nonlocal turns
        with client, socket.create_connection(server) as behind, selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ, behind)
            selector.register(behind, selectors.EVENT_READ, client)
            asking = False
            while True:
                for key, _ in selector.select():
                    source, other = key.fileobj, key.data
                    assert isinstance(source, socket.socket)
                    data = source.recv(1 << 16)
                    if not data:
                        return
                    if source is client and not asking:
                        turns += 1
                    asking = source is client
                    other.sendall(data)

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=pump, args=(client,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        port = str(listener.getsockname()[1])
        yield replace(connection, parameters={**connection.parameters, "port": port}), lambda: turns
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def database(connection: Connection, environment: str = "dev") -> PostgresDatabase | MysqlDatabase:
    """The ledger's side of a database, by its engine."""
    if connection.engine == "mysql":
        return MysqlDatabase(connection, environment=environment)
    return PostgresDatabase(connection, environment=environment)


def bench(url: str) -> Bench:
    """Everything for one database; the caller closes ``database``."""
    connection = mysql_from_url(url) if url.startswith("mysql") else from_url(url)
    return Bench(url, database(connection), connection)
