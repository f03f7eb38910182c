# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A program that reads nothing but CloudWatch Logs and says what the schema is. It imports nothing of hgaurora.

``python -m tests.journal_reader GROUP ENVIRONMENT`` prints the number of events, the hash of the last one and the
structure fingerprint: docs/journal.rst, followed to the letter.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3

#: of each kind of object: where in its values a field of the structure stands, and what is usual there
STRUCTURE: dict[str, dict[int, Any]] = {
    "database": {},
    "schema": {0: None},
    "extension": {0: None, 2: None},
    "enum": {0: None, 1: None},
    "domain": {0: None, 1: False, 5: None},
    "composite type": {0: None, 1: None, 4: []},
    "range type": {0: None, 1: None, 2: None},
    "base type": {0: [], 1: None},
    "sequence": {0: None, 1: None, 2: None, 3: None, 4: None, 5: None, 6: False, 7: None, 8: "permanent", 9: None},
    "table": {
        0: None,
        1: "permanent",
        3: None,
        5: [],
        6: None,
        7: [],
        8: "off",
        9: "default",
        10: None,
        11: None,
        16: None,
    },
    "foreign table": {0: None, 1: None, 2: [], 3: None, 6: None, 8: []},
    "column": {
        0: None,
        1: False,
        3: None,
        4: None,
        5: False,
        7: False,
        8: [],
        9: None,
        16: False,
        17: True,
        18: False,
        19: None,
    },
    "partition": {1: None, 2: None, 3: None},
    "primary key": {0: None, 1: [], 2: "no", 3: [], 4: None, 6: False, 7: None},
    "unique constraint": {0: None, 1: [], 2: False, 3: "no", 4: [], 5: None, 7: False, 8: None},
    "foreign key": {
        0: None,
        1: None,
        2: None,
        3: "simple",
        4: "no action",
        5: "no action",
        6: "no",
        7: True,
        8: True,
        9: None,
        10: False,
    },
    "check constraint": {1: True, 2: False, 3: True, 4: None},
    "exclusion constraint": {1: "no", 2: None, 3: [], 4: None},
    "index": {
        0: None,
        2: [],
        3: [],
        4: [],
        5: False,
        6: False,
        7: "btree",
        9: True,
        10: True,
        11: [],
        12: [],
        13: None,
        14: None,
    },
    "statistics": {0: None, 1: None, 3: None},
    "trigger": {
        0: None,
        1: None,
        2: None,
        3: None,
        4: [],
        5: [],
        7: "origin",
        8: "no",
        9: None,
        10: None,
        11: None,
        12: None,
        15: False,
        16: None,
    },
    "policy": {0: "all", 1: True, 4: None},
    "rule": {1: "origin", 2: None},
    "view": {0: None, 2: [], 3: None, 4: None, 5: None, 7: None},
    "materialized view": {0: None, 2: [], 6: None},
    "function": {
        0: [],
        1: None,
        2: None,
        3: None,
        4: False,
        5: "invoker",
        6: "unsafe",
        7: False,
        8: [],
        10: None,
        16: None,
        19: [],
    },
    "procedure": {
        0: [],
        1: None,
        2: None,
        3: None,
        4: False,
        5: "invoker",
        6: "unsafe",
        7: False,
        8: [],
        10: None,
        16: None,
        19: [],
    },
    "package": {0: None, 1: "definer", 4: None},
    "package body": {0: None, 1: "definer", 4: None},
    "aggregate": {0: None, 1: None, 3: None, 6: "unsafe"},
    "event trigger": {0: None, 1: [], 2: None, 3: "origin", 4: None},
    "event": {0: None, 1: "enabled", 2: None, 3: None, 4: None},
    "operator": {0: [], 1: None},
    "operator class": {0: [], 1: None},
    "operator family": {0: [], 1: None},
    "cast": {0: None, 1: None, 2: "explicit", 3: None},
    "collation": {0: [], 1: None},
    "conversion": {0: [], 1: None},
    "text search parser": {0: [], 1: None},
    "text search template": {0: [], 1: None},
    "text search dictionary": {0: None, 1: None, 2: None},
    "text search configuration": {0: None, 1: [], 2: None},
    "language": {0: [], 1: None},
    "transform": {0: None, 1: None, 2: None},
    "access method": {0: None, 1: None, 2: None},
    "foreign-data wrapper": {0: [], 1: [], 2: None},
    "server": {0: None, 1: None, 2: None, 3: [], 4: None},
    "publication": {1: [], 2: [], 3: [], 4: None},
    "subscription": {0: None, 2: None},
}


class Wrong(Exception):
    """The log does not hold together; says where."""


