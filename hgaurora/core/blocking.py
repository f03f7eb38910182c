# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Who stands in a migration's way, as values and as words. What the server does not tell is said to be not known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .render import WIDTH, count, cut, duration, stand

#: a transaction this old, in seconds, is named before the first migration runs
OLD = 5.0
#: how much of a holder's statement is shown, in characters
FIRST_WORDS = 60
#: how a session is ended, by engine
_END = {"postgresql": "SELECT pg_terminate_backend({pid})", "mysql": "KILL {pid}"}
#: columns of a line of progress, behind its first word
ROOM = WIDTH - len("    waiting   ")


@dataclass(frozen=True, kw_only=True)
class Holder:
    """A session that holds what somebody waits for. None: the server does not tell it to this user."""

    #: the server's number of the session; None: a prepared transaction, which has none
    pid: int | None
    application: str | None = None
    user: str | None = None
    #: the server's own word, such as ``idle in transaction``
    state: str | None = None
    #: how long its transaction has been open
    seconds: float | None = None
    #: the first words of its last statement
    query: str | None = None
    #: tables it holds a lock on, where that was asked
    relations: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Wait:
    """What a session waits for, and who holds it."""

    #: the table, without its schema where that is the environment's; None: not a table's lock, or not known
    relation: str | None
    #: ``table``, ``row`` (of the table), ``transaction`` (its end, whatever it holds) or ``other``
    kind: str = "table"
    holders: tuple[Holder, ...] = ()
    #: False: the server does not say who holds it; these may
    certain: bool = True


@dataclass(frozen=True, kw_only=True)
class InvalidIndex:
    """An index that queries do not use, because what built it did not come to its end."""

    name: str
    table: str
    #: the statement that leaves such a one
    left_by: str = "CREATE INDEX CONCURRENTLY"


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What is in the way before anything is waited for."""

    holders: tuple[Holder, ...] = ()
    invalid: tuple[InvalidIndex, ...] = ()
    #: the right whose lack keeps transactions of others from being seen; None: they were looked at
    unseen: str | None = None


def first_words(query: str | None) -> str | None:
    """A statement on one line, cut; None where there is none."""
    text = " ".join((query or "").split())
    return cut(text, FIRST_WORDS) if text else None


def who(holder: Holder) -> str:
    """``pid 4711 (pg_dump, mia, 3m 10s)``."""
    name = "a prepared transaction" if holder.pid is None else f"pid {holder.pid}"
    age = None if holder.seconds is None else duration(holder.seconds)
    known = [cut(text, 24) for text in (holder.application, holder.user) if text] + ([age] if age else [])
    return f"{name} ({', '.join(known) or 'who that is, is not known'})"


def awaited(wait: Wait) -> str:
    """What is waited for: ``orders``, ``a row of orders``, ``a lock``."""
    if wait.kind == "transaction":
        return "the end of a transaction"
    if wait.relation is None:
        return "a row" if wait.kind == "row" else "a lock"
    return f"a row of {wait.relation}" if wait.kind == "row" else wait.relation


def waiting(wait: Wait, holder: Holder | None, attempt: int, timeout: float) -> str:
    """One line of progress: ``orders is held by pid 4711 (pg_dump, mia, 3m 10s); try 2, 2s each``."""
    if holder is None:
        said = f"{awaited(wait)}: who holds it is not known"
    elif wait.kind == "transaction":
        said = f"{who(holder)} has to end its transaction"
    else:
        said = f"{awaited(wait)} {'is' if wait.certain else 'may be'} held by {who(holder)}"
    line = f"{said}; try {attempt}, {timeout:g}s each"
    return line if len(line) <= ROOM else f"{said}; try {attempt}"


def given_up(migration: str, wait: Wait | None, tries: int, half: int) -> str:
    """The message when the last try is over. ``half``: statements of it that stand."""
    what = "a lock" if wait is None else awaited(wait)
    on = "no lock" if what == "a lock" else f"no lock on {what}"
    if wait is not None and wait.kind == "transaction":
        on = "other transactions did not end"
    stands = stand(half, "statement") if half else "nothing changed"
    return f"{migration}: {on} in {count(tries, 'try', 'tries')}; {stands}"


def held_by(wait: Wait | None, *, engine: str) -> str:
    """The hint beside it."""
    if wait is None or not wait.holders:
        return "who held it is not known; deploy again when the table is quiet"
    first = wait.holders[0]
    more = len(wait.holders) - 1
    others = f" and {count(more, 'other')}" if more else ""
    doing = f", {first.state}" if first.state else ""
    how = f"; {_END[engine].format(pid=first.pid)} ends it" if first.pid is not None else ""
    held = "held it" if wait.certain else "may have held it"
    return f"{who(first)}{doing}{others} {held}; deploy again when it has ended{how}"


def obstacle_lines(found: Obstacles) -> list[str]:
    """A line each, before the first migration."""
    lines = []
    if found.unseen:
        lines.append(f"note whose transactions are open is not known: the user lacks the right {found.unseen}")
    for holder in found.holders:
        state = f", {holder.state}" if holder.state not in (None, "active") else ""
        held = f"holds locks on {_few(holder.relations)}" if holder.relations else "has a transaction open"
        lines.append(f"note {who(holder)} {held}{state}")
    return lines + [f"note {line}" for line in invalid_lines(found.invalid)]


def invalid_lines(found: Iterable[InvalidIndex]) -> list[str]:
    """A line for each invalid index."""
    return [f"index {one.name} on {one.table} is invalid (left by an interrupted {one.left_by})" for one in found]


def _few(names: tuple[str, ...]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def holder_json(holder: Holder) -> dict[str, object]:
    """A holder's stable fields; null: not known."""
    return {
        "pid": holder.pid,
        "application": holder.application,
        "user": holder.user,
        "state": holder.state,
        "seconds": None if holder.seconds is None else round(holder.seconds, 1),
        "query": holder.query,
        "relations": list(holder.relations),
    }


def wait_json(wait: Wait) -> dict[str, object]:
    """A wait's stable fields."""
    return {
        "relation": wait.relation,
        "kind": wait.kind,
        "certain": wait.certain,
        "holders": [holder_json(one) for one in wait.holders],
    }


def obstacles_json(found: Obstacles) -> dict[str, object]:
    """What a preflight found; holders are null where they are not known."""
    return {
        "holders": None if found.unseen else [holder_json(one) for one in found.holders],
        "invalid_indexes": invalid_json(found.invalid),
    }


def invalid_json(found: Iterable[InvalidIndex]) -> list[dict[str, object]]:
    """Invalid indexes' stable fields."""
    return [{"index": one.name, "table": one.table, "left_by": one.left_by} for one in found]
