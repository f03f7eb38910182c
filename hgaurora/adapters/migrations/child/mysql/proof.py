# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a statement did whose answer was lost: the catalogue, looked at before and after, proves it.

One statement of DDL is atomic on InnoDB (MySQL 8 manual, 15.1.1; MariaDB 10.6: "Atomic DDL"), but for DROP of several
objects on MariaDB, which is atomic for each. So it is enough to see whether what it names has changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import Any

from pymysql import err

from .names import Named, Object, _Reader, named
from .sql import Statement

Ask = Callable[..., list[tuple[Any, ...]]]
#: what was seen of each object: None where it was not there, else a hash; by kind, database and name
Picture = dict[str, Any]

_NO_OBJECT = frozenset({1146, 1049, 1305, 1360, 1539, 4091})
#: to be done again does no harm, whatever it did
_REPEAT = frozenset(
    {"ANALYZE TABLE", "OPTIMIZE TABLE", "CHECK TABLE", "REPAIR TABLE", "FLUSH", "CACHE", "LOAD", "ALTER USER", "SET"}
)
#: not seen in any definition, so the table's own number has to tell
_BY_NUMBER = frozenset({"TRUNCATE TABLE", "RENAME TABLE"})
#: what ALTER TABLE drops that is no column
_NO_COLUMN = frozenset({"INDEX", "KEY", "PRIMARY", "FOREIGN", "CONSTRAINT", "CHECK", "PARTITION", "DEFAULT", "PERIOD"})
_COUNTER = re.compile(r"\sAUTO_INCREMENT=\d+", re.I)
_PLAIN = re.compile(r"[A-Za-z0-9_]+\Z")


class Catalogue:
    """Takes pictures.

    :param ask: sends a statement of ours on the second connection; rows.
    """

    def __init__(self, ask: Ask, mariadb: bool) -> None:
        self.ask = ask
        self.mariadb = mariadb

    def picture(self, found: Named, statement: Statement, database: str | None) -> Picture:
        """What is there now of the objects that a statement names."""
        taken: Picture = {}
        for one in dict.fromkeys(found.objects):
            kind, db, name = (one[0], one[1] or database, one[2])
            key = f"{kind} {db}.{name}"
            taken[key] = self._definition(kind, db or "", name)
            if by_number(found, statement) and kind == "table" and taken[key] is not None:
                # MariaDB moves columns without making the table anew (INSTANT, from 10.4), and no view tells
                seen = not (self.mariadb and exchanges(statement))
                taken[f"number {db}.{name}"] = self._number(db or "", name) if seen else None
        return taken

    def _definition(self, kind: str, db: str, name: str) -> str | None:
        """A hash over what an object is; None: it is not there."""
        quoted = f"`{db.replace('`', '``')}`.`{name.replace('`', '``')}`"
        if kind == "table":
            try:
                rows = self.ask("SHOW CREATE TABLE " + quoted)
            except err.MySQLError as error:
                if error.args and error.args[0] in _NO_OBJECT:
                    return None
                if not error.args or error.args[0] != 1356:
                    raise
                # a view whose tables are gone has no text
                rows = self.ask(
                    "SELECT view_definition FROM information_schema.views WHERE table_schema = %s AND table_name = %s",
                    (db, name),
                )
            return _hash([[_COUNTER.sub("", str(cell)) for cell in row[1:2] or row] for row in rows])
        if kind == "accounts":
            tables = ("user_privileges", "schema_privileges", "table_privileges", "column_privileges")
            # sorted here: the tables have four to seven columns
            return _hash([sorted(self.ask(f"SELECT * FROM information_schema.{table}"), key=repr) for table in tables])
        select, values = {
            "database": (
                "SELECT * FROM information_schema.schemata WHERE schema_name = %s",
                (name or db,),
            ),
            "trigger": (
                "SELECT event_object_table, action_timing, event_manipulation, action_order, action_statement,"
                " sql_mode, definer FROM information_schema.triggers WHERE trigger_schema = %s AND trigger_name = %s",
                (db, name),
            ),
            "event": (
                "SELECT event_definition, event_type, execute_at, interval_value, interval_field, sql_mode, starts,"
                " ends, status, on_completion, event_comment, definer FROM information_schema.events"
                " WHERE event_schema = %s AND event_name = %s",
                (db, name),
            ),
        }.get(
            kind,
            (
                "SELECT routine_type, dtd_identifier, routine_definition, is_deterministic, sql_data_access,"
                " security_type, sql_mode, routine_comment, definer, (SELECT GROUP_CONCAT(CONCAT_WS(' ',"
                " p.parameter_mode, p.parameter_name, p.dtd_identifier) ORDER BY p.ordinal_position)"
                " FROM information_schema.parameters p"
                " WHERE p.specific_schema = r.routine_schema AND p.specific_name = r.specific_name"
                " AND p.routine_type = r.routine_type) FROM information_schema.routines r"
                f" WHERE r.routine_schema = %s AND r.routine_name = %s AND r.routine_type = '{kind.upper()}'",
                (db, name),
            ),
        )
        rows = self.ask(select, values)
        return _hash(rows) if rows else None

    def _number(self, db: str, name: str) -> list[int] | None:
        """InnoDB's own numbers of a table and its partitions, which a new or exchanged one does not share; None where
        they cannot be seen (the right PROCESS is needed) or the name is stored encoded."""
        if not (_PLAIN.match(db) and _PLAIN.match(name)):
            return None
        table = "innodb_sys_tables" if self.mariadb else "innodb_tables"
        try:
            rows = self.ask(
                f"SELECT table_id FROM information_schema.{table} WHERE name = %s OR LEFT(name, %s) = %s ORDER BY name",
                (f"{db}/{name}", len(f"{db}/{name}#"), f"{db}/{name}#"),
            )
        except err.MySQLError as error:
            if error.args and error.args[0] == 1227:
                return None
            raise
        return [row[0] for row in rows] or None


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()


