# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Does the database agree with its own ledger: asked before anything is planned."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .errors import StateError
from .model import State

_NOTHING = "this run changed nothing"


def check_state(state: State, version_table: str, environment: str | None = None, *, quote: str = '"') -> None:
    """Stop where version table and ledger disagree, where the ledger is not this environment's, and on a reader.

    :param version_table: with its schema (on MySQL its database), such as ``public.alembic_version``.
    :param environment: the name that the ledger has to have; None: any.
    :param quote: the engine's quotation mark for names, for the hint.
    :raises StateError: the hint holds the SQL that sets the version table back.
    """
    name = environment or state.environment or "this database"
    if state.reader:
        raise StateError(
            f"the server of {name} takes no writes: it is a reader, and may be behind its writer",
            state=_NOTHING,
            hint="name the writer endpoint; after a failover try again",
            data={"reader": True},
        )
    if state.ledger is None:
        if state.versions:
            raise StateError(
                f"{name}: {version_table} says {_said(state.versions)}, and there is no ledger:"
                " hgaurora did not deploy what is there",
                state=_NOTHING,
                hint=f"hgaurora adopt {name} takes it over as it is",
                data={"versions": list(state.versions), "ledger": None},
            )
        return
    if environment is not None and state.environment is not None and state.environment != environment:
        raise StateError(
            f"the database of {environment} holds the ledger of {state.environment}",
            state=_NOTHING,
            hint=f"give {environment} a database of its own in hgaurora.toml",
            data={"environment": environment, "ledger": state.environment},
        )
    if sorted(state.versions or ()) != sorted(state.recorded):
        by = f" ({state.last.id})" if state.last is not None else ""
        found = "is not there" if state.versions is None else f"says {_said(state.versions)}"
        raise StateError(
            f"{name}: {version_table} {found}, the ledger says {_said(state.recorded)}{by}",
            state=f"somebody edited the table, or ran migrations without hgaurora (hgaurora drift {name} shows whether "
            f"the schema was changed; hgaurora adopt {name} takes it as it is); {_NOTHING}",
            hint=f"only where the schema is that of {_said(state.recorded)}, set it back: "
            + " ".join(_set_back(version_table, state.versions, state.recorded, quote)),
            data={"versions": list(state.versions or ()), "recorded": list(state.recorded), "table": version_table},
        )


def _said(versions: Sequence[str]) -> str:
    return ", ".join(sorted(versions)) or "no revision"


def _set_back(table: str, found: Sequence[str] | None, wanted: Sequence[str], quote: str) -> list[str]:
    """The statements, each ended by a semicolon, that make the version table what the ledger recorded."""
    name = ".".join(_identifier(part, quote) for part in table.split("."))
    if found is None:
        create = f"CREATE TABLE {name} (version_num varchar(32) NOT NULL"
        primary = f"CONSTRAINT {_identifier(table.rpartition('.')[2] + '_pkc', quote)} PRIMARY KEY (version_num))"
        return [f"{create}, {primary};", *_inserts(name, wanted)]
    extra, missing = sorted(set(found) - set(wanted)), sorted(set(wanted) - set(found))
    if len(extra) == len(missing) == 1 and len(found) == len(wanted):
        new, old = _literal(missing[0]), _literal(extra[0])
        return [f"UPDATE {name} SET version_num = {new} WHERE version_num = {old};"]
    if len(set(found)) != len(found):  # the same row twice: no one of them can be named
        return [f"DELETE FROM {name};", *_inserts(name, wanted)]
    deletes = [f"DELETE FROM {name} WHERE version_num IN ({', '.join(map(_literal, extra))});"] if extra else []
    return deletes + _inserts(name, missing)


def _inserts(name: str, versions: Sequence[str]) -> list[str]:
    rows = ", ".join(f"({_literal(version)})" for version in sorted(versions))
    return [f"INSERT INTO {name} (version_num) VALUES {rows};"] if rows else []


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(text: str, quote: str) -> str:
    return text if re.fullmatch(r"[a-z_][a-z0-9_]*", text) else quote + text.replace(quote, quote * 2) + quote
