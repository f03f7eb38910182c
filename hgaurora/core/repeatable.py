# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Repeatable files: ``repeatable/*.sql`` beside the versions, run again whenever their text changes.

They hold what is replaced as a whole: views, functions, triggers, grants. They run after the versioned migrations, in
the order of their paths. A line ``-- down`` divides a file: what follows takes it back. Without that line the way back
is made from the text itself, where every statement of it has one; see :func:`undo`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from .errors import InputError

#: where they lie, in the migrations folder
FOLDER = "repeatable"

_DOWN = re.compile(r"^--[ \t]*down[ \t]*$", re.I | re.M)


@dataclass(frozen=True, kw_only=True)
class Repeatable:
    """One file. ``path`` is relative to the migrations folder; ``raw`` the sha256 (hex) of its bytes."""

    path: str
    raw: str
    content: bytes = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """What screens call it: the file's name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def sql(self) -> str:
        """What runs."""
        return _DOWN.split(self.content.decode(), maxsplit=1)[0]


def read(files: Mapping[str, bytes]) -> dict[str, Repeatable]:
    """The repeatable files among those of a migrations folder, in the order in which they run.

    :raises InputError: a file is not UTF-8, or holds no statement.
    """
    found = {}
    for path in sorted(files):
        if not (path.startswith(f"{FOLDER}/") and path.endswith(".sql")):
            continue
        one = Repeatable(path=path, raw=hashlib.sha256(files[path]).hexdigest(), content=files[path])
        try:
            empty = not any(True for _ in statements(one.sql))
        except UnicodeDecodeError as error:
            line = files[path].count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{path}:{line}: this is not UTF-8", hint="save it as UTF-8", data={"file": path}
            ) from None
        if empty:
            hint = "remove the file, or write what it is to create"
            raise InputError(f"{path} holds no statement", hint=hint, data={"file": path})
        found[path] = one
    return found


_REST = r"""|(?P<semi>;)|(?P<word>\w+)|(?P<other>.)"""
#: PostgreSQL: a backslash escapes in E'' alone, and comments nest (here: once)
_POSTGRESQL = re.compile(
    r"""(?P<comment>--[^\n]*|/\*(?:/\*.*?\*/|.)*?\*/)"""
    r"""|(?P<quoted>\b[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|"(?:[^"]|"")*")"""
    rf"""|(?P<dollar>(?P<tag>\$(?:[^\W\d]\w*)?\$).*?(?P=tag)){_REST}""",
    re.S,
)
#: MySQL: ``#`` begins a comment, and ``--`` only before white space
_MYSQL = re.compile(
    r"""(?P<comment>(?:\#|--(?=\s|\Z))[^\n]*|/\*(?!!).*?\*/)"""
    r"""|(?P<quoted>'(?:[^'\\]|''|\\.)*'|"(?:[^"\\]|""|\\.)*"|`[^`]*`)""" + _REST,
    re.S,
)


def statements(sql: str, engine: str = "postgresql") -> Iterator[str]:
    """Each statement of a text, without comments outside of it and without the semicolon.

    A body between BEGIN and its END counts to its statement, and so does a body in dollar quotes.
    """
    kept: list[str] = []
    depth, words = 0, 0
    creates = False
    for piece in (_MYSQL if engine == "mysql" else _POSTGRESQL).finditer(sql):
        word = (piece["word"] or "").upper()
        if piece["comment"] and not kept:
            continue
        if piece["semi"] and depth == 0:
            if text := "".join(kept).strip():
                yield text
            kept, words, creates = [], 0, False
            continue
        if word:
            creates = creates if words else word == "CREATE"
            words += 1
            if creates and (word == "BEGIN" or (depth and word in ("CASE", "IF", "LOOP", "WHILE", "REPEAT"))):
                depth += not _closes("".join(kept))
            elif creates and depth and word == "END":
                depth -= 1
        if kept or not piece.group().isspace():
            kept.append(piece.group())
    if text := "".join(kept).strip():
        yield text


def _closes(before: str) -> bool:
    """True where the word that comes next only names what an END before it ends: ``END IF``."""
    return bool(re.search(r"\bEND\s+$", before, re.I))


_NAME = r"""((?:"(?:[^"]|"")+"|`[^`]+`|[\w$]+)(?:\s*\.\s*(?:"(?:[^"]|"")+"|`[^`]+`|[\w$]+))*)"""
_DEFINER = r"(?:DEFINER\s*=\s*\S+\s+)?(?:ALGORITHM\s*=\s*\w+\s+)?(?:DEFINER\s*=\s*\S+\s+)?(?:SQL\s+SECURITY\s+\w+\s+)?"


def _dropped(kind: str) -> Callable[[re.Match[str]], str]:
    return lambda found: f"DROP {kind} IF EXISTS {found[1]}"


