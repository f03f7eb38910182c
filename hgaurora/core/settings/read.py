# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From the text of ``hgaurora.toml`` to settings, or to one error with file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import ConfigError
from ..toml_lines import Path, key_lines, nesting
from . import rules
from .keys import BY_SECTION, Key
from .model import Environment, ProjectSettings, Settings, config_error, dotted
from .rules import Problem, Where
from .values import MOST, Invalid, check_name, kind, near, shown

#: bytes of UTF-8; a settings file has some hundred lines
LARGEST = 256 * 1024
#: brackets inside brackets, parts of a dotted key
DEEPEST = 32

#: keys that people try to write a secret with
_SECRETS = ("password", "passwd", "token", "access-key", "access_key")


def read_settings(text: str, *, source: str = "hgaurora.toml") -> Settings:
    """Read the settings. Pure; takes linear time and memory, whatever the text.

    :param source: what errors call the file.
    :raises ConfigError: the first problem by line; ``data`` has ``file``, ``line`` and ``key`` (None: no key's).
    """
    document = _document(text, source)
    where = Where(key_lines(text))
    problems: list[Problem] = []
    project, environments = _sections(document, where, problems)
    if problems:
        first = min(problems, key=lambda problem: problem.line)  # min is stable
        raise config_error(source, first.line, first.path, first.message, first.hint)
    return Settings(project=project, environments=environments, source=source, lines=where.lines)


def _document(text: str, source: str) -> dict[str, object]:
    """Parse TOML, within limits.

    :raises ConfigError: it is none, or beyond the limits.
    """

    def wrong(line: int, message: str, hint: str | None = None) -> ConfigError:
        return config_error(source, line, (), message, hint)

    if len(text) > LARGEST or len(text.encode("utf-8", "surrogatepass")) > LARGEST:
        raise wrong(1, f"larger than {LARGEST // 1024} KiB", "settings are small; is it the right file?")
    deep = nesting(text, DEEPEST)
    if deep is not None:
        raise wrong(deep, f"nested more than {DEEPEST} deep")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = re.search(r" \(at (?:line (\d+), column (\d+)|end of document)\)$", message)
        line = int(place[1]) if place and place[1] else text.count("\n") + (not text.endswith("\n"))
        what = message[: place.start()] if place else message
        column = f", at column {place[2]}" if place and place[2] else ""
        hint = "TOML is explained at https://toml.io"
        raise wrong(line, f"not TOML: {shown(what)[1:-1]}{column}", hint) from None
    except (ValueError, RecursionError, OverflowError) as error:
        # Python's limit on digits, and dates such as month 13: tomllib gives no line for either
        raise wrong(_odd_line(text), f"not TOML: {shown(str(error))[1:-1]}") from None


def _odd_line(text: str) -> int:
    """The line of what tomllib could not convert: the first that does not parse on its own for the same reason."""
    for number, line in enumerate(text.split("\n"), 1):
        if re.search(r"[0-9_]{4300}", line):
            return number
    for number, line in enumerate(text.split("\n"), 1):
        try:
            tomllib.loads(line)
        except tomllib.TOMLDecodeError:
            continue
        except ValueError:
            return number
    return 1


