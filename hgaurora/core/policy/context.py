# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the rules of a deploy look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from ..gates import ClusterFacts
from ..model import Changeset, Finding
from ..settings import Environment
from ..steps import Plan

#: the (revision, raw hash) pairs that are applied in another environment, and since when (None: nothing is)
Ran = tuple[AbstractSet[tuple[str, str]], datetime | None]


@dataclass(frozen=True, kw_only=True)
class PolicyContext:
    """One deploy, before it: all that a rule may judge by."""

    plan: Plan
    target: Changeset
    environment: Environment
    now: datetime
    #: a person asked for it: what was changed after it ran may go down and run again
    reapply: bool = False
    #: whether the environment's ``deploys`` holds the changeset; None: it has no ``deploys``
    in_deploys: bool | None = None
    #: the change request that the description names
    change_request: str | None = None
    #: for each environment of ``after``, what ran there
    after: Mapping[str, Ran] = field(default_factory=dict)
    #: the cluster as AWS describes it; None: it is none
    cluster: ClusterFacts | None = None
    #: how many of the plan's snapshots an interrupted run has made already
    snapshots_there: int = 0

    @property
    def name(self) -> str:
        """The environment's name."""
        return self.environment.name

    @property
    def graver(self) -> str:
        """``error`` on a protected environment, ``warning`` elsewhere."""
        return "error" if self.environment.protected else "warning"


@dataclass(frozen=True)
class Rule:
    """A named rule: a function that yields what it has to say; it is called once for each deploy."""

    name: str
    check: Callable[[PolicyContext], Iterator[Finding]]

    @property
    def doc(self) -> str:
        """One line: what the rule wants."""
        return (self.check.__doc__ or "").strip().split("\n", 1)[0]
