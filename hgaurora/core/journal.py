# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as CloudWatch Logs has them: messages of flat JSON, and events joined again from what is read there.

docs/journal.rst is the format for whoever reads the messages; :mod:`tests.journal_reader` is a reader that knows
nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .chain import canonical

#: bytes that CloudWatch Logs counts for an event on top of its text
OVERHEAD = 26
#: bytes of one message. The service's model says 1 MB, its pages have said 256 KB for years: below both
MESSAGE = 256 * 1024 - OVERHEAD
#: characters of a payload's text that is repeated flat
_LONGEST = 512
#: flat names of facts whose name in the payload is another one
_NAMES = {"node": "changeset", "user": "asked_by"}
#: what a delta's changes are called when they are counted out
_ACTIONS = ("added", "dropped", "changed", "renamed")


def identity(event: Mapping[str, Any]) -> str:
    """What an event is known by: the environment's uuid, the number, the hash of the row."""
    return f"{event['uuid']}:{event['seq']}:{event['hash']}"


def messages(event: Mapping[str, Any], contents: Mapping[str, str], *, limit: int = MESSAGE) -> list[str]:
    """The messages of one event, ASCII: one, or numbered parts where it is too large for one.

    :param event: a row as :meth:`hgaurora.ports.Database.undelivered` gives it, with ``delivered``.
    :param contents: of a delta: the contents (JSON texts) of the parts that it has now, by hash.
    :param limit: bytes of one message.
    """
    head = {
        "event": event["kind"],
        "env": event["environment"],
        "deployment": event["deployment"],
        "at": event["at"],
        "seq": event["seq"],
        "id": identity(event),
        "delivered": event["delivered"],
    }
    payload: Mapping[str, Any] = event["payload"]
    flat = {name: value for name, value in _flat(event["kind"], payload) if name not in head}
    body = canonical({"payload": payload})[:-1]
    if contents:
        said = ",".join(f"{json.dumps(hash)}:{content}" for hash, content in sorted(contents.items()))
        body += f',"contents":{{{said}}}'
    whole = f"{_open({**head, **flat})},{body[1:]}}}"
    if len(whole) <= limit:
        return [whole]
    return _parts(head, flat, f"{body}}}", limit)


def _open(fields: Mapping[str, object]) -> str:
    """An object that is not closed yet."""
    return json.dumps(fields, separators=(",", ":"))[:-1]


def _parts(head: Mapping[str, object], flat: Mapping[str, object], body: str, limit: int) -> list[str]:
    """The body, escaped once, in slices; only the first has what is flat beside it."""
    text = json.dumps(body)[1:-1]
    room = limit - len(_open({**head, **flat, "part": 99999, "parts": 99999})) - len(',"body":""}')
    cuts, start = [], 0
    while start < len(text):
        end = min(start + room, len(text))
        # an escape is a backslash and what follows it: an odd number of backslashes ends in the middle of one
        if end < len(text) and (end - len(text[start:end].rstrip("\\")) - start) % 2:
            end -= 1
        cuts.append(text[start:end])
        start = end
    return [
        f'{_open({**head, **(flat if number == 1 else {}), "part": number, "parts": len(cuts)})},"body":"{cut}"}}'
        for number, cut in enumerate(cuts, 1)
    ]


def _flat(kind: str, payload: Mapping[str, Any]) -> Iterator[tuple[str, object]]:
    """What a query wants to name: the payload's plain facts, and a delta's changes in words."""
    for name, value in payload.items():
        if isinstance(value, str | int | float | bool):
            yield _NAMES.get(name, name), value[:_LONGEST] if isinstance(value, str) else value
    if kind == "delta":
        yield "structure", payload["fingerprint"]["structure"]
        for action in _ACTIONS:
            found = [change for change in payload["changes"] if change["action"] == action]
            if found:
                said = ", ".join(f"{one['kind']} {'.'.join(one['path'])}" for one in found[:50])
                yield action, said[:_LONGEST]
                yield f"{action}_count", len(found)


@dataclass(frozen=True)
class Copy:
    """One event as it was read from a journal.

    :ivar payload: canonical JSON.
    :ivar delivered: the time that its deliverer put on it.
    :ivar contents: hashes of the contents that came with it.
    """

    uuid: str
    seq: int
    hash: str
    at: str
    deployment: str | None
    kind: str
    payload: str
    delivered: str
    contents: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Reading:
    """All that a journal holds of an environment: whole events as they came (doubles too), and what is wrong in it.

    :ivar keeps: days after which what was written goes away; None: never.
    """

    copies: Sequence[Copy]
    wrong: Sequence[str] = ()
    keeps: int | None = None


def joined(texts: Iterable[str], *, keeps: int | None = None) -> Reading:
    """Events of messages in any order; messages that are none of ours are passed over.

    An event whose parts never came together, in no delivery of it, is wrong. Parts of two deliveries are told apart
    by ``delivered``, and where that is equal they are equal too.
    """
    copies: list[Copy] = []
    wrong: list[str] = []
    pieces: dict[tuple[str, str, int], dict[int, str]] = {}
    for text in texts:
        try:
            said = json.loads(text)
            if not isinstance(said, dict) or "id" not in said:
                continue
            uuid, seq, hash = str(said["id"]).split(":")
            if "parts" not in said:
                copies.append(_copy(uuid, int(seq), hash, said, said))
                continue
            key = (said["id"], said["delivered"], said["parts"])
            found = pieces.setdefault(key, {})
            found[said["part"]] = said["body"]
            if len(found) == said["parts"]:
                body = json.loads("".join(found[number] for number in sorted(found)))
                copies.append(_copy(uuid, int(seq), hash, said, body))
                found.clear()
        except (ValueError, KeyError, TypeError, AttributeError):
            wrong.append(f"a message that can not be read: {text[:120]}")
    whole = {(one.uuid, one.seq, one.hash) for one in copies}
    for (id, _, parts), found in pieces.items():
        uuid, seq, hash = id.split(":")
        if found and (uuid, int(seq), hash) not in whole:
            wrong.append(f"of event {seq} {len(found)} of {parts} parts are there")
    return Reading(copies, wrong, keeps)


def _copy(uuid: str, seq: int, hash: str, said: Mapping[str, Any], body: Mapping[str, Any]) -> Copy:
    return Copy(
        uuid=uuid,
        seq=seq,
        hash=hash,
        at=said["at"],
        deployment=said["deployment"],
        kind=said["event"],
        payload=canonical(body["payload"]),
        delivered=said["delivered"],
        contents=frozenset(body.get("contents", {})),
    )
