# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The session that scripts run in: its settings, what limits a statement, and all of it put back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .sql import Statement, split

#: system variables that a script may set, put back after each step; and the two whose names depend on the product
_NAMES = (
    "sql_mode",
    "foreign_key_checks",
    "unique_checks",
    "time_zone",
    "character_set_client",
    "character_set_connection",
    "character_set_results",
    "collation_connection",
    "lock_wait_timeout",
    "innodb_lock_wait_timeout",
    "wait_timeout",
    "default_storage_engine",
    "sql_safe_updates",
    "sql_select_limit",
    "max_join_size",
    "group_concat_max_len",
)


class Session:
    """The session of the connection that migrates.

    :param ask: sends a statement of ours there; rows.
    :param timeouts: seconds that one statement may take, for ``schema`` and ``data``; 0: no limit.
    """

    def __init__(self, ask: Callable[..., list[tuple[Any, ...]]], mariadb: bool, timeouts: dict[str, float]) -> None:
        self.ask = ask
        self.mariadb = mariadb
        limit = "max_statement_time" if mariadb else "max_execution_time"
        self._limits = {name: seconds if mariadb else round(seconds * 1000) for name, seconds in timeouts.items()}
        # MySQL holds nothing but SELECT to its limit
        self._usual = self._limited = "schema" if mariadb else "data"
        self.ask(f"SET SESSION {limit} = {self._limits[self._limited]}")
        self._names = (*_NAMES, limit, "tx_isolation" if mariadb else "transaction_isolation")
        self._first = self._now()
        #: the default database
        self.database = str(self._first["database"])
        self.home = self.database
        self.stamped = False
        self._modes()

    def limit(self, which: str) -> None:
        """How long a statement of this kind may take, unless the script has said it."""
        if self.mariadb and self._limits["schema"] != self._limits["data"] and self._limited not in (which, "script"):
            self.ask(f"SET SESSION max_statement_time = {self._limits[which]}")
            self._limited = which

    def split(self, text: str) -> list[Statement]:
        """The statements of a string under the SQL mode there is."""
        return split(text, ansi=self._ansi, backslash=self._backslash)

    def changed(self, said: str) -> None:
        """A SET was sent."""
        said = said.upper()
        if "SQL_MODE" in said:
            self._modes()
        self.stamped = self.stamped or "TIMESTAMP" in said
        if "MAX_STATEMENT_TIME" in said:
            self._limited = "script"

    def moved(self) -> None:
        """A USE was sent."""
        self.database = str(self.ask("SELECT DATABASE()")[0][0])

    def put_back(self) -> bool:
        """All as it was before any script; True where something was not."""
        if self._limited != "script":
            self.limit(self._usual)
        now = self._now()
        differs = [name for name in self._names if now[name] != self._first[name]]
        moved = now["database"] != self._first["database"]
        role = now["role"] != self._first["role"]
        if role:
            self.ask(f"SET ROLE {self._first['role'] or 'NONE'}")
        if moved:
            self.ask("USE `" + self.home.replace("`", "``") + "`")
            self.database = self.home
        if differs:
            values = [self._first[name] for name in differs]
            self.ask("SET " + ", ".join(f"SESSION {name} = %s" for name in differs), values)
            self._limited = self._usual
        if self.stamped:
            self.ask("SET @@SESSION.timestamp = DEFAULT")
            self.stamped = False
        self._modes()
        return bool(differs) or moved or role

    def _now(self) -> dict[str, Any]:
        """The settings, the default database and the role."""
        columns = ", ".join(f"@@SESSION.{name}" for name in self._names)
        cells = self.ask(f"SELECT DATABASE(), CURRENT_ROLE(), {columns}")[0]
        return dict(zip(("database", "role", *self._names), cells, strict=True))

    def _modes(self) -> None:
        modes = str(self.ask("SELECT @@SESSION.sql_mode")[0][0]).split(",")
        self._ansi, self._backslash = "ANSI_QUOTES" in modes, "NO_BACKSLASH_ESCAPES" not in modes