def _sections(
    document: Mapping[str, object], where: Where, problems: list[Problem]
) -> tuple[ProjectSettings, dict[str, Environment]]:
    for name in document:
        if name not in BY_SECTION:
            meant = near(name, list(BY_SECTION))
            problems.append(
                where.problem(
                    (name,),
                    "is no section of this file",
                    f"the section is [{meant}]" if meant else "sections are [project] and [environments.NAME]",
                )
            )
    before = len(problems)
    project_values = _table(document.get("project", {}), ("project",), where, problems)
    project = None if len(problems) > before or project_values is None else _project(project_values)

    tables = document.get("environments", {})
    if not isinstance(tables, dict):
        path: Path = ("environments",)
        problems.append(where.problem(path, f"must be tables, not a {kind(tables)}", "write [environments.NAME]"))
        tables = {}
    elif not tables and "environments" not in [one.path[0] for one in problems]:
        near_miss = any(near(name, ["environments"]) for name in document if name not in BY_SECTION)
        if not near_miss:  # the misspelt section is the problem
            problems.append(
                Problem(
                    path=("environments",),
                    message="no environment is named",
                    line=where.line(("environments",)),
                    hint='add [environments.dev] with target = "local"',
                )
            )
    if len(tables) > MOST:
        last = list(tables)[MOST]
        problems.append(where.problem(("environments", last), f"is one too many: at most {MOST} are allowed"))
        tables = {}
    problems += _name_problems(tables, where)

    environments: dict[str, Environment] = {}
    after: dict[str, tuple[str, ...]] = {}
    for name, table in tables.items():
        before = len(problems)
        values = _table(table, ("environments", name), where, problems)
        if len(problems) == before and values is not None:
            problems += rules.kinds(values, name, where)
        if len(problems) == before and values is not None:
            environment = _environment(name, values)
            environments[name] = environment
            problems += rules.within(environment, project, where)
        if values and "after" in values:
            after[name] = values["after"]
    problems += rules.shared(environments, where)
    problems += rules.order(after, list(tables), where)
    return project or ProjectSettings(), environments


def _name_problems(tables: Mapping[str, object], where: Where) -> Iterator[Problem]:
    for name in tables:
        try:
            check_name(name)
        except Invalid as error:
            yield where.problem(("environments", name), error.message, error.hint)


def _table(table: object, path: Path, where: Where, problems: list[Problem]) -> dict[str, Any] | None:
    """Every value of one table, read; what is wrong goes to ``problems``. None where it is no table."""
    if not isinstance(table, dict):
        wanted = ".".join("NAME" if n else str(part) for n, part in enumerate(path))
        problems.append(where.problem(path, f"must be a table, not a {kind(table)}", f"write it as [{wanted}]"))
        return None
    known = BY_SECTION[str(path[0])]
    values: dict[str, Any] = {}
    for name, value in table.items():
        key = known.get(name)
        if key is None:
            problems.append(_unknown(path, name, known, where))
            continue
        try:
            values[name] = _value(key, value)
        except Invalid as error:
            problems.append(where.problem((*path, name, *error.inside), error.message, error.hint))
    return values


def _value(key: Key, value: object) -> object:
    # bool is a subclass of int, and true is no number
    if not isinstance(value, key.toml) or (isinstance(value, bool) and key.toml is not bool):
        article = "" if kind(value) in ("text", "true or false") else "a "
        raise Invalid(f"must be {key.wanted}, not {article}{kind(value)}", f"such as {key.name} = {key.example}")
    return key.read(value)


def _unknown(path: Path, name: str, known: Mapping[str, Key], where: Where) -> Problem:
    meant = near(name, list(known))
    section = str(path[0])
    other = "environments" if section == "project" else "project"
    if name.lower() in _SECRETS:
        hint = "secrets never stand in this file: leave it out"
    elif name in BY_SECTION[other]:
        hint = f"it belongs to {'[environments.NAME]' if other == 'environments' else '[project]'}"
    elif meant:
        hint = f'the key is "{meant}"'
    else:
        hint = f"keys are {', '.join(known)}"
    return Problem(
        path=(*path, name),
        message=f"{dotted(path)} has no key {shown(name)}",
        hint=hint,
        line=where.line((*path, name)),
    )


def _project(values: Mapping[str, Any]) -> ProjectSettings:
    return ProjectSettings(**_fields("project", values))


def _environment(name: str, values: Mapping[str, Any]) -> Environment:
    fields = _fields("environments", values)
    if fields["protected"] is None:
        fields["protected"] = fields["cluster"] is not None or fields["cluster_from"] is not None
    return Environment(name=name, **fields)


def _fields(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {key.field: values.get(name, key.default) for name, key in BY_SECTION[section].items()}