def by_number(found: Named, statement: Statement) -> bool:
    """True where a definition may look the same after as before, and doing it again would do harm."""
    words = statement.words
    return (
        found.tag in _BY_NUMBER
        or (found.tag == "CREATE TABLE" and words[1:3] == ("OR", "REPLACE"))
        or (found.tag == "ALTER TABLE" and ("EXCHANGE" in words or "TRUNCATE" in words or exchanges(statement)))
    )


def exchanges(statement: Statement) -> bool:
    """True for an ALTER TABLE that gives a column the name of another one: the definition may be the same after it."""
    reader = _Reader(statement.tokens)
    old: set[str] = set()
    new: set[str] = set()
    while word := reader.until({"CHANGE", "RENAME", "DROP"}):
        column = reader.take("COLUMN")
        if word == "RENAME" and not column:
            continue
        reader.take("IF", "EXISTS")
        if word == "DROP" and reader.peek().up in _NO_COLUMN:
            continue
        was = reader.part().lower()
        to = was if word == "DROP" else (reader.take("TO"), reader.part().lower())[1]
        old.add(was)
        if to != was:
            new.add(to)
    return bool(old & new)


def provable(statement: Statement) -> bool:
    """True where the catalogue can decide."""
    found, words = named(statement), statement.words
    if found.tag in _REPEAT:
        return True
    if found.tag == "ALTER TABLE" and "TABLESPACE" in words and {"DISCARD", "IMPORT"} & set(words):
        return False
    if found.tag == "ALTER SEQUENCE" and "RESTART" in words:
        return False
    return bool(found.objects) and found.tag not in ("DROP ROLE", "GRANT ROLE")


def verdict(statement: Statement, before: Picture, now: Picture) -> str:
    """What became of a statement that was about to be sent: ``done``, ``again`` (it had no effect, or doing it again
    comes to the same), ``rest`` (it dropped some of what it names) or ``unknown``."""
    found = named(statement)
    if found.tag in _REPEAT:
        return "again"
    if not provable(statement) or not before:
        return "unknown"
    if found.tag.startswith("DROP ") and found.tag != "DROP INDEX":
        was = [key for key, value in before.items() if value is not None]
        left = [key for key in was if now.get(key) is not None]
        if "accounts" in found.objects[0]:
            return "done" if before != now else "again"
        return "again" if left == was else "rest" if left else "done"
    if found.tag == "RENAME TABLE":
        return _renamed(found.objects, before, now)
    if by_number(found, statement):
        numbers = [key for key in before if key.startswith("number ")]
        if any(before[key] is None or now.get(key) is None for key in numbers) and before == now:
            return "unknown"
    return "done" if before != now else "again"


def _renamed(objects: tuple[Object, ...], before: Picture, now: Picture) -> str:
    """RENAME TABLE moves what is there from name to name: what it comes to can be told before."""
    names = sorted({key.split(" ", 1)[1] for key in before})
    kind = (
        "number"
        if all(before.get(f"number {name}") is not None for name in names if before.get(f"table {name}") is not None)
        else "table"
    )
    short = {name.split(".", 1)[1]: name for name in names}
    was = {name: before.get(f"{kind} {name}") for name in names}
    then = dict(was)
    for old, new in zip(objects[::2], objects[1::2], strict=False):
        source = f"{old[1]}.{old[2]}" if old[1] else short[old[2]]
        target = f"{new[1]}.{new[2]}" if new[1] else short[new[2]]
        then[source], then[target] = None, then.get(source)
    have = {name: now.get(f"{kind} {name}") for name in names}
    if kind == "table":
        # the text holds the table's own name and those of its foreign keys: only what is there can be compared
        was, then, have = (dict.fromkeys((n for n in one if one[n] is not None), 1) for one in (was, then, have))
    if was == then:
        return "unknown"
    return "done" if have == then else "again" if have == was else "unknown"


def rest(statement: Statement) -> str:
    """The text of a DROP that passes over what is gone already."""
    if "EXISTS" in statement.words:
        return statement.text
    return re.sub(r"\b(TABLES?|VIEW|SEQUENCE)\b", r"\1 IF EXISTS", statement.text, count=1, flags=re.I)
