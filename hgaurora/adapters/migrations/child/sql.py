# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading SQL, as far as it is needed to see where a transaction would end, and what belongs to the session alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

#: cheap look: nearly every statement of a migration passes here
_SUSPECT = re.compile(
    r"\b(?:commit|rollback|begin|end|abort|start\s+transaction|prepare\s+transaction|discard|deallocate)\b", re.I
)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|--[^\n]*|"(?:[^"]|"")*"|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')"""
    r"""|(?P<block>/\*)|(?P<dollar>\$(?:[^\W\d]\w*)?\$)|(?P<word>[^\W\d][\w$]*)|(?P<semi>;)|(?P<other>.)""",
    re.S,
)
_BLOCK = re.compile(r"/\*|\*/")


def statements(sql: str) -> Iterator[list[str]]:
    """The words of each statement of a string, upper case, outside quotes and comments."""
    return (words for words, _ in pieces(sql))


def pieces(sql: str) -> Iterator[tuple[list[str], str]]:
    """Each statement of a string: its words, upper case, outside quotes and comments, and its text.

    A body in ``BEGIN ATOMIC`` counts to its CREATE (PostgreSQL manual, 4.1 and CREATE FUNCTION).
    """
    words: list[str] = []
    depth, at, start = 0, 0, 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        assert found is not None
        at = found.end()
        if found["block"]:
            nested = 1
            while nested and (mark := _BLOCK.search(sql, at)):
                nested += 1 if mark.group() == "/*" else -1
                at = mark.end()
            if nested:
                at = len(sql)
        elif found["dollar"]:
            end = sql.find(found["dollar"], at)
            at = len(sql) if end < 0 else end + len(found["dollar"])
        elif found["word"]:
            word = found["word"].upper()
            if words[:1] == ["CREATE"] and (word == "BEGIN" or (depth and word == "CASE")):
                depth += 1
            elif depth and word == "END":
                depth -= 1
            words.append(word)
        elif found["semi"] and not depth:
            if words:
                yield words, sql[start : at - 1]
            words, start = [], at
    if words:
        yield words, sql[start:]


def control(sql: str) -> str | None:
    """The first transaction control in a statement string that would end our transaction or session state, or None."""
    if not _SUSPECT.search(sql):
        return None
    for words in statements(sql):
        first, second = words[0], words[1] if len(words) > 1 else ""
        if first in ("COMMIT", "BEGIN", "END", "ABORT", "DISCARD"):
            return f"{first} {second}".strip()
        if first == "ROLLBACK" and "TO" not in words[1:3]:
            return "ROLLBACK"
        if (first, second) in (("START", "TRANSACTION"), ("PREPARE", "TRANSACTION"), ("DEALLOCATE", "ALL")):
            return f"{first} {second}"
        if first == "DEALLOCATE" and words[1:3] == ["PREPARE", "ALL"]:
            return "DEALLOCATE ALL"
    return None


#: cheap looks again: a setting, a temporary table
SETTING = re.compile(r"\b(?:show|set|reset|set_config)\b", re.I)
TEMPORARY = re.compile(r"\btemp(?:orary)?\b", re.I)
#: a call of set_config with nothing but literals, as pg_dump writes it
_SET_CONFIG = re.compile(r"\s*SELECT\s+(?:pg_catalog\s*\.\s*)?set_config\s*\((?:[^()']|'(?:[^']|'')*')*\)\s*", re.I)


COMMENTS = re.compile(r"\A(?:\s+|--[^\n]*\n|/\*.*?\*/)*", re.S)


def session(words: list[str], text: str) -> bool:
    """True for a statement that only changes or shows the session's settings: it is sent each time, never journaled."""
    return words[0] in ("SHOW", "SET", "RESET") or bool(_SET_CONFIG.fullmatch(COMMENTS.sub("", text, count=1)))


def temporary(words: list[str]) -> bool:
    """True for a statement that makes something which ends with the session."""
    into = words.index("INTO") + 1 if "INTO" in words else len(words)
    return not {"TEMP", "TEMPORARY"}.isdisjoint(words[1:3] + words[into : into + 2])


#: words that begin statements which read or change rows. Not DO and CALL: what they do cannot be seen
_DATA = frozenset(
    {"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "WITH", "VALUES", "TABLE", "REPLACE", "LOAD"}
)


def data(sql: str) -> bool:
    """True for a string in which each statement reads or changes rows: its limit is that for backfills."""
    return all(words[0] in _DATA for words in statements(sql))
