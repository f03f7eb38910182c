# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A history of N small migrations: of every four, two make a table, one adds a column, one a foreign key."""

from __future__ import annotations

from pathlib import Path

from hgaurora import migrations_template
from tests.world import Repo, bare, migration, settings

#: a table of eight columns with a primary key and an index
_TABLE = """\
op.create_table(
    "t{n}",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("email", sa.String(200)),
    sa.Column("amount", sa.Numeric(10, 2)),
    sa.Column("active", sa.Boolean, server_default=sa.true()),
    sa.Column("created", sa.DateTime(timezone=True), server_default=sa.func.now()),
    sa.Column("note", sa.Text),
    sa.Column("other_id", sa.Integer),
)
op.create_index("ix_t{n}_name", "t{n}", ["name"])"""
_COLUMN = """\
op.add_column("t{n}", sa.Column("extra", sa.String(50)))
op.create_index("ix_t{n}_extra", "t{n}", ["extra"])"""
_FOREIGN = 'op.create_foreign_key("fk_t{n}_other", "t{n}", "t{other}", ["other_id"], ["id"])'
_BACK = {
    _TABLE: 'op.drop_table("t{n}")',
    _COLUMN: 'op.drop_index("ix_t{n}_extra")\nop.drop_column("t{n}", "extra")',
    _FOREIGN: 'op.drop_constraint("fk_t{n}_other", "t{n}")',
}


def scripts(count: int) -> dict[str, str]:
    """Path in the repository to text, of ``count`` migrations in one line."""
    found, parent = {}, None
    for number in range(count):
        group = number // 4 * 4
        body, table = ((_TABLE, number), (_TABLE, number), (_COLUMN, group), (_FOREIGN, group))[number % 4]
        up, down = (text.format(n=table, other=group + 1) for text in (body, _BACK[body]))
        revision = f"{number:012x}"
        found[f"migrations/versions/{revision}_step_{number}.py"] = migration(
            revision, parent, up, down, title=f"step {number}"
        )
        parent = revision
    return found


def make(root: Path, count: int, url: str, *, name: str = "dev") -> Repo:
    """A repository with a working copy: the migrations in one changeset, environment ``name`` at ``url``, snapshots
    off; and what bare Alembic needs, which is what init lays down."""
    repo = Repo(root)
    template = Path(migrations_template.__file__).parent
    config = (template / "alembic.ini.mako").read_text().replace("${script_location}", "migrations")
    repo.commit(
        {
            "hgaurora.toml": settings({name: url}),
            "alembic.ini": config,
            "migrations/env.py": (template / "env.py").read_text(),
            "migrations/script.py.mako": (template / "script.py.mako").read_text(),
            ".hgignore": "__pycache__",
            **scripts(count),
        },
        f"{count} migrations",
    )
    repo.close()
    return repo


__all__ = ["bare", "make", "scripts"]
