# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Where a key stands in TOML text, which :mod:`tomllib` does not say.

The scanner reads the lexical structure only (https://toml.io/en/v1.0.0): it trusts that :mod:`tomllib` accepted
the text. :func:`nesting` may be asked before that, of any text, in linear time.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

#: a key's place in the document: names of tables and keys, and indices in arrays
Path = tuple[str | int, ...]

# No alternative can fail after a long match (closing quotes are optional), so broken text costs no backtracking.
# Three to five quotes end a multi-line string: up to two of them belong to it.
_TOKEN = re.compile(
    r"""(?P<newline>\n)
    | (?P<skip>[^\S\n]+|\#[^\n]*)
    | (?P<string>\"{3}(?:[^"\\]|\\.|"(?!""))*(?:"{3,5})?
               | '{3}(?:[^']|'(?!''))*(?:'{3,5})?
               | "(?:[^"\\\n]|\\[^\n])*"?
               | '[^'\n]*'?)
    | (?P<mark>[\[\]{},=.])
    | (?P<word>[^\s"'\#\[\]{},=.]+)
    | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line (from 1) of each token, without blanks and comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind != "skip":
            yield kind, match[0], line
        line += match[0].count("\n")


def nesting(text: str, limit: int) -> int | None:
    """The first line where brackets, or the parts of a dotted key, go deeper than ``limit``; None where none does."""
    depth = dots = 0
    for kind, token, line in _tokens(text):
        if kind == "newline" or (kind == "mark" and token != "."):
            dots = 0
        if kind == "mark":
            depth += (token in "[{") - (token in "]}")
            dots += token == "."
        if depth > limit or dots >= limit:
            return line
    return None


@dataclass
class _Scanner:
    """Walks the tokens of one accepted document and notes each path's line."""

    tokens: list[tuple[str, str, int]]
    lines: dict[Path, int]
    tables: dict[Path, int]  # array of tables: path to the number of tables so far
    at: int = 0

    def peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def blank(self) -> None:
        while self.peek() == "\n":
            self.at += 1

    def key(self) -> tuple[tuple[str, ...], int]:
        """A dotted key, up to and without the mark that ends it; and its line."""
        parts: list[str] = []
        line = self.tokens[self.at][2]
        while self.at < len(self.tokens):
            kind, token, _ = self.tokens[self.at]
            if kind == "string":
                parts.append(tomllib.loads(f"k = {token}")["k"])
            elif token != ".":
                if kind != "word":
                    break
                parts.append(token)
            self.at += 1
        return tuple(parts), line

    def note(self, base: Path, parts: tuple[str, ...], line: int) -> Path:
        """Note a dotted key and the tables it implies below ``base``; returns the whole path."""
        path = base
        for part in parts:
            path = (*path, part)
            self.lines.setdefault(path, line)
            if path in self.tables and part is not parts[-1]:
                path = (*path, self.tables[path] - 1)
        return path

    def document(self) -> None:
        base: Path = ()
        while self.at < len(self.tokens):
            if self.peek() == "[":
                base = self.header()
            elif self.peek() == "\n":
                self.at += 1
            else:
                self.pair(base)

    def header(self) -> Path:
        opening = 2 if [t[1] for t in self.tokens[self.at : self.at + 2]] == ["[", "["] else 1
        self.at += opening
        parts, line = self.key()
        self.at += opening
        path = self.note((), parts[:-1], line)
        if path in self.tables:
            path = (*path, self.tables[path] - 1)
        path = (*path, parts[-1])
        if opening == 1:
            self.lines[path] = line  # the table's own header, rather than a header that only implied it
            return path
        self.lines.setdefault(path, line)
        count = self.tables[path] = self.tables.get(path, 0) + 1
        self.lines[(*path, count - 1)] = line
        return (*path, count - 1)

    def pair(self, base: Path) -> None:
        parts, line = self.key()
        self.at += 1  # the equals sign
        self.value(self.note(base, parts, line))

    def value(self, path: Path) -> None:
        if self.peek() == "[":
            self.at += 1
            self.blank()
            index = 0
            while self.peek() not in ("]", ""):
                self.lines[(*path, index)] = self.tokens[self.at][2]
                self.value((*path, index))
                index += 1
                self.separator()
            self.at += 1
        elif self.peek() == "{":
            self.at += 1
            self.blank()
            while self.peek() not in ("}", ""):
                self.pair(path)
                self.separator()
            self.at += 1
        else:  # a scalar: everything to the end of the item; dates and numbers are several words
            while self.at < len(self.tokens) and not (
                self.tokens[self.at][0] in ("mark", "newline") and self.peek() != "."
            ):
                self.at += 1

    def separator(self) -> None:
        self.blank()
        if self.peek() == ",":
            self.at += 1
            self.blank()


def key_lines(text: str) -> dict[Path, int]:
    """Line (from 1) of every table, key and array item of a document that :mod:`tomllib` accepts."""
    scanner = _Scanner(list(_tokens(text)), {}, {})
    scanner.document()
    return scanner.lines


def line_of(lines: Mapping[Path, int], path: Path) -> int:
    """The line of a path, or of the nearest table that would hold it; 1 where even that is not there."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)
