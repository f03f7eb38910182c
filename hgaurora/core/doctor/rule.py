# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One rule, what it found, and how that is mended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from .facts import Facts, Missing, Unknown

Level = Literal["ok", "warning", "fail", "unknown"]
#: how grave it is where a rule is not kept: ``graver`` is a fail on a protected environment, elsewhere a warning
Severity = Literal["warning", "graver", "fail"]


@dataclass(frozen=True)
class Mend:
    """What makes it right: as many of these as there are.

    :ivar command: of the AWS command line, word by word; ``{cluster}`` and ``{region}`` stand for the environment's.
    :ivar attribute: its name in :mod:`.attributes`, and the value it gets.
    :ivar text: in words, where neither does.
    """

    command: tuple[str, ...] = ()
    attribute: tuple[str, object] | None = None
    text: str = ""


def modify(*options: str, attribute: str | None = None, value: object = True) -> Mend:
    """A change of the cluster."""
    words = ("aws rds modify-db-cluster", "--db-cluster-identifier {cluster}", "--region {region}", *options)
    return Mend(words, (attribute, value) if attribute else None)


def modify_instance(instance: str, *options: str, attribute: str | None = None, value: object = True) -> Mend:
    """A change of one member."""
    words = ("aws rds modify-db-instance", f"--db-instance-identifier {instance}", "--region {region}", *options)
    return Mend((*words, "--apply-immediately"), (attribute, value) if attribute else None)


@dataclass(frozen=True)
class Found:
    """What a rule sees.

    :ivar text: goes on after the rule's name: ``is off``.
    :ivar value: the same for JSON.
    :ivar mend: another one than the rule's, where it depends on what was found.
    :ivar severity: another one than the rule's.
    """

    good: bool
    text: str
    value: object = None
    mend: Mend | None = None
    severity: Severity | None = None


@dataclass(frozen=True)
class Rule:
    """A rule.

    :ivar judge: what it finds; None: it does not apply here.
    """

    name: str
    severity: Severity
    why: str
    judge: Callable[[Facts], Found | Unknown | None]
    mend: Mend


@dataclass(frozen=True)
class Check:
    """One line of the answer.

    :ivar stands: it makes the answer no: a fail, or what is unknown and would be one.
    """

    name: str
    level: Level
    found: str
    value: object
    why: str
    mend: Mend
    stands: bool


def check(rule: Rule, facts: Facts) -> Check | None:
    """Let a rule judge; None where it does not apply."""

    def level(severity: Severity) -> Level:
        return "fail" if severity == "fail" or (severity == "graver" and facts.protected) else "warning"

    try:
        found = rule.judge(facts)
    except Missing as missing:
        found = missing.unknown
    if found is None:
        return None
    made = Check(rule.name, "ok", "", None, rule.why, rule.mend, False)
    if isinstance(found, Unknown):
        return replace(made, level="unknown", found=found.why, mend=_ask(found), stands=level(rule.severity) == "fail")
    made = replace(made, found=found.text, value=found.value, mend=found.mend or rule.mend)
    if found.good:
        return made
    grave = level(found.severity or rule.severity)
    return replace(made, level=grave, stands=grave == "fail")


def _ask(unknown: Unknown) -> Mend:
    if unknown.action:
        return Mend(text=f"hgaurora iam-policy {{name}} --for doctor allows {unknown.action}")
    return Mend(text="run it again where this can be asked")
