# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Every key of ``hgaurora.toml``, as data: the parser, the reference page and the tests are driven by it."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from functools import partial

from .values import (
    Reader,
    choice,
    cluster_from,
    copied,
    duration,
    flag,
    folder,
    ignored,
    items,
    one_of,
    path,
    regex,
    text,
    texts,
    url,
    whole,
    window,
)

#: kinds of environment, named by the key that makes one
KINDS = ("target", "url", "cluster")


_WORDS = {str: "text", bool: "true or false", int: "a whole number", list: "a list of texts", dict: "a table of texts"}


@dataclass(frozen=True)
class Key:
    """One key.

    ``toml`` is the Python type that :mod:`tomllib` gives; ``example`` is a value as in the file; ``default`` is what
    the settings then hold and ``shown`` how the reference says it; ``kinds`` are the keys of :data:`KINDS` it goes
    with, ``required`` those that can not do without it.
    """

    section: str  # project | environments
    name: str
    toml: type
    read: Reader
    example: str
    _: KW_ONLY
    allowed: str
    doc: str
    words: str = ""
    default: object = None
    shown: str = "none"
    kinds: tuple[str, ...] = KINDS
    required: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        """Its name in the settings."""
        return self.name.replace("-", "_")

    @property
    def wanted(self) -> str:
        """Its type in words, such as ``a duration``."""
        return self.words or _WORDS[self.toml]


_project = partial(Key, "project")
_environment = partial(Key, "environments")

#: days that CloudWatch Logs can keep events, as botocore's model has them
RETENTIONS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)

_NAME = r"[A-Za-z][A-Za-z0-9-]{0,62}"
_MODULE = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"

