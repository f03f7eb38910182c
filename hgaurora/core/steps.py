# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A plan is a value: an immutable, ordered list of steps. ``execute`` runs it, ``render`` prints it."""

from __future__ import annotations

from dataclasses import dataclass

from .model import Changeset, Direction, Finding, Kind, Way


@dataclass(frozen=True, kw_only=True)
class TakeSnapshot:
    """Take a snapshot of the environment, and wait until it is available.

    ``before`` is the revision whose migration follows, or the repeatable file (None: before the whole plan).
    """

    before: str | None
    verb: str = "snapshot"


@dataclass(frozen=True, kw_only=True)
class Migrate:
    """Run one migration up or down, in a transaction of its own.

    ``raw`` names the script's exact content; with ``recorded`` true it is the ledger's own copy, else the target
    changeset's.
    """

    revision: str
    direction: Direction
    path: str
    message: str
    raw: str
    normal: str
    parents: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    irreversible: bool
    recorded: bool
    #: the changeset the script is taken from
    node: str
    #: the rows of Alembic's version table after it: the applied revisions that no other applied one needs, sorted
    #: (None: left to Alembic's own bookkeeping)
    versions: tuple[str, ...] | None = None
    #: why a downgrade may lose data, where it may
    loses: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """File name without ``.py``."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".py")

    @property
    def verb(self) -> str:
        """``run`` or ``down``."""
        return "run" if self.direction is Direction.UP else "down"


@dataclass(frozen=True, kw_only=True)
class Restore:
    """One step of a restore; ``action`` names a method family of the control plane.

    The actions in order: ``copy`` (make a server or database from the snapshot beside the live
    one), ``check`` (its marker and heads are those the snapshot recorded), ``carry`` (rebase the copy's ledger:
    new epoch, younger rows carried over), ``close`` (the live database takes no more sessions),
    ``swap`` (the copy takes over the name; the old one is kept), ``verify``.
    """

    action: str
    snapshot: str

    @property
    def verb(self) -> str:
        """The word screens show."""
        return self.action


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """Run one repeatable file, or (down) what takes it back, in a transaction of its own.

    ``sql`` are the statements as they are sent: one text that may hold several. ``instead``, where a revert puts an
    earlier file back: what takes the present one back, sent before it where the server cannot exchange them in place.
    ``drops``, at the last file of a revert: the drops of what the runs that it takes back had added.
    """

    path: str
    direction: Direction
    raw: str
    sql: str
    #: True where the text is the ledger's own copy, else the target changeset's
    recorded: bool
    #: the changeset the file is taken from
    node: str
    #: the rows of Alembic's version table, which it leaves as they are, sorted
    versions: tuple[str, ...]
    message: str = ""
    instead: str = ""
    drops: str = ""

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def revision(self) -> str:
        """What the ledger knows it by."""
        return self.path

    @property
    def verb(self) -> str:
        """``repeat`` or ``undo``."""
        return "repeat" if self.direction is Direction.UP else "undo"


Step = TakeSnapshot | Migrate | Repeat | Restore


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The steps that take one environment from where it is to where it is wanted.

    It is bound to what it was made from (``base_epoch``, ``base_versions``): under the lock both are read again.
    """

    environment: str
    kind: Kind
    way: Way | None
    base_epoch: str | None
    base_versions: tuple[str, ...]
    base_node: str | None
    base_branch: str | None
    heads_before: tuple[str, ...]
    heads_after: tuple[str, ...]
    target: Changeset | None  # None: back to an empty database
    steps: tuple[Step, ...]
    notes: tuple[Finding, ...] = ()
    #: deployments a revert takes back
    reverts: tuple[str, ...] = ()
    #: id of the interrupted deployment that this plan takes up
    resumes: str | None = None

    @property
    def migrations(self) -> tuple[Migrate, ...]:
        """The migrations among the steps."""
        return tuple(s for s in self.steps if isinstance(s, Migrate))

    @property
    def runs(self) -> tuple[Migrate | Repeat, ...]:
        """Everything among the steps that changes the database: migrations and repeatable files."""
        return tuple(s for s in self.steps if isinstance(s, Migrate | Repeat))

    @property
    def repeats(self) -> tuple[Repeat, ...]:
        """The repeatable files among the steps."""
        return tuple(s for s in self.steps if isinstance(s, Repeat))

    @property
    def empty(self) -> bool:
        """True where there is nothing to run (the changeset may still have to be recorded)."""
        return not self.steps
