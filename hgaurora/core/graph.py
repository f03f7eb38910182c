# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The revision graph of one changeset, and what can be asked of any graph of revisions.

Nothing here recurses: histories of tens of thousands of revisions are one long chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from .errors import InputError
from .identity import NORMAL_VERSION, raw_hash
from .model import Applied, Script
from .script import is_script, parse_script

__all__ = ["Graph", "Node", "heads", "parse_script", "topological"]


class Node(Protocol):
    """What a graph is made of: a script of a changeset, or an applied revision of the ledger."""

    @property
    def revision(self) -> str:
        """The revision id."""

    @property
    def path(self) -> str:
        """The file, for messages."""

    @property
    def needs(self) -> tuple[str, ...]:
        """What has to be applied before it."""


def heads(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """The revisions that no other one has as parent or dependency, sorted by id (Alembic's *real* heads)."""
    needed = {need for node in nodes.values() for need in node.needs}
    return tuple(sorted(revision for revision in nodes if revision not in needed))


def topological(nodes: Mapping[str, Node]) -> tuple[str, ...]:
    """Every revision after all that it needs; needs that are not among the nodes count as met.

    Depth first from the heads by id, needs in the order they are written: a branch stays together, and the order
    depends on the graph alone. Linear.

    :raises InputError: a cycle; ``data`` holds ``cycle`` (each needs the next, the last the first) and ``files``.
    """
    order: list[str] = []
    done: set[str] = set()
    under_way: dict[str, int] = {}  # to its place in the path from the root
    for root in (*heads(nodes), *nodes):
        stack = [] if root in done else [(root, iter(nodes[root].needs))]
        if stack:
            under_way[root] = 0
        while stack:
            revision, needs = stack[-1]
            for need in needs:
                if need in under_way:
                    _refuse_cycle(nodes, list(under_way)[under_way[need] :])
                if need in nodes and need not in done:
                    under_way[need] = len(under_way)
                    stack.append((need, iter(nodes[need].needs)))
                    break
            else:
                stack.pop()
                del under_way[revision]
                done.add(revision)
                order.append(revision)
    return tuple(order)


def _refuse_cycle(nodes: Mapping[str, Node], cycle: list[str]) -> None:
    files = [nodes[revision].path for revision in cycle]
    if len(cycle) == 1:
        message = f"{files[0]}: revision {cycle[0]} comes after itself"
    else:
        message = "the migrations come after each other in a circle: " + " after ".join([*files, files[0]])
    raise InputError(
        message,
        hint="correct down_revision or depends_on in one of them",
        data={"cycle": cycle, "files": files},
    )


@dataclass(frozen=True)
class Graph:
    """The migrations of one changeset. Made by :meth:`parse` or :meth:`build`, which check it."""

    scripts: Mapping[str, Script]

    @classmethod
    def parse(
        cls,
        files: Mapping[str, bytes],
        version_locations: Iterable[str] = ("versions",),
        known: Mapping[str, Applied] | None = None,
    ) -> Graph:
        """Read the scripts that lie directly in the version locations.

        About 0.2 ms a script, 0.01 ms where it is known.

        :param files: path relative to the migrations folder, to content.
        :param known: applied revisions as the ledger records them, by revision; a file with the same bytes is not
            parsed again.
        :raises InputError: what is wrong with which file; ``data`` holds ``file`` or ``files``.
        """
        locations = {location.strip("/") for location in version_locations}
        # a dependency is recorded resolved, and what it resolves to can change with the other files
        recorded = {
            one.raw: one
            for one in (known or {}).values()
            if one.normal_version == NORMAL_VERSION and not one.depends_on
        }
        scripts = []
        for path in sorted(files):
            if path.rpartition("/")[0] not in locations or not is_script(path):
                continue
            same = recorded.get(raw_hash(files[path])) if recorded else None
            script = _again(same, path, files[path]) if same else parse_script(path, files[path])
            if script is not None:
                scripts.append(script)
        return cls.build(scripts)

    @classmethod
    def build(cls, scripts: Iterable[Script]) -> Graph:
        """Check scripts against each other, and resolve ``depends_on`` to revisions.

        :raises InputError: as :meth:`parse`.
        """
        by_id: dict[str, Script] = {}
        for script in scripts:
            if script.revision in by_id:
                files = [by_id[script.revision].path, script.path]
                raise InputError(
                    f"the revision id {script.revision} is used twice: {files[0]} and {files[1]}",
                    hint="give one of them another id, here and in the migrations that come after it",
                    data={"revision": script.revision, "files": files},
                )
            by_id[script.revision] = script
        labels = _labels(by_id)
        for script in list(by_id.values()):
            for parent in script.parents:
                if parent not in by_id:
                    _missing(script, "down_revision", parent, labels, by_id)
            if script.depends_on:
                by_id[script.revision] = _resolved(script, labels, by_id)
        graph = cls(by_id)
        graph.topological()
        return graph

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The revisions that nothing comes after or depends on, sorted."""
        return heads(self.scripts)

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """The revisions without a parent, sorted."""
        return tuple(sorted(revision for revision, script in self.scripts.items() if not script.parents))

    def topological(self) -> tuple[str, ...]:
        """Every revision, after its parents and dependencies; the same order for the same graph."""
        return self._order

    @cached_property
    def _order(self) -> tuple[str, ...]:
        return topological(self.scripts)

    def ancestors(self, revision: str) -> frozenset[str]:
        """All that has to be applied before a revision, without itself."""
        found: set[str] = set()
        waiting = list(self.scripts[revision].needs)
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(self.scripts[one].needs)
        return frozenset(found)


def _again(same: Applied, path: str, content: bytes) -> Script:
    return Script(
        revision=same.revision,
        parents=same.parents,
        depends_on=same.depends_on,
        branch_labels=same.branch_labels,
        path=path,
        message=same.message,
        raw=same.raw,
        normal=same.normal,
        irreversible=same.irreversible,
        content=content,
    )


def _labels(scripts: Mapping[str, Script]) -> dict[str, Script]:
    labels: dict[str, Script] = {}
    for script in scripts.values():
        for label in script.branch_labels:
            other = labels.get(label) or scripts.get(label)
            if other is not None:
                what = "branch label" if label in labels else "revision id"
                raise InputError(
                    f"the branch label {label} of {script.path} is a {what} of {other.path} already",
                    hint="rename one of them",
                    data={"label": label, "files": [other.path, script.path]},
                )
            labels[label] = script
    return labels


def _resolved(script: Script, labels: Mapping[str, Script], scripts: Mapping[str, Script]) -> Script:
    """A dependency is a full revision id or a branch label (script/revision.py, ``_add_depends_on``)."""
    resolved = []
    for name in script.depends_on:
        if name not in scripts and name not in labels:
            _missing(script, "depends_on", name, labels, scripts)
        resolved.append(name if name in scripts else labels[name].revision)
    return replace(script, depends_on=tuple(dict.fromkeys(resolved)))


def _missing(
    script: Script, attribute: str, name: str, labels: Mapping[str, Script], scripts: Mapping[str, Script]
) -> None:
    near = sorted(revision for revision in scripts if revision.startswith(name))
    if near:
        hint = f"write the id in full: {', '.join(near[:3])}"
    elif name.partition("@")[0] in labels:
        hint = f"name the revision: the label is that of {labels[name.partition('@')[0]].revision}"
    else:
        hint = f"add the migration {name} to the changeset, or correct {attribute}"
    raise InputError(
        f"{script.path}: {attribute} names {name!a}, which is not a migration of this changeset",
        hint=hint,
        data={"file": script.path, "revision": script.revision, "attribute": attribute, "missing": name},
    )