KEYS: tuple[Key, ...] = (
    _project(
        "migrations",
        str,
        path,
        '"migrations"',
        words="a path",
        default="migrations",
        shown='"migrations"',
        allowed="inside the repository, with /, without ..",
        doc="the Alembic script location",
    ),
    _project(
        "version-locations",
        list,
        items(path, least=1),
        '["versions"]',
        default=("versions",),
        shown='["versions"]',
        allowed="paths below migrations, at least one",
        doc="the folders that hold the migrations; Alembic's word",
    ),
    _project(
        "env",
        str,
        choice("ours", "project"),
        '"ours"',
        default="ours",
        shown='"ours"',
        allowed='"ours" or "project"',
        doc="whose Alembic environment runs them: hgaurora's, or the project's own env.py unchanged",
    ),
    _project(
        "paths",
        list,
        items(folder),
        '["src"]',
        default=(),
        shown="[]",
        allowed="paths inside the repository, or . for all of it",
        doc="application code that migrations import; put on Python's path in the migration's process",
    ),
    _project(
        "imports",
        list,
        items(text(_MODULE, "a module's name, such as alembic_utils")),
        '["alembic_utils"]',
        default=(),
        shown="[]",
        allowed="names of modules",
        doc="modules imported before the migrations, such as plug-ins that register operations",
    ),
    _project(
        "python",
        str,
        text(r"[^-].*", "an interpreter, such as .venv/bin/python"),
        '".venv/bin/python"',
        words="a path",
        allowed="absolute, or relative to the repository",
        doc="the interpreter of the application's own environment, where migrations need its libraries",
    ),
    _project(
        "change-request",
        str,
        regex,
        r"'\b(CR|OPS)-\d+\b'",
        words="a regular expression",
        allowed="Python's re; must not match empty text",
        doc="found in the changeset's description and recorded with the deploy",
    ),
    _project(
        "multiple-heads",
        bool,
        flag,
        "true",
        default=False,
        shown="false",
        allowed="true or false",
        doc="whether a changeset may leave several Alembic heads",
    ),
    _project(
        "alembic-options",
        dict,
        texts,
        '{ "myapp.tenant" = "main" }',
        default={},
        shown="empty",
        allowed="texts",
        doc="options that the project's own env.py reads; {url} stands for the connection",
    ),
    _environment(
        "target",
        str,
        choice("local"),
        '"local"',
        allowed='"local"',
        kinds=("target",),
        doc="a PostgreSQL server of the repository's own, below .hg/, with real snapshots",
    ),
    _environment(
        "url",
        str,
        url,
        '"postgresql://host/shop"',
        words="a url",
        kinds=("url",),
        allowed="postgresql:// or mysql:// [user@]host[:port]/database, without a password",
        doc="any PostgreSQL, MySQL or MariaDB database (mariadb:// is mysql://)",
    ),
    _environment(
        "cluster",
        str,
        text(_NAME, "a cluster's identifier"),
        '"shop-prod"',
        kinds=("cluster",),
        allowed="letters, digits and -, at most 63",
        doc="the identifier of an Aurora cluster",
    ),
    _environment(
        "cluster-from",
        dict,
        cluster_from,
        '{ terraform = "infra/outputs.json", output = "cluster_arn" }',
        kinds=("cluster",),
        allowed="one of terraform, pulumi, cdk, crossplane, planton and ansible with a file in the repository, or "
        "cloudformation with a stack, or cloudformation-export with an export; beside it what it is called there",
        doc="the cluster is the one that this tool made, instead of cluster or to check it",
    ),
    _environment(
        "region",
        str,
        text(r"[a-z]{2,4}(?:-[a-z]+)+-\d{1,2}", "a region, such as eu-west-1"),
        '"eu-west-1"',
        kinds=("cluster",),
        required=("cluster",),
        allowed="an AWS region",
        doc="where the cluster is",
    ),
    _environment(
        "account",
        str,
        text(r"\d{12}", "12 digits, in quotes"),
        '"123456789012"',
        kinds=("cluster",),
        allowed="12 digits",
        doc="the AWS account; checked before anything is sent",
    ),
    _environment(
        "database",
        str,
        text(),
        '"shop"',
        kinds=("cluster",),
        required=("cluster",),
        allowed="a name",
        doc="the database in the cluster",
    ),
    _environment(
        "schema",
        str,
        text(r"[^\W\d][\w$]{0,62}", "a schema's name"),
        '"public"',
        default="public",
        shown='"public"',
        allowed="letters, digits, _ and $, at most 63",
        doc="where unqualified names go, and the version table; on MySQL a database has no schemas",
    ),
    _environment(
        "user",
        str,
        text(),
        '"hgaurora"',
        kinds=("url", "cluster"),
        allowed="a name",
        doc="the database user; on a cluster by IAM authentication",
    ),
    _environment(
        "role-arn",
        str,
        text(
            r"arn:aws[\w-]*:iam::\d{12}:role/[\w+=,.@/-]{1,576}",
            "a role, such as arn:aws:iam::123456789012:role/deploy",
        ),
        '"arn:aws:iam::123456789012:role/hgaurora-prod"',
        words="an ARN",
        kinds=("cluster",),
        allowed="the ARN of a role",
        doc="the role that is assumed for it; without it the credentials are used as they are found",
    ),
    _environment(
        "external-id",
        str,
        text(r"[\w+=,.@:/-]{2,1224}", "2 to 1224 letters, digits and + = , . @ : / -"),
        '"shop-deployer"',
        kinds=("cluster",),
        allowed="2 to 1224 letters, digits and + = , . @ : / -",
        doc="the external id that the role wants",
    ),
    _environment(
        "secret",
        str,
        text(r"managed|[\w/+=.@!:-]{1,512}", "a secret's name or ARN, or managed"),
        '"managed"',
        kinds=("cluster",),
        shown="none: IAM authentication",
        allowed="a name or ARN in Secrets Manager, or managed",
        doc="where user and password are, instead of IAM authentication; managed is the cluster's own master secret",
    ),
    _environment(
        "ca-bundle",
        str,
        text(r"[~/].+", "an absolute path, or one below ~"),
        '"/etc/ssl/certs/rds-global-bundle.pem"',
        words="a path",
        kinds=("cluster",),
        shown="the first of the usual places",
        allowed="a PEM file: an absolute path, or one below ~",
        doc="the certificates that a cluster's must be signed by",
    ),
    _environment(
        "deploys",
        str,
        text(),
        '"branch(stable) and public()"',
        words="a revset",
        allowed="a revset",
        doc="which changesets may go there; deploy without -r takes the newest of them",
    ),
    _environment(
        "on-push",
        bool,
        flag,
        "true",
        default=False,
        shown="false",
        allowed="true or false",
        doc="whether a push deploys to it",
    ),
    _environment(
        "protected",
        bool,
        flag,
        "true",
        shown="true for a cluster, else false",
        allowed="true or false",
        doc="a revert is confirmed by typing the name; policy comes only from the server",
    ),
    _environment(
        "after",
        list,
        items(text()),
        '["staging"]',
        default=(),
        shown="[]",
        allowed="other environments",
        doc="where the same scripts must have run before",
    ),
    _environment(
        "soak",
        str,
        duration("0s", "90d"),
        '"2h"',
        words="a duration",
        default=0.0,
        shown='"0s"',
        allowed="0s to 90d",
        doc="how long ago that must be",
    ),
    _environment(
        "snapshot",
        str,
        choice("each", "deploy", "none"),
        '"each"',
        default="each",
        shown='"each"',
        allowed='"each", "deploy" or "none"',
        doc="a snapshot before each migration, one before a deploy, or none",
    ),
    _environment(
        "snapshot-wait",
        str,
        duration("10s", "2d"),
        '"4h"',
        words="a duration",
        default=7200.0,
        shown='"2h"',
        kinds=("cluster",),
        allowed="10s to 2d",
        doc="how long one run waits for a snapshot; the next run goes on with it",
    ),
    _environment(
        "snapshot-copy",
        dict,
        copied,
        '{ region = "eu-central-1", key = "alias/snapshots" }',
        default={},
        shown="empty",
        kinds=("cluster",),
        allowed="region, or account and role; and key, a KMS key there",
        doc="where each snapshot is copied to: another region, or another account, whose role makes the copy",
    ),
    _environment(
        "keep",
        int,
        whole(1, 1000),
        "20",
        default=10,
        shown="10",
        allowed="1 to 1000",
        doc="of how many deploys snapshots --prune keeps the snapshots",
    ),
    _environment(
        "alarms",
        list,
        items(text(), least=1),
        '["shop-prod-errors"]',
        default=(),
        shown="[]",
        kinds=("cluster",),
        allowed="names of CloudWatch alarms, of metrics or composite",
        doc="what has to be OK before a deploy begins",
    ),
    _environment(
        "replica-lag",
        str,
        duration("10ms", "1h"),
        '"1s"',
        words="a duration",
        shown="not looked at",
        kinds=("cluster",),
        allowed="10ms to 1h",
        doc="how far readers may be behind the writer when a deploy begins",
    ),
    _environment(
        "lock-wait",
        str,
        duration("0s", "1d"),
        '"5m"',
        words="a duration",
        default=300.0,
        shown='"5m"',
        allowed="0s to 1d",
        doc="how long to wait while another deploy holds the environment",
    ),
    _environment(
        "lock-timeout",
        str,
        duration("10ms", "10m"),
        '"2s"',
        words="a duration",
        default=2.0,
        shown='"2s"',
        allowed="10ms to 10m",
        doc="how long one statement may wait for a lock on a table",
    ),
    _environment(
        "lock-tries",
        int,
        whole(1, 100),
        "8",
        default=8,
        shown="8",
        allowed="1 to 100",
        doc="how often a migration that met lock-timeout is tried",
    ),
    _environment(
        "statement-timeout",
        str,
        duration("0s", "7d"),
        '"10m"',
        words="a duration",
        default=0.0,
        shown='"0s"',
        allowed="0s to 7d; 0s is no limit",
        doc="how long one statement may take that changes the schema",
    ),
    _environment(
        "backfill-timeout",
        str,
        duration("0s", "7d"),
        '"1h"',
        words="a duration",
        shown="that of statement-timeout",
        allowed="0s to 7d; 0s is no limit",
        doc="how long one statement may take that reads or changes data: SELECT, INSERT, UPDATE, DELETE, MERGE, COPY",
    ),
    _environment(
        "migration-timeout",
        str,
        duration("0s", "7d"),
        '"1h"',
        words="a duration",
        default=0.0,
        shown='"0s"',
        allowed="0s to 7d; 0s is no limit",
        doc="how long one migration may take, by the clock on the wall",
    ),
    _environment(
        "change-request-required",
        bool,
        flag,
        "true",
        default=False,
        shown="false",
        allowed="true or false",
        doc="refuse a deploy without a change request in a description",
    ),
    _environment(
        "window",
        str,
        window,
        '"Mon-Thu 08:00-16:00 Europe/Paris"',
        words="days, times and a zone",
        allowed="days, from-to, a zone of the IANA database",
        doc="when a deploy may begin; a revert may always",
    ),
    _environment(
        "log-group",
        str,
        text(r"[\w./#-]{1,512}", "a log group's name"),
        '"/hgaurora/prod"',
        kinds=("cluster",),
        allowed="letters, digits and _ . / # -, at most 512",
        doc="the CloudWatch log group that events are delivered to",
    ),
    _environment(
        "log-retention",
        int,
        one_of(*RETENTIONS),
        "365",
        kinds=("cluster",),
        shown="for ever",
        allowed=f"CloudWatch's: {', '.join(map(str, RETENTIONS))}",
        doc="how many days a log group that hgaurora makes keeps its events",
    ),
    _environment(
        "log-key",
        str,
        text(r"arn:aws[\w-]*:kms:[a-z0-9-]+:\d{12}:key/[\w-]+", "the ARN of a KMS key"),
        '"arn:aws:kms:eu-west-1:123456789012:key/7f1d0c5e-4b7e-4a55-9d9c-2a0b3c4d5e6f"',
        kinds=("cluster",),
        allowed="the ARN of a key",
        doc="the KMS key that a log group which hgaurora makes is encrypted with",
    ),
    _environment(
        "require-journal",
        bool,
        flag,
        "true",
        default=False,
        shown="false",
        allowed="true or false",
        doc="refuse a deploy while events can not be delivered",
    ),
    _environment(
        "ignore",
        list,
        items(ignored),
        '["partman.*", "table public.orders_p*", "grants"]',
        default=(),
        shown="[]",
        allowed="names with * for any part, a kind before one, or a fact such as grants; see the page on schemas",
        doc="what others change in the schema; recorded, but no drift",
    ),
    _environment(
        "port",
        int,
        whole(1024, 65535),
        "54321",
        kinds=("target",),
        shown="a free one",
        allowed="1024 to 65535",
        doc="the fixed port of the local server",
    ),
)

