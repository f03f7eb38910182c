# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Capture of a database's schema on MySQL 8 and 9 and MariaDB 10.6 and later.

One form for both, as far as they mean the same: display widths that do nothing are left out, JSON on MariaDB is json
and not a longtext with a check, literals are quoted, RESTRICT is what InnoDB takes NO ACTION for. What is there by
default (row format, ``NOT DETERMINISTIC``, ...) is None. The database's own name is in nothing, so that a copy under
another name is equal.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from ....core.schema.form import part_id, parts
from ....core.schema.kinds import KINDS, Value
from ....core.schema.model import Part, Path, Schema, Values
from . import capture_sql
from .spelling import column_type, default, expression, moment, options, view_columns, without_database

#: sends a statement with its parameters, as PyMySQL's; gives the rows
Ask = Callable[[str, Sequence[object]], Iterable[tuple[Any, ...]]]

#: above this many names everything is looked at: a look at one costs more than its share
FEW = 20
#: errors of a user who may not see something: 1044, 1142, 1143 missing rights, 1227 missing PROCESS
_DENIED = frozenset({1044, 1142, 1143, 1227})


#: where an object is looked for, by what a statement calls it; a trigger comes with its table
_SORTS = {"table": "relations", "procedure": "routines", "function": "routines", "event": "events"}


def _maker(kind: str) -> Callable[..., Values]:
    """A function from fields by name to an object's values; what is not named is as usual."""
    at = {field.name: i for i, field in enumerate(KINDS[kind].fields)}
    usual = [field.usual for field in KINDS[kind].fields]

    def make(**fields: Value) -> Values:
        values = usual.copy()
        for name, value in fields.items():
            values[at[name]] = value
        return tuple(values)

    return make


_MAKE = {name: _maker(name) for name in KINDS}


