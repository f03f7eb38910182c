# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A blue/green pair's replication, done by the engines: a copy of blue that follows every commit made since.

PostgreSQL: logical replication of every table in every database, from the instant of the copy on. As in AWS, DDL on
blue does not follow, and sequences do only at the end. MariaDB and MySQL: binary logs, by row.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

from .plane import Plane
from .plane_mysql import MysqlPlane
from .plane_postgresql import PostgresqlPlane

_NAME = "emulator_green"


class Pair(ABC):
    """Blue, which goes on, and green, which follows.

    :raises: whatever the engines say; the deployment fails then.
    """

    @abstractmethod
    def begin(self) -> None:
        """Make green's data, start it read-only, and let it follow."""

    @abstractmethod
    def catch_up(self, timeout: float) -> None:
        """After blue was made read-only: wait until green has all, in seconds.

        :raises TimeoutError: it takes longer.
        """

    @abstractmethod
    def part(self) -> None:
        """End replication; green is a server of its own."""

    @abstractmethod
    def writable(self, plane: Plane, on: bool) -> None:
        """Take writes of clients, or do not."""


def pair(blue: Plane, green: Plane) -> Pair:
    """The pair for an engine."""
    if isinstance(blue, PostgresqlPlane) and isinstance(green, PostgresqlPlane):
        return _Postgresql(blue, green)
    assert isinstance(blue, MysqlPlane)
    assert isinstance(green, MysqlPlane)
    return _Mysql(blue, green)


class _Postgresql(Pair):
    def __init__(self, blue: PostgresqlPlane, green: PostgresqlPlane) -> None:
        self.blue, self.green = blue, green

    def _databases(self) -> list[str]:
        with self.blue.admin() as connection:
            rows = connection.execute("select datname from pg_database where datallowconn and not datistemplate")
            return [name for (name,) in rows if name != "postgres"]

    def begin(self) -> None:
        databases = self._databases()
        for number, name in enumerate(databases):
            with self.blue.admin(name) as connection:
                connection.execute(f"create publication {_NAME} for all tables")
                connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (f"{_NAME}_{number}",))
        # the copy ends at a point that we know: what commits later comes by the slots, what is before does not
        point = self.blue.copied_to(self.green, _NAME)
        self.green.start()
        for number, name in enumerate(databases):
            with self.green.admin(name) as connection:
                connection.execute(f"drop publication {_NAME}")
                # a literal: it is not a statement that takes parameters
                place = self.blue.conninfo(name).replace("'", "''")
                connection.execute(
                    f"create subscription {_NAME} connection '{place}' publication {_NAME} "
                    f"with (create_slot = false, slot_name = '{_NAME}_{number}', copy_data = false, enabled = false)"
                )
                connection.execute(
                    "select pg_replication_origin_advance('pg_' || oid, %s::pg_lsn) from pg_subscription "
                    "where subdbid = (select oid from pg_database where datname = current_database())",
                    (point,),
                )
                connection.execute(f"alter subscription {_NAME} enable")
        self.writable(self.green, False)

    def catch_up(self, timeout: float) -> None:
        with self.blue.admin() as connection:
            end = connection.execute("select pg_current_wal_lsn()").fetchone()[0]
            text = (
                "select count(*) = 0 from pg_replication_slots where slot_name like %s "
                "and (confirmed_flush_lsn is null or confirmed_flush_lsn < %s::pg_lsn)"
            )
            _until(lambda: connection.execute(text, (f"{_NAME}%", end)).fetchone()[0], timeout)
        for name in self._databases():
            with self.blue.admin(name) as blue, self.green.admin(name) as green:
                rows = blue.execute("select schemaname, sequencename, last_value from pg_sequences").fetchall()
                for schema, sequence, value in rows:
                    if value is not None:
                        green.execute(
                            "select setval(format('%%I.%%I', %s::text, %s::text), %s)", (schema, sequence, value)
                        )

    def part(self) -> None:
        for name in self._databases():
            with self.green.admin(name) as connection:
                connection.execute(f"drop subscription if exists {_NAME}")
            with self.blue.admin(name) as connection:
                connection.execute(f"drop publication if exists {_NAME}")

    def writable(self, plane: Plane, on: bool) -> None:
        with plane.admin() as connection:
            value = "off" if on else "on"
            connection.execute(f"alter system set default_transaction_read_only = {value}")
            connection.execute("select pg_reload_conf()")


class _Mysql(Pair):
    def __init__(self, blue: MysqlPlane, green: MysqlPlane) -> None:
        self.blue, self.green = blue, green

    def begin(self) -> None:
        place = self.blue.copied_to(self.green)
        self.green.start()
        self.green.replicate(self.blue, place)
        self.writable(self.green, False)

    def catch_up(self, timeout: float) -> None:
        file, position, *_ = self.blue.run("SHOW MASTER STATUS")
        (events,) = self.green.run(f"SELECT MASTER_POS_WAIT('{file}', {position}, {max(1, int(timeout))})")
        if events is None or events < 0:
            raise TimeoutError("green does not catch up")

    def part(self) -> None:
        self.green.run("STOP SLAVE", "RESET SLAVE ALL")

    def writable(self, plane: Plane, on: bool) -> None:
        assert isinstance(plane, MysqlPlane)
        plane.run(f"SET GLOBAL read_only = {0 if on else 1}")


def _until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("green does not catch up")
        time.sleep(0.01)  # between two looks: a follower tells nobody how far it is
