# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies of migrations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def sent(*statements: str) -> str:
    """Lines that send statements one after another."""
    return "\n".join(f"op.execute({statement!r})" for statement in statements)


def bulk(table: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]], *, make: bool = True) -> str:
    """Lines that put rows into a table by ``op.bulk_insert``; ``make``: the table is made first."""
    named = ", ".join(f"sa.column({name!r})" for name in columns)
    values = [dict(zip(columns, row, strict=True)) for row in rows]
    lines = [f"op.bulk_insert(sa.table({table!r}, {named}), {values!r})"]
    if make:
        lines.insert(0, sent(f"CREATE TABLE {table} ({', '.join(' '.join(item) for item in columns.items())})"))
    return "\n".join(lines)