class Capture:
    """One look at a database.

    :param ask: on a connection in autocommit, in utf8mb4, without ANSI_QUOTES.
    :param version_table: Alembic's, which is the tool's own as all that begins with ``hgaurora_``.
    """

    def __init__(self, ask: Ask, database: str, *, version_table: str = "alembic_version") -> None:
        self._ask = ask
        self._database = database
        self._version_table = version_table
        ((version, self._folds),) = ask("SELECT VERSION(), @@lower_case_table_names", ())
        self._mariadb = "mariadb" in version.lower()
        numbers = [int(number) for number in re.findall(r"\d+", version)[:2]]
        self.engine = "mariadb" if self._mariadb else "mysql"
        self.major = ".".join(map(str, numbers))
        self._looks = capture_sql.looks(self._mariadb, tuple(numbers))
        self._objects: dict[str, dict[Path, Values]] = defaultdict(dict)

    # what is asked for

    def whole(self) -> Schema:
        """Everything."""
        self._objects.clear()
        self._database_itself()
        self._relations(None)
        self._routines(None)
        self._events(None)
        return Schema(self.engine, self.major, {kind: self._objects[kind] for kind in KINDS if self._objects[kind]})

    def some(
        self, touched: Mapping[str, object] | None, known: Collection[str]
    ) -> tuple[dict[str, Part], list[str]] | None:
        """The parts that statements may have changed, as they are now, and which ids of ``known`` are gone.

        :param touched: what the statements name: ``objects``, each kind, database and name; and their ``tags``, of
            which ``*`` may have done anything.
        :returns: None where only :meth:`whole` can say.
        """
        names = self._named(touched)
        if names is None or sum(map(len, names.values())) > FEW:
            return None
        self._objects.clear()
        if names["database"]:
            self._database_itself()
        for sort, look in (("relations", self._relations), ("routines", self._routines), ("events", self._events)):
            if names[sort]:
                look(names[sort])
        found = parts(Schema(self.engine, self.major, dict(self._objects)))
        # routines and events are found whatever their letters' case, relations as they are written
        asked = {part_id("table", (name,)) for name in names["relations"]}
        folded = {part_id("function", (name.lower(),)) for name in names["routines"]}
        folded |= {part_id("event", (name.lower(),)) for name in names["events"]}
        gone = [id for id in known if id not in found and (id in asked or id.lower() in folded)]
        return found, gone

    def _named(self, touched: Mapping[str, object] | None) -> dict[str, list[str]] | None:
        """Names by sort, in order; None where names do not say it."""
        tags, objects = (touched or {}).get("tags"), (touched or {}).get("objects")
        if not isinstance(tags, (list, tuple)) or not isinstance(objects, (list, tuple)) or "*" in tags:
            return None
        if self._folds == 2 or "DROP TRIGGER" in tags:  # names in two spellings; a trigger without its table
            return None
        names: dict[str, set[str]] = {sort: set() for sort in ("relations", "routines", "events", "database")}
        for kind, database, name in objects:
            if kind == "accounts":
                return None  # anybody's rights on anything
            if kind == "database":
                if name in (self._database, ""):
                    if {"CREATE DATABASE", "DROP DATABASE"} & set(tags):
                        return None
                    names["database"].add(name)
            elif database == self._database and kind in _SORTS:
                names[_SORTS[kind]].add(name.lower() if kind == "table" and self._folds else name)
        names["relations"] = {name for name in names["relations"] if not self._owned(name)}
        if not {"ALTER TABLE", "RENAME TABLE"}.isdisjoint(tags):
            for name in sorted(names["relations"]):
                names["relations"] |= self._referring(name)
        return {sort: sorted(of) for sort, of in names.items()}

    # asking

    def _rows(self, look: str, names: Collection[str] | None = None) -> Iterable[tuple[Any, ...]]:
        return self._ask(*self._looks[look].sql(self._database, names))

    def _readable(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]] | None:
        """Rows, or None where this user may not see them."""
        import pymysql

        try:
            return list(self._ask(sql, values))
        except pymysql.MySQLError as error:
            if not error.args or error.args[0] not in _DENIED:
                raise
            return None

    def _referring(self, name: str) -> set[str]:
        """Tables whose foreign keys refer to one: they show its name and its columns' names."""
        if re.fullmatch(r"[A-Za-z0-9_]+", self._database + name):  # else InnoDB spells names as files
            found = self._readable(capture_sql.referring(self._mariadb), (f"{self._database}/{name}",))
            if found is not None:
                tables = [row[0].partition("/") for row in found]
                return {table for database, _, table in tables if database == self._database} - {""}
        rows = self._ask(capture_sql.REFERRING_SLOWLY, (self._database, name))
        return {table for database, table in rows if database == self._database}

    def _owned(self, name: str) -> bool:
        return name.startswith("hgaurora_") or name == self._version_table

    # what is made of the answers

    def _add(self, kind: str, path: Path, **fields: Value) -> None:
        self._objects[kind][path] = _MAKE[kind](**fields)

    def _database_itself(self) -> None:
        grants = _grants(self._rows("database grants"))
        for charset, collation, comment in self._rows("database"):
            # a path without the name: a copy under another name is equal
            self._add(
                "database",
                ("database",),
                charset=charset,
                collation=collation,
                comment=comment or None,
                grants=grants.get((), ()),
            )

    def _relations(self, names: Collection[str] | None) -> None:
        tables: dict[str, tuple[Any, ...]] = {}
        sequences: dict[str, str] = {}
        for name, sort, *more in self._rows("tables", names):
            if self._owned(name):
                continue
            if sort == "SEQUENCE":
                sequences[name] = more[-1]
            elif sort in ("BASE TABLE", "SYSTEM VERSIONED"):
                tables[name] = (sort, *more)
        grants = _grants(self._rows("table grants", names), 1)
        checks = self._checks(tables, names)
        columns = self._columns(tables, names, checks)
        partitioned = [name for name, row in tables.items() if "partitioned" in (row[4] or "")]
        partitions = self._partitions(partitioned)
        for name, (sort, engine, row_format, collation, given, comment) in tables.items():
            known, kept = options(given or "")
            if sort == "SYSTEM VERSIONED":
                kept = (*kept, "system versioning")
            actual = (row_format or "").lower() if engine == "InnoDB" else known.get("row_format")
            self._add(
                "table",
                (name,),
                columns=tuple(columns.get(name, ())),
                partition_by=partitions.get(name),
                options=kept,
                engine=engine.lower() if engine else None,
                row_format=None if actual in ("", "dynamic", "default") else actual,
                charset=_charset(collation),
                collation=collation,
                comment=comment or None,
                grants=grants.get((name,), ()),
            )
        self._indexes(tables, names)
        self._foreign_keys(tables, names)
        self._triggers(tables, names)
        self._views(names, grants)
        self._sequences(sequences, grants)

    def _checks(self, tables: Collection[str], names: Collection[str] | None) -> set[tuple[str, str]]:
        """Adds the checks; gives the columns that are JSON on MariaDB: longtext with the check that makes it so."""
        json = set()
        for table, name, clause, enforced, level in self._rows("checks", names):
            if table not in tables:
                continue
            text = expression(clause, self._mariadb)
            if level == "Column" and text == f"json_valid({capture_sql.quoted(name)})":
                json.add((table, name))
                continue
            # a column's own check has the column's name, which a table's may have, too
            path = (
                (table, name) if (table, name) not in self._objects["check constraint"] else (table, name + " (column)")
            )
            self._add("check constraint", path, expression=text, enforced=enforced == "YES")
        return json

    def _columns(
        self, tables: Collection[str], names: Collection[str] | None, json: Collection[tuple[str, str]]
    ) -> dict[str, list[str]]:
        """Adds the columns; gives their names in order by table."""
        grants = _grants(self._rows("column grants", names), 2)
        ranks: dict[str, list[tuple[int, str]]] = defaultdict(list)
        make, into, mariadb = _MAKE["column"], self._objects["column"], self._mariadb
        for row in self._rows("columns", names):
            table, name, rank, given, nullable, full_type, charset, collation, extra, comment, generation, srid = row
            if table not in tables:
                continue
            ranks[table].append((rank, name))
            fields: dict[str, Value] = {}
            kind, compressed = column_type(full_type)
            if (table, name) in json and kind == "longtext" and collation == "utf8mb4_bin":
                kind, charset, collation = "json", None, None
            elif (table, name) in json:
                self._add("check constraint", (table, name), expression=f"json_valid({capture_sql.quoted(name)})")
            if extra:
                said = extra.lower()
                if "on update" in said:
                    fields["on_update"] = moment(said.partition("on update ")[2])
                if " generated" in said:
                    fields["generated"] = "stored" if "stored" in said else "virtual"
                fields["auto_increment"] = "auto_increment" in said
                fields["invisible"] = "invisible" in said
                if "without system versioning" in said:
                    fields["options"] = ("without system versioning",)
            if "generated" in fields:
                fields["default"] = expression(generation or "", mariadb)
            else:
                fields["default"] = default(given, kind, extra, mariadb)
            if compressed:
                fields["compression"] = "compressed"
            if srid is not None:
                fields["options"] = (f"srid {srid}",)
            if (table, name) in grants:
                fields["grants"] = grants[table, name]
            into[table, name] = make(
                type=kind, not_null=nullable == "NO", comment=comment or None, collation=collation, charset=charset,
                **fields,
            )  # fmt: skip
        return {table: [name for _, name in sorted(known)] for table, known in ranks.items()}

    def _partitions(self, tables: Sequence[str]) -> dict[str, str]:
        """Adds the partitions; gives by table what it is partitioned by."""
        if not tables:
            return {}
        found: dict[str, str] = {}
        rows = self._rows("partitions", tables if len(tables) <= FEW else None)
        for row in sorted((row for row in rows if row[0] in tables), key=lambda row: (row[0], row[9], row[10] or 0)):
            table, name, below, method, below_method, by, below_by, bound, comment, place, _ = row
            text = f"{method.lower()} ({by or ''})"
            if below_method:
                text += f" subpartition {below_method.lower()} ({below_by or ''})"
            found[table] = text
            bound = expression(bound, mariadb=True) if bound else None
            self._add("partition", (table, name), bound=bound, place=place, comment=comment or None)
            if below:
                self._add("partition", (table, below), of=name, comment=comment or None)
        return found

    def _indexes(self, tables: Collection[str], names: Collection[str] | None) -> None:
        found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
        for row in self._rows("statistics", names):
            if row[0] in tables:
                found[row[0], row[1]].append(row)
        for path, rows in found.items():
            rows.sort(key=lambda row: row[2])
            method = rows[0][7].lower()
            columns = tuple(
                f"{row[4]}({row[6]})" if row[6] and row[4] and method != "spatial" else row[4] for row in rows
            )
            order = tuple("desc" if row[5] == "D" else "" for row in rows) if any(r[5] == "D" for r in rows) else ()
            comment = rows[0][8] or None
            if path[1] == "PRIMARY":
                self._add("primary key", path, columns=columns, options=order, comment=comment)
                continue
            self._add(
                "index",
                path,
                columns=columns,
                expressions=tuple(expression(row[10], self._mariadb) for row in rows if row[10]),
                order=order,
                unique=rows[0][3] == 0,
                method=method,
                visible=rows[0][9] == "NO",
                comment=comment,
            )

    def _foreign_keys(self, tables: Collection[str], names: Collection[str] | None) -> None:
        rules = {(row[0], row[1]): row[2:] for row in self._rows("references", names)}
        found: dict[tuple[str, str], list[tuple[Any, ...]]] = defaultdict(list)
        for row in self._rows("referring", names):
            if row[0] in tables:
                found[row[0], row[1]].append(row)
        for path, rows in found.items():
            rows.sort(key=lambda row: row[2])
            match, update, delete = rules.get(path, ("NONE", "NO ACTION", "NO ACTION"))
            database, table = rows[0][4:6]
            self._add(
                "foreign key",
                path,
                columns=tuple(row[3] for row in rows),
                references=table if database == self._database else f"{database}.{table}",
                referenced_columns=tuple(row[6] for row in rows),
                match="simple" if match == "NONE" else match.lower(),
                on_update=_rule(update),
                on_delete=_rule(delete),
            )

    def _triggers(self, tables: Collection[str], names: Collection[str] | None) -> None:
        rows = [row for row in self._rows("triggers", names) if row[0] in tables]
        together: dict[tuple[str, str, str], int] = defaultdict(int)
        for table, _, events, _, _, timing, *_ in rows:
            together[table, timing, events] += 1
        for table, name, events, order, body, timing, mode, definer in rows:
            self._add(
                "trigger",
                (table, name),
                timing=timing.lower(),
                events=tuple(event.strip() for event in events.lower().split(",")),
                level="row",
                body=body,
                order=order if together[table, timing, events] > 1 else None,
                definer=definer,
                sql_mode=mode,
            )

    def _views(self, names: Collection[str] | None, grants: Mapping[Path, Value]) -> None:
        for name, definition, check, definer, security, algorithm in self._rows("views", names):
            if self._owned(name):
                continue
            text = without_database(definition or "", self._database)
            self._add(
                "view",
                (name,),
                # as the text has them: a view is still there when what it reads has gone
                columns=view_columns(text),
                definition=text or None,
                security=None if security == "DEFINER" else security.lower(),
                check_option=None if check == "NONE" else check.lower(),
                algorithm=None if algorithm == "UNDEFINED" else algorithm.lower(),
                definer=definer,
                grants=grants.get((name,), ()),
            )

    def _sequences(self, comments: Mapping[str, str], grants: Mapping[Path, Value]) -> None:
        if not comments:
            return
        for name, start, increment, minimum, maximum, cache, cycle in self._ask(
            capture_sql.sequences(self._database, sorted(comments)), ()
        ):
            self._add(
                "sequence",
                (name,),
                start=start,
                increment=increment,
                minimum=minimum,
                maximum=maximum,
                cache=cache,
                cycle=bool(cycle),
                comment=comments[name] or None,
                grants=grants.get((name,), ()),
            )

    def _routines(self, names: Collection[str] | None) -> None:
        grants: dict[Path, list[tuple[str, str]]] = defaultdict(list)
        for name, sort, grantee, privileges in (
            self._readable(*self._looks["routine grants"].sql(self._database, names)) or ()
        ):
            given = [one for one in privileges.split(",") if one != "grant"]
            more = " with grant option" if "grant" in privileges.split(",") else ""
            grants[sort, name.lower()] += [(_grantee(grantee), one + more) for one in given]
        arguments: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        for name, sort, rank, mode, argument, kind in self._rows("parameters", names):
            words = [mode.lower()] if sort == "PROCEDURE" else []
            arguments[sort, name].append((rank, " ".join([*words, argument, column_type(kind)[0]])))
        for row in self._rows("routines", names):
            name, sort, returns, body, deterministic, access, security, mode, comment, definer, language = row
            common: dict[str, Value] = {
                "body": body,
                "security": security.lower(),
                "definer": definer,
                "sql_mode": mode,
                "comment": comment or None,
                "grants": tuple(sorted(grants.get((sort, name.lower()), ()))),
            }
            if sort not in ("FUNCTION", "PROCEDURE"):  # PACKAGE and PACKAGE BODY, of MariaDB's Oracle mode
                self._add(sort.lower(), (name,), **common)
                continue
            volatility = ["deterministic"] if deterministic == "YES" else []
            if access != "CONTAINS SQL":
                volatility.append(access.lower())
            self._add(
                sort.lower(),
                (name,),
                arguments=tuple(text for _, text in sorted(arguments.get((sort, name), ()))),
                returns=column_type(returns)[0] if returns else None,
                language=(language or "SQL").lower(),
                volatility=", ".join(volatility) or None,
                **common,
            )

    def _events(self, names: Collection[str] | None) -> None:
        for row in self._rows("events", names):
            name, definer, zone, body, sort, once, value, unit, mode, starts, ends, status, completion, comment = row
            if sort == "ONE TIME":
                schedule = f"at {once}"
            else:
                schedule = f"every {value} {unit.lower()}"
                schedule += f" ends {ends}" if ends else ""
            self._add(
                "event",
                (name,),
                schedule=schedule,
                status=status.lower().replace("replica_side", "slaveside"),
                on_completion=None if completion == "NOT PRESERVE" else completion.lower(),
                body=body,
                comment=comment or None,
                definer=definer,
                sql_mode=mode,
                time_zone=zone,
                starts=starts,
            )


def _charset(collation: str | None) -> str | None:
    return collation.partition("_")[0] if collation else None


def _rule(rule: str) -> str:
    # InnoDB checks each row at once, so both refuse at the same moment (MySQL manual, 15.1.24.5)
    return "no action" if rule == "RESTRICT" else rule.lower()


def _grantee(given: str) -> str:
    """``'app'@'%'`` as ``app@%``."""
    return re.sub(r"^'(.*)'@'(.*)'$", r"\1@\2", given, flags=re.DOTALL)


def _grants(rows: Iterable[tuple[Any, ...]], keys: int = 0) -> dict[Path, tuple[tuple[str, str], ...]]:
    """Pairs of grantee and privilege, by the first columns of the rows."""
    found: dict[Path, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        grantee, privilege, passable = row[keys:]
        more = " with grant option" if passable == "YES" else ""
        found[row[:keys]].add((_grantee(grantee), privilege.lower() + more))
    return {key: tuple(sorted(pairs)) for key, pairs in found.items()}
