# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Readers of single values: each takes what :mod:`tomllib` gave and returns what the settings hold.

A reader is made with its limits and raises :class:`Invalid` for a value outside them. The message goes on after the
key's name (``is 0, must be 1 to 100``); what may hold a password is never repeated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import parse_qsl, unquote, urlsplit

from ..errors import ConfigError
from ..redact import printable
from ..window import Window, WindowError, parse_window

Reader = Callable[[object], object]

#: characters of one text value
LONGEST = 4096
#: items of one list, and environments of one file: far beyond any use, and rules may compare them all
MOST = 100


class Invalid(ValueError):
    """A value that can not be. ``inside`` is the place below the key, where it is an item's."""

    def __init__(self, message: str, hint: str | None = None, inside: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.inside = inside


def shown(value: object) -> str:
    """A value or name in a message: quoted as in TOML, on one line, not too long."""
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str | bool | int) else f"a {kind(value)}"
    # a space that is none, and what else cannot be seen, is written out: it is what is wrong
    text = "".join(
        char if char.isprintable() else char.encode("ascii", "backslashreplace").decode()
        for char in printable(text, keep="")
    )
    return text if len(text) <= 60 else text[:56] + "..." + text[-1]


def kind(value: object) -> str:
    """The TOML type of a value, in words."""
    if isinstance(value, bool):
        return "true or false"
    for python, words in (
        (str, "text"),
        (int, "whole number"),
        (float, "number"),
        (list, "list"),
        (dict, "table"),
    ):
        if isinstance(value, python):
            return words
    return "date or time"


def near(name: str, known: Sequence[str]) -> str | None:
    """The known name that was probably meant."""
    import difflib  # only where something is wrong

    found = difflib.get_close_matches(name[:100], known, 1)
    return found[0] if found else None


def flag(value: object) -> bool:
    """``true`` or ``false``; the type is already known."""
    return bool(value)


def text(pattern: str | None = None, wanted: str = "") -> Reader:
    """One line of text, not empty; ``wanted`` says in words what the pattern allows."""

    def read(value: object) -> str:
        found = str(value)
        if not found.strip():
            raise Invalid("is empty", f"it is {wanted}" if wanted else "give it a value, or remove the line")
        if not found.isprintable():
            raise Invalid("holds characters that can not be seen", "write it as plain text on one line")
        if len(found) > LONGEST:
            raise Invalid(f"is {len(found)} characters long, at most {LONGEST} are allowed")
        if pattern is not None and not re.fullmatch(pattern, found, re.ASCII):
            raise Invalid(f"is {shown(found)}, must be {wanted}")
        return found

    return read


def choice(*words: str) -> Reader:
    """One of some words."""

    def read(value: object) -> str:
        if value in words:
            return str(value)
        meant = near(str(value), words)
        raise Invalid(f"is {shown(value)}, must be {' or '.join(words)}", f'the value is "{meant}"' if meant else None)

    return read


def whole(low: int, high: int) -> Reader:
    """A whole number within limits, both included."""

    def read(value: object) -> int:
        if isinstance(value, int) and low <= value <= high:
            return value
        raise Invalid(f"is {shown(value)}, must be {low} to {high}")

    return read


def one_of(*numbers: int) -> Reader:
    """One of some whole numbers, ascending."""

    def read(value: object) -> int:
        if isinstance(value, int) and value in numbers:
            return value
        near = min(numbers, key=lambda one: abs(one - value)) if isinstance(value, int) else numbers[0]
        raise Invalid(f"is {shown(value)}, must be one of {', '.join(map(str, numbers))}", f"the nearest is {near}")

    return read


_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,9}}){unit})?" for unit in _UNITS))


def seconds(text: str) -> float:
    """Read ``2h``, ``1h30m``, ``500ms``; units from the largest to the smallest.

    :raises Invalid: it is no duration.
    """
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        raise Invalid(f"is {shown(text)}, which is no duration", "write it with units d, h, m, s, ms, such as 1h30m")
    return sum(float(count) * unit for count, unit in zip(match.groups(), _UNITS.values(), strict=True) if count)


def duration(low: str, high: str) -> Reader:
    """A duration within limits, both included; seconds."""

    def read(value: object) -> float:
        found = seconds(str(value))
        if seconds(low) <= found <= seconds(high):
            return found
        raise Invalid(f"is {shown(value)}, must be {low} to {high}")

    return read


def items(reader: Reader, *, least: int = 0) -> Reader:
    """A list of texts, without doubles; a tuple."""

    def read(value: object) -> tuple[object, ...]:
        found: list[object] = []
        given = value if isinstance(value, list) else []
        if len(given) > MOST:
            raise Invalid(f"has {len(given)} items, at most {MOST} are allowed", inside=(MOST,))
        for index, item in enumerate(given):
            if not isinstance(item, str):
                raise Invalid(f"must hold texts, not a {kind(item)}", inside=(index,))
            try:
                one = reader(item)
            except Invalid as error:
                raise Invalid(f"has an item that {error.message}", error.hint, (index, *error.inside)) from None
            if one in found:
                raise Invalid(f"names {shown(one)} twice", inside=(index,))
            found.append(one)
        if len(found) < least:
            raise Invalid("is an empty list", "name at least one, or remove the line")
        return tuple(found)

    return read


