# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about what hgaurora itself needs."""

from __future__ import annotations

from .facts import Facts, Identity, Missing, Refused, Server, Unknown, known, number
from .rule import Found, Mend, Rule

#: seconds that a clock may be off; AWS refuses a request at 300, a token at once
_SKEW, _REFUSED = 30.0, 300.0
#: days that the journal is kept at least
_KEPT = 365
#: oldest versions, by product
_OLDEST = {"PostgreSQL": (14,), "MySQL": (8, 0), "MariaDB": (10, 6)}


def _server(facts: Facts) -> Server | None:
    """The server, for rules that have nothing to say where the connection does."""
    return None if isinstance(facts.server, Refused) else known(facts.server)


def _connection(facts: Facts) -> Found:
    if isinstance(facts.server, Refused):
        mend = Mend(text=facts.server.hint) if facts.server.hint else None
        return Found(False, f"fails: {facts.server.why}", facts.server.why, mend)
    server = known(facts.server)
    if server is None:
        return Found(True, "is not made yet: the first deploy makes the server", None)
    if server.read_only:
        mend = Mend(text="name the writer: a reader, or a standby, can not be deployed to")
        return Found(False, f"is to a server that only reads, as {server.user}", server.user, mend)
    return Found(True, f"is to {server.product} {server.version}, as {server.user}", server.user)


def _version(facts: Facts) -> Found | None:
    if facts.settings.is_cluster:
        return None  # engine-version says it
    server = _server(facts)
    if server is None:
        return None
    oldest = _OLDEST.get(server.product)
    if oldest is None:
        return Found(False, f"is {server.product}, which is not known", server.product)
    parts = tuple(int(part) for part in server.version.split(".")[: len(oldest)] if part.isdigit())
    return Found(parts >= oldest, f"is {server.product} {server.version}", server.version)


def _ledger(facts: Facts) -> Found | None:
    server = _server(facts)
    if server is None:
        return None
    if not server.ledger:
        return Found(True, "is not there yet: the first deploy makes it", None)
    damage = known(server.damage)
    if not damage:
        return Found(True, "is whole: each event's hash holds", [])
    more = f", and {len(damage) - 1} more" if len(damage) > 1 else ""
    return Found(False, f"was changed: {damage[0]}{more}", list(damage))


def _journal(facts: Facts) -> Found | None:
    server = _server(facts)
    if server is None:
        return None
    waiting = server.undelivered
    return Found(not waiting, f"lacks {waiting} events" if waiting else "has every event", waiting)


def _trusted(facts: Facts) -> Found | None:
    if not facts.protected:
        return None
    if facts.trusted:
        return Found(True, "is named in hgrc", True)
    return Found(False, "is the working directory: a pushed changeset could change it", False)


def _cluster(facts: Facts) -> Found | None:
    if isinstance(facts.cluster, Refused):
        return Found(False, f"is not there: {facts.cluster.why}", facts.settings.cluster)
    return None  # the others say how it is


def _permissions(facts: Facts) -> Found:
    allowed = known(facts.permissions)
    if not allowed:
        if isinstance(facts.identity, Identity) and facts.identity.kind == "root":
            return Found(True, "are those of the account's root", [])
        raise Missing(Unknown("IAM says nothing of them"))
    missing = sorted(action for action, good in allowed.items() if not good)
    if missing:
        return Found(False, f"lack {', '.join(missing)}", missing)
    return Found(True, f"are all there: {len(allowed)} actions of a deploy", [])


def _group(facts: Facts) -> Found:
    name = facts.settings.log_group
    if name is None:
        mend = Mend(text='log-group = "/hgaurora/{name}" in hgaurora.toml')
        return Found(False, "is none: nothing outside of the database says what was done to it", None, mend)
    group = known(facts.group)
    if group is None:
        if isinstance(facts.server, Server) and facts.server.ledger:
            mend = Mend(text="hgaurora journal sync {name} --missing makes it, or says why it can not be made")
            return Found(False, f"{name} is not there, and there were deploys", None, mend)
        return Found(True, f"{name} is not there yet: the first deploy makes it", None)
    keep = ("aws logs put-retention-policy", f"--log-group-name {name}", "--region {region}")
    days = number(group, "retentionInDays") if "retentionInDays" in group else None
    if days is not None and days < _KEPT:
        mend = Mend((*keep, f"--retention-in-days {_KEPT}"))
        return Found(False, f"{name} is kept {days:g} days", days, mend)
    return Found(True, f"{name} is kept {f'{days:g} days' if days else 'for ever'}", days)


def _clock(facts: Facts) -> Found:
    skew = known(facts.skew)
    side = "ahead of" if skew > 0 else "behind"
    said = f"is {abs(skew):.0f}s {side} AWS's" if abs(skew) >= 1 else "is AWS's"
    return Found(abs(skew) <= _SKEW, said, round(skew), severity="fail" if abs(skew) >= _REFUSED else None)


RULES: tuple[Rule, ...] = (
    Rule(
        "connection",
        "fail",
        "without it nothing can be deployed, and nothing reverted",
        _connection,
        Mend(text="hgaurora status {name} says what stands in between"),
    ),
    Rule(
        "server-version",
        "fail",
        "hgaurora runs on PostgreSQL 14, MySQL 8 and MariaDB 10.6, and on later ones",
        _version,
        Mend(text="a newer server"),
    ),
    Rule(
        "ledger",
        "fail",
        "it is the record that a revert goes by, and nothing but hgaurora writes to it",
        _ledger,
        Mend(text="hgaurora journal verify {name} shows what the journal has instead"),
    ),
    Rule(
        "journal",
        "warning",
        "what waits is in the database alone, and would go with it",
        _journal,
        Mend(text="hgaurora journal sync {name}"),
    ),
    Rule(
        "settings-source",
        "graver",
        "who may deploy must not be said by what is deployed",
        _trusted,
        Mend(text="config or config-rev under [hgaurora] in hgrc"),
    ),
)

#: those about AWS
CLUSTER_RULES: tuple[Rule, ...] = (
    Rule(
        "cluster",
        "fail",
        "there is nothing to deploy to; a name that is not right could be another cluster's tomorrow",
        _cluster,
        Mend(text="correct cluster, region or account of {name} in hgaurora.toml"),
    ),
    Rule(
        "permissions",
        "graver",
        "a deploy would stop where the first one is missing",
        _permissions,
        Mend(text="hgaurora iam-policy {name} --for deploy prints what the role needs"),
    ),
    Rule(
        "log-group",
        "warning",
        "the journal is what is left when a database is gone",
        _group,
        Mend(),
    ),
    Rule(
        "clock",
        "warning",
        "AWS refuses what is signed more than 5 minutes off, and a login token sooner",
        _clock,
        Mend(text="switch time synchronisation on: timedatectl set-ntp true"),
    ),
)
