# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's statements with names filled in: those of one version table."""

from __future__ import annotations

from typing import Any

from . import ledger_sql


def quoted(*names: str) -> str:
    """A qualified name as psycopg quotes it."""
    from psycopg import sql

    return sql.Identifier(*names).as_string(None)


def compose(text: str, *, schema: str, version_table: str) -> str:
    """A statement of :mod:`ledger_sql` with Alembic's version table filled in, quoted and qualified."""
    return text.replace("{version_table}", quoted(schema, version_table))


def child_statements(schema: str, version_table: str) -> dict[str, Any]:
    """The texts that a migration child needs, composed for one version table."""

    def fill(text: str) -> str:
        return compose(text, schema=schema, version_table=version_table)

    from psycopg import sql

    distrust = ledger_sql.DISTRUST
    for name, value in (("schema", schema), ("version_table", version_table)):
        distrust = distrust.replace(f"%({name})s", sql.Literal(value).as_string(None))
    return {
        "lock": ledger_sql.TRY_LOCK,
        "distrust": distrust,
        "baseline": ledger_sql.BASELINE,
        "step": fill(ledger_sql.STEP),
        "fences": [name for name, _ in ledger_sql.FENCES],
        "which": fill(ledger_sql.WHICH_FENCE),
        "journal": fill(ledger_sql.JOURNAL),
        "journal_state": ledger_sql.JOURNAL_STATE,
        "journal_forget": ledger_sql.JOURNAL_FORGET,
        "journal_close": ledger_sql.JOURNAL_CLOSE,
        "journal_open": ledger_sql.JOURNAL_OPEN,
    }
