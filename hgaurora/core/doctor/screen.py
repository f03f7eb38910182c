# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``doctor`` prints: first the count, then what is wrong with why and mend, at most 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence

from ..render import WIDTH, count, duration, right
from .attributes import TOOLS, assigned
from .facts import Facts
from .rule import Check, Level, Mend

_ORDER: tuple[Level, ...] = ("fail", "unknown", "warning", "ok")
_PAD = 9  # columns of the first word


def lines(facts: Facts, checks: Sequence[Check], seconds: float, *, verbose: bool) -> list[str]:
    """The screen of one environment."""
    settings = facts.settings
    counts = {level: sum(one.level == level for one in checks) for level in _ORDER}
    said = [
        count(number, level, "unknown" if level == "unknown" else None) if level != "ok" else f"{number} ok"
        for level, number in counts.items()
        if number or level == "ok"
    ]
    name = f"{settings.name}, {settings.cluster}" if settings.cluster else settings.name
    out = [right(f"{name}: {', '.join(said)}", duration(seconds))]
    for level in _ORDER[:-1]:
        for one in checks:
            if one.level == level:
                between = ": " if level == "unknown" else " "
                out += _wrap(level, f"{one.name}{between}{one.found}")
                out += _wrap("  why", one.why)
                for mend in mends(one.mend, facts):
                    out += _command(mend) if mend.startswith("aws ") else _wrap("  mend", mend.replace("\0", " "))
    if verbose:
        for one in checks:
            if one.level == "ok":
                out += _wrap("ok", f"{one.name} {one.found}")
    elif counts["ok"]:
        out.append(f"{'ok'.ljust(_PAD)}{count(counts['ok'], 'check')} (-v lists them with the values found)")
    return out


def as_json(facts: Facts, checks: Sequence[Check], seconds: float) -> dict[str, object]:
    """The same for a program; here mends are all that there are, by tool."""
    settings = facts.settings
    return {
        "environment": settings.name,
        "cluster": settings.cluster,
        "protected": settings.protected,
        "good": not any(one.stands for one in checks),
        "read": facts.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "seconds": round(seconds, 1),
        **{level: sum(one.level == level for one in checks) for level in _ORDER},
        "checks": [
            {
                "check": one.name,
                "level": one.level,
                "found": one.found,
                "value": one.value,
                "why": one.why,
                "mend": {} if one.level == "ok" else _by_tool(one.mend, facts),
            }
            for one in checks
        ],
    }


def mends(mend: Mend, facts: Facts) -> list[str]:
    """What to do: an attribute in the tool that made the cluster, else a command, and words. Words of a command that
    stay together on a line are parted by NUL."""
    tool = facts.made_by
    if tool and mend.attribute and (said := assigned(*mend.attribute, tool)):
        return [*([_filled(mend.text, facts)] if mend.text else []), said]
    command = ["\0".join(_filled(word, facts) for word in mend.command)] if mend.command else []
    return [*([_filled(mend.text, facts)] if mend.text else []), *command]


def _by_tool(mend: Mend, facts: Facts) -> Mapping[str, str]:
    found: dict[str, str] = {}
    if mend.text:
        found["text"] = _filled(mend.text, facts)
    if mend.command:
        found["aws"] = _filled(" ".join(mend.command), facts)
    for tool in TOOLS if mend.attribute else ():
        if mend.attribute and (said := assigned(*mend.attribute, tool)):
            found[tool] = said
    return found


def _filled(text: str, facts: Facts) -> str:
    settings = facts.settings
    account = settings.account or "ACCOUNT"
    values = {"cluster": settings.cluster, "region": settings.region, "name": settings.name, "account": account}
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value or "")
    return text


def _wrap(word: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=word.ljust(_PAD),
        subsequent_indent=" " * _PAD,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _command(command: str) -> list[str]:
    """A command over as many lines as it needs, to be copied whole: options stay with their values."""
    out, line = [], "  mend".ljust(_PAD)
    parts = command.split("\0")
    line += parts[0]
    for part in parts[1:]:
        if len(line) + 1 + len(part) + 2 <= WIDTH:
            line = f"{line} {part}"
        else:
            out.append(f"{line} \\")
            line = " " * (_PAD + 4) + part
    return [*out, line]
