# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a statement did whose answer was lost: the catalogue proves it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from ..sql import COMMENTS

_NAME = r'((?:"(?:[^"]|"")+"|[\w$]+)(?:\.(?:"(?:[^"]|"")+"|[\w$]+))?)'
_CREATE_INDEX = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s+ON\s+(?:ONLY\s+)?{_NAME}", re.I
)
#: with a name or without
_ON_TABLE = re.compile(
    rf"CREATE\s+(?:UNIQUE\s+)?INDEX\s+CONCURRENTLY\s+(?:(?:IF\s+NOT\s+EXISTS\s+)?{_NAME.replace('((', '(?:(')}\s+)?ON"
    rf"\s+(?:ONLY\s+)?{_NAME}",
    re.I,
)
_INDEX_DROPPED = re.compile(rf"DROP\s+INDEX\s+CONCURRENTLY\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.I)
_DROP_INDEX = re.compile(r"DROP\s+INDEX\s+CONCURRENTLY\b", re.I)
_REINDEX = re.compile(
    rf"REINDEX\s+(?:\([^)]*\)\s*)?(INDEX|TABLE|SCHEMA|DATABASE|SYSTEM)\s+(?:CONCURRENTLY\s+)?{_NAME}", re.I
)
_REPEAT = re.compile(r"(?:VACUUM|ANALYZE|ANALYSE|ALTER\s+SYSTEM|CLUSTER|CHECKPOINT)\b", re.I)
_DATABASE = re.compile(rf"(CREATE|DROP)\s+DATABASE\s+(?:IF\s+EXISTS\s+)?{_NAME}", re.I)
_DETACH = re.compile(rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_NAME}\s+DETACH\s+PARTITION\s+{_NAME}\s+CONCURRENTLY", re.I)


def proven(sql: str, state: str, ask: Callable[..., list[list[Any]]]) -> str:
    """What became of a statement that was about to be sent outside a transaction: ``done``, ``again`` or ``unknown``.

    ``state`` is ``intent`` (the answer was lost) or ``failed`` (the server said an error). May clean up what a broken
    attempt left, so that it can be sent again.
    """
    text = COMMENTS.sub("", sql)
    if _REPEAT.match(text) or _DROP_INDEX.match(text):
        gone = _DROP_INDEX.match(text) and "IF EXISTS" not in " ".join(text.upper().split())
        if gone and state == "intent" and not _index_named(text, ask):
            return "done"
        return "again"
    if found := _CREATE_INDEX.match(text):
        name = found[1].rsplit(".", 1)[-1]
        rows = ask(
            "SELECT i.indisvalid, pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"
            " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE i.indrelid = pg_catalog.to_regclass($1) AND c.relname = (pg_catalog.parse_ident($2))[1]",
            found[2],
            name,
        )
        if rows and rows[0][0] == "f":
            ask(f"DROP INDEX CONCURRENTLY {rows[0][1]}")
            return "again"
        return "done" if rows and state == "intent" else "again"
    if found := _REINDEX.match(text):
        for (left,) in ask(
            "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i"
            " JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
            " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
            " WHERE NOT i.indisvalid AND c.relname ~ '_cc(new|old)[0-9]*$' AND (i.indrelid = pg_catalog.to_regclass($1)"
            " OR i.indrelid = (SELECT o.indrelid FROM pg_catalog.pg_index o"
            " WHERE o.indexrelid = pg_catalog.to_regclass($1)))",
            found[2],
        ):
            ask(f"DROP INDEX CONCURRENTLY {left}")
        return "again"
    if found := _DATABASE.match(text):
        there = ask("SELECT 1 FROM pg_catalog.pg_database WHERE datname = (pg_catalog.parse_ident($1))[1]", found[2])
        return "done" if state == "intent" and bool(there) == (found[1].upper() == "CREATE") else "again"
    if found := _DETACH.match(text):
        rows = ask(
            "SELECT inhdetachpending FROM pg_catalog.pg_inherits WHERE inhparent = pg_catalog.to_regclass($1)"
            " AND inhrelid = pg_catalog.to_regclass($2)",
            found[1],
            found[2],
        )
        if rows and rows[0][0] == "t":
            ask(f"ALTER TABLE {found[1]} DETACH PARTITION {found[2]} FINALIZE")
            return "done"
        return "again" if rows or state == "failed" else "done"
    return "unknown"


def remains(sql: str, ask: Callable[..., list[list[Any]]]) -> str:
    """What a statement that the server refused, outside a transaction, has left; empty: nothing."""
    text = COMMENTS.sub("", sql)
    if _REPEAT.match(text) or _DATABASE.match(text):
        return ""
    if found := _ON_TABLE.match(text):
        of, which = found[1], "i.indrelid = pg_catalog.to_regclass($1)"
    elif found := _DROP_INDEX.match(text):
        named = _INDEX_DROPPED.match(text)
        of, which = named[1] if named else "", "i.indexrelid = pg_catalog.to_regclass(NULLIF($1, ''))"
    elif found := _REINDEX.match(text):
        of, which = found[2], "c.relname ~ '_cc(new|old)[0-9]*$' AND $1::text <> ''"
    elif found := _DETACH.match(text):
        pending = (
            "SELECT 1 FROM pg_catalog.pg_inherits WHERE inhdetachpending AND inhrelid = pg_catalog.to_regclass($1)"
        )
        return f"{found[2]} half detached" if ask(pending, found[2]) else ""
    else:
        return "what cannot be seen"
    rows = ask(
        "SELECT pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c"
        f" ON c.oid = i.indexrelid WHERE NOT i.indisvalid AND c.relkind = 'i' AND {which} ORDER BY 1",
        of,
    )
    return ", ".join(f"index {name}, invalid" for (name,) in rows)


def _index_named(text: str, ask: Callable[..., list[list[Any]]]) -> bool:
    found = _INDEX_DROPPED.match(text)
    return bool(found and ask("SELECT 1 WHERE pg_catalog.to_regclass($1) IS NOT NULL", found[1]))
