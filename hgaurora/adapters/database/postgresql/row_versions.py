# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether the catalogue's rows are still those that were captured, without reading what they say.

Each row of a catalogue has an ``xmin``, the transaction that wrote it: a changed row is a new one with another. So the
rows of a relation come to one number, their hashes combined by XOR, everything that is no relation to another, and all
of them to the *mark* of the schema. As long as the mark is the same, nothing that a capture reads was written. It is
kept up by the quick look after a migration: the numbers of the relations that it took are exchanged, those of others
stay what they were, so that somebody else's change beside it is not taken in.

A mark is good for one database and what was copied from its files. After a dump and restore, or an upgrade, it is
another one, and so it is where a row was written without a change (``TRUNCATE``): then the whole is captured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import xor
from typing import TYPE_CHECKING, Any

from ....core.schema.model import Path
from .capture_sql_quick import FOUND
from .catalogue_sql import FIRST_OID, OURS, member, subscription

if TYPE_CHECKING:
    import psycopg

#: key under which :func:`numbers` has everything that is no relation
OTHERS = 0

_OF_RELATION = ("pg_class", "pg_constraint", "pg_trigger", "pg_policy", "pg_rewrite", "pg_statistic_ext")


def _row(catalog: str, number: int, key: str, row: str, *, part: str = "0", joins: str = "", where: str = "") -> str:
    """Key of each row of a catalogue (``x``), who wrote it, and a number that no other row has."""
    return _written(f"pg_catalog.{catalog} x {joins}", number, key, row, part, f" AND {where}" if where else "")


def _written(of: str, number: int, key: str, row: str, part: str, where: str = "") -> str:
    return (
        f"SELECT {key}, x.xmin, ({row}::pg_catalog.int8 * 4096 + {part}) * 64 + {number}"
        f" FROM {of} WHERE {key} {{of}}{where}"
    )


def _comments(catalog: str, number: int, key: str) -> str:
    """Comments on what hangs on a relation; ``o`` is its catalogue. Of some relations they are looked up one by one:
    the planner would read all comments, taking them for few."""
    oid, of = ("indexrelid", "pg_class") if catalog == "pg_index" else ("oid", catalog)
    found = (
        f"pg_catalog.{catalog} o CROSS JOIN LATERAL (SELECT d.xmin, d.objoid, d.objsubid FROM pg_catalog.pg_description"
        f" d WHERE d.objoid = o.{oid} AND d.classoid = 'pg_catalog.{of}'::pg_catalog.regclass {{one_by_one}}) x"
    )
    return _written(found, number, key, "x.objoid", "x.objsubid")


_PG_CLASS = "'pg_catalog.pg_class'::pg_catalog.regclass"
_ROWS = "\nUNION ALL\n".join((
    _row("pg_class", 1, "x.oid", "x.oid"),
    # of a TOAST table nothing is captured but its options
    _row("pg_class", 1, "c.oid", "x.oid", joins="JOIN pg_catalog.pg_class c ON c.reltoastrelid = x.oid",
         where="x.reloptions IS NOT NULL"),
    _row("pg_class", 1, "i.indrelid", "x.oid", joins="JOIN pg_catalog.pg_index i ON i.indexrelid = x.oid"),
    _row("pg_index", 2, "x.indrelid", "x.indexrelid"),
    _row("pg_attribute", 3, "x.attrelid", "x.attrelid", part="x.attnum", where="x.attnum > 0"),
    # of a btree (OID 403, pg_am.dat) no column has options of its own
    _row("pg_attribute", 3, "i.indrelid", "x.attrelid", part="x.attnum",
         joins="JOIN pg_catalog.pg_index i ON i.indexrelid = x.attrelid"
               " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid",
         where="c.relam <> 403 AND x.attoptions IS NOT NULL"),
    _row("pg_attrdef", 4, "x.adrelid", "x.oid"),
    _row("pg_constraint", 5, "x.conrelid", "x.oid"),
    _row("pg_trigger", 6, "x.tgrelid", "x.oid"),
    _row("pg_policy", 7, "x.polrelid", "x.oid"),
    _row("pg_rewrite", 8, "x.ev_class", "x.oid"),
    _row("pg_statistic_ext", 9, "x.stxrelid", "x.oid"),
    _row("pg_sequence", 10, "x.seqrelid", "x.seqrelid"),
    _row("pg_inherits", 11, "x.inhrelid", "x.inhrelid", part="x.inhseqno"),
    # what is attached to an index
    _row("pg_inherits", 11, "i.indrelid", "x.inhrelid", part="x.inhseqno",
         joins="JOIN pg_catalog.pg_index i ON i.indexrelid = x.inhparent", where="NOT i.indisvalid"),
    _row("pg_foreign_table", 12, "x.ftrelid", "x.ftrelid"),
    # which column a sequence belongs to
    _row("pg_depend", 13, "x.objid", "x.objid", part="x.refobjsubid",
         joins="JOIN pg_catalog.pg_sequence s ON s.seqrelid = x.objid",
         where=f"x.classid = {_PG_CLASS} AND x.refclassid = {_PG_CLASS} AND x.deptype IN ('a', 'i')"),
    _row("pg_description", 14, "x.objoid", "x.objoid", part="x.objsubid", where=f"x.classoid = {_PG_CLASS}"),
    _comments("pg_index", 14, "o.indrelid"),
    _comments("pg_constraint", 15, "o.conrelid"),
    _comments("pg_trigger", 16, "o.tgrelid"),
    _comments("pg_policy", 17, "o.polrelid"),
    _comments("pg_rewrite", 18, "o.ev_class"),
    _comments("pg_statistic_ext", 19, "o.stxrelid"),
))  # fmt: skip

