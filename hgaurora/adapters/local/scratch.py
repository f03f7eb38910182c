# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Local servers of our own with an empty database in them, to build schemas in. Nothing else reaches them: they listen
on a socket in a private folder alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from ...core.errors import StateError
from ...ports import Connection
from .binaries import Binaries, for_server
from .engine import Engine
from .mysqld import INSTALL, Mysqld, Programs, installed

NAME = "build"


class Scratch(Protocol):
    """A server that can be started. ``engine`` and ``major`` are as a captured schema has them."""

    @property
    def engine(self) -> str:
        """postgresql, mysql or mariadb."""

    @property
    def major(self) -> str:
        """Such as ``18`` or ``10.11``."""

    def database(self, folder: Path, *, schema: str, collation: str | None) -> AbstractContextManager[Connection]:
        """An empty database; its server is stopped behind it. One at a time in a folder.

        :param folder: private, of builds alone; made when needed.
        :param schema: PostgreSQL's schema, made where it is not public.
        :param collation: MySQL's default for the database, where the server knows it.
        """


def postgresql() -> list[Scratch]:
    """The one that local environments run on.

    :raises StateError: there is none.
    """
    return [_Postgres(for_server(None))]


def mysql(programs: Iterable[Programs] | None = None) -> list[Scratch]:
    """Those of some programs, else of the machine's.

    :raises StateError: there is none.
    """
    found: list[Scratch] = [_Mysql(one) for one in (installed() if programs is None else programs)]
    if not found:
        raise StateError(
            "no MariaDB or MySQL server is installed on this machine, so no schema can be built",
            state="nothing was done",
            hint=f"{INSTALL} (nothing of it has to run), or install mysqld",
        )
    return found


class _Postgres:
    engine = "postgresql"

    def __init__(self, binaries: Binaries) -> None:
        self._binaries = binaries
        self.major = str(binaries.major)

    @contextmanager
    def database(self, folder: Path, *, schema: str, collation: str | None) -> Iterator[Connection]:
        """Its data folder is kept for the next build; it is of one major version."""
        engine = Engine(folder, name=f"data{self.major}", fsync=False, tcp=False, binaries=self._binaries)
        server = engine.start()
        try:
            with self._fresh(server, schema) as connection:
                yield connection
        finally:
            engine.stop()

    @contextmanager
    def _fresh(self, server: Connection, schema: str) -> Iterator[Connection]:
        from ..database.postgresql import maintenance

        with maintenance.connect(server) as maker:
            if maker.database(NAME) is not None:
                maker.drop(NAME)  # of a build that was cut off
            maker.create(NAME)
            if schema != "public":
                with maintenance.connect(server, NAME) as inside:
                    inside.create_schema(schema)
            yield replace(maintenance.at(server, NAME), schema=schema)
            maker.drop(NAME)


class _Mysql:
    def __init__(self, programs: Programs) -> None:
        self._programs = programs
        self.engine = programs.product
        self.major = ".".join(programs.version.split(".")[:2])

    @contextmanager
    def database(self, folder: Path, *, schema: str, collation: str | None) -> Iterator[Connection]:
        """Its data folder is removed: nothing a migration did to the server's accounts and settings is left."""
        from ..database.mysql import connection, maintenance

        place = folder / "mysql"
        server = Mysqld(place, self._programs, durable=False, tcp=False)
        _remove(server)  # of a build that was cut off
        try:
            server.start()
            parameters = {"socket": server.socket, "user": "root", "dbname": NAME}
            found = connection.from_parameters(parameters, password="")
            with maintenance.connect(found) as maker:
                maker.create_with(NAME, collation)
            yield found
        finally:
            _remove(server)


def _remove(server: Mysqld) -> None:
    server.stop()
    sockets = Path(server.socket).parent
    if sockets != server.data:
        shutil.rmtree(sockets, ignore_errors=True)
    shutil.rmtree(server.folder, ignore_errors=True)
