# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a snapshot of a cluster is. Pure.

A cluster may have databases of several projects, and two of them an environment of the same name: the name alone says
nothing. What is one database's own is the UUID of its ledger: it is made once, a snapshot holds it, and a restored or
rebased ledger keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .model import Snapshot


@dataclass(frozen=True)
class Shares:
    """Snapshots by whose they are, each in the order given.

    :ivar ours: their tags have this ledger's UUID.
    :ivar unknown: their tags have none, or this ledger's is not known: nothing is done with them.
    :ivar others: they are of another ledger.
    """

    ours: tuple[Snapshot, ...] = ()
    unknown: tuple[Snapshot, ...] = ()
    others: tuple[Snapshot, ...] = ()


def shares(snapshots: Iterable[Snapshot], ledger: str | None) -> Shares:
    """Part the snapshots of an environment's name.

    :param ledger: the UUID of the environment's ledger; None: it has none, or it can not be read.
    """
    found = tuple(snapshots)
    if ledger is None:
        return Shares(unknown=found)
    return Shares(
        ours=tuple(one for one in found if one.ledger == ledger),
        unknown=tuple(one for one in found if one.ledger is None),
        others=tuple(one for one in found if one.ledger not in (None, ledger)),
    )
