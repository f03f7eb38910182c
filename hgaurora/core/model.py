# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The values everything else speaks in. Frozen, standard library only, no I/O.

Words: an *environment* is a named database target; a *changeset* is named by its full
40-hex ``node``; a *revision* is an Alembic revision id; *heads* are the applied revisions
that no other applied revision comes after. Times are aware UTC datetimes; durations are
seconds as floats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Direction(StrEnum):
    """Which function of a script runs."""

    UP = "up"
    DOWN = "down"


class Kind(StrEnum):
    """What a deployment row is."""

    DEPLOY = "deploy"
    REVERT = "revert"
    #: a database that other tools migrated enters the ledger
    ADOPT = "adopt"


class Way(StrEnum):
    """How a revert goes back."""

    DOWNGRADE = "downgrade"
    RESTORE = "restore"


class Outcome(StrEnum):
    """The state of a deployment row.

    ``RUNNING`` with nobody holding the lock means: interrupted.
    """

    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    #: interrupted, then closed by a later run that went elsewhere
    SUPERSEDED = "superseded"


@dataclass(frozen=True, kw_only=True)
class Changeset:
    """One Mercurial changeset, as far as a deploy needs to know it."""

    node: str
    branch: str
    phase: str  # public | draft | secret
    author: str
    description: str
    tags: tuple[str, ...] = ()
    obsolete: bool = False

    @property
    def short(self) -> str:
        """The 12 hex digits that screens show."""
        return self.node[:12]

    @property
    def summary(self) -> str:
        """First line of the description."""
        return self.description.split("\n", 1)[0]


@dataclass(frozen=True, kw_only=True)
class Script:
    """One migration script, read by parsing, never by importing.

    ``parents`` is ``down_revision`` as a tuple, ``depends_on`` resolved to full revision ids.
    ``raw`` is sha256 (hex) of the bytes; ``normal`` is sha256 over the normalised syntax tree,
    equal for a script that was only reformatted. ``path`` is relative to the migrations
    folder, such as ``versions/0005_customer_email.py``.
    """

    revision: str
    parents: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    path: str
    message: str
    raw: str
    normal: str
    #: True where ``downgrade`` is missing or does nothing but raise
    irreversible: bool = False
    content: bytes = field(default=b"", repr=False, compare=False)

    @property
    def name(self) -> str:
        """What screens call the migration: the file name without ``.py``."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".py")

    @property
    def needs(self) -> tuple[str, ...]:
        """Everything that must be applied before: parents, then dependencies."""
        return self.parents + tuple(d for d in self.depends_on if d not in self.parents)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One revision that the ledger records as applied, as it was when it ran."""

    revision: str
    parents: tuple[str, ...]
    depends_on: tuple[str, ...]
    branch_labels: tuple[str, ...]
    path: str
    message: str
    raw: str
    normal: str
    normal_version: str
    irreversible: bool
    node: str
    deployment: str

    @property
    def name(self) -> str:
        """What screens call the migration."""
        return self.path.rsplit("/", 1)[-1].removesuffix(".py")

    @property
    def needs(self) -> tuple[str, ...]:
        """Everything that must be applied before it."""
        return self.parents + tuple(d for d in self.depends_on if d not in self.parents)


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """One repeatable file that the ledger records as in force, as it was when it ran last."""

    path: str
    raw: str
    node: str
    deployment: str


@dataclass(frozen=True, kw_only=True)
class LockHolder:
    """The server session that holds the environment's lock."""

    pid: int
    application: str
    since: datetime | None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """One row of the ledger's ``deployment`` table: a deploy or a revert."""

    id: str  # such as prod-42
    number: int
    kind: Kind
    way: Way | None
    outcome: Outcome
    node: str  # the changeset it goes to
    branch: str
    phase: str
    author: str
    description: str
    tags: tuple[str, ...]
    change_request: str | None
    from_node: str | None  # the changeset it started from; None: an empty database
    from_branch: str | None
    heads_before: tuple[str, ...]
    heads_after: tuple[str, ...] | None
    user: str
    pusher: str | None
    host: str
    pid: int
    tool_version: str
    started: datetime
    ended: datetime | None
    error: str | None
    #: ids of the deployments that a revert takes back
    reverts: tuple[str, ...] = ()
    #: the plan, as ``core.plan.to_json`` made it
    plan: Mapping[str, object] = field(default_factory=dict)
    #: who AWS says ran it (an ARN); None: AWS was not asked
    caller: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepRow:
    """One row of the ledger's ``step`` table: one migration, or one run of a repeatable file, that was committed.

    ``seq`` is the number of its event.
    """

    seq: int
    deployment: str
    revision: str
    direction: Direction
    path: str
    message: str
    raw: str
    node: str
    snapshot: str | None
    started: datetime
    ended: datetime


@dataclass(frozen=True, kw_only=True)
class State:
    """What one environment's database says about itself, read in one go.

    ``ledger`` is None where there is no ledger. ``versions`` are the rows of Alembic's version
    table as they stand (None: no such table); ``recorded`` are the rows the ledger last wrote.
    """

    read: datetime
    ledger: int | None = None
    environment: str | None = None  # name in the ledger's environment row
    uuid: str | None = None
    epoch: str | None = None
    node: str | None = None
    branch: str | None = None
    since: datetime | None = None
    versions: tuple[str, ...] | None = None
    recorded: tuple[str, ...] = ()
    applied: Mapping[str, Applied] = field(default_factory=dict)
    #: repeatable files in force, by path
    repeated: Mapping[str, Repeated] = field(default_factory=dict)
    #: the newest deployment whatever its outcome
    last: Deployment | None = None
    #: the deployment that is running or was interrupted
    open: Deployment | None = None
    #: id of the deployment that made ``node`` the state
    deployed_by: str | None = None
    #: statements journaled for a step that is not finished: (revision, direction) to count
    half: Mapping[tuple[str, str], int] = field(default_factory=dict)
    lock: LockHolder | None = None
    #: events not yet delivered to the journal
    undelivered: int = 0
    #: the server takes no writes: a standby, a replica, a cluster's reader; what it says may be behind the writer
    reader: bool = False


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A snapshot of an environment's database.

    ``state`` is ``creating``, ``available`` or ``failed``, AWS's words.
    """

    id: str
    environment: str
    state: str
    created: datetime
    bytes: int | None
    deployment: str | None
    node: str | None
    heads: tuple[str, ...]
    before: str | None  # the revision it was taken before
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def ledger(self) -> str | None:
        """The UUID of the ledger that it was taken for, where its tags say it; those of clusters do."""
        return self.tags.get("ledger")


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What running one migration gave, as the child reported it."""

    seconds: float
    versions: tuple[str, ...]  # rows of the version table after it
    statements: int
    replayed: int = 0  # statements of an earlier run that were not sent again
    notes: tuple[str, ...] = ()
    seq: int = 0  # of its event in the ledger
    #: what its transaction may have changed, in the engine's words; None: anything
    touched: Mapping[str, object] | None = None


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one rule has to say. ``severity`` is error, warning or note."""

    rule: str
    severity: str
    message: str
    mend: str | None = None
    detail: tuple[str, ...] = ()
    data: Mapping[str, object] = field(default_factory=dict)
