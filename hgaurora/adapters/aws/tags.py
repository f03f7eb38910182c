# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a snapshot is called and how it is tagged, in the characters that RDS allows."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping

#: RDS: identifiers of snapshots
LONGEST = 63
#: RDS: values of tags
VALUE = 256
#: this tag is the environment's name; a policy can ask for it (``rds:cluster-snapshot-tag/hgaurora``)
OURS = "hgaurora"
_PREFIX = "hgaurora:"
#: lists, whose commas RDS does not allow
_LISTS = ("heads", "environments")
_FORBIDDEN = re.compile(r"[^\w\s.:/=+\-@]")


def identifier(cluster: str, deployment: str, number: int, *, again: bool = False) -> str:
    """What the n-th snapshot of a deployment is called: ``hgaurora-shop-prod-42-1`` for ``prod-42`` on ``shop-prod``.

    At most 63 of lower-case letters, digits and single hyphens. Two that would have to be shortened, or that were
    written differently, get different names; that one is free is for RDS to say.

    :param again: the name is taken: another one, by chance.
    """
    cluster, deployment = cluster.lower(), deployment.lower()
    environment, _, count = deployment.rpartition("-")
    said = cluster == environment or cluster.endswith(f"-{environment}")
    whole = f"{OURS}-{cluster}-{count if said else deployment}"
    plain = re.sub(r"[^a-z0-9]+", "-", whole).strip("-")
    tail = f"-{number}" + (f"-{secrets.token_hex(3)}" if again else "")
    if plain != whole or len(plain) + len(tail) > LONGEST:
        # said differently, or cut: a part of its hash keeps it apart from others
        tail = f"-{hashlib.sha256(whole.encode()).hexdigest()[:8]}{tail}"
        plain = plain[: LONGEST - len(tail)].rstrip("-")
    return plain + tail


def value(text: str) -> str:
    """A tag's value: other characters become ``_``, and what is too long is cut."""
    plain = _FORBIDDEN.sub("_", text)
    return plain if len(plain) <= VALUE else plain[: VALUE - 3] + "..."


def to_aws(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Our tags as RDS takes them; empty ones are left out."""
    found = []
    for name, text in tags.items():
        if name in _LISTS:
            text = text.replace(",", " ")
        if text:
            key = OURS if name == "environment" else f"{_PREFIX}{name}"
            found.append({"Key": key, "Value": value(text)})
    return found


def from_aws(tags: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Our tags as RDS has them; those of others are left out."""
    found = {}
    for tag in tags:
        key, text = tag["Key"], tag.get("Value", "")
        name = "environment" if key == OURS else key.removeprefix(_PREFIX)
        if key == OURS or key.startswith(_PREFIX):
            found[name] = ",".join(text.split()) if name in _LISTS else text
    return found
