# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``url = "postgresql://..."``: snapshots and restores of one database on any PostgreSQL server, by dumps.

::

    <folder>/snapshots/<id>/database.dump    pg_dump -Fc of everything in the database, the ledger too
    database  <db>                           the live one
    database  <db>~new-<deployment>          the copy, until it takes over
    database  <db>~old-<deployment>          what was live before that restore; takes no sessions

What a restore has done is read from which of these databases exist, and from a marker in the comment of the copy,
so that any machine can see it and go on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from ...core.errors import RemoteError, StateError
from ...ports import Connection
from ..database.postgresql import maintenance
from ..database.postgresql.maintenance import Found, Server
from . import files
from .binaries import Binaries, Runner, for_dump
from .copies import copy_name, retired_name
from .snapshots import KeepsSnapshots, Program, Snapshots

_LIBPQ = {"application_name": "hgaurora snapshot", "connect_timeout": "10"}


class Dump:
    """Snapshots by ``pg_dump``."""

    content = "database.dump"

    def __init__(self, connection: Connection, *, fsync: bool = True) -> None:
        self._connection = connection
        self._fsync = fsync
        self._binaries: Binaries | None = None

    def binaries(self) -> Binaries:
        """Programs that fit the server; the same for a dump and for its restore."""
        if self._binaries is None:
            live = self._connection.parameters["dbname"]
            with maintenance.connect(self._connection, maintenance.DATABASE, live) as server:
                self._binaries = for_dump(server.major, tls=server.tls)
        return self._binaries

    def program(self, folder: Path, snapshot: str) -> Program:
        """One consistent view of the database; waits for nobody but running DDL."""
        argv = [self.binaries().program("pg_dump"), "-Fc", "-Z1", "-w", "-f", self.content]
        argv += [] if self._fsync else ["--no-sync"]
        return Program((*argv, "-d", conninfo(self._connection, folder)), Runner(), variables(self._connection))

    def verify(self, folder: Path) -> None:
        """Read to its end; the table of contents alone is there even in a dump that was cut off."""
        (folder / "pgpass").unlink(missing_ok=True)
        if not (folder / self.content).exists():
            raise RemoteError(f"{folder.name} was not dumped")
        argv = [self.binaries().program("pg_restore"), "-f", os.devnull, self.content]
        Runner().run(argv, cwd=folder, timeout=None)

    def percent(self, log: str) -> int | None:
        """pg_dump does not say."""
        return None


def conninfo(connection: Connection, private: Path) -> str:
    """libpq keywords for a program. A password goes into a file (0600) in a private folder: an argument or an
    environment variable can be read by others."""
    parameters = {**_LIBPQ, **connection.parameters}
    password = connection.password()
    if password is not None:
        files.write(private / "pgpass", "*:*:*:*:" + password.replace("\\", "\\\\").replace(":", "\\:") + "\n")
        parameters["passfile"] = str(private / "pgpass")
    return " ".join(f"{key}='{_escaped(value)}'" for key, value in parameters.items())


def variables(connection: Connection) -> dict[str, str]:
    """The caller's environment, as libpq reads it in our own process too; our password goes before its."""
    ours = {key: value for key, value in os.environ.items() if key != "PGPASSWORD" or connection.password() is None}
    return {**ours, "LC_ALL": "C"}


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "\\'")