def texts(value: object) -> Mapping[str, str]:
    """A table of texts."""
    found: dict[str, str] = {}
    for name, one in value.items() if isinstance(value, dict) else ():
        if not isinstance(one, str):
            raise Invalid(f"must hold texts, not a {kind(one)}", f'write {shown(name)} = "..."', (name,))
        if re.search(r"://[^/\s]*:[^/\s]*@", one):
            raise Invalid(
                "has a password in it, and secrets do not stand in this file",
                "write {url} where the connection goes",
                (name,),
            )
        found[name] = one
    return found


def copied(value: object) -> Mapping[str, str]:
    """Where snapshots are copied to: ``region``, or ``account`` with ``role``; and ``key``."""
    found = texts(value)
    if unknown := sorted(set(found) - {"region", "account", "role", "key"}):
        raise Invalid(f"has {shown(unknown[0])}, which is nothing of a copy", "it has region, account, role and key")
    if "region" in found and not re.fullmatch(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}", found["region"]):
        raise Invalid(f"names {shown(found['region'])}, which is no region", "such as eu-central-1")
    if "account" in found and not re.fullmatch(r"\d{12}", found["account"]):
        raise Invalid(f"names {shown(found['account'])}, which is no account", "12 digits, in quotes")
    if ("account" in found) != ("role" in found):
        raise Invalid(
            "needs account and role together", "role is the ARN of a role of that account, which makes the copy there"
        )
    if ("region" in found) == ("account" in found):
        raise Invalid(
            "must name either a region or an account",
            "RDS copies a snapshot to another region or to another account, not to both at once",
        )
    return found


def folder(value: object) -> str:
    """A path in the repository, or ``.`` for the whole of it."""
    return "." if value == "." else path(value)


def path(value: object) -> str:
    """A path in the repository: relative, with slashes, without ``..``, as Mercurial stores it."""
    found = str(text()(value))
    parts = found.split("/")
    if found.startswith("/") or "\\" in found or ".." in parts or re.match("[A-Za-z]:", found):
        raise Invalid(f"is {shown(found)}, must be a path inside it with /, without ..", "such as db/migrations")
    if any(part in ("", ".") or part.casefold() == ".hg" for part in parts):
        raise Invalid(f"is {shown(found)}, which is no plain path", "such as db/migrations")
    return found


def regex(value: object) -> str:
    """A regular expression that some text does not match."""
    found = str(text()(value))
    try:
        matches_all = re.compile(found).search("") is not None
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(
            f"is no regular expression: {printable(str(error), keep='')}", r"such as '\bOPS-\d+\b', in single quotes"
        ) from None
    if matches_all:
        raise Invalid("matches the empty text, so it would be found anywhere", r"such as '\bOPS-\d+\b'")
    return found


def ignored(value: object) -> str:
    """A pattern of what is no drift, as :mod:`hgaurora.core.schema.ignore` reads it."""
    # most commands read settings without ever comparing schemas
    from ..schema.ignore import read

    found = str(text()(value))
    try:
        read(found)
    except ConfigError as error:
        why = error.message.partition("is no pattern: ")[2]
        raise Invalid(f"is no pattern, {shown(found)}: {why}", error.hint) from None
    return found


def cluster_from(value: object) -> object:
    """One tool with a file or name, and what stands beside it: a :class:`hgaurora.core.cluster_from.Source`."""
    # most settings have none
    from ..cluster_from import NEEDED, WORDS, Source

    table = texts(value)
    tools = [name for name in table if name in WORDS]
    usual = 'such as { terraform = "infra/outputs.json", output = "cluster_arn" }'
    for name in table:
        if name not in WORDS and name not in {word for words in WORDS.values() for word in words}:
            meant = near(name, [*WORDS, *{word for words in WORDS.values() for word in words}])
            raise Invalid("is no key of it", f'the key is "{meant}"' if meant else usual, (name,))
    if len(tools) != 1:
        said = f"names {' and '.join(tools)}" if tools else "names no tool"
        raise Invalid(f"{said}, must name one of {', '.join(WORDS)}", usual)
    (tool,) = tools
    words = {name: str(text()(one)) for name, one in table.items() if name != tool}
    for name in words:
        if name not in WORDS[tool]:
            takes = f"{tool} takes {' and '.join(WORDS[tool]) or 'nothing beside it'}"
            raise Invalid(f"does not go with {tool}", takes, (name,))
    if "output" in words and "resource" in words:
        raise Invalid("does not go with output", "keep one of the two", ("resource",))
    if tool in NEEDED and NEEDED[tool] not in words:
        raise Invalid(f"has no {NEEDED[tool]}, which {tool} needs", f'add {NEEDED[tool]} = "..." to it')
    in_file = not tool.startswith("cloudformation")
    try:
        place = (
            path(table[tool]) if in_file else text(r"[A-Za-z][\w:-]{0,127}", "a name in CloudFormation")(table[tool])
        )
    except Invalid as error:
        raise Invalid(error.message, error.hint, (tool,)) from None
    return Source(tool=tool, place=str(place), **words)


