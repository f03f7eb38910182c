# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""From the ledger's outbox to the journal: at least once, in order, never in the way of a deploy or a revert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from ..core import render
from ..core.chain import stamp
from ..core.errors import HgAuroraError, RemoteError
from .context import Context, Target

#: events that are handed to the journal in one go, as :meth:`hgaurora.ports.Database.undelivered` has them
_AT_ONCE = 1000


def deliver(context: Context, target: Target) -> None:
    """Hand every waiting event to the journal; where that fails they wait, and it is said."""
    try:
        send(context, target)
    except (HgAuroraError, OSError) as error:
        waiting = render.count(target.database.state().undelivered, "event")
        context.ui.status(
            f"warning: journal {target.journal.place}: {why(error)}; {waiting} wait in the ledger "
            f"({context.ui.front}journal sync {target.name})"
        )


def send(context: Context, target: Target) -> int:
    """Hand every waiting event to the journal; how many those were.

    An event is marked only when the journal has taken it, and with the time that stands in the journal: so the
    ledger's word and the journal's can be compared.

    :raises HgAuroraError: the journal does not take them; they wait.
    :raises OSError: the same, of a file.
    """
    sent = 0
    while events := target.database.undelivered():
        at = stamp(context.clock.now())
        kept = target.journal.kept(events)
        upto = target.journal.deliver([{**event, "delivered": at} for event in events])
        # an event that was there already keeps the time that stands there
        taken = [(int(str(event["seq"])), kept.get(int(str(event["seq"])), at)) for event in events]
        for then, group in groupby((one for one in taken if one[0] <= upto), key=itemgetter(1)):
            target.database.mark_delivered(max(seq for seq, _ in group), datetime.fromisoformat(then))
        sent += sum(seq <= upto for seq, _ in taken)
    return sent


def again(target: Target, events: Sequence[Mapping[str, object]]) -> None:
    """Hand events that were delivered, and are not in the journal, to it once more; with the time of their first
    delivery, which the ledger has and keeps.

    :param events: as :meth:`hgaurora.ports.Database.events` gives them.
    :raises HgAuroraError: the journal does not take them all.
    :raises OSError: the same, of a file.
    """
    known = {"environment": target.name, "uuid": target.database.uuid()}
    left = [{**event, **known} for event in events]
    while left:
        upto = target.journal.deliver(left[:_AT_ONCE])
        left = [event for event in left if int(str(event["seq"])) > upto]


def prove(context: Context, target: Target) -> None:
    """With ``require-journal``: show that the journal can be written, by writing. Before the first snapshot.

    :raises RemoteError: it can not.
    """
    if not target.settings.require_journal:
        return
    try:
        target.journal.prove()
    except (HgAuroraError, OSError) as error:
        raise RemoteError(
            f"{target.name}: journal {target.journal.place} can not be written ({why(error)})",
            state="require-journal is on; stopped before the first snapshot",
            hint=getattr(error, "hint", None)
            or f"a revert needs no journal: {context.ui.front}revert {target.name} -n",
            data=getattr(error, "data", {}),
        ) from error


def why(error: Exception) -> str:
    """In a few words: AWS's code and the action, and what it says where that is another thing; or what went wrong."""
    data: Any = getattr(error, "data", {})
    aws = data.get("aws")
    if aws and aws["code"]:
        said = f": {data['why']}" if data.get("why") else ""
        return f"{aws['code']}, {aws['service']}:{aws['operation']}{said}"
    if isinstance(error, HgAuroraError):
        return error.message
    return str(error)
