# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``aurora-postgresql``: a PostgreSQL. Images are base backups; points in time come from archived WAL."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from hgaurora.adapters.local import binaries
from hgaurora.adapters.local.engine import Engine

from .iamfront import HBA, MASTER
from .plane import Plane, copy

_SETTINGS = """\
shared_buffers = 16MB
max_connections = 120
max_wal_senders = 20
max_replication_slots = 20
max_worker_processes = 20
wal_level = logical
max_wal_size = 512MB
full_page_writes = on
archive_mode = on
archive_command = 'test ! -f "{archive}/%f" && cp "%p" "{archive}/%f"'
restore_command = 'cp "{source}/%f" "%p"'
"""
_ROLES = f"""
create role {MASTER} nologin;
create role rds_superuser nologin createdb createrole;
create role rds_iam nologin;
create role rds_replication nologin;
grant pg_monitor, pg_signal_backend, pg_read_all_data, pg_write_all_data to rds_superuser with admin option;
"""


class PostgresqlPlane(Plane):
    """One PostgreSQL.

    :param template: a folder for the data of an empty server, made at the first need and shared by all.
    """

    port = 5432

    def __init__(self, folder: Path, template: Path) -> None:
        super().__init__(folder)
        self._template = template
        self._engine = Engine(folder, database="postgres", fsync=False)
        self._archive = folder / "archive"
        self._base = folder / "base"

    def lay(self, image: Path | None) -> None:
        self.folder.mkdir(mode=0o700, parents=True)
        self._archive.mkdir()
        self._settings(self._archive)
        if image is None:
            image = self._empty()
        copy(image, self._engine.data)
        shutil.copy(self._template / "password", self.folder / "password")

    def _settings(self, source: Path, *more: str) -> None:
        text = _SETTINGS.format(archive=self._archive, source=source)
        (self.folder / "emulator.conf").write_text(text + "".join(f"{line}\n" for line in more))

    def _empty(self) -> Path:
        engine = Engine(self._template, fsync=False, tcp=False)
        if not engine.made():
            place = engine.start().parameters | {"dbname": "postgres"}
            with psycopg.connect(**place, autocommit=True) as connection:  # type: ignore[arg-type]
                connection.execute(_ROLES)
            engine.stop()
            rules = engine.data / "pg_hba.conf"
            rules.write_text(HBA + rules.read_text())
            with open(engine.data / "postgresql.conf", "a") as file:
                file.write("include_if_exists = '../emulator.conf'\n")
        return engine.data

    def start(self) -> None:
        self._engine.start()

    def stop(self) -> None:
        self._engine.stop()

    def running(self) -> bool:
        return self.folder.exists() and self._engine.status().running

    def image(self, target: Path) -> None:
        if not self.running():
            copy(self._engine.data, target)
            return
        place = self._engine.start().parameters
        argv = [self._engine.binaries.program("pg_basebackup"), "-h", place["host"], "-p", place["port"]]
        argv += ["-U", "postgres", "-D", str(target), "-c", "fast", "-X", "stream", "-w"]
        argv += ["--no-sync", "--no-manifest"]
        binaries.runner(self.folder).run(argv, cwd=self.folder)

    def mark(self) -> None:
        self.image(self._base)

    def at(self, time: datetime, target: Plane) -> None:
        assert isinstance(target, PostgresqlPlane)
        with self.admin() as connection:
            # recovery ends at the first commit after the time, so there has to be one
            connection.execute("select pg_logical_emit_message(true, 'emulator', 'now')")
        self._recovered(self._base, target, f"recovery_target_time = '{time.isoformat()}'")

    def copied_to(self, target: PostgresqlPlane, point: str) -> str:
        """Lay down another plane's data as ours are at a named restore point; returns its position in the WAL."""
        image = target.folder.with_suffix(".image")
        self.image(image)
        with self.admin() as connection:
            position = str(connection.execute("select pg_create_restore_point(%s)", (point,)).fetchone()[0])
        self._recovered(image, target, f"recovery_target_name = '{point}'")
        shutil.rmtree(image)
        return position

    def _recovered(self, base: Path, target: PostgresqlPlane, goal: str) -> None:
        with self.admin() as connection:
            segment = connection.execute("select pg_walfile_name(pg_switch_wal())").fetchone()[0]
        _until(lambda: (self._archive / segment).exists(), f"WAL segment {segment} is not archived")
        target.lay(base)
        target._settings(self._archive, goal, "recovery_target_action = promote", "archive_mode = off")
        (target._engine.data / "recovery.signal").touch()
        target.start()

        def promoted() -> bool:
            with target.admin() as connection:
                return not connection.execute("select pg_is_in_recovery()").fetchone()[0]

        _until(promoted, "recovery does not end")
        target.stop()
        target._settings(target._archive)

    def follow(self, writer: Plane) -> None:
        assert isinstance(writer, PostgresqlPlane)
        if not self.folder.exists():
            image = self.folder.with_suffix(".image")
            writer.image(image)
            self.lay(image)
            shutil.rmtree(image)
        self.stop()
        place = writer.conninfo("replication").replace("'", "''")
        self._settings(writer._archive, f"primary_conninfo = '{place}'", "archive_mode = off")
        (self._engine.data / "standby.signal").touch()
        self.start()

    def conninfo(self, database: str) -> str:
        """How another server of this machine reaches a database as an administrator."""
        return make_conninfo("", **{**self._engine.start().parameters, "dbname": database})

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", int(self._engine.status().port or 0)

    @contextmanager
    def admin(self, database: str | None = None) -> Iterator[Any]:
        place = self._engine.start().parameters | {"dbname": database or "postgres"}
        place |= {"options": "-c default_transaction_read_only=off"}  # also on a green one
        with psycopg.connect(**place, autocommit=True) as connection:  # type: ignore[arg-type]
            yield connection

    def master(self, user: str, password: str) -> None:
        role = sql.Identifier(user)
        with self.admin() as connection:
            if not connection.execute("select 1 from pg_roles where rolname = %s", (user,)).fetchone():
                text = "create role {} login createdb createrole in role rds_superuser"
                connection.execute(sql.SQL(text).format(role))
                text = "grant rds_superuser, rds_iam, rds_replication to {} with admin option"
                connection.execute(sql.SQL(text).format(role))
                connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(MASTER), role))
            connection.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))

    def database(self, name: str) -> None:
        with self.admin() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        with self.admin(name) as connection:
            connection.execute("grant all on schema public to rds_superuser")


def _until(condition: Any, what: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.02)  # between two looks: archiving and the end of recovery are told to nobody