class DumpSnapshots(KeepsSnapshots):
    """:class:`ControlPlane` of one database, by its URL.

    :param folder: the environment's private folder on this machine; dumps lie there.
    :param url: libpq's, with a ``dbname``; or a :class:`Connection`.
    :param fsync: False only where the dumps may be lost, in tests.
    :param trace: called with a word after each action that a crash could follow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: str,
        url: str | Connection,
        schema: str = "public",
        version_table: str = "alembic_version",
        fsync: bool = True,
        trace: Callable[[str], None] = lambda action: None,
    ) -> None:
        found = maintenance.from_url(url, schema=schema, version_table=version_table) if isinstance(url, str) else url
        self.environment = environment
        self.database = found.parameters.get("dbname") or found.parameters.get("user") or "postgres"
        self.folder = folder.absolute()
        self._connection = replace(maintenance.at(found, self.database), environment=environment)
        self._trace = trace
        self._maker = Dump(self._connection, fsync=fsync)
        self._snapshots = Snapshots(self.folder / "snapshots", environment, self._maker, trace=trace)

    def connection(self) -> Connection:
        """As given. Where a restore that this machine began was cut off while it closed the database (it is not noted,
        and nobody holds the lock), the database is opened again; the restore closes it when it goes on."""
        if files.read_json(self.folder / "restore.json") is not None:
            with self._server() as server:
                marker = self._marker(server)
                live = server.database(self.database)
                stuck = marker and marker["done"] != "close" and live and not live.open
                if stuck and not server.held(self.database):
                    server.allow(self.database, True)
        return self._connection

    # restore

    def restore_copy(self, snapshot: str, *, deployment: str) -> Connection:
        """The dump in a new database of the same owner, encoding, locale, settings and grants."""
        copy = copy_name(self.database, deployment)
        marker = {"deployment": deployment, "snapshot": snapshot, "of": self.database, "done": "", "state": "loading"}
        files.private(self.folder)
        with self._server() as server:
            begun = self._marker(server)
            if begun and (begun["deployment"], begun["snapshot"]) != (deployment, snapshot):
                raise StateError(
                    f"{self.environment} is being restored by {begun['deployment']} from {begun['snapshot']}",
                    hint="finish or abandon that restore first",
                )
            files.write_json(self.folder / "restore.json", {"deployment": deployment})
            self._trace("noted")
            if self._swapped(server, deployment):
                return self._connection
            found = server.database(copy)
            if found is None or found.marker.get("state") != "ready":
                content = self._snapshots.content(snapshot)
                self._drop_copy(server, deployment)
                server.create(copy, like=self.database)
                self._trace("copy made")
                server.mark(copy, marker)
                self._trace("copy marked")
                self._load(content, copy)
                self._trace("copy loaded")
                server.mark(copy, {**marker, "state": "ready"})
                self._trace("copy ready")
            server.allow(copy, True)
        return maintenance.at(self._connection, copy)

    def restore_close(self, *, deployment: str) -> None:
        """No new sessions; those of others are ended."""
        with self._server() as server:
            if not self._swapped(server, deployment):
                server.close(self.database, deployment=deployment)
        self._trace("closed")

    def restore_open(self, *, deployment: str) -> None:
        """Open the live database again; the copy is dropped.

        :raises StateError: the copy has taken over already.
        """
        with self._server() as server:
            if self._swapped(server, deployment):
                raise StateError(f"the copy of {deployment} has taken over already", hint="let the restore finish")
            server.allow(self.database, True)
            self._trace("opened")
            self._drop_copy(server, deployment)
            self._trace("copy dropped")
        self._forget()

    def restore_swap(self, *, deployment: str) -> None:
        """Both databases change their names in one transaction."""
        copy, retired = copy_name(self.database, deployment), retired_name(self.database, deployment)
        with self._server() as server:
            found = server.databases()
            if copy not in found:
                if not self._swapped(server, deployment):
                    raise StateError(f"there is no copy of {deployment} that could take over")
                return
            if found[copy].marker.get("state") != "ready":
                raise StateError(f"the copy of {deployment} is not whole", hint="restore it again")
            pairs = [(copy, self.database)]
            if self.database in found and retired not in found:
                pairs.insert(0, (self.database, retired))
            for name, _ in pairs:
                server.close(name)
                self._trace("closed")
            server.rename(pairs, opens=self.database)
            self._trace("swapped")

    def restoring(self) -> Mapping[str, str] | None:
        """From the marker on the copy, which is the live database after the swap."""
        # through the live database where it takes us: a user that only deploys may not reach another one
        with maintenance.connect(self._connection, self.database, maintenance.DATABASE) as server:
            marker = self._marker(server)
        return marker and {key: marker.get(key, "") for key in ("deployment", "snapshot", "done")}

    def restore_note(self, *, deployment: str, action: str) -> None:
        """:raises StateError: no such restore was begun."""
        with self._server() as server:
            for found in self._marked(server):
                if found.marker["deployment"] == deployment:
                    server.mark(found.name, {**found.marker, "done": action})
                    self._trace("noted")
                    return
        raise StateError(f"{self.environment} is not being restored by {deployment}")

    def restore_done(self, *, deployment: str) -> None:
        """The live database gets its former comment back."""
        with self._server() as server:
            if self._swapped(server, deployment):
                retired = server.database(retired_name(self.database, deployment))
                server.comment(self.database, retired.comment if retired else None)
                self._trace("forgotten")
        self._forget()

    def _server(self) -> AbstractContextManager[Server]:
        return maintenance.connect(self._connection, maintenance.DATABASE)

    def _marked(self, server: Server) -> list[Found]:
        """Databases of a restore that is not over."""
        return [
            found
            for found in server.databases().values()
            if found.marker.get("of") == self.database and (found.name == self.database or "~new-" in found.name)
        ]

    def _marker(self, server: Server) -> Mapping[str, str] | None:
        return next((found.marker for found in self._marked(server)), None)

    def _swapped(self, server: Server, deployment: str) -> bool:
        live = server.database(self.database)
        return live is not None and live.marker.get("deployment") == deployment

    def _load(self, content: Path, copy: str) -> None:
        with TemporaryDirectory(dir=self.folder, prefix="restore-") as private:
            target = maintenance.at(self._connection, copy)
            argv = [self._maker.binaries().program("pg_restore"), "--exit-on-error", "-w"]
            argv += ["-d", conninfo(target, Path(private)), str(content)]
            Runner().run(argv, cwd=self.folder, timeout=None, variables=variables(target))

    def _drop_copy(self, server: Server, deployment: str) -> None:
        """:raises StateError: it has the copy's name, and is not of ours."""
        found = server.database(copy_name(self.database, deployment))
        if found is None:
            return
        marked = found.marker.get("deployment") == deployment and found.marker.get("of") == self.database
        # made, and cut off before it was marked: nothing is in it
        if not marked and (found.comment or not maintenance.empty(self._connection, found.name)):
            raise StateError(
                f"database {found.name} is not of a restore, and has the name of one",
                state="nothing was done to it",
                hint="rename it",
            )
        server.drop(found.name)

    def _forget(self) -> None:
        if self.folder.exists():
            (self.folder / "restore.json").unlink(missing_ok=True)
            files.sync(self.folder)
