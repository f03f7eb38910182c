# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a ledger refuses, in the same words on each engine."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...core.errors import DriftError, SecurityError, StateError

_NOTHING = "nothing was changed"
_AGAIN = "run it again; it plans anew"


def too_new(environment: str, version: int, known: int) -> StateError:
    """A newer program wrote it."""
    return StateError(
        f"the ledger of {environment} has version {version}, this program knows {known}",
        state=_NOTHING,
        hint="use the newer hgaurora that wrote it",
    )


def not_locked(environment: str) -> StateError:
    """Nobody holds the environment's lock."""
    return StateError(f"{environment} is not locked, so nothing may begin", state=_NOTHING, hint="try again")


def lock_gone(environment: str) -> DriftError:
    """The server ended the session that held the lock."""
    return DriftError(
        f"the connection that held the lock of {environment} is gone",
        state="the lock went with it; nothing more was changed",
        hint="run it again",
    )


def anothers(environment: str, name: str, where: str) -> StateError:
    """The ledger of another environment is in this one's database.

    :param name: the other one's.
    """
    return StateError(
        f"the ledger in {where} is that of {name}, not of {environment}",
        state=_NOTHING,
        hint="two environments must not share a database; a copied one is taken over by a restore",
    )


def changed(environment: str) -> StateError:
    """The epoch is another one than the plan's."""
    return StateError(f"{environment} was changed by another run since this plan was made", state=_NOTHING, hint=_AGAIN)


def begun_meanwhile(environment: str) -> StateError:
    """The plan knew of no ledger."""
    return StateError(f"{environment} got a ledger since this plan was made", state=_NOTHING, hint=_AGAIN)


def lost(environment: str, what: str) -> StateError:
    """The plan knew of a ledger.

    :param what: was dropped, and what to do: the hint.
    """
    return StateError(f"{environment} lost its ledger since this plan was made", state=_NOTHING, hint=what)


def another_open(environment: str, running: str | None, expected: str | None) -> StateError:
    """Another deployment is open than the plan's, or none."""
    return StateError(
        f"{environment}: {running or 'no deployment'} is open, {expected or 'none'} was expected",
        state=_NOTHING,
        hint=_AGAIN,
    )


def taken_over(environment: str, deployment: str | None, *, closing: bool = False) -> StateError:
    """The epoch is another one, after something was committed.

    :param closing: the deployment was to be closed.
    """
    said = f"{deployment} cannot be closed" if closing else f"{deployment}"
    return StateError(
        f"{said}: another run has taken {environment} over",
        state="what this run committed stands, recorded under its id",
        hint="look at the log of the environment",
    )


def taken_before(environment: str, deployment: str) -> StateError:
    """The epoch is another one, before anything was written."""
    return StateError(f"{deployment}: another run has taken {environment} over", state=_NOTHING, hint="run it again")


def no_deployment(environment: str, deployment: str) -> StateError:
    """An id that the ledger does not have."""
    return StateError(f"{environment} has no deployment {deployment}", hint="the log lists them")


def no_row(environment: str) -> StateError:
    """There is no row where there always is one."""
    return StateError(f"the ledger of {environment} has lost its environment row")


def another_cluster(environment: str, recorded: str, found: str) -> SecurityError:
    """The ledger was written on another cluster: a copy answers to the name, or the wrong one does."""
    return SecurityError(
        f"the ledger of {environment} is that of cluster {recorded}, the database is in cluster {found}",
        state="nothing was changed",
        hint=f"look at what cluster names for {environment}; where it was restored or switched over on purpose, "
        f"hgaurora adopt {environment} takes it as it is",
        data={"recorded": recorded, "found": found},
    )


def not_whole(environment: str, missing: Iterable[str]) -> StateError:
    """Tables of a ledger are gone: nothing goes on without what they hold."""
    names = sorted(missing)
    return StateError(
        f"the ledger of {environment} is not whole: {', '.join(names)} {'is' if len(names) == 1 else 'are'} missing",
        state="nothing was changed",
        hint="bring what is missing back from a backup that holds it, such as the dump of a snapshot",
        data={"missing": names},
    )


def remains(environment: str, tables: Collection[str]) -> StateError:
    """A ledger without its environment: no new one is made over it."""
    names = ", ".join(sorted(tables))
    return StateError(
        f"{environment} holds the remains of a ledger, without its environment: {names}",
        state="nothing was changed",
        hint="bring what is missing back from a backup; to give the history up and begin anew, drop these tables",
        data={"remains": sorted(tables)},
    )