@dataclass
class Folded:
    """What the log says."""

    events: int
    last: str
    deltas: int
    said: str  # the structure fingerprint that the newest delta names
    structure: str  # the one computed from contents
    parts: dict[str, bytes]


def compact(value: object) -> str:
    """JSON in its one spelling."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def messages(group: str, environment: str, client: Any = None) -> Iterator[str]:
    """Every message of an environment, in no order that is relied upon."""
    client = client or boto3.client("logs")
    token: dict[str, str] = {}
    while True:
        page = client.filter_log_events(logGroupName=group, logStreamNamePrefix=f"{environment}/", **token)
        yield from (event["message"] for event in page["events"])
        if "nextToken" not in page:
            return
        token = {"nextToken": page["nextToken"]}


def events(texts: Iterable[str]) -> list[dict[str, Any]]:
    """Whole events of one database, each once, in the order of its ledger, their chain of hashes checked."""
    whole: dict[str, dict[str, Any]] = {}
    pieces: dict[tuple[str, str, int], dict[int, str]] = {}
    for text in texts:
        said = json.loads(text)
        if "id" not in said:
            continue
        if "parts" in said:
            mine = pieces.setdefault((said["id"], said["delivered"], said["parts"]), {})
            mine[said["part"]] = said["body"]
            if len(mine) < said["parts"]:
                continue
            said |= json.loads("".join(mine[number] for number in range(1, said["parts"] + 1)))
        whole.setdefault(said["id"], said)
    found = sorted(whole.values(), key=lambda event: event["seq"])
    previous = ""
    for number, event in enumerate(found, 1):
        if event["seq"] != number:
            raise Wrong(f"event {number} is missing")
        facts = (event["at"], event["deployment"] or "", event["event"], compact(event["payload"]))
        previous = hashlib.sha256("\n".join((previous, str(number), *facts)).encode()).hexdigest()
        if event["id"].split(":")[2] != previous:
            raise Wrong(f"event {number} is not what its hash says")
    return found


def counted(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without what a restore took back: an event "rebased" says from where the state is."""
    upto, kept = len(found), []
    for event in reversed(found):
        if event["seq"] > upto:
            continue
        kept.append(event)
        if event["event"] == "rebased":
            upto = event["payload"]["snapshot"]["seq"]
    return kept[::-1]


def fold(texts: Iterable[str]) -> Folded:
    """From an empty schema through every delta."""
    found = events(texts)
    parts: dict[str, bytes] = {}
    deltas, said = 0, ""
    for event in counted(found):
        if event["event"] != "delta":
            continue
        deltas, said = deltas + 1, event["payload"]["fingerprint"]["structure"]
        for id, (before, now) in event["payload"]["parts"].items():
            was = parts.pop(id, None)
            if before != (hashlib.sha256(was).hexdigest() if was is not None else None):
                raise Wrong(f"event {event['seq']}: {id} was another one before")
            if now is not None:
                parts[id] = compact(event["contents"][now]).encode()
                if hashlib.sha256(parts[id]).hexdigest() != now:
                    raise Wrong(f"event {event['seq']}: {id} is not what its hash says")
    return Folded(len(found), found[-1]["id"] if found else "", deltas, said, fingerprint(parts), parts)


def fingerprint(parts: dict[str, bytes]) -> str:
    """Of a schema: over its parts in 256 buckets."""
    buckets: dict[int, list[str]] = {}
    for id in sorted(parts):
        line = f"{id} {hashlib.sha256(structure(parts[id]).encode()).hexdigest()}\n"
        buckets.setdefault(hashlib.sha256(id.encode()).digest()[0], []).append(line)
    lines = (f"{at:02x} {hashlib.sha256(''.join(buckets[at]).encode()).hexdigest()}\n" for at in sorted(buckets))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def structure(content: bytes) -> str:
    """A part with the fields of its structure alone."""
    objects = []
    for kind, path, values in json.loads(content):
        fields = STRUCTURE[kind]
        kept = [(values[at] if at < len(values) else usual, usual) for at, usual in fields.items()]
        while kept and kept[-1][0] == kept[-1][1]:
            kept.pop()
        objects.append([kind, path, [value for value, _ in kept]])
    return compact(objects)


def main(arguments: list[str]) -> int:
    """Print what was found; 1 where the log contradicts itself."""
    group, environment = arguments
    found = fold(messages(group, environment))
    print(f"events    {found.events}, the last is {found.last}")
    print(f"deltas    {found.deltas}, {len(found.parts)} parts")
    print(f"structure {found.structure}")
    return int(found.structure != found.said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
