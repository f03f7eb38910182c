# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A migration child for a plan: which scripts it is given, and what stands around them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ..core.errors import StateError
from ..core.graph import Graph
from ..core.model import Applied
from ..core.steps import Plan
from ..ports import Job, MigrationSession
from .assess import Sources, read_files
from .context import Context, Target


@contextmanager
def child(
    target: Target, plan: Plan, sources: Sources | None, wanted: Mapping[str, Applied] | None = None
) -> Iterator[MigrationSession]:
    """A migration child for a plan; ended, with its server session, when the block is left.

    :param sources: the target changeset's; what comes up comes from them.
    :param wanted: for a revert: the recorded revisions it goes back to; what comes up comes from these.
    """
    downs = any(step.verb == "down" for step in plan.migrations)
    ups = any(step.verb == "run" for step in plan.migrations)
    recorded = _recorded(target, target.database.state().applied) if downs else {}
    coming = _recorded(target, wanted) if wanted and ups else {}
    around = sources or _surroundings(target.context, target, plan)
    settings, project = target.settings, target.project
    session = target.context.adapters.migrator().start(
        Job(
            environment=target.name,
            connection=target.connection(),
            target={**around.files, **coming},
            recorded=recorded,
            version_locations=project.version_locations,
            env=project.env,
            code=around.code,
            paths=project.paths,
            imports=project.imports,
            python=_interpreter(target),
            options=project.alembic_options,
            lock_timeout=settings.lock_timeout,
            statement_timeout=settings.statement_timeout,
            backfill_timeout=settings.backfill_timeout,
            wall_clock=settings.migration_timeout,
        )
    )
    try:
        yield session
    finally:
        session.close()


def _recorded(target: Target, applied: Mapping[str, Applied]) -> dict[str, bytes]:
    """The ledger's own copies of scripts, each at its path (a path that was used again gets the revision in front)."""
    contents = target.database.scripts([one.raw for one in applied.values()])
    found: dict[str, bytes] = {}
    for one in applied.values():
        folder, _, name = one.path.rpartition("/")
        found[one.path if one.path not in found else f"{folder}/{one.revision}_{name}"] = contents[one.raw]
    return found


def _surroundings(context: Context, target: Target, plan: Plan) -> Sources:
    """What recorded scripts need beside themselves: the code they import and a project's own ``env.py``.

    Taken from the changeset that was deployed, else from the one gone back to; only where the settings name some.

    :raises StateError: it is needed, and neither changeset is here.
    """
    project = target.project
    if project.env == "ours" and not project.paths:
        return Sources({}, {}, Graph({}))
    nodes = [node for node in (plan.base_node, plan.target.node if plan.target else None) if node]
    for node in nodes:
        if context.history.known(node):
            files, code = read_files(context, target, node)
            return Sources({path: files[path] for path in files if not _is_version(target, path)}, code, Graph({}))
    raise StateError(
        f"the code that the migrations import (paths) is that of {' or '.join(node[:12] for node in nodes)}, "
        "which is not in this repository",
        state=f"{target.name} was not touched",
        hint=f"hg pull -r {nodes[0][:12]} from where it is" if nodes else "deploy a changeset first",
    )


def _is_version(target: Target, path: str) -> bool:
    return path.rpartition("/")[0] in target.project.version_locations


def _interpreter(target: Target) -> str | None:
    """What ``python`` names: a path is relative to the repository, a bare name is looked up by the system."""
    python = target.project.python
    return str(target.context.history.root / python) if python and "/" in python else python
