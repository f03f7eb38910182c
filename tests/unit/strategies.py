# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random revision graphs, and changesets that change them, as values and as the text of real Alembic scripts.

Everything is a function of a :class:`random.Random`, so a seed names an example outside of hypothesis too.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from hypothesis import strategies as st


@dataclass(frozen=True, kw_only=True)
class Revision:
    """One migration. ``variant`` tells its bodies apart; ``style`` changes its text but not its program."""

    revision: str
    parents: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    variant: int = 0
    style: int = 0


#: revision id to migration, in an order in which they can be applied
History = dict[str, Revision]


def random_history(rng: random.Random, size: int, *, branches: int = 4) -> History:
    """A graph of ``size`` revisions: several bases, branches, merges, dependencies across branches."""
    history: History = {}
    for number in range(size):
        _append(rng, history, f"r{number:03d}", branches)
    return history


def mutated(rng: random.Random, history: History, *, added: int = 3, branches: int = 4) -> History:
    """Another changeset's graph over some of the same ids.

    Revisions are edited, re-parented, both, reformatted, removed, put into another order, and new ones come.
    """
    ids = [one for one in history if rng.random() > 0.06]
    if rng.random() < 0.15 and len(ids) > 1:
        first, second = sorted(rng.sample(range(len(ids)), 2))
        ids[first], ids[second] = ids[second], ids[first]
    changed: History = {}
    for revision in ids:
        one = history[revision]
        parents = tuple(parent for parent in one.parents if parent in changed)
        depends_on = tuple(need for need in one.depends_on if need in changed)
        lost = parents != one.parents and bool(changed)
        one = replace(one, parents=parents, depends_on=depends_on)
        fate = rng.random()
        if lost and fate < 0.5:
            one = replace(one, parents=(rng.choice(list(changed)),))
            one = replace(one, depends_on=tuple(need for need in one.depends_on if need not in one.parents))
        elif fate < 0.05:
            one = replace(one, variant=one.variant + 1)
        elif fate < 0.10 and changed:
            edited = one.variant + (1 if rng.random() < 0.5 else 0)
            one = replace(one, parents=(rng.choice(list(changed)),), depends_on=(), variant=edited)
        elif fate < 0.25:
            one = replace(one, style=one.style + 1)
        changed[revision] = one
    for number in range(rng.randint(0, added)):
        _append(rng, changed, f"n{rng.randrange(10**6):06d}{number}", branches)
    return changed


def _append(rng: random.Random, history: History, revision: str, branches: int) -> None:
    needed = {need for one in history.values() for need in one.parents}
    tips = [one for one in history if one not in needed]
    fate = rng.random()
    parents: tuple[str, ...]
    if not history or (fate < 0.08 and len(tips) < branches):
        parents = ()
    elif fate < 0.25 and len(tips) < branches:
        parents = (rng.choice(list(history)),)
    elif fate < 0.4 and len(tips) > 1:
        parents = tuple(rng.sample(tips, 2))
    else:
        parents = (rng.choice(tips),)
    others = [one for one in history if one not in parents]
    depends_on = (rng.choice(others),) if others and rng.random() < 0.12 else ()
    history[revision] = Revision(revision=revision, parents=parents, depends_on=depends_on)


def script_source(
    revision: str,
    parents: tuple[str, ...] = (),
    depends_on: tuple[str, ...] = (),
    body_up: str = "pass",
    body_down: str | None = "pass",
    *,
    labels: tuple[str, ...] = (),
    message: str = "",
    style: int = 0,
) -> bytes:
    """The text of an Alembic script.

    :param body_up: statements, lines parted by newlines, not indented.
    :param body_down: the same for ``downgrade``; None leaves the function out.
    :param style: scripts that differ only in it are the same program in another text.
    """
    lines = [
        f'"""{message or f"migration {revision}"}',
        "",
        f"Revision ID: {revision}",
        '"""',
        f"# written in style {style}",
        "import sqlalchemy as sa",
        "from alembic import op",
        "",
        f"revision = {revision!r}",
        f"down_revision = {_value(parents)}",
        f"branch_labels = {_value(labels)}",
        f"depends_on = {_value(depends_on)}",
        "",
        *("" for _ in range(style % 3)),
        "def upgrade():",
        *_indented(body_up),
    ]
    if body_down is not None:
        lines += ["", "", "def downgrade():", *_indented(body_down)]
    return ("\n".join(lines) + "\n").encode()


def _value(names: tuple[str, ...]) -> str:
    return repr(names[0] if len(names) == 1 else names or None)


def _indented(body: str) -> list[str]:
    return [f"    {line}" if line else "" for line in body.split("\n")]


def table_bodies(one: Revision) -> tuple[str, str]:
    """Bodies that make and drop one table, whose columns show revision, variant and place."""
    columns = [f'sa.Column("v{one.variant}", sa.Integer)', *(f'sa.Column("on_{p}", sa.Integer)' for p in one.parents)]
    up = f'op.create_table("t_{one.revision}", sa.Column("id", sa.Integer, primary_key=True), {", ".join(columns)})'
    return up, f'op.drop_table("t_{one.revision}")'


def sources(
    history: Mapping[str, Revision], bodies: Callable[[Revision], tuple[str, str]] = table_bodies
) -> dict[str, bytes]:
    """The files of a changeset, relative to the migrations folder."""
    return {
        f"versions/{one.revision}_it.py": script_source(
            one.revision, one.parents, one.depends_on, *bodies(one), style=one.style
        )
        for one in history.values()
    }


@st.composite
def histories(draw: st.DrawFn, max_size: int = 12) -> History:
    """Random graphs of up to ``max_size`` revisions."""
    rng = draw(st.randoms(use_true_random=False))
    return random_history(rng, rng.randint(0, max_size))


@st.composite
def walks(draw: st.DrawFn, max_size: int = 14, steps: int = 3) -> list[History]:
    """A graph, and changesets that each change the one before."""
    rng = draw(st.randoms(use_true_random=False))
    walk = [random_history(rng, rng.randint(0, max_size))]
    for _ in range(rng.randint(1, steps)):
        walk.append(mutated(rng, walk[-1]))
    return walk