_NUMBER = "pg_catalog.bit_xor(pg_catalog.hashtextextended(rows.xmin::pg_catalog.text, rows.number))"

#: captured whole; others are below, as their rows are not all of others, or not readable
_WHOLE = (
    "pg_proc", "pg_aggregate", "pg_enum", "pg_range", "pg_event_trigger", "pg_operator", "pg_opclass", "pg_opfamily",
    "pg_amop", "pg_amproc", "pg_cast", "pg_collation", "pg_conversion", "pg_ts_parser", "pg_ts_template", "pg_ts_dict",
    "pg_ts_config", "pg_ts_config_map", "pg_language", "pg_transform", "pg_am", "pg_foreign_data_wrapper",
    "pg_foreign_server", "pg_publication", "pg_publication_rel", "pg_publication_namespace", "pg_default_acl",
    "pg_extension", "pg_tablespace",
)  # fmt: skip


def _others(version: int) -> str:
    """One row: the number of everything that is no relation."""
    classes = ", ".join(f"'pg_catalog.{one}'::pg_catalog.regclass" for one in _OF_RELATION)
    written = [(f"pg_catalog.{one} x", "") for one in _WHOLE if one != "pg_publication_namespace" or version >= 150000]
    written += [
        ("pg_catalog.pg_namespace n", f"WHERE {OURS}"),
        (
            "pg_catalog.pg_type x JOIN pg_catalog.pg_namespace n ON n.oid = x.typnamespace"
            " LEFT JOIN pg_catalog.pg_class c ON c.oid = x.typrelid AND c.relkind = 'c'",
            "WHERE (x.typrelid = 0 OR c.oid IS NOT NULL) AND x.typsubscript <> 'array_subscript_handler'"
            f"::pg_catalog.regproc AND {OURS}",
        ),
        (
            "pg_catalog.pg_attribute x JOIN pg_catalog.pg_class c ON c.oid = x.attrelid",
            "WHERE c.relkind = 'c' AND x.attnum > 0",
        ),
        ("pg_catalog.pg_constraint x", "WHERE x.contypid <> 0"),
        ("pg_catalog.pg_depend x", "WHERE x.deptype = 'e'"),
        (
            "pg_catalog.pg_description x LEFT JOIN pg_catalog.pg_constraint k ON k.oid = x.objoid"
            " AND x.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass LEFT JOIN pg_catalog.pg_class c"
            f" ON c.oid = x.objoid AND x.classoid = {_PG_CLASS}",
            f"WHERE x.classoid NOT IN ({classes}) OR k.contypid <> 0 OR c.relkind = 'c'",
        ),
    ]
    texts = [
        f"SELECT pg_catalog.hashtextextended({of.split()[1]}.ctid::pg_catalog.text || ' ' ||"
        f" {of.split()[1]}.xmin::pg_catalog.text, {number}) FROM {of} {where}"
        for number, (of, where) in enumerate(written)
    ]
    # what hides who wrote it is read itself
    said = (
        "pg_catalog.pg_user_mappings x",
        # of the server's roles those that this database, or what it has outside, speaks of; the first ones
        # (pg_authid.dat) are in no list
        f"(SELECT r.oid, r.rolname FROM pg_catalog.pg_roles r WHERE r.oid < {FIRST_OID} OR r.oid IN (SELECT s.refobjid"
        " FROM pg_catalog.pg_shdepend s WHERE s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass"
        " AND (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()) IN (s.dbid,"
        " CASE WHEN s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass THEN s.objid END)"
        " OR s.classid = 'pg_catalog.pg_tablespace'::pg_catalog.regclass)) x",
        "(SELECT d.oid, d.encoding, d.datcollate FROM pg_catalog.pg_database d"
        " WHERE d.datname = pg_catalog.current_database()) x",
        "(SELECT x.oid, x.subname, x.subpublications, x.subenabled, x.subslotname, x.subbinary, x.subsynccommit,"
        f" x.subowner, {', '.join(subscription(version).values())} FROM pg_catalog.pg_subscription x WHERE x.subdbid ="
        " (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())) x",
    )
    texts += [
        f"SELECT pg_catalog.hashtextextended(x::pg_catalog.text, {number}) FROM {of}"
        for number, of in enumerate(said, start=len(texts))
    ]
    return f"SELECT {OTHERS}, pg_catalog.bit_xor(rows.hash) FROM ({' UNION ALL '.join(texts)}) rows(hash)"


