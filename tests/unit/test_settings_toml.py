# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Lines of keys in generated TOML; and whatever the text is, settings or one ConfigError come of it."""

from __future__ import annotations

import json
import time
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hgaurora.core.errors import ConfigError
from hgaurora.core.settings import KEYS, Key, read_settings
from hgaurora.core.toml_lines import Path, key_lines, line_of, nesting

TRICKY = '''\
# [not.a.table] = 1
title = "a # no comment [no] = table"        # 2
"quoted . key" = 'literal " \\'               # 3
a . b."c d" = 1979-05-27 07:32:00            # 4
text = """
[no.table]
no = 'key' \\""" "" still text
""""" # five quotes end it; 5
after-text = -1_000.5e-3                     # 9
raw = \'\'\'
x = 1
'' \'\'\'
inline = { x = 1, "y z" = { w = [ 1, 2 ] } } # 13
list = [ # 14
  "one", # 15
  """two
  """, # 16

  { in = 1 }, # 19
]
[t.u] # 21
k = 1 # 22
[[t.many]] # 23
k = 1 # 24
[[t.many]] # 25
k = 2 # 26
[t.many.sub] # 27
k = 3 # 28
[t] # 29
k = 4 # 30
'''
TRICKY_LINES: dict[Path, int] = {
    ("title",): 2, ("quoted . key",): 3, ("a", "b", "c d"): 4, ("text",): 5, ("after-text",): 9, ("raw",): 10,
    ("inline",): 13, ("inline", "y z", "w", 1): 13, ("list",): 14, ("list", 0): 15, ("list", 1): 16,
    ("list", 2): 19, ("list", 2, "in"): 19, ("t", "u"): 21, ("t", "u", "k"): 22, ("t", "many", 0): 23,
    ("t", "many", 0, "k"): 24, ("t", "many", 1): 25, ("t", "many", 1, "k"): 26, ("t", "many", 1, "sub", "k"): 28,
    ("t",): 29, ("t", "k"): 30,
}  # fmt: skip


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_tricky(ending: str) -> None:
    text = TRICKY.replace("\n", ending)
    lines = key_lines(text)
    assert {path: lines.get(path) for path in TRICKY_LINES} == TRICKY_LINES
    assert set(lines) == paths(tomllib.loads(text))


def paths(value: Any, base: Path = ()) -> set[Path]:
    """Every path of a parsed document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found: set[Path] = {base} if base else set()
    for name, one in inner:
        found |= paths(one, (*base, name))
    return found


def test_line_of_what_is_not_there() -> None:
    lines = key_lines("\n[a]\nb = 1\n")
    assert [line_of(lines, path) for path in [("a", "x", "y"), ("x",), ("a", "b", 3)]] == [2, 1, 3]


NAMES = st.text("ab-_9", min_size=1, max_size=4) | st.text("ab .#[]{}=,'\\\n\té", max_size=4)
NOISE = st.text("ab =[]{}#,.'\\\n", max_size=12)


def written_key(name: str) -> str:
    bare = name and set(name) <= set("ab-_9")
    return name if bare else json.dumps(name, ensure_ascii=False)


@st.composite
def scalars(draw: st.DrawFn) -> str:
    noise = draw(NOISE)
    return draw(
        st.sampled_from(
            [
                "1", "-1.5e3", "true", "07:32:00.5", "1979-05-27T07:32:00Z", "inf", "0xff",
                json.dumps(noise), '"""' + noise.replace("\\", "\\\\") + '"""', "'''" + noise.replace("'", "") + "'''",
                "'" + noise.replace("'", "").replace("\n", "") + "'", '"""x""  \\""""""',
            ]
        )
    )  # fmt: skip


