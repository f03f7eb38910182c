# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""IAM policies: what the documents of a principal say about one action on one resource.

Effect, Action, NotAction, Resource, NotResource and Condition are read. An operator or an element that is not known is
an error, so that no policy is taken for wider or narrower than it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

Document = Mapping[str, Any]
#: values of condition keys, by key in lower case
Context = Mapping[str, Sequence[str]]
_KNOWN = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition", "Principal"}


class Decision(Enum):
    """What the policies say, in the words of IAM's simulator."""

    ALLOWED = "allowed"
    IMPLICIT = "implicitDeny"
    EXPLICIT = "explicitDeny"


class UnknownElement(Exception):
    """A policy says something that is not understood here."""


def decide(documents: Iterable[Document], action: str, resource: str, context: Context) -> Decision:
    """What all documents together say.

    :raises UnknownElement: an element is not understood.
    """
    decision = Decision.IMPLICIT
    for document in documents:
        for statement in _list(document.get("Statement", [])):
            if applies(statement, action, resource, context):
                if statement["Effect"] == "Deny":
                    return Decision.EXPLICIT
                decision = Decision.ALLOWED
    return decision


def applies(statement: Mapping[str, Any], action: str, resource: str, context: Context) -> bool:
    """Whether a statement is about this.

    :raises UnknownElement: an element is not understood.
    """
    if unknown := statement.keys() - _KNOWN:
        raise UnknownElement(f"{', '.join(sorted(unknown))} in a policy")
    if "NotAction" in statement:
        hit = not _any(statement["NotAction"], action.lower(), fold=True)
    else:
        hit = _any(statement["Action"], action.lower(), fold=True)
    if "NotResource" in statement:
        hit = hit and not _any(statement["NotResource"], resource)
    elif "Resource" in statement:
        hit = hit and _any(statement["Resource"], resource)
    return hit and conditions(statement.get("Condition", {}), context)


def conditions(wanted: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether all of a ``Condition`` block holds.

    :raises UnknownElement: an operator is not understood.
    """
    return all(_holds(name, key, value, context) for name, keys in wanted.items() for key, value in keys.items())


def matches(pattern: str, text: str) -> bool:
    """With ``*`` and ``?``."""
    return _compiled(pattern).fullmatch(text) is not None


def _holds(name: str, key: str, value: Any, context: Context) -> bool:
    each, _, operator = name.rpartition(":")
    values = [str(item).lower() if isinstance(item, bool) else str(item) for item in _list(value)]
    had = context.get(key.lower(), ())
    if operator == "Null":
        return (values[0].lower() == "true") == (not had)
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    negative = "Not" in operator
    test = _OPERATORS.get(operator.replace("Not", ""))
    if test is None:
        raise UnknownElement(f"{name} in a condition")
    if not had:
        return optional or negative or each == "ForAllValues"
    hits = [any(test(item, one) for item in values) for one in had]
    if each == "ForAllValues":
        return all(hit != negative for hit in hits)
    if each == "ForAnyValue":
        return any(hit != negative for hit in hits)
    if each:
        raise UnknownElement(f"{name} in a condition")
    return not any(hits) if negative else any(hits)


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": lambda wanted, had: wanted == had,
    "StringEqualsIgnoreCase": lambda wanted, had: wanted.lower() == had.lower(),
    "StringLike": matches,
    "ArnEquals": matches,
    "ArnLike": matches,
    "Bool": lambda wanted, had: wanted.lower() == had.lower(),
    "NumericEquals": lambda wanted, had: float(wanted) == float(had),
    "NumericLessThan": lambda wanted, had: float(had) < float(wanted),
    "NumericLessThanEquals": lambda wanted, had: float(had) <= float(wanted),
    "NumericGreaterThan": lambda wanted, had: float(had) > float(wanted),
    "NumericGreaterThanEquals": lambda wanted, had: float(had) >= float(wanted),
}


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)


def _any(patterns: str | Sequence[str], text: str, *, fold: bool = False) -> bool:
    return any(matches(pattern.lower() if fold else pattern, text) for pattern in _list(patterns))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def trusts(document: Document, action: str, principals: Sequence[str], context: Context) -> bool | None:
    """What a role's trust policy says to a caller.

    :param principals: the ARNs and other names the caller goes by, the most exact first; an account's root last.
    :returns: True where the caller itself is named, None where only its account is (then its own policies must allow
        the action, too), False where neither is, or a statement denies it.
    """
    verdict: bool | None = False
    for statement in _list(document.get("Statement", [])):
        named = statement.get("Principal", {})
        groups = {"AWS": named} if isinstance(named, str) else named
        names = [name for group in groups.values() for name in _list(group)]
        names = [f"arn:aws:iam::{name}:root" if re.fullmatch(r"\d{12}", name) else name for name in names]
        hits = [name for name in names if name == "*" or name in principals]
        bare = {key: value for key, value in statement.items() if key != "Principal"}
        if hits and applies(bare, action, "", context):
            if statement["Effect"] == "Deny":
                return False
            exact = any(not name.endswith(":root") for name in hits if name != "*") or "*" in hits
            verdict = True if exact or verdict else None
    return verdict
