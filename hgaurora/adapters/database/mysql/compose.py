# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ledger's statements with names filled in: those of one database and version table."""

from __future__ import annotations

from typing import Any

from .. import ledger
from . import connection, ledger_sql


def quoted(*names: str) -> str:
    """A qualified name (MySQL manual, 11.2): its backticks doubled."""
    return ".".join("`" + name.replace("`", "``") + "`" for name in names)


def compose(text: str, *, database: str, version_table: str) -> str:
    """A statement of :mod:`ledger_sql` for one database. It is sent with parameters always, if only an empty mapping:
    a ``%`` in a name stands doubled."""
    names = {
        "{db}": quoted(database) + ".",
        "{version_table}": quoted(database, version_table),
        "{lock}": f"'{ledger_sql.lock_name(database)}'",
    }
    for mark, name in names.items():
        text = text.replace(mark, name.replace("%", "%%"))
    return text


def child_statements(database: str, version_table: str) -> dict[str, Any]:
    """What a migration child sends to the ledger: texts with ``%(name)s``, to be executed with a mapping (extra names
    in it do no harm). Lists are sent in their order, in one transaction.

    ``lock``
        one row ``(1 or 0, connection id)``; 1: held. The id is parameter ``backend`` of all the others.
    ``unlock``
        before a polite end.
    ``distrust``
        any row: refuse, its first column says why. ``names`` are its parameters.
    ``step``
        the ledger's rows of a migration (a list), in the transaction that holds Alembic's version row, after the
        script's last statement: START TRANSACTION, version row, ``journal_close`` where there are journal rows, these,
        COMMIT. If the first of them changes no row, a fence does not hold: ROLLBACK, then ask ``which``.
        Parameters: ``epoch backend heads deployment payload elapsed`` (microseconds since the step began) and every
        name in ``columns``; lists as JSON texts, truths as 0 or 1, the rest as it is in the payload. ``versions``, one
        of the columns, is a JSON array of the version table's rows as they must be now; ``heads`` is the same as a
        Python list, ``[""]`` where there is none. ``payload`` is the canonical JSON of the step, with the ``columns``
        as names (sorted keys, no spaces, ASCII); ``touched`` and a false ``adopted`` need not be in it.
    ``seq``
        the number of the step's event, asked in that transaction.
    ``which``, ``fences``
        one row with 1 or 0 for each name in ``fences``; no row: the ledger is gone. Parameters: ``epoch backend
        versions heads``.
    ``journal``
        one row of the statement journal: no row changed means a fence does not hold (epoch, lock or writer). Its
        ``id`` is the child's to count, from ``journal_last`` on. Parameters: see :data:`.ledger_sql.JOURNAL`.
    ``journal_state``, ``journal_forget``, ``journal_close``, ``journal_open``
        by ``id``; by ``id``; by ``revision`` and ``direction``; all open rows: ``id revision direction sql_hash
        params_hash sql state result proof``.
    """

    def fill(text: str) -> str:
        return compose(text, database=database, version_table=version_table)

    return {
        "lock": fill(ledger_sql.TRY_LOCK),
        "unlock": fill(ledger_sql.UNLOCK),
        "distrust": fill(ledger_sql.DISTRUST),
        "names": {"database": database, "version_table": version_table},
        "step": [fill(text) for text in ledger_sql.STEP],
        "columns": [*ledger.STEP_COLUMNS, "kind", "adopted", "touched"],
        "fences": [name for name, _ in ledger_sql.FENCES],
        "which": fill(ledger_sql.WHICH_FENCE),
        "seq": fill(ledger_sql.SEQ),
        "journal": fill(ledger_sql.JOURNAL),
        "journal_last": fill(ledger_sql.JOURNAL_LAST),
        "journal_table": quoted(database, "hgaurora_statement"),
        "journal_state": fill(ledger_sql.JOURNAL_STATE),
        "journal_forget": fill(ledger_sql.JOURNAL_FORGET),
        "journal_close": fill(ledger_sql.JOURNAL_CLOSE),
        "journal_open": fill(ledger_sql.JOURNAL_OPEN),
        "try_again": sorted(connection.TRY_AGAIN),
        "lost": sorted(connection.LOST),
    }