#: section to name to key
BY_SECTION = {
    section: {key.name: key for key in KEYS if key.section == section} for section in ("project", "environments")
}


def settings_reference() -> str:
    """The reference of all keys, as reStructuredText."""
    titles = {"project": "``[project]``", "environments": "``[environments.NAME]``"}
    lines: list[str] = []
    for section, title in titles.items():
        lines += [title, "-" * len(title), ""]
        for key in BY_SECTION[section].values():
            lines += [
                f"``{key.name} = {key.example}``",
                f"    {key.doc[0].upper()}{key.doc[1:]}.",
                "",
                *(f"    - {fact}" for fact in _facts(key)),
                "",
            ]
    return "\n".join(lines)


def _facts(key: Key) -> list[str]:
    facts = [key.wanted if key.wanted == key.allowed else f"{key.wanted}: {key.allowed}"]
    if key.kinds == (key.name,):
        facts.append("exactly one of ``target``, ``url`` and ``cluster`` is needed")
    elif key.required:
        facts.append("needed with, and only with, " + " and ".join(f"``{kind}``" for kind in key.required))
    else:
        facts.append(f"default: {key.shown}")
        if key.kinds != KINDS:
            facts.append("only with " + " or ".join(f"``{kind}``" for kind in key.kinds))
    return facts
