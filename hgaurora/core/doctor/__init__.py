# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``doctor``: what production wants of an environment, judged purely. A rule is a line in a table of its module."""

from __future__ import annotations

from collections.abc import Sequence

from . import access, data, members, needs
from .facts import Facts, Identity, Refused, Row, Server, Unknown
from .rule import Check, Found, Level, Mend, Rule, check

#: what applies to a cluster alone
OF_CLUSTERS: tuple[Rule, ...] = (
    *data.RULES,
    *members.RULES,
    *(rule for rule in access.RULES if rule.name != "tls"),
    *needs.CLUSTER_RULES,
)
#: what applies to each database
OF_ALL: tuple[Rule, ...] = (*needs.RULES, *(rule for rule in access.RULES if rule.name == "tls"))
#: all of them, in the order they are shown
RULES: tuple[Rule, ...] = (*OF_CLUSTERS, *OF_ALL)
#: what can be said where the cluster is not there
_WITHOUT = frozenset({"cluster", "credentials", "account", "snapshot-quota", "log-group", "settings-source"})


def examine(facts: Facts) -> Sequence[Check]:
    """What each rule says that applies, in order. Where the cluster is not there, what is about it is one line."""
    rules = RULES if facts.settings.is_cluster else OF_ALL
    if not (facts.settings.is_cluster and isinstance(facts.cluster, Refused)):
        return _judged(rules, facts)
    left = [rule for rule in rules if rule.name not in _WITHOUT]
    return [*_judged([rule for rule in rules if rule.name in _WITHOUT], facts), _not_made(len(_judged(left, facts)))]


def _judged(rules: Sequence[Rule], facts: Facts) -> list[Check]:
    return [found for rule in rules if (found := check(rule, facts)) is not None]


def _not_made(count: int) -> Check:
    """In the place of so many checks."""
    mend = Mend(text="hgaurora doctor {name}, when the cluster is found")
    why = "a check that is not made is not passed"
    return Check("others", "unknown", f"{count} checks of the cluster were not made", count, why, mend, False)


__all__ = [
    "OF_ALL",
    "OF_CLUSTERS",
    "RULES",
    "Check",
    "Facts",
    "Found",
    "Identity",
    "Level",
    "Mend",
    "Refused",
    "Row",
    "Rule",
    "Server",
    "Unknown",
    "check",
    "examine",
]
