# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ``hgaurora.toml`` says, as values. Durations are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import ConfigError, InputError
from ..toml_lines import Path, line_of
from ..window import Window
from .values import engine, near, shown, url_parameters

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
    """``[environments.NAME]``. Exactly one of ``target``, ``url`` and ``cluster`` is set."""

    name: str
    target: str | None = None  # local
    url: str | None = None
    cluster: str | None = None
    region: str | None = None
    account: str | None = None
    database: str | None = None
    schema: str = "public"
    user: str | None = None
    deploys: str | None = None
    on_push: bool = False
    protected: bool = False
    after: tuple[str, ...] = ()
    soak: float = 0.0
    snapshot: str = "each"  # each | deploy | none
    lock_wait: float = 300.0
    lock_timeout: float = 2.0
    lock_tries: int = 8
    statement_timeout: float = 0.0  # 0: none
    backfill_timeout: float | None = None  # 0: none; None: that of statement_timeout
    migration_timeout: float = 0.0  # 0: none
    change_request_required: bool = False
    window: Window | None = None
    log_group: str | None = None
    require_journal: bool = False
    ignore: tuple[str, ...] = ()
    port: int | None = None

    @property
    def kind(self) -> str:
        """``local``, ``url`` or ``cluster``."""
        return "cluster" if self.cluster else "url" if self.url else "local"

    @property
    def is_cluster(self) -> bool:
        """True for an Aurora cluster."""
        return self.cluster is not None

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
