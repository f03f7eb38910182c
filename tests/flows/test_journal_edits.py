# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One byte changed in any row of a ledger is found, on both engines: each table, each column, by the catalogue."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import psycopg
import pymysql
import pytest
from psycopg import sql

from hgaurora.adapters.database.mysql import carry as mysql
from hgaurora.adapters.database.postgresql import carry as postgresql
from hgaurora.adapters.database.verify import verify
from hgaurora.adapters.history.hglib import HglibHistory
from hgaurora.app.compose import Adapters
from hgaurora.core.errors import HgAuroraError
from tests import engines
from tests.world import Repo, call, migration, settings
from tests.world import sql as sends

KEYS = {
    "environment": "one",
    "event": "seq",
    "deployment": "id",
    "step": "id",
    "statement": "id",
    "script": "hash",
    "schema": "hash",
    "part": "id",
}
#: edits that the database itself does not take
REFUSED = (psycopg.errors.IntegrityError, pymysql.err.IntegrityError, pymysql.err.OperationalError)


@dataclass
class Ledger:
    """A ledger with something in each table, and a hand that edits it."""

    engine: str
    url: str
    repo: Repo
    history: HglibHistory

    def verify(self) -> dict[str, Any]:
        """What ``journal verify`` says."""
        found = call(self.repo, "journal", verb="verify", env="dev", history=self.history, json=True)
        (said,) = found.json()
        assert found.code == (0 if said["agree"] else 1)
        return dict(said)

    @contextmanager
    def connected(self) -> Iterator[Any]:
        """A connection in autocommit."""
        if self.engine == "postgresql":
            with psycopg.connect(self.url, autocommit=True) as connection:
                yield connection
        else:
            with engines.my_connection(self.url) as connection:
                connection.autocommit(True)
                yield connection

    def query(self, connection: Any, text: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows."""
        if self.engine == "postgresql":
            cursor = connection.execute(text, values)
            return cursor.fetchall() if cursor.description else []
        with connection.cursor() as cursor:
            cursor.execute(text, values)
            return list(cursor.fetchall())

    def name(self, table: str, column: str | None = None) -> str:
        """Quoted."""
        if self.engine == "postgresql":
            names = sql.Identifier(column) if column else sql.Identifier("hgaurora", table)
            return names.as_string(None)
        return f"`{column}`" if column else f"`hgaurora_{table}`"

    def columns(self, connection: Any) -> list[tuple[str, str]]:
        """Each table with each column, as the catalogue has them."""
        text = (
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'hgaurora'"
            if self.engine == "postgresql"
            else "SELECT SUBSTR(table_name, 10), column_name FROM information_schema.columns"
            " WHERE table_schema = DATABASE() AND table_name LIKE 'hgaurora\\_%%'"
        )
        return sorted((str(table), str(column)) for table, column in self.query(connection, text))

    def edits(self, connection: Any, table: str, column: str) -> Iterator[tuple[object, object, object]]:
        """Of the first and the last row: key, value, other value."""
        key, name = self.name(table, KEYS[table]), self.name(table, column)
        rows = self.query(connection, f"SELECT {key}, {name} FROM {self.name(table)} ORDER BY {key}")
        assert rows, f"{table} has no rows"
        for one in {0, len(rows) - 1}:
            for other in changed(rows[one][1], text=self._type(connection, table, column)):
                yield rows[one][0], rows[one][1], other

    def _type(self, connection: Any, table: str, column: str) -> str:
        where = "table_schema = 'hgaurora' AND table_name" if self.engine == "postgresql" else "table_name"
        full = table if self.engine == "postgresql" else f"hgaurora_{table}"
        text = f"SELECT data_type FROM information_schema.columns WHERE {where} = %s AND column_name = %s"
        return str(self.query(connection, text, full, column)[0][0]).lower()

    def put(self, connection: Any, table: str, column: str, key: object, value: object) -> None:
        """Write one cell."""
        where, name = self.name(table, KEYS[table]), self.name(table, column)
        self.query(connection, f"UPDATE {self.name(table)} SET {name} = %s WHERE {where} = %s", value, key)


def changed(value: Any, text: str) -> list[object]:
    """A value with one byte other than it is; of content at its beginning, its middle and its end."""
    if value is None:
        if text in ("array", "longtext"):
            return [["x"] if text == "array" else "[]"]
        if "time" in text:
            return [datetime(2026, 1, 1)]
        return ["x"] if "char" in text or "text" in text else [1]
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1]
    if isinstance(value, datetime):
        return [value + timedelta(microseconds=1), None]
    if isinstance(value, bytes):
        return [
            value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :]
            for at, bit in ((0, 1), (1, 0x42), (len(value) // 2, 16), (len(value) - 5, 128), (len(value) - 1, 1))
        ]
    if isinstance(value, list):
        return [[*value, "x"]]
    if isinstance(value, uuid.UUID):
        return [uuid.UUID(int=value.int ^ 1)]
    last = value[-1] if value else ""
    return [f"{value[:-1]}{'0' if last != '0' else '1'}"]


BLOCK = "with op.get_context().autocommit_block():\n    op.execute('CREATE INDEX CONCURRENTLY a_n ON a (n)')"


@pytest.fixture(params=["postgresql", "mysql"])
def ledger(request: pytest.FixtureRequest, repo: Repo) -> Iterator[Ledger]:
    """Three deploys, one of which failed, and a revert."""
    engine = request.param
    url = request.getfixturevalue("pg_database" if engine == "postgresql" else "my_database")
    index = BLOCK if engine == "postgresql" else sends("CREATE INDEX a_n ON a (n)")
    files = {
        "hgaurora.toml": settings({"dev": url}),
        "migrations/versions/r1.py": migration("r1", None, sends("CREATE TABLE a (n int)"), sends("DROP TABLE a")),
        "migrations/versions/r2.py": migration("r2", "r1", index, sends("SELECT 1")),
    }
    history = HglibHistory(repo.root)
    try:
        repo.commit(files, "two")
        assert call(repo, "deploy", env="dev", history=history).code == 0
        r3 = "migrations/versions/r3.py"
        repo.commit({r3: migration("r3", "r2", sends("CREATE TABLE b (n int)"), sends("DROP TABLE b"))}, "three")
        assert call(repo, "deploy", env="dev", history=history).code == 0
        assert call(repo, "revert", env="dev", to="previous", yes=True, history=history).code == 0
        repo.commit({r3: migration("r3", "r2", sends("DROP TABLE nowhere"))}, "broken")
        with pytest.raises(HgAuroraError):
            call(repo, "deploy", env="dev", history=history)
        yield Ledger(engine, url, repo, history)
    finally:
        history.close()


def test_one_byte_anywhere_is_found(ledger: Ledger) -> None:
    said = ledger.verify()
    assert said["agree"], said
    tried, refused, unseen = 0, set(), []
    with ledger.connected() as connection:
        for table, column in ledger.columns(connection):
            for key, value, other in list(ledger.edits(connection, table, column)):
                try:
                    ledger.put(connection, table, column, key, other)
                except REFUSED:
                    if other is not None and column != KEYS[table]:
                        refused.add((table, column))
                    continue
                tried += 1
                try:
                    if ledger.verify()["agree"]:
                        unseen.append((table, column, key, value, other))
                except HgAuroraError:
                    pass  # the ledger can not be read at all any more: that is seen, too
                finally:
                    ledger.put(connection, table, column, other if column == KEYS[table] else key, value)
    assert unseen == []
    assert tried > 130
    assert refused <= {("deployment", "number"), ("step", "direction"), ("statement", "state")}
    assert ledger.verify()["agree"]


def test_rows_that_come_or_go_are_found(ledger: Ledger) -> None:
    """A whole row, deleted: of each table but the environment's."""
    with ledger.connected() as connection:
        for table in sorted(KEYS.keys() - {"environment"}):
            key, name = ledger.name(table, KEYS[table]), ledger.name(table)
            ((last,),) = ledger.query(connection, f"SELECT {key} FROM {name} ORDER BY {key} DESC LIMIT 1")
            ledger.query(connection, f"CREATE TABLE kept AS SELECT * FROM {name} WHERE {key} = %s", last)
            ledger.query(connection, f"DELETE FROM {name} WHERE {key} = %s", last)
            assert not ledger.verify()["agree"], table
            ledger.query(connection, f"INSERT INTO {name} SELECT * FROM kept")
            ledger.query(connection, "DROP TABLE kept")
    assert ledger.verify()["agree"]


def test_control_without_seals_what_no_event_says_can_be_edited(ledger: Ledger) -> None:
    with ledger.connected() as connection:
        edits = [
            (table, column, *next(ledger.edits(connection, table, column)))
            for table, column in (("step", "touched"), ("deployment", "host"), ("statement", "sql"))
        ]
        for table, column, key, _, other in edits:
            ledger.put(connection, table, column, key, other)
    said = " ".join(ledger.verify()["ledger"])
    assert all(f"{table} {key}" in said for table, _, key, _, _ in edits), said
    adapters = Adapters()
    database = adapters.database(adapters.reach(ledger.url), "dev")
    try:
        with database._transaction() as cursor:  # type: ignore[attr-defined]
            found = (
                postgresql.everything(cursor)
                if ledger.engine == "postgresql"
                else mysql.everything(cursor, database._fill)  # type: ignore[attr-defined]
            )
    finally:
        database.close()
    bare = []
    for row in found.events:
        payload = json.loads(row["payload"])
        payload.pop("seal", None)
        bare.append({**row, "payload": json.dumps(payload)})
    said = " ".join(verify(replace(found, events=bare)))
    assert not any(f"{table} {key}" in said for table, _, key, _, _ in edits), said