def window(value: object) -> Window:
    """Days, times and a zone."""
    try:
        return parse_window(str(text()(value)))
    except WindowError as error:
        raise Invalid(str(error), error.hint) from None


#: what may stand behind ``?`` in a url, by engine: words that say how to reach the server, none that holds a secret.
#: PostgreSQL's are libpq's
URL_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "postgresql": (
        "sslmode",
        "sslrootcert",
        "sslcert",
        "sslkey",
        "sslcrl",
        "channel_binding",
        "connect_timeout",
        "host",
    ),
    "mysql": ("ssl-mode", "ssl-ca", "ssl-cert", "ssl-key", "connect-timeout", "socket"),
}
#: how much of TLS a MySQL url asks for
SSL_MODES = ("disabled", "required", "verify-ca", "verify-full")
_SCHEMES = {"postgresql": "postgresql", "mysql": "mysql", "mariadb": "mysql"}
_PASSWORDS = {
    "postgresql": "it comes from PGPASSWORD or ~/.pgpass when the tool runs",
    "mysql": "it comes from ~/.my.cnf or MYSQL_PWD when the tool runs",
}


def engine(url: str) -> str:
    """Whose url it is: ``postgresql`` or ``mysql`` (MariaDB too)."""
    return _SCHEMES.get(url.partition(":")[0], "postgresql")


def url(value: object) -> str:
    """``postgresql://[user@]host[:port]/database[?option=value]``, or with ``mysql://`` or ``mariadb://``; without a
    password."""
    found = str(text()(value))
    form = 'such as "postgresql://host/shop" or "mysql://host/shop"'
    try:
        parts = urlsplit(found)
        port, password = parts.port, parts.password
        options = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise Invalid("is no url", form) from None
    scheme = parts.scheme
    if password is not None or "password" in parts.query.lower() or found.count("@") > 1:
        hint = f"leave it out: {_PASSWORDS[engine(found)]}"
        raise Invalid("has a password in it, and secrets do not stand in this file", hint)
    if scheme not in _SCHEMES or not found.startswith(f"{scheme}://"):
        alike = (
            "postgresql" if scheme.startswith("postgres") else "mysql" if scheme.startswith(("mysql", "maria")) else ""
        )
        raise Invalid(
            "does not begin with postgresql://, mysql:// or mariadb://",
            f"write it as {alike}://..." if alike and scheme not in _SCHEMES else form,
        )
    if not unquote(parts.path[1:]) or "/" in parts.path[1:]:
        raise Invalid("must name one database after the host", form)
    if "," in parts.netloc or port == 0 or parts.fragment:
        raise Invalid("must name one host, without a list or a #", form)
    _check_options(options, engine(found))
    if not unquote(found).isprintable():
        raise Invalid("holds characters that can not be seen", form)
    if parts.hostname and {"host", "socket"} & dict(options).keys():
        raise Invalid("names a host before and behind the ?", form)
    return found


def _check_options(options: Sequence[tuple[str, str]], engine: str) -> None:
    allowed = URL_OPTIONS[engine]
    names = [name for name, _ in options]
    for name, one in options:
        if name not in allowed or names.count(name) > 1:
            raise Invalid(
                f"has {'two of' if name in allowed else 'an unknown'} option {shown(name)}",
                f"options are {', '.join(allowed)}",
            )
        if name == "ssl-mode" and one not in SSL_MODES:
            raise Invalid(f"has ssl-mode {shown(one)}, must be {', '.join(SSL_MODES)}")
        if name == "connect-timeout" and not re.fullmatch("[1-9][0-9]{0,3}", one):
            raise Invalid(f"has connect-timeout {shown(one)}, must be 1 to 9999, in seconds")


def url_parameters(found: str) -> dict[str, str]:
    """A url that :func:`url` accepted as keywords: ``host``, ``port``, ``user``, ``dbname`` and its options."""
    parts = urlsplit(found)
    known = {
        "host": unquote(parts.hostname or ""),
        "port": str(parts.port or ""),
        "user": unquote(parts.username or ""),
        "dbname": unquote(parts.path[1:]),
        **dict(parse_qsl(parts.query)),
    }
    return {name: value for name, value in known.items() if value}


#: names of an environment that commands use for something else
RESERVED = ("all", "none", "previous")


def check_name(name: str) -> None:
    """Check an environment's name.

    :raises Invalid: it is none.
    """
    if not re.fullmatch("[a-z][a-z0-9-]{0,31}", name):
        raise Invalid(
            "is no name for an environment", "names are a letter, then letters, digits and -, lower case, at most 32"
        )
    if name in RESERVED:
        raise Invalid("is a word that commands use for something else", f"reserved are {', '.join(RESERVED)}")
    if re.search("-[0-9]+$", name):
        raise Invalid(
            "is no name for an environment: it reads like a deploy, such as prod-42", "write prod2, not prod-2"
        )
