# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One spelling for what MySQL and MariaDB, and their versions, write differently. Pure."""

from __future__ import annotations

import functools
import re

_WIDTH = re.compile(r"\b(tinyint|smallint|mediumint|int|bigint|year)\(\d+\)")
_COMPRESSED = re.compile(r"\s*/\*M?!\d+ COMPRESSED\*/")
_NUMBERS = ("tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "float", "double", "bit", "year")
_MOMENT = re.compile(r"(?:current_timestamp|now|localtimestamp)\s*(?:\((\d*)\))?", re.IGNORECASE)
_INTRODUCER = re.compile(r"""(?<![\w`'"])_utf8mb4(?=')""")
#: a string, a quoted name (with a qualification's dot), or one other character
_TOKEN = re.compile(r"""'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`\.?|[A-Za-z_]\w*|.""", re.DOTALL)
_OPTION = re.compile(r"""([^\s=]+)(?:=('(?:[^']|'')*'|`[^`]*`|"[^"]*"|\S*))?""")
_ESCAPED = {"\\": "\\\\", "'": "''", "\n": "\\n", "\r": "\\r", "\0": "\\0", "\x1a": "\\Z"}
_SPECIAL = re.compile("[\\\\'\n\r\0\x1a]")


@functools.lru_cache(maxsize=4096)
def column_type(text: str) -> tuple[str, bool]:
    """A column's type without a display width that does nothing, and whether MariaDB compresses it.

    A width does nothing without ZEROFILL; ``tinyint(1)`` is kept, as MySQL 8 keeps it, because it is what BOOLEAN is.

    >>> column_type("int(10) unsigned")[0], column_type("tinyint(1)")[0], column_type("year(4)")[0]
    ('int unsigned', 'tinyint(1)', 'year')
    """
    kept = _COMPRESSED.sub("", text)
    if kept != "tinyint(1)" and "zerofill" not in kept:
        # only at the start: an ENUM's labels may say anything
        kept = _WIDTH.sub(r"\1", kept, count=1) if _WIDTH.match(kept) else kept
    if kept == "geomcollection":
        kept = "geometrycollection"
    return kept, kept != text and _COMPRESSED.search(text) is not None


def moment(text: str) -> str:
    """The current time, as a default or an update has it.

    >>> moment("CURRENT_TIMESTAMP"), moment("current_timestamp()"), moment("now(6)")
    ('current_timestamp', 'current_timestamp', 'current_timestamp(6)')
    """
    match = _MOMENT.match(text.strip())
    if not match:
        return text.strip()
    return f"current_timestamp({match[1]})" if match[1] and match[1] != "0" else "current_timestamp"


def default(given: str | None, kind: str, extra: str, mariadb: bool) -> str | None:
    """A column's default as SQL; None where it has none, or NULL.

    MariaDB gives SQL; MySQL gives a literal's bare text, and SQL where ``extra`` says DEFAULT_GENERATED.
    """
    if given is None or (mariadb and given.upper() == "NULL"):
        return None
    if _MOMENT.fullmatch(given) and (
        mariadb or "DEFAULT_GENERATED" in extra or kind.startswith(("timestamp", "datet"))
    ):
        return moment(given)
    if mariadb:
        return given
    if "DEFAULT_GENERATED" in extra:
        return expression(given, mariadb=False)
    if kind.startswith(_NUMBERS) or (kind.startswith(("binary", "varbinary")) and given.startswith("0x")):
        return given
    return "'" + _SPECIAL.sub(lambda match: _ESCAPED[match[0]], given) + "'"


def expression(text: str, mariadb: bool) -> str:
    """An expression without the parentheses around it, and without how MySQL's information_schema escapes it."""
    if not mariadb:
        text = _INTRODUCER.sub("", re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL))
    return bare(text)


def bare(text: str) -> str:
    """Without the parentheses around the whole.

    >>> bare("((`a` > 0))"), bare("(`a`) + (`b`)")
    ('`a` > 0', '(`a`) + (`b`)')
    """
    while text.startswith("(") and text.endswith(")"):
        depth, end, place = 0, -1, 0
        for match in _TOKEN.finditer(text):
            depth += {"(": 1, ")": -1}.get(match[0], 0)
            place = match.start()
            if depth == 0:
                end = place
                break
        if end != len(text) - 1:
            break
        text = text[1:-1]
    return text


def options(given: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """CREATE_OPTIONS by name, lower case, and as kept: sorted, without what has a field of its own.

    >>> options("row_format=COMPRESSED KEY_BLOCK_SIZE=8 partitioned")
    ({'row_format': 'compressed', 'key_block_size': '8', 'partitioned': ''}, ('key_block_size=8',))
    """
    known = {match[1].strip("`").lower(): (match[2] or "") for match in _OPTION.finditer(given)}
    for name, value in known.items():
        known[name] = value if value[:1] in "'\"" and value else value.lower()
    own = ("row_format", "partitioned")
    kept = sorted(f"{name}={value}" if value else name for name, value in known.items() if name not in own)
    return known, tuple(kept)


def without_database(text: str, database: str) -> str:
    """A view's text without the name of the database it is in; strings and other names are left alone.

    >>> without_database("select `shop`.`t`.`a` AS `a`,'`shop`.' AS `b` from `shop`.`t`", "shop")
    "select `t`.`a` AS `a`,'`shop`.' AS `b` from `t`"
    """
    qualifier = "`" + database.replace("`", "``") + "`."
    if qualifier not in text:
        return text
    made: list[str] = []
    for match in _TOKEN.finditer(text):
        # what follows a dot is a table's or a column's name, whatever it is called
        if match[0] != qualifier or (made and made[-1].endswith(".")):
            made.append(match[0])
    return "".join(made)


def view_columns(text: str) -> tuple[str, ...]:
    """The names a view's columns have: both servers write each as ``AS `name```.

    >>> view_columns("with q as (select 1 AS `x`)select `q`.`x` AS `a``b`,(select 2 AS `z`) AS `c` from `q` AS `d`")
    ('a`b', 'c')
    """
    names: list[str] = []
    depth, after_as = 0, False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token.isspace():
            continue
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and token.lower() in ("from", "union", "except", "intersect") and names:
            break
        if depth == 0 and after_as and token.startswith("`"):
            names.append(token[1:-1].replace("``", "`"))
        after_as = token == "AS"
    return tuple(names)
