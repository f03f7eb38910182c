# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about the members: who writes, who takes over, where they are, and what watches them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from .facts import Facts, Missing, Row, Unknown, flag, known, number, rows, time, word, words
from .rule import Found, Mend, Rule, modify, modify_instance

#: certificates that end sooner are said
_SOON = timedelta(days=90)
#: members further down than this are taken last
_TIER = 1
_LOGS = {False: ("postgresql",), True: ("audit", "error", "slowquery")}


def _name(instance: Row) -> str:
    return word(instance, "DBInstanceIdentifier")


def _members(facts: Facts) -> Sequence[Row]:
    """The members, at least one: what has to hold of each holds of none for nothing.

    :raises Missing: they are unknown, or there are none.
    """
    found = known(facts.instances)
    if not found:
        raise Missing(Unknown("there is no member"))
    return found


def _writer_name(facts: Facts) -> str | None:
    writers = [
        word(one, "DBInstanceIdentifier")
        for one in rows(facts.cluster, "DBClusterMembers")
        if one.get("IsClusterWriter")
    ]
    return writers[0] if len(writers) == 1 else None


def _writer(facts: Facts) -> Found:
    name = _writer_name(facts)
    return Found(name is not None, f"is {name}" if name else "is none, or more than one", name)


def _available(facts: Facts) -> Found:
    if not known(facts.instances):
        return Found(False, "are none", [])
    others = [f"{_name(one)} is {word(one, 'DBInstanceStatus')}" for one in known(facts.instances)]
    others = [text for text in others if not text.endswith(" is available")]
    count = len(known(facts.instances))
    return Found(not others, "; ".join(others) or f"available: {count}", others)


def _zones(facts: Facts) -> Found:
    zones = sorted({word(one, "AvailabilityZone") for one in known(facts.instances)})
    members = len(known(facts.instances))
    good = members > 1 and len(zones) > 1
    said = f"{members} {'member' if members == 1 else 'members'} in {', '.join(zones) or 'no zone'}"
    create = (
        "aws rds create-db-instance",
        "--db-instance-identifier {cluster}-reader",
        "--db-cluster-identifier {cluster}",
        f"--engine {known(facts.cluster).get('Engine')}",
        "--db-instance-class CLASS",
        "--region {region}",
        "--availability-zone ZONE",
    )
    return Found(
        good, said, zones, Mend(create, ("zone", "ZONE"), f"another member, in another zone than {', '.join(zones)}")
    )


def _failover(facts: Facts) -> Found | None:
    instances = known(facts.instances)
    name = _writer_name(facts)
    writer = next((one for one in instances if _name(one) == name), None)
    readers = [one for one in instances if _name(one) != name]
    if writer is None or not readers:
        return None  # writer and zones say it
    wanted = word(writer, "DBInstanceClass")
    fit = [one for one in readers if number(one, "PromotionTier") <= _TIER and word(one, "DBInstanceClass") == wanted]
    if fit:
        return Found(True, f"is {_name(fit[0])}", _name(fit[0]))
    reader = readers[0]
    options = (f"--promotion-tier {_TIER}", f"--db-instance-class {wanted}")
    mend = modify_instance(_name(reader), *options, attribute="tier", value=_TIER)
    return Found(False, f"is nobody of class {wanted} in tier 0 or {_TIER}", None, mend)


def _group(facts: Facts) -> Found:
    states = {
        word(one, "DBInstanceIdentifier"): word(one, "DBClusterParameterGroupStatus")
        for one in rows(facts.cluster, "DBClusterMembers")
    }
    if not states:
        raise Missing(Unknown("there is no member"))
    other = {name: state for name, state in states.items() if state != "in-sync"}
    if not other:
        return Found(True, "is applied", states)
    name = next(iter(other))
    mend = Mend(("aws rds reboot-db-instance", f"--db-instance-identifier {name}", "--region {region}"))
    return Found(False, "; ".join(f"{name} is {state}" for name, state in other.items()), states, mend)


def _each(
    facts: Facts, bad: Callable[[Row], bool], good: str, wrong: str, mend: Callable[[str], Mend], value: str
) -> Found:
    """What must hold of each member."""
    members = _members(facts)
    found = [_name(one) for one in members if bad(one)]
    values = {_name(one): one.get(value) for one in members}
    return Found(not found, f"{wrong} {', '.join(found)}" if found else good, values, mend(found[0]) if found else None)


def _private(facts: Facts) -> Found:
    def mend(name: str) -> Mend:
        return modify_instance(name, "--no-publicly-accessible", attribute="public", value=False)

    return _each(
        facts, lambda one: flag(one, "PubliclyAccessible"), "no member is public", "can be reached from the internet:",
        mend, "PubliclyAccessible",
    )  # fmt: skip


def _monitoring(facts: Facts) -> Found:
    def mend(name: str) -> Mend:
        options = ("--monitoring-interval 60", "--monitoring-role-arn ROLE")
        return modify_instance(name, *options, attribute="monitoring", value=60)

    return _each(
        facts, lambda one: number(one, "MonitoringInterval") == 0, "is on for each member", "is off on", mend,
        "MonitoringInterval",
    )  # fmt: skip


def _insights(facts: Facts) -> Found:
    mode = str(known(facts.cluster).get("DatabaseInsightsMode", "standard"))
    if mode == "advanced":
        return Found(True, "is advanced", mode)

    def mend(name: str) -> Mend:
        return modify_instance(name, "--enable-performance-insights", attribute="insights")

    return _each(
        facts, lambda one: not flag(one, "PerformanceInsightsEnabled"), "is on for each member", "is off on", mend,
        "PerformanceInsightsEnabled",
    )  # fmt: skip