#: what takes a statement back; None: nothing has to
_UNDO: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str | None]], ...] = tuple(
    (re.compile(pattern, re.I | re.S), undo)
    for pattern, undo in (
        (rf"CREATE\s+MATERIALIZED\s+VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}", _dropped("MATERIALIZED VIEW")),
        (
            rf"CREATE\s+(?:OR\s+REPLACE\s+)?{_DEFINER}(?:RECURSIVE\s+)?VIEW\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}",
            _dropped("VIEW"),
        ),
        (
            rf"CREATE\s+(?:OR\s+REPLACE\s+)?{_DEFINER}(FUNCTION|PROCEDURE)\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}",
            lambda found: f"DROP {found[1].upper()} IF EXISTS {found[2]}",
        ),
        (
            rf"CREATE\s+(?:OR\s+REPLACE\s+)?{_DEFINER}(?:CONSTRAINT\s+)?TRIGGER\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}\s.*?"
            rf"\bON\s+{_NAME}\s+FOR\s+EACH\s+ROW\s+(?!EXECUTE)",
            lambda found: f"DROP TRIGGER IF EXISTS {found[1]}",
        ),
        (
            rf"CREATE\s+(?:OR\s+REPLACE\s+)?(?:CONSTRAINT\s+)?TRIGGER\s+{_NAME}\s.*?\bON\s+{_NAME}",
            lambda found: f"DROP TRIGGER IF EXISTS {found[1]} ON {found[2]}",
        ),
        (
            r"GRANT\s+(.+?)\s+TO\s+(.+?)(?:\s+WITH\s+GRANT\s+OPTION)?\Z",
            lambda found: f"REVOKE {found[1]} FROM {found[2]}",
        ),
        (r"(?:DROP|REVOKE|COMMENT)\s.*", lambda found: None),
    )
)


def _signature(rest: str) -> str:
    """The arguments that stand in front of a text, in parentheses and without their defaults."""
    kept: list[str] = []
    depth, default = 0, False
    for piece in _POSTGRESQL.finditer(rest):
        text = piece.group()
        if depth == 0 and text != "(":
            if text.isspace():
                continue
            return ""
        depth += {"(": 1, ")": -1}.get(text, 0)
        if depth == 0:
            return "".join(kept).strip() + ")"
        default = depth > 1 and default if text == "," else default or text.upper() in {"DEFAULT", "="}
        if not default and not piece["comment"]:
            kept.append(text)
    return ""


#: what was there before a file, by kind and path, and the statement that makes it again; None: none is known; empty:
#: another file does
Stood = Mapping[tuple[str, tuple[str, ...]], str | None]

_DROP = re.compile(
    r"DROP (VIEW|MATERIALIZED VIEW|FUNCTION|PROCEDURE|TRIGGER) IF EXISTS ([^(]+?)(?: ON (.+))?(?:\(|\Z)", re.S
)
_PART = re.compile(r"""\s*\.?\s*(?:"((?:[^"]|"")+)"|`([^`]+)`|([\w$]+))""")


def creates(content: bytes, engine: str, schema: str) -> list[tuple[str, tuple[str, ...]]]:
    """Kind and path of each view, routine and trigger that a file takes back by a drop: a routine's without its
    arguments, a trigger's on MySQL without its table.

    :param schema: where names without one go, on PostgreSQL.
    """
    if _DOWN.search(content.decode()):
        return []
    return [found for one in undo(content, engine) or () if (found := _dropped_by(one, engine, schema))]


def _dropped_by(statement: str, engine: str, schema: str) -> tuple[str, tuple[str, ...]] | None:
    if not (match := _DROP.match(statement)):
        return None
    folded = engine == "postgresql"
    parts = _parts(match[3], folded) if match[3] else []
    parts += _parts(match[2], folded)
    if folded and len(parts) == 1 + bool(match[3]):
        parts.insert(0, schema)
    return match[1].lower(), tuple(parts)


def _parts(name: str, folded: bool) -> list[str]:
    """A name without its quotes, in the server's letters."""
    return [
        (quoted or marked).replace('""', '"') or (word.lower() if folded else word)
        for quoted, marked, word in _PART.findall(name)
    ]


def undo_to(
    content: bytes, stood: Stood, *, engine: str = "postgresql", schema: str = "public"
) -> tuple[str, ...] | None:
    """As :func:`undo`, but what was there before the file is made again, not dropped; None where nothing says how."""
    back: list[str] = []
    found = undo(content, engine)
    if found is None or _DOWN.search(content.decode()):
        return found
    for one in found:
        dropped = _dropped_by(one, engine, schema)
        text = stood.get(dropped, one) if dropped else one
        if text is None:
            return None
        if text:
            back.append(text)
    return tuple(back)


def undo(content: bytes, engine: str = "postgresql") -> tuple[str, ...] | None:
    """The statements that take a file back; None where neither it nor its text says how.

    What follows ``-- down``, else for each statement, last first: the drop of what it creates, the revoke of what it
    grants. ``DROP ... IF EXISTS`` in front of a ``CREATE``, revokes and comments need nothing.
    """
    up, *down = _DOWN.split(content.decode(), maxsplit=1)
    if down:
        return tuple(statements(down[0], engine))
    back: list[str] = []
    for statement in statements(up, engine):
        match = next(((pattern.match(statement), make) for pattern, make in _UNDO if pattern.match(statement)), None)
        if match is None or match[0] is None:
            return None
        text = match[1](match[0])
        if text is not None and engine == "postgresql" and text.startswith(("DROP FUNCTION", "DROP PROCEDURE")):
            # another one may have the same name
            text += _signature(statement[match[0].end() :])
        if text is not None:
            back.append(text)
    return tuple(reversed(back))