#: names of relations and of their columns, as a capture knows them
_NAMES = f"""
SELECT c.oid::pg_catalog.int8, n.nspname::pg_catalog.text, c.relname::pg_catalog.text,
    (SELECT pg_catalog.array_agg(a.attname::pg_catalog.text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind <> 'S')
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {OURS} AND NOT {member("pg_class", "c.oid")}
"""


def of_all(version: int, version_table: Path) -> dict[str, str]:
    """Two queries: OID of each relation that is captured and the number of its rows; the number of others."""
    rows = _ROWS.format(of="<> 0", one_by_one="")
    numbers = f"""
    SELECT c.oid::pg_catalog.int8, {_NUMBER}
    FROM ({rows}) rows(key, xmin, number), pg_catalog.pg_class c, pg_catalog.pg_namespace n
    WHERE c.oid = rows.key AND {_captured(version_table)} GROUP BY c.oid
    """
    return {"row_versions": numbers, "other_versions": _others(version)}


def of_some(version: int, version_table: Path) -> dict[str, str]:
    """The same of relations whose OIDs are ``$1``, to be prepared; and which of them are captured, as the setting by
    which queries of the same message know it."""
    rows = _ROWS.format(of="= ANY ($1)", one_by_one="OFFSET 0")
    return {
        "captured": f"""
        SELECT pg_catalog.set_config('{FOUND}', COALESCE(pg_catalog.array_agg(c.oid), '{{}}')::pg_catalog.text, true)
        FROM pg_catalog.pg_class c, pg_catalog.pg_namespace n WHERE c.oid = ANY ($1) AND {_captured(version_table)}
        """,
        "row_versions": f"""
        SELECT rows.key::pg_catalog.int8, {_NUMBER} FROM ({rows}) rows(key, xmin, number) GROUP BY rows.key
        """,
        "other_versions": _others(version),
    }


def _captured(version_table: Path) -> str:
    """Of a relation (c) in a schema (n); those of extensions among them."""
    import psycopg.sql

    schema, table = (psycopg.sql.Literal(name).as_string(None) for name in version_table)
    return (
        f"c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND n.oid = c.relnamespace AND {OURS}"
        f" AND NOT (n.nspname = {schema} AND c.relname = {table})"
    )


class Numbers:
    """Of relations by OID, of others by :data:`OTHERS`; and what all of them come to.

    >>> numbers = Numbers()
    >>> numbers.take([(16384, 1), (0, -1)])
    >>> numbers.mark(160004)
    '160004 fffffffffffffffe'
    >>> numbers.exchange([16384], {16385: 2})
    >>> numbers.mark(160004)
    '160004 fffffffffffffffd'
    """

    def __init__(self) -> None:
        self._of: dict[int, int] = {}
        self._all = 0

    def take(self, rows: Iterable[Sequence[Any]]) -> None:
        """Rows of a query here."""
        self.exchange((), dict(rows))

    def exchange(self, gone: Iterable[int], new: Mapping[int, int]) -> None:
        """Forget some, and have others."""
        for oid in {*gone, *new}:
            self._all ^= self._of.pop(oid, 0)
        self._of.update(new)
        self._all = reduce(xor, new.values(), self._all)

    def mark(self, version: int) -> str:
        """What stands for all rows: the server's version (160004) and sixteen hexadecimal digits."""
        return f"{version} {self._all & 0xFFFF_FFFF_FFFF_FFFF:016x}"


def names(cursor: psycopg.Cursor[Any], version_table: Path) -> dict[int, tuple[Path, tuple[str, ...]]]:
    """Path and columns of each relation by its OID."""
    cursor.execute(_NAMES.encode())
    return {
        oid: ((schema, name), tuple(columns or ()))
        for oid, schema, name, columns in cursor
        if (schema, name) != version_table
    }
