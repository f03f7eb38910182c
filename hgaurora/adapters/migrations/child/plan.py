# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Steps whose version rows are the plan's, not Alembic's own bookkeeping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic.runtime.migration import RevisionStep
from alembic.script import ScriptDirectory


class PlannedStep(RevisionStep):
    """A step whose version rows afterwards are the plan's.

    Alembic's own bookkeeping asks a step how the rows change. Its answers are wrong where a dependency is also an
    ancestor of a parent: rows of revisions that are no heads stay, and a later step fails on them.
    """

    def __init__(self, directory: ScriptDirectory, revision: str, upgrade: bool, versions: Sequence[str]) -> None:
        super().__init__(directory.revision_map, directory.get_revision(revision), upgrade)
        self.versions = frozenset(versions)

    def gone(self, heads: set[str]) -> list[str]:
        return sorted(heads - self.versions)

    def new(self, heads: set[str]) -> list[str]:
        return sorted(self.versions - heads)

    def should_delete_branch(self, heads: set[str]) -> bool:
        return not self.new(heads)

    def should_create_branch(self, heads: set[str]) -> bool:
        return not self.gone(heads)

    def should_merge_branches(self, heads: set[str]) -> bool:
        return len(self.gone(heads)) > 1

    def should_unmerge_branches(self, heads: set[str]) -> bool:
        return len(self.new(heads)) > 1

    def merge_branch_idents(self, heads: set[str]) -> tuple[list[str], str, str]:
        *deleted, updated = self.gone(heads)
        return deleted, updated, self.new(heads)[0]

    def unmerge_branch_idents(self, heads: set[str]) -> tuple[str, str, tuple[str, ...]]:
        *inserted, updated = self.new(heads)
        return self.gone(heads)[0], updated, tuple(inserted)

    def update_version_num(self, heads: set[str]) -> tuple[str, str]:
        return self.gone(heads)[0], self.new(heads)[0]


def planned(directory: ScriptDirectory, revision: str, upgrade: bool, versions: Any) -> RevisionStep:
    """The step that Alembic is to run."""
    if versions is None:
        return RevisionStep(directory.revision_map, directory.get_revision(revision), upgrade)
    return PlannedStep(directory, revision, upgrade, versions)
