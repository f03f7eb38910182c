# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From the ledger's outbox to the journal: at least once, in order, never in the way of a deploy or a revert."""

from __future__ import annotations

from ..core.errors import RemoteError
from .context import Context, Target


def deliver(context: Context, target: Target) -> None:
    """Hand every waiting event to the journal; where that fails they wait, and it is said."""
    journal = context.adapters.journal(target.folder / "journal.jsonl")
    try:
        while events := target.database.undelivered():
            target.database.mark_delivered(journal.deliver(events))
    except (RemoteError, OSError) as error:
        waiting = target.database.state().undelivered
        context.ui.status(
            f"warning: journal {target.folder / 'journal.jsonl'}: {error}; {waiting} events wait in the ledger"
        )