BLANKS = st.sampled_from(["", "\n", " # [x]\n", "\n\n", "  "])


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[Path, int]]:
    """TOML text, written part by part, and where each key of it was written."""
    text: list[str] = []
    lines: dict[Path, int] = {}

    def here() -> int:
        return "".join(text).count("\n") + 1

    def value(path: Path, depth: int) -> None:
        shape = draw(st.sampled_from(["scalar", "scalar", "list", "inline"])) if depth else "scalar"
        if shape == "list":
            text.append("[")
            for index in range(draw(st.integers(0, 3))):
                text.append(draw(BLANKS))
                lines[(*path, index)] = here()
                value((*path, index), depth - 1)
                text.append(draw(BLANKS) + ",")
            text.append(draw(BLANKS) + "]")
        elif shape == "inline":
            text.append("{ ")
            for index, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
                text.append((", " if index else "") + written_key(name) + " = ")
                lines[(*path, name)] = here()
                value((*path, name), 0)
            text.append(" }")
        else:
            text.append(draw(scalars()))

    def pairs(base: Path) -> None:
        for name in draw(st.lists(NAMES, max_size=3, unique=True)):
            text.append(draw(st.sampled_from(["", "\n", "# x = 1\n"])))
            dotted = draw(st.lists(NAMES, max_size=2))
            path = (*base, name, *dotted)
            for end in range(len(base) + 1, len(path) + 1):
                lines[path[:end]] = here()
            text.append(" . ".join(written_key(part) for part in (name, *dotted)) + " = ")
            value(path, 2)
            text.append(draw(st.sampled_from(["\n", " # [y]\n", "\r\n"])))

    pairs(())
    for index, name in enumerate(draw(st.lists(NAMES, max_size=3, unique=True))):
        path: Path = (f"table{index}", name)
        lines[path[:1]] = lines[path] = here()
        text.append(f"[table{index} . {written_key(name)}] # z\n")
        pairs(path)
    for index in range(draw(st.integers(0, 2))):
        lines.setdefault(("many",), here())
        lines[("many", index)] = here()
        text.append("[[many]]\n")
        pairs(("many", index))
    return "".join(text), lines


@given(documents())
@settings(max_examples=300, deadline=None)
def test_generated(document: tuple[str, dict[Path, int]]) -> None:
    text, lines = document
    assert paths(tomllib.loads(text)) == set(lines)
    assert key_lines(text) == lines
    assert nesting(text, 32) is None


PIECES = st.sampled_from(
    [
        "[project]\n", "[environments.a]\n", "[environments.", "]\n", "=", '"', "'", '"""', "'''", "\n", " ", "#", ".",
        "[", "[[", "]]", "{", "}", ",", "\\", "environments", "1979-01-01", "9" * 4301, "1", "true", "\x00", "\u202e",
        "\ud800", "é", "\r", "postgresql://", "local", "@", ":", "%zz", "inf", *(key.name for key in KEYS),
        *(f"{key.name} = {key.example}\n" for key in KEYS),
    ]
)  # fmt: skip


def problem(text: str) -> ConfigError | None:
    """The error that settings give, or None; any other exception is a failure."""
    try:
        read_settings(text)
    except ConfigError as error:
        return error
    return None


@given(st.lists(PIECES, max_size=25).map("".join) | st.text(max_size=60))
@settings(max_examples=400, deadline=None)
def test_any_text(text: str) -> None:
    error = problem(text)
    if error is not None:
        line = error.data["line"]
        assert isinstance(line, int)
        assert 1 <= line <= text.count("\n") + 1
        assert error.message.startswith(f"hgaurora.toml:{line}: ")
        assert error.message.isprintable()
        assert len(error.message) < 600


@given(st.sampled_from(KEYS), st.text(max_size=30) | st.integers() | st.booleans() | st.lists(st.text(max_size=8)))
@settings(max_examples=400, deadline=None)
def test_any_value(key: Key, value: object) -> None:
    section = "project" if key.section == "project" else "environments.a"
    error = problem(f"[environments.b]\ntarget = 'local'\n[{section}]\n{key.name} = {json.dumps(value)}\n")
    if error is not None:
        assert error.data["line"] in (3, 4)  # 3: the environment's other keys are missing
        assert error.message.isprintable()


@pytest.mark.parametrize(
    "text",
    [
        '"""\\' * 60_000, "'''" * 80_000, '"\\' * 120_000, "[" * 250_000, "{a=" * 80_000, "a." * 120_000,
        "\n".join(f"[a{n}]" for n in range(20_000)), "[[a]]\n" * 40_000, "x = [" + "1," * 120_000 + "]",
        "environments.a.url = 'postgresql://" + "@" * 250_000 + "'", "\\" * 250_000, "#\n" * 120_000,
        "[environments.a]\nafter = [" + ",".join(f"'a{n}'" for n in range(20_000)) + "]",
        "\n".join(f"[environments.a{n}]\ntarget='local'\nafter=['a{n + 1}']" for n in range(4000)),
    ],
    ids=range(14),
)  # fmt: skip
def test_time_is_linear(text: str) -> None:
    begin = time.process_time()
    with pytest.raises(ConfigError):
        read_settings(text)
    assert time.process_time() - begin < 5  # quadratic work on such texts takes minutes


def test_a_name_of_thousands_of_characters_is_cut() -> None:
    error = problem("environments" + "9" * 4300 + ' = "x"')
    assert error is not None
    assert len(error.message) < 600