def _certificate(facts: Facts) -> Found:
    ends: dict[str, datetime] = {}
    names: dict[str, str] = {}
    for one in _members(facts):
        names[_name(one)] = word(one, "CACertificateIdentifier")
        details = one.get("CertificateDetails")
        if isinstance(details, dict) and isinstance(details.get("ValidTill"), datetime):
            ends[_name(one)] = time(details, "ValidTill")
    for name, authority in names.items():
        mend = modify_instance(
            name, "--ca-certificate-identifier rds-ca-rsa2048-g1", attribute="certificate", value="rds-ca-rsa2048-g1"
        )
        if authority == "rds-ca-2019":
            return Found(False, f"of {name} is from rds-ca-2019, which has ended", names, mend, "graver")
        end = ends.get(name)
        if end is not None and end < facts.now + _SOON:
            said = f"of {name} ends {end:%Y-%m-%d}"
            return Found(False, said, names, mend, "graver" if end < facts.now else None)
    return Found(True, f"is from {', '.join(sorted(set(names.values())))}", names)


def _serverless(facts: Facts) -> Found | None:
    if not any(word(one, "DBInstanceClass") == "db.serverless" for one in known(facts.instances)):
        return None
    scaling = known(facts.cluster).get("ServerlessV2ScalingConfiguration")
    least = number(scaling if isinstance(scaling, dict) else {}, "MinCapacity")
    most = scaling.get("MaxCapacity") if isinstance(scaling, dict) else None
    option = f"--serverless-v2-scaling-configuration MinCapacity=0.5,MaxCapacity={most}"
    mend = modify(option, attribute="serverless", value=0.5)
    return Found(least > 0, f"is {least:g} units", least, mend)


def _exports(facts: Facts) -> Found:
    wanted, have = _LOGS[facts.mysql], words(facts.cluster, "EnabledCloudwatchLogsExports")
    missing = [name for name in wanted if name not in have]
    types = ",".join(f'"{name}"' for name in missing)
    option = f"--cloudwatch-logs-export-configuration '{{\"EnableLogTypes\":[{types}]}}'"
    mend = modify(option, attribute="log-exports", value=sorted({*have, *wanted}))
    said = f"lack {', '.join(missing)}" if missing else f"are {', '.join(sorted(have))}"
    return Found(not missing, said, have, mend)


def _alarms(facts: Facts) -> Found:
    alarms = {word(one, "AlarmName"): word(one, "StateValue") for one in known(facts.alarms)}
    missing = [name for name in facts.wanted_alarms if name not in alarms]
    if missing:
        mend = Mend(text="correct alarms of this environment in hgaurora.toml, or make them")
        return Found(False, f"are not there: {', '.join(missing)}", alarms, mend, "graver")
    other = [f"{name} is {state}" for name, state in alarms.items() if state != "OK"]
    if other:
        mend = Mend(("aws cloudwatch describe-alarms", "--state-value ALARM", "--region {region}"))
        return Found(False, "; ".join(other), alarms, mend)
    if not alarms:
        return Found(False, "are none for this cluster", alarms)
    return Found(True, f"are OK: {', '.join(sorted(alarms))}", alarms)


RULES: tuple[Rule, ...] = (
    Rule(
        "writer",
        "graver",
        "migrations run on the one writer",
        _writer,
        Mend(("aws rds failover-db-cluster", "--db-cluster-identifier {cluster}", "--region {region}")),
    ),
    Rule(
        "members",
        "warning",
        "a member that is not available can not take over",
        _available,
        Mend(("aws rds describe-events", "--source-type db-instance", "--region {region}")),
    ),
    Rule("zones", "graver", "with one zone down nobody would be left to write", _zones, Mend()),
    Rule(
        "failover-target",
        "warning",
        "the one that takes over has to carry what the writer carried",
        _failover,
        Mend(),
    ),
    Rule(
        "parameter-group",
        "warning",
        "a member that was not restarted runs with other parameters than the group says",
        _group,
        Mend(),
    ),
    Rule("private", "graver", "a database is reached from its own network alone", _private, Mend()),
    Rule("certificate", "warning", "who verifies names is refused once it has ended", _certificate, Mend()),
    Rule(
        "serverless-minimum",
        "warning",
        "a writer that pauses lets the next one wait half a minute",
        _serverless,
        Mend(),
    ),
    Rule(
        "log-exports",
        "warning",
        "the server's own log is the only witness of what was done beside hgaurora",
        _exports,
        Mend(),
    ),
    Rule(
        "performance-insights", "warning", "it shows which session waited for what, afterwards too", _insights, Mend()
    ),
    Rule("enhanced-monitoring", "warning", "it shows what the machine did while a migration ran", _monitoring, Mend()),
    Rule(
        "alarms",
        "warning",
        "an alarm is what tells a bad deploy from a good one while nobody looks",
        _alarms,
        Mend(
            (
                "aws cloudwatch put-metric-alarm",
                "--alarm-name {cluster}-cpu",
                "--namespace AWS/RDS",
                "--metric-name CPUUtilization",
                "--dimensions Name=DBClusterIdentifier,Value={cluster}",
                "--statistic Average",
                "--period 60",
                "--evaluation-periods 5",
                "--threshold 90",
                "--comparison-operator GreaterThanThreshold",
                "--region {region}",
            )
        ),
    ),
)
