# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``cluster-from``: an environment whose cluster is looked up in what made it.

The file is read from where the settings are read: beside the file that ``[hgaurora] config`` names, at the changeset of
``config-rev``, else in the working directory. So a pushed changeset can not turn a protected environment to another
cluster.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from ..core import cluster_from
from ..core.cluster_from import NotFound, Reference, Source
from ..core.errors import ConfigError
from ..core.settings import Environment, Settings
from ..core.settings.rules import Where, shared

if TYPE_CHECKING:
    from .context import Context


def resolved(context: Context, settings: Settings, name: str) -> Environment:
    """The environment with its cluster's identifier.

    :raises ConfigError: it can not be found, or is another one than the settings say.
    """
    environment = settings.environments[name]
    source = environment.cluster_from
    if source is None:
        return environment
    try:
        if source.by_api:
            found = context.adapters.discover(environment, source, user=context.who())
        else:
            found = cluster_from.find(source, _document(context, source))
    except NotFound as error:
        place = "" if source.by_api else f"{source.place} "
        raise settings.error(_path(name), f"finds no cluster: {place}{error.message}", hint=error.hint) from None
    _agree(settings, environment, source, found)
    made = replace(environment, cluster=found.cluster, endpoint=found.endpoint)
    for problem in shared({**settings.environments, name: made}, Where(settings.lines)):
        message = f"{settings.source}:{problem.line}: {problem.message}"
        raise ConfigError(message, state="nothing was done", hint=f"{source} is {found.cluster}")
    return made


def _path(name: str, key: str = "cluster-from") -> tuple[str, ...]:
    return ("environments", name, key)


def _document(context: Context, source: Source) -> object:
    content = _content(context, source)
    if source.tool in cluster_from.YAML:
        from ..adapters.manifests import documents

        return documents(content)
    return cluster_from.parsed(content)


def _content(context: Context, source: Source) -> bytes:
    """The file, from where the settings come.

    :raises NotFound: it is not there.
    """
    rev, named = context.history.config("config-rev"), context.history.config("config")
    if rev:
        node = context.history.changeset(rev).node
        content = context.history.file(node, source.place)
        if content is None:
            raise NotFound(f"is not there at {node[:12]}", "commit it, or name another changeset in config-rev")
        return content
    root = context.history.root
    folder = (root / os.path.expanduser(named)).parent if named else root
    try:
        return (folder / source.place).read_bytes()
    except OSError as error:
        raise NotFound(
            f"in {folder} can not be read: {error.strerror}", "write it there, or correct the path"
        ) from None


def _agree(settings: Settings, environment: Environment, source: Source, found: Reference) -> None:
    """Hold what was found against what the settings say beside it.

    :raises ConfigError: they name two.
    """
    said = {
        "cluster": (environment.cluster or "").lower(),
        "region": environment.region,
        "account": environment.account,
    }
    seen = {"cluster": found.cluster, "region": found.region, "account": found.account}
    for key, value in seen.items():
        wanted = said[key]
        if value and wanted and value != wanted:
            raise settings.error(
                _path(environment.name, key),
                f'is "{said[key]}", and {source} says "{value}"',
                hint=f"correct {key}, or cluster-from",
            )
