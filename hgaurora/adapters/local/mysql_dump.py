# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``url = "mysql://..."``: snapshots and restores of one database on any MySQL or MariaDB server, by dumps.

::

    <folder>/snapshots/<id>/database.sql     tables and rows, the ledger's too, of one consistent view
    <folder>/snapshots/<id>/programs.sql     views, triggers and routines
    <folder>/snapshots/<id>/events.sql       events, which would run as soon as they are there
    database  <db>                           the live one
    database  <db>~new-<deployment>          the copy, until its tables take over; it carries the restore's marker
    database  <db>~old-<deployment>          the tables that were live before that restore

A database cannot be renamed here. The tables of both change places in one ``RENAME TABLE``, and the table that carries
the marker changes its name in the same statement, so that any machine can see which side of it a restore is on. What
cannot move with its tables (views, triggers, routines, events) is dropped before and loaded after; that of the
snapshot was loaded into the copy before anything was closed, so that it is known to load. Between the drop and the
statement the live database serves without its programs; a restore that is cut off there goes on, or is abandoned, and
they are put back. The retired database keeps its tables, and the text of its programs in the table
``hgaurora_retired``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from ...core.errors import RemoteError, StateError
from ...ports import Connection
from ..database.mysql import maintenance
from ..database.mysql.connection import at
from ..database.mysql.maintenance import BEGUN, KEPT, SWAPPED, Found, Server
from . import files
from .binaries import Runner
from .copies import copy_name, retired_name
from .mysql_clients import Clients, clients, dumped, environment, load, option_file, whole
from .snapshots import KeepsSnapshots, Program, Snapshots

PROGRAMS, EVENTS = "programs.sql", "events.sql"
#: what is neither rows nor tables; --skip-... because a user's option file could say otherwise
_NO_TABLES = ["--no-data", "--no-create-info", "--no-create-db"]


class Dump:
    """Snapshots by ``mysqldump`` or ``mariadb-dump``."""

    content = "database.sql"

    def __init__(self, connection: Connection, *, fsync: bool = True) -> None:
        self._connection = connection
        self._fsync = fsync
        self.database = connection.parameters["dbname"]
        self._clients: Clients | None = None

    def clients(self) -> Clients:
        """The programs of the server's product."""
        if self._clients is None:
            with maintenance.connect(self._connection) as server:
                self._clients = clients(server.mariadb)
        return self._clients

    def program(self, folder: Path, snapshot: str) -> Program:
        """One consistent view of the rows, which waits for nobody but running DDL; the programs are dumped at once.

        :raises StateError: a table has no such view, or has a past that no dump holds.
        """
        with maintenance.connect(self._connection) as server:
            views, found = server.views(self.database), server.tables(self.database)
        dumpable(self.database, found)
        programs = self.clients()
        files.write(folder / PROGRAMS, self.programs(programs, folder, views))
        files.write(folder / EVENTS, self.events(programs, folder))
        option_file(self._connection, folder / "my.cnf", mariadb=programs.mariadb)
        argv = [programs.dump, f"--defaults-file={folder / 'my.cnf'}", *programs.options()]
        argv += ["--single-transaction", "--quick", "--hex-blob", "--skip-triggers", "--no-create-db"]
        argv += [f"--ignore-table={self.database}.{name}" for name in views]
        argv += [f"--result-file={self.content}", self.database]
        return Program(tuple(argv), Runner(), environment())

    def programs(self, programs: Clients, folder: Path, views: list[str]) -> str:
        """Statements that make the views, triggers and routines, each after dropping one of its name."""
        text = ""
        if views:
            text = dumped(
                programs,
                self._connection,
                folder,
                ["--no-data", "--skip-triggers", "--no-create-db", self.database, *views],
            )
        asked = [*_NO_TABLES, "--triggers", "--add-drop-trigger", "--routines", "--skip-events", self.database]
        return text + dumped(programs, self._connection, folder, asked)

    def events(self, programs: Clients, folder: Path) -> str:
        """The same of the events."""
        asked = [*_NO_TABLES, "--skip-triggers", "--skip-routines", "--events", self.database]
        return dumped(programs, self._connection, folder, asked)

    def verify(self, folder: Path) -> None:
        """Each file was written to its end; mysqldump leaves it to us to make that durable."""
        (folder / "my.cnf").unlink(missing_ok=True)
        for name in (self.content, PROGRAMS, EVENTS):
            if not whole(folder / name):
                raise RemoteError(f"{folder.name} was not dumped to its end: {name}")
            if self._fsync:
                files.flush(folder / name)

    def percent(self, log: str) -> int | None:
        """mysqldump does not say."""
        return None


