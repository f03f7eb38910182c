# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``log``: what was done to an environment, and what each migration changed in its schema."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core import render
from ..core.errors import HgAuroraError
from ..core.schema import words
from ..core.schema.delta import Delta
from .assess import not_restoring
from .context import Context, Target


@dataclass(frozen=True)
class _Deltas:
    """Changes as JSON: of each step (deployment, revision, direction), and what was found beside steps."""

    steps: Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]]
    beside: Mapping[str, Sequence[Mapping[str, Any]]]


def run(context: Context, options: Mapping[str, Any]) -> int:
    """The timeline of one environment, or of each.

    :returns: 0; of several, the exit code of the first error of those that could not be asked.
    """
    chosen = [options["env"]] if options.get("env") else context.names()
    limit = int(options["limit"]) if options.get("limit") else None
    objects: list[dict[str, Any]] = []
    code = 0
    for number, name in enumerate(chosen):
        if number and not context.json:
            context.ui.write("")
        try:
            objects += _of(context, name, limit)
        except HgAuroraError as error:
            if len(chosen) == 1:
                raise
            code = code or error.exit_code
            objects.append({"environment": name, **error.as_json()})
            if not context.json:
                context.ui.write(f"{name}: not known: {error.message}")
                if error.hint:
                    context.ui.write(f"({error.hint})")
    if context.json:
        context.ui.write(json.dumps(objects))
    return code


def _of(context: Context, name: str, limit: int | None) -> list[dict[str, Any]]:
    """Print one environment's, or return it for JSON."""
    target = context.target(name)
    restoring = target.control.restoring()
    if restoring is not None and restoring["done"] == "close":
        not_restoring(context, target)
    if not target.control.exists() or target.state().ledger is None:
        if not context.json:
            context.ui.write(f"{name}: nothing was deployed yet")
        return []
    deployments = target.database.deployments(limit=limit)
    by_id: dict[str, list[Any]] = {one.id: [] for one in deployments}
    for step in target.database.steps(list(by_id)):
        by_id[step.deployment].append(step)
    deltas = _deltas(target, by_id) if context.json or context.verbose else _Deltas({}, {})
    if context.json:
        return [
            {
                "environment": name,
                **render.deployment_json(one),
                "migrations": [
                    {
                        "revision": s.revision,
                        "direction": s.direction.value,
                        "migration": s.path.rsplit("/", 1)[-1].removesuffix(".py"),
                        "node": s.node,
                        "snapshot": s.snapshot,
                        "delta": deltas.steps.get((s.deployment, s.revision, s.direction.value), []),
                    }
                    for s in by_id[one.id]
                ],
                "beside": deltas.beside.get(one.id, []),
            }
            for one in deployments
        ]
    rows = [(one, by_id[one.id]) for one in deployments]
    for line in render.log_lines(rows, verbose=context.verbose, said=_said(deltas, target.settings.schema)):
        context.ui.write(line)
    return []


def _deltas(target: Target, deployments: Collection[str]) -> _Deltas:
    steps: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    beside: dict[str, list[Mapping[str, Any]]] = {}
    of_step = {int(str(one["seq"])): str(one["deployment"]) for one in target.database.events(kind="step")}
    for event in target.database.events(kind="delta"):
        payload: Any = event["payload"]
        if payload["step"] is not None:
            # one that was made up later is of the deployment that ran the step
            key = (of_step[payload["step"]], payload["revision"], payload["direction"])
            steps.setdefault(key, []).extend(payload["changes"])
        elif payload["changes"] and event["deployment"] in deployments:
            found = {"cause": payload["cause"], "at": event["at"], "changes": payload["changes"]}
            beside.setdefault(str(event["deployment"]), []).append(found)
    return _Deltas(steps, beside)


def _said(deltas: _Deltas, default: str) -> dict[tuple[str, ...], list[str]]:
    """In words: by step as above; by (deployment, cause) what was found beside them."""
    found: dict[tuple[str, ...], list[str]] = {key: _lines(changes, default) for key, changes in deltas.steps.items()}
    for deployment, several in deltas.beside.items():
        for one in several:
            found.setdefault((deployment, str(one["cause"])), []).extend(_lines(one["changes"], default))
    return found


def _lines(changes: Sequence[Mapping[str, Any]], default: str) -> list[str]:
    return list(words.lines(Delta.from_json({"changes": changes}), schema=default))
