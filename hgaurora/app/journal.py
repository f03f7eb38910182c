# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``journal``: what waits goes to the journal; and whether ledger and journal say the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..core import render
from ..core.agreement import Agreement, compare, spans
from ..core.errors import HgAuroraError, InputError, StateError
from .context import Context, Target
from .delivery import again, send, why

#: seconds that verify waits for events which were delivered and are not seen yet: CloudWatch shows them after a while
SEEN_WITHIN = 20.0


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Deliver, or compare; one environment, or each that has a ledger."""
    verb, named = options["verb"], options.get("env")
    if options.get("missing") and verb != "sync":
        raise InputError(
            "--missing goes with sync", state="nothing was done", hint=f"{context.ui.front}journal sync --missing"
        )
    acts = verb == "sync" and not options.get("dry_run")
    targets = [context.target(name, acting=acts) for name in ([named] if named else context.names())]
    results: list[dict[str, Any]] = []
    failed: HgAuroraError | None = None
    for target in targets:
        try:
            if not _known(context, target, needed=bool(named)):
                continue
            if verb == "verify":
                results.append(_verify(context, target))
                continue
            result = _sync(context, target, bool(options.get("dry_run")))
            if options.get("missing"):
                result["again"] = _missing(context, target, bool(options.get("dry_run")))
            results.append(result)
        except HgAuroraError as error:
            if named:
                raise
            # the others are not kept waiting by one
            error.data.setdefault("environment", target.name)
            context.ui.status(f"{target.name}: {error.message}")
            failed = failed or error
    if failed is not None:
        failed.data["done"] = results
        raise failed
    if context.json:
        context.ui.write(json.dumps(results))
    return int(any(one.get("agree") is False for one in results))


def _known(context: Context, target: Target, *, needed: bool) -> bool:
    """Whether there is a ledger.

    :raises StateError: there is none, and it was asked for by name.
    """
    if target.control.exists() and target.database.uuid() is not None:
        return True
    if needed:
        raise StateError(
            f"{target.name} has no ledger: nothing was ever deployed to it",
            state="nothing was done",
            hint=f"{context.ui.front}deploy {target.name} makes a first deploy",
        )
    return False


def _sync(context: Context, target: Target, dry_run: bool) -> dict[str, Any]:
    place = target.journal.place
    waiting = target.database.state().undelivered
    result: dict[str, Any] = {"environment": target.name, "journal": place, "dry_run": dry_run}
    if dry_run or not waiting:
        if not context.json:
            said = f"{render.count(waiting, 'event')} would go to {place}" if waiting else f"nothing waits for {place}"
            context.ui.write(f"{target.name}: {said}{'; nothing was changed' if dry_run else ''}")
        return {**result, "delivered": 0, "waiting": waiting}
    try:
        sent = send(context, target)
    except OSError as error:
        left = target.database.state().undelivered
        raise StateError(
            f"{target.name}: journal {place}: {why(error)}", state=f"{render.count(left, 'event')} wait in the ledger"
        ) from error
    except HgAuroraError as error:
        left = target.database.state().undelivered
        error.state = f"{render.count(left, 'event')} wait in the ledger, {waiting - left} were delivered"
        raise
    if not context.json:
        context.ui.write(f"{target.name}: {render.count(sent, 'event')} delivered to {place}")
    return {**result, "delivered": sent, "waiting": 0}


def _missing(context: Context, target: Target, dry_run: bool) -> int:
    """Deliver again what the ledger has as delivered and the journal does not have; how many those are.

    :raises StateError: the ledger was edited: what it says now is not what was delivered.
    """
    place = target.journal.place
    if wrong := target.database.verify():
        raise StateError(
            f"{target.name}: the ledger was edited: {wrong[0]}",
            state=f"nothing was delivered again to {place}",
            hint=f"{context.ui.front}journal verify {target.name}",
        )
    events = target.database.events()
    missing = set(_compared(context, target, events).missing)
    count = render.count(len(missing), "event")
    if missing and not dry_run:
        try:
            again(target, [event for event in events if event["seq"] in missing])
        except (HgAuroraError, OSError) as error:
            state = f"what is missing in {place} is in the ledger; the same command again does the rest"
            if isinstance(error, HgAuroraError):
                error.state = state
                raise
            raise StateError(f"{target.name}: journal {place}: {why(error)}", state=state) from error
    if not context.json:
        said = f"nothing is missing in {place}"
        if missing:
            said = f"{count} would go to {place} again" if dry_run else f"{count} delivered again to {place}"
        context.ui.write(f"{target.name}: {said}{'; nothing was changed' if dry_run else ''}")
    return len(missing)


def _verify(context: Context, target: Target) -> dict[str, Any]:
    wrong = target.database.verify()
    try:
        events = target.database.events()
        found = _compared(context, target, events)
    except StateError as error:  # an event can not be read, which verify says too
        events, found = [], Agreement(notes=[f"{target.journal.place} was not compared: {error.message}"])
    agree = found.whole and not wrong
    place, tip = target.journal.place, events[-1] if events else None
    if not context.json:
        for text in (*wrong, *found.findings):
            context.ui.write(f"differs  {text}")
        if found.waiting:
            context.ui.write(f"waits    {spans(found.waiting)} ({context.ui.front}journal sync {target.name})")
        if found.missing:
            context.ui.write(
                f"missing  {spans(found.missing)} ({context.ui.front}journal sync {target.name} --missing)"
            )
        for text in found.notes:
            context.ui.write(f"note     {text}")
        end = f", the last is {tip['seq']}, {str(tip['hash'])[:12]}" if tip else ""
        count = render.count(len(events), "event")
        if agree:
            context.ui.write(f"{target.name}: ledger and {place} agree: {count}{end}")
        else:
            context.ui.write(f"{target.name}: ledger and {place} do not agree; the ledger has {count}{end}")
    return {
        "environment": target.name,
        "journal": place,
        "agree": agree,
        "events": len(events),
        "hash": tip["hash"] if tip else None,
        "ledger": wrong,
        "findings": found.findings,
        "waiting": found.waiting,
        "missing": found.missing,
        "doubled": found.doubled,
        "differing": found.differing,
        "notes": found.notes,
    }


def _compared(context: Context, target: Target, events: list[dict[str, object]]) -> Agreement:
    """The comparison, made again while only what is missing is wrong and may still come into sight."""
    until = context.clock.monotonic() + SEEN_WITHIN
    uuid = target.database.uuid() or ""
    while True:
        now = context.clock.now()
        found = compare(events, target.journal.read(), uuid=uuid, place=target.journal.place, now=now)
        late = [
            event
            for event in events
            if event["seq"] in found.missing and _seconds(now, str(event["delivered"])) < SEEN_WITHIN
        ]
        if not late or context.clock.monotonic() >= until:
            return found
        context.clock.sleep(1.0)


def _seconds(now: datetime, then: str) -> float:
    return (now - datetime.fromisoformat(then)).total_seconds()