def dumpable(database: str, tables: Mapping[str, tuple[str, str]]) -> None:
    """Refuse what a dump would not hold as it is at one moment.

    :raises StateError: a table is not InnoDB, or is system-versioned.
    """
    other = sorted(name for name, (_, engine) in tables.items() if engine != "InnoDB")
    if other:
        raise StateError(
            f"{database} cannot be dumped consistently: {', '.join(other[:5])} {'is' if len(other) == 1 else 'are'}"
            " not InnoDB",
            state="no snapshot was taken, and nothing was changed",
            hint=f'ALTER TABLE {other[0]} ENGINE = InnoDB; or set snapshot = "none" and go without a restore',
            data={"tables": other},
        )
    past = sorted(name for name, (kind, _) in tables.items() if kind == "SYSTEM VERSIONED")
    if past:
        raise StateError(
            f"the history of {', '.join(past[:5])} would not be in a dump of {database}",
            state="no snapshot was taken, and nothing was changed",
            hint='set snapshot = "none", and back the server up in its own way',
            data={"tables": past},
        )


class MysqlSnapshots(KeepsSnapshots):
    """:class:`ControlPlane` of one database, by its URL.

    :param folder: the environment's private folder on this machine; dumps lie there.
    :param fsync: False only where the dumps may be lost, in tests.
    :param trace: called with a word after each action that a crash could follow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: str,
        connection: Connection,
        fsync: bool = True,
        trace: Callable[[str], None] = lambda action: None,
    ) -> None:
        self.environment = environment
        self.database = connection.parameters["dbname"]
        self.folder = folder.absolute()
        self._connection = connection
        self._trace = trace
        self._maker = Dump(connection, fsync=fsync)
        self._snapshots = Snapshots(self.folder / "snapshots", environment, self._maker, trace=trace)

    def connection(self) -> Connection:
        """As given."""
        return self._connection

    # restore

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        """The dump in a new database of the same character set and collation."""
        copy = copy_name(self.database, deployment)
        marker = {"deployment": deployment, "snapshot": snapshot, "of": self.database, "done": "", "state": "loading"}
        files.private(self.folder)
        with self._server() as server:
            begun = server.marked(self.database)
            if begun and (begun.marker["deployment"], begun.marker["snapshot"]) != (deployment, snapshot):
                raise StateError(
                    f"{self.environment} is being restored by {begun.marker['deployment']}"
                    f" from {begun.marker['snapshot']}",
                    hint="finish or abandon that restore first",
                )
            if begun and begun.swapped:
                return self._connection
            if begun is None or begun.marker["state"] == "loading":
                content = self._snapshots.content(snapshot)
                self._drop_copy(server, begun, copy)
                server.create(copy, like=self.database)
                self._trace("copy made")
                server.mark(copy, marker)
                self._trace("copy marked")
                target = at(self._connection, copy)
                for file in (content, content.with_name(PROGRAMS)):
                    load(self._maker.clients(), target, self.folder, file)
                    self._trace(f"{file.name} loaded")
                server.mark(copy, {**marker, "state": "ready"})
                self._trace("copy ready")
        return at(self._connection, copy)

    def restore_close(self, *, deployment: str) -> None:
        """Sessions of others are ended. New ones cannot be kept out of one database alone: what they write until the
        tables change places stays in the retired database."""
        with self._server() as server:
            if not self._swapped(server, deployment):
                server.end_sessions(self.database, but_holder_of=self.database)
        self._trace("closed")

    def restore_open(self, *, deployment: str) -> None:
        """Give the live database its programs back, where they were dropped already; the copy is dropped.

        :raises StateError: the copy has taken over already.
        """
        with self._server() as server:
            found = server.marked(self.database)
            if found and found.swapped and found.marker["deployment"] == deployment:
                raise StateError(f"the copy of {deployment} has taken over already", hint="let the restore finish")
            programs = server.kept(found.database, table=BEGUN) if found else None
            if programs:
                load(self._maker.clients(), self._connection, files.private(self.folder), programs)
                self._trace("opened")
            retired = retired_name(self.database, deployment)
            if found and server.exists(retired) and set(server.tables(retired)) <= {KEPT}:
                server.drop(retired)
                self._trace("retired dropped")
            self._drop_copy(server, found, copy_name(self.database, deployment))
            self._trace("copy dropped")

    def restore_swap(self, *, deployment: str) -> None:
        """The tables of both databases change places in one statement; then the snapshot's programs are loaded."""
        with self._server() as server:
            found = server.marked(self.database)
            if found is None or found.marker["deployment"] != deployment:
                raise StateError(f"there is no copy of {deployment} that could take over")
            if found.marker["state"] == "loading":
                raise StateError(f"the copy of {deployment} is not whole", hint="restore it again")
            if not found.swapped:
                self._exchange(server, found, deployment)
                found = Found(found.database, SWAPPED, found.marker)
            if found.marker["state"] != "whole":
                content = self._snapshots.content(found.marker["snapshot"])
                for name in (PROGRAMS, EVENTS):
                    load(self._maker.clients(), self._connection, files.private(self.folder), content.with_name(name))
                    self._trace(f"{name} loaded")
                server.mark(found.database, {**found.marker, "state": "whole"}, table=SWAPPED)
                self._trace("whole")

    def _exchange(self, server: Server, found: Found, deployment: str) -> None:
        outside = server.foreign(self.database)
        if outside:
            raise StateError(
                f"foreign keys of {', '.join(outside[:5])} refer to {self.database} and would follow its tables away",
                state=f"{self.environment} serves, untouched",
                hint="drop these foreign keys, and make them again after the restore",
            )
        retired = retired_name(self.database, deployment)
        folder = files.private(self.folder)
        kept = server.kept(found.database, table=BEGUN)
        if kept is None:
            # read before anything is dropped, and kept where any machine finds it
            programs = self._maker.clients()
            kept = self._maker.programs(programs, folder, server.views(self.database))
            kept += self._maker.events(programs, folder)
            server.keep(found.database, kept, table=BEGUN)
            self._trace("programs kept")
        server.create(retired, like=self.database)
        self._trace("retired made")
        server.mark(retired, found.marker, table=KEPT)
        server.keep(retired, kept, table=KEPT)
        self._trace("retired marked")
        for name in (self.database, found.database):
            server.end_sessions(name)
            server.drop_programs(name)
            self._trace("programs dropped")
        server.exchange(self.database, retired, found.database)
        self._trace("swapped")

    def restoring(self) -> Mapping[str, str] | None:
        """From the marker in the copy's database."""
        with self._server() as server:
            found = server.marked(self.database)
        return found and {key: found.marker.get(key, "") for key in ("deployment", "snapshot", "done")}

    def restore_note(self, *, deployment: str, action: str) -> None:
        """:raises StateError: no such restore was begun."""
        with self._server() as server:
            found = server.marked(self.database)
            if found is None or found.marker["deployment"] != deployment:
                raise StateError(f"{self.environment} is not being restored by {deployment}")
            server.mark(found.database, {**found.marker, "done": action}, table=found.table)
            self._trace("noted")

    def restore_done(self, *, deployment: str) -> None:
        """The copy's database, in which only the marker is left, is dropped."""
        with self._server() as server:
            found = server.marked(self.database)
            if found and found.swapped and found.marker["deployment"] == deployment:
                server.drop(found.database)
                self._trace("forgotten")

    def _server(self) -> AbstractContextManager[Server]:
        return maintenance.connect(self._connection)

    def _swapped(self, server: Server, deployment: str) -> bool:
        found = server.marked(self.database)
        return bool(found and found.swapped and found.marker["deployment"] == deployment)

    def _drop_copy(self, server: Server, begun: Found | None, copy: str) -> None:
        """:raises StateError: it has the copy's name, and is not of ours."""
        if not server.exists(copy):
            return
        # made, and cut off before it was marked: nothing is in it but a table for the marker
        if not (begun and begun.database == copy) and not server.empty(copy, but=BEGUN):
            raise StateError(
                f"database {copy} is not of a restore, and has the name of one",
                state="nothing was done to it",
                hint="drop it, if nobody needs it",
            )
        server.drop(copy)
