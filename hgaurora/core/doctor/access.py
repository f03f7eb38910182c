# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules about who gets in, and how."""

from __future__ import annotations

from shlex import quote
from urllib.parse import urlsplit

from .facts import Facts, Unknown, flag, known, word
from .rule import Found, Mend, Rule, modify

_FORCED = {False: ("rds.force_ssl", "1"), True: ("require_secure_transport", "ON")}
#: a server of this machine is reached without a network
_HERE = ("", "localhost", "127.0.0.1", "::1")
_VERIFIED = "verify-full"


def _iam(facts: Facts) -> Found:
    on = flag(facts.cluster, "IAMDatabaseAuthenticationEnabled")
    if facts.settings.secret:  # hgaurora does without it
        return Found(on, "is on" if on else "is off", on, severity="warning")
    return Found(on, "is on" if on else "is off", on)


def _forced(facts: Facts) -> Found:
    name, wanted = _FORCED[facts.mysql]
    parameters = known(facts.parameters)
    value = parameters.get(name)
    if value is None:
        value = _usual(facts)
    good = value.upper() in (wanted, "1", "ON")
    group = str(known(facts.cluster).get("DBClusterParameterGroup", "GROUP"))
    group = "GROUP" if group.startswith("default.") else group
    command = (
        "aws rds modify-db-cluster-parameter-group",
        f"--db-cluster-parameter-group-name {group}",
        "--region {region}",
        f"--parameters ParameterName={name},ParameterValue={wanted},ApplyMethod=immediate",
    )
    text = "first make a group of your own: a default one can not be changed" if group == "GROUP" else ""
    return Found(good, "is on" if good else f"is off ({name} is {value})", value, Mend(command, (name, wanted), text))


def _usual(facts: Facts) -> str:
    """What the engine does where the group says nothing.

    AWS: rds.force_ssl is 1 by default from Aurora PostgreSQL 17; require_secure_transport is OFF in Aurora MySQL 3.
    """
    version = word(facts.cluster, "EngineVersion").partition(".")[0]
    if facts.mysql:
        return "OFF"
    return "1" if version.isdigit() and int(version) >= 17 else "0"


def _secret(facts: Facts) -> Found:
    managed = known(facts.cluster).get("MasterUserSecret")
    if not isinstance(managed, dict):
        return Found(False, "is a password that somebody keeps")
    status = word(managed, "SecretStatus")
    return Found(status == "active", f"is managed by AWS, {status}", status)


def _rotation(facts: Facts) -> Found | None:
    if not facts.settings.secret:
        return None
    secret = known(facts.secret)
    if secret is None:
        mend = Mend(text="correct secret of this environment in hgaurora.toml")
        return Found(False, f"{facts.settings.secret} is not there", None, mend, "fail")
    if "DeletedDate" in secret:
        mend = Mend(
            ("aws secretsmanager restore-secret", f"--secret-id {quote(str(secret.get('Name')))}", "--region {region}")
        )
        return Found(False, "is to be deleted", str(secret["DeletedDate"]), mend, "fail")
    if secret.get("OwningService") == "rds":
        return Found(True, "is rotated by RDS", True)
    on = bool(secret.get("RotationEnabled"))  # AWS leaves it out where rotation was never set up
    command = (
        "aws secretsmanager rotate-secret",
        f"--secret-id {quote(str(secret.get('Name')))}",
        "--region {region}",
        "--rotation-lambda-arn FUNCTION",
        "--rotation-rules AutomaticallyAfterDays=30",
    )
    return Found(on, "is rotated" if on else "is never rotated", on, Mend(command))


def _data_api(facts: Facts) -> Found:
    on = known(facts.cluster).get("HttpEndpointEnabled") is True  # left out where the engine has none
    return Found(not on, "is on" if on else "is off", on)


def _caller(facts: Facts) -> Found:
    who = known(facts.identity)
    if who.kind == "root":
        return Found(False, "is the account's root", who.arn, severity="fail")
    if who.static:
        return Found(False, f"is {who.arn} with a key that does not expire", who.arn)
    return Found(True, f"is {who.arn}", who.arn)


def _account(facts: Facts) -> Found:
    wanted = facts.settings.account
    if wanted:
        asked = known(facts.identity).account
        return Found(asked == wanted, f"is {asked}", asked, severity="fail")
    return Found(False, "is not named in hgaurora.toml", None, Mend(text=_name_account(facts)))


def _name_account(facts: Facts) -> str:
    asked = facts.identity
    named = "..." if isinstance(asked, Unknown) else asked.account
    return f'account = "{named}" for {facts.settings.name} in hgaurora.toml'


def _encrypted(facts: Facts) -> Found | Unknown | None:
    """How a url is reached; a cluster is never reached without verified TLS."""
    url = facts.settings.url
    if url is None:
        return None
    known_words = facts.settings.parameters
    host = known_words.get("host", urlsplit(url).hostname or "")
    if host in _HERE or host.startswith("/") or "socket" in known_words:
        return Found(True, "is not needed: the server is on this machine", "local")
    key = "ssl-mode" if facts.settings.engine == "mysql" else "sslmode"
    mode = known_words.get(key, "none")
    if mode == _VERIFIED:
        return Found(True, "is verify-full", mode)
    return Found(False, f"is {mode}", mode, Mend(text=f"{key}=verify-full behind the ? of url in hgaurora.toml"))


RULES: tuple[Rule, ...] = (
    Rule(
        "iam-authentication",
        "graver",
        "hgaurora logs in with a token that lives for 15 minutes; without it there would be a password",
        _iam,
        modify("--enable-iam-database-authentication", attribute="iam"),
    ),
    Rule(
        "forced-tls", "graver", "without it a client that asks for no TLS is let in, password and all", _forced, Mend()
    ),
    Rule(
        "master-secret",
        "warning",
        "a managed master password is rotated, and nobody has to know it",
        _secret,
        modify("--manage-master-user-password", attribute="managed-secret"),
    ),
    Rule("secret", "warning", "a password that stays is known to more people every year", _rotation, Mend()),
    Rule(
        "data-api",
        "warning",
        "it is a second door into the database, opened by IAM alone",
        _data_api,
        Mend(
            (
                "aws rds disable-http-endpoint",
                "--resource-arn arn:aws:rds:{region}:{account}:cluster:{cluster}",
                "--region {region}",
            ),
            ("data-api", False),
        ),
    ),
    Rule(
        "credentials",
        "graver",
        "a key that does not expire is worth stealing; hgaurora refuses one where an environment is protected",
        _caller,
        Mend(text="take a role: aws sso login, a role of the machine, or role-arn in hgaurora.toml"),
    ),
    Rule(
        "account",
        "warning",
        "a cluster of the same name in another account would be taken for this one",
        _account,
        Mend(text="take the credentials of the account that hgaurora.toml names, or correct it"),
    ),
    Rule("tls", "graver", "without verify-full whoever sits in between reads and changes all", _encrypted, Mend()),
)
