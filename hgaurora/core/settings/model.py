# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``hgaurora.toml`` says, as values. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import ConfigError, InputError
from ..toml_lines import Path, line_of
from ..window import Window
from .values import engine, near, shown, url_parameters

if TYPE_CHECKING:
    from ..cluster_from import Source

#: said of every error here: settings are read before anything is done
UNCHANGED = "nothing was done"


@dataclass(frozen=True, kw_only=True)
class ProjectSettings:
    """``[project]``."""

    migrations: str = "migrations"
    version_locations: tuple[str, ...] = ("versions",)
    env: str = "ours"  # ours | project
    paths: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    python: str | None = None
    change_request: str | None = None  # a regular expression
    multiple_heads: bool = False
    alembic_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """``[environments.NAME]``. Exactly one of ``target``, ``url`` and ``cluster`` (or
    ``cluster_from``) is set."""

    name: str
    target: str | None = None  # local
    url: str | None = None
    cluster: str | None = None  # None beside cluster_from: not looked for yet
    cluster_from: Source | None = None
    endpoint: str | None = None  # the writer endpoint, where cluster_from names the cluster by it
    region: str | None = None
    account: str | None = None
    database: str | None = None
    schema: str = "public"
    user: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    secret: str | None = None  # a name or an ARN; managed: the cluster's own; None: IAM authentication
    ca_bundle: str | None = None
    deploys: str | None = None
    on_push: bool = False
    protected: bool = False
    after: tuple[str, ...] = ()
    soak: float = 0.0
    snapshot: str = "each"  # each | deploy | none
    snapshot_wait: float = 7200.0
    snapshot_copy: Mapping[str, str] = field(default_factory=dict)  # region, account, role, key
    keep: int = 10  # deploys
    alarms: tuple[str, ...] = ()
    replica_lag: float | None = None
    lock_wait: float = 300.0
    lock_timeout: float = 2.0
    lock_tries: int = 8
    statement_timeout: float = 0.0  # 0: none
    backfill_timeout: float | None = None  # 0: none; None: that of statement_timeout
    migration_timeout: float = 0.0  # 0: none
    change_request_required: bool = False
    window: Window | None = None
    log_group: str | None = None
    log_retention: int | None = None  # days; None: for ever
    log_key: str | None = None  # ARN of a KMS key
    require_journal: bool = False
    ignore: tuple[str, ...] = ()
    port: int | None = None

    @property
    def kind(self) -> str:
        """``local``, ``url`` or ``cluster``."""
        return "cluster" if self.is_cluster else "url" if self.url else "local"

    @property
    def is_cluster(self) -> bool:
        """True for an Aurora cluster."""
        return self.cluster is not None or self.cluster_from is not None

    @property
    def from_stack(self) -> bool:
        """Outputs of a stack of CloudFormation name the cluster."""
        return self.cluster_from is not None and self.cluster_from.tool == "cloudformation"

    @property
    def from_export(self) -> bool:
        """An export of CloudFormation names the cluster."""
        return self.cluster_from is not None and self.cluster_from.tool == "cloudformation-export"

    @property
    def log_kept(self) -> bool:
        """The settings say how a log group keeps events, so one that is there is compared with them."""
        return bool(self.log_group and (self.log_retention or self.log_key))

    @property
    def copies_to_region(self) -> bool:
        """Snapshots are copied to another region."""
        return "region" in self.snapshot_copy

    @property
    def copies_to_account(self) -> bool:
        """Snapshots are copied to another account."""
        return "account" in self.snapshot_copy

    @property
    def engine(self) -> str:
        """``postgresql`` or ``mysql`` (MariaDB too)."""
        return engine(self.url) if self.url else "postgresql"

    @property
    def parameters(self) -> dict[str, str]:
        """Keywords of a ``url`` (``host``, ``port``, ``dbname``, ``user``, options); empty without one."""
        found = url_parameters(self.url) if self.url else {}
        return found | ({"user": self.user} if found and self.user else {})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """A whole ``hgaurora.toml``; ``lines`` has the line of each key that stands in it."""

    project: ProjectSettings
    environments: Mapping[str, Environment]
    source: str = "hgaurora.toml"
    lines: Mapping[Path, int] = field(default_factory=dict, repr=False, compare=False)

    def environment(self, name: str) -> Environment:
        """One environment by name.

        :raises InputError: there is none; the hint has those there are.
        """
        if name in self.environments:
            return self.environments[name]
        meant = near(name, list(self.environments))
        raise InputError(
            f"{self.source} has no environment {shown(name)}",
            state=UNCHANGED,
            hint=f"the environment is {meant}" if meant else f"environments are {', '.join(self.environments)}",
            data={"environment": name},
        )

    def on_cluster(self, name: str) -> tuple[str, ...]:
        """The environments on the cluster of one, itself too, in the order of the file; it alone where it is on none.

        The same names in two accounts are two clusters.
        """
        one = self.environments[name]
        if one.cluster is None:
            return (name,)

        def same(other: Environment) -> bool:
            accounts = {one.account, other.account} - {None}
            return (
                (other.cluster or "").lower() == (one.cluster or "").lower()
                and other.region == one.region
                and len(accounts) < 2
            )

        return tuple(found for found, other in self.environments.items() if same(other))

    def error(self, path: Path, message: str, *, hint: str | None = None) -> ConfigError:
        """An error about a key that only shows in use, such as ``error(("environments", "dev", "deploys"), ...)``.

        ``message`` goes on after the key's name.
        """
        return config_error(self.source, line_of(self.lines, path), path, f"{dotted(path)} {message}", hint)


def dotted(path: Path) -> str:
    """A path as in the file: ``environments.prod.soak``; an item of a list is its key."""
    names = [part for part in path if isinstance(part, str)]
    return ".".join(name if name.replace("-", "_").isidentifier() and name.isascii() else shown(name) for name in names)


_LONGEST = 400  # characters of a message


def config_error(source: str, line: int, path: Path, message: str, hint: str | None) -> ConfigError:
    """The one shape of every error about the settings. A name of thousands of characters is cut: the line finds it."""
    if len(message) > _LONGEST:
        message = message[: _LONGEST - 3] + "..."
    return ConfigError(
        f"{source}:{line}: {message}",
        state=UNCHANGED,
        hint=hint,
        data={"file": source, "line": line, "key": dotted(path) or None},
    )
