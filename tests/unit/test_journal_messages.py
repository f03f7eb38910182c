# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Events as messages and back; what a ledger and its journal differ in."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.core.agreement import compare, spans
from hgaurora.core.chain import canonical, link
from hgaurora.core.journal import Copy, Reading, joined, messages
from hgaurora.core.schema.kinds import KINDS, Level
from tests import journal_reader

UUID = "0b8ad5d0-6a3c-4d8e-9a53-9e2a7e9f6c11"
AT = "2026-11-21T05:13:10.525890Z"


def event(seq: int, payload: dict[str, Any], kind: str = "step", previous: str = "") -> dict[str, Any]:
    return {
        "seq": seq,
        "at": AT,
        "deployment": "prod-1",
        "kind": kind,
        "payload": payload,
        "hash": link(previous, seq, AT, "prod-1", kind, canonical(payload)),
        "environment": "prod",
        "uuid": UUID,
        "delivered": AT,
    }


def chain(count: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for seq in range(1, count + 1):
        found.append(event(seq, {"n": seq}, previous=found[-1]["hash"] if found else ""))
    return found


_TEXT = st.text(alphabet=st.sampled_from('ab"\\\n\u00e9\U0001f600'), max_size=200)


@given(st.dictionaries(_TEXT, _TEXT | st.integers() | st.lists(_TEXT), max_size=6), st.integers(600, 2000), st.data())
def test_what_is_cut_comes_together(payload: dict[str, Any], limit: int, data: st.DataObject) -> None:
    """In any order, with any message twice, whatever is in it."""
    one = event(7, {f"_{name}": value for name, value in payload.items()})
    texts = messages(one, {"f" * 64: '[["table",["a"],["\\"x"]]]'}, limit=limit)
    assert all(len(text.encode()) <= limit for text in texts)
    assert len(texts) == 1 or len(texts[0]) > limit - 400
    again = data.draw(st.permutations([*texts, *texts[:1]]))
    found = joined(again)
    assert list(found.wrong) == []
    assert {(copy.hash, copy.payload, copy.contents) for copy in found.copies} == {
        (one["hash"], canonical(one["payload"]), frozenset({"f" * 64}))
    }


def test_a_message_is_flat_for_queries() -> None:
    payload = {"node": "a" * 40, "revision": "r1", "direction": "up", "parents": [], "error": "x" * 900}
    (text,) = messages(event(3, payload), {})
    said = json.loads(text)
    assert list(said)[:7] == ["event", "env", "deployment", "at", "seq", "id", "delivered"]
    assert (said["changeset"], said["revision"], len(said["error"])) == ("a" * 40, "r1", 512)
    assert said["payload"] == payload
    changes = [
        {"action": "added", "kind": "table", "path": ["public", "a"]},
        {"action": "dropped", "kind": "index", "path": ["public", "b", "i"]},
    ]
    delta = {"changes": changes, "fingerprint": {"structure": "s"}, "parts": {}, "revision": None}
    said = json.loads(messages(event(4, delta, "delta"), {})[0])
    assert (said["added"], said["added_count"], said["dropped"]) == ("table public.a", 1, "index public.b.i")
    assert "changed" not in said


def test_parts_that_never_came_are_named() -> None:
    texts = messages(event(7, {"x": "y" * 3000}), {}, limit=1000)
    found = joined([*texts[1:], "no json", '{"event":"journal.probe"}'])
    assert found.copies == []
    assert list(found.wrong) == [
        "a message that can not be read: no json",
        f"of event 7 {len(texts) - 1} of {len(texts)} parts are there",
    ]
    assert list(joined([*texts[1:], *texts]).wrong) == []


def read(rows: list[dict[str, Any]]) -> list[Copy]:
    return list(joined(text for row in rows for text in messages(row, {})).copies)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda copies: copies[:-1], "event 3 (step, prod-1) is missing in X"),
        (lambda copies: [*copies, Copy(UUID, 4, "h", AT, None, "step", "{}", AT)],
         "event 4 is in X and not in the ledger"),
        (lambda copies: [*copies[:2], Copy(UUID, 3, "h" * 64, AT, "prod-1", "step", '{"n":4}', AT)],
         "event 3 (step, prod-1) differs: X has another payload, hash hhhhhhhhhhhh"),
        (lambda copies: [*copies, Copy(UUID, 3, "h" * 64, AT, "prod-1", "step", '{"n":3}', AT)],
         "the same facts after another history"),
        (lambda copies: [*copies[:2], Copy(UUID, 3, copies[2].hash, AT, "prod-1", "step", '{"n":3}', "2026")],
         "is marked as delivered at"),
    ],
    ids=["missing", "unknown", "other", "other history", "other time"],
)  # fmt: skip
def test_each_difference_is_named(spoil: Any, said: str) -> None:
    rows = chain(3)
    whole = compare(rows, Reading(read(rows)), uuid=UUID, place="X", now=datetime.now(UTC))
    assert whole.whole
    assert whole.notes == []
    found = compare(rows, Reading(spoil(read(rows))), uuid=UUID, place="X", now=datetime.now(UTC))
    assert said in "\n".join(found.findings)
    assert not found.whole


def test_what_is_as_it_may_be() -> None:
    rows = chain(3)
    copies = read(rows)
    other = Copy("another", 9, "h", AT, None, "step", "{}", AT)
    found = compare(rows, Reading([*copies, copies[0], other]), uuid=UUID, place="X", now=datetime.now(UTC))
    assert found.whole
    assert found.notes == [
        "there more than once, as a delivery may be repeated: event 1", "1 in it are another database's",
    ]  # fmt: skip
    later = datetime(2027, 11, 21, tzinfo=UTC)
    found = compare(rows, Reading([], keeps=30), uuid=UUID, place="X", now=later)
    assert (found.whole, found.notes) == (True, ["older than X keeps (30 days): events 1 to 3"])
    waiting = [{**row, "delivered": None} for row in rows]
    found = compare(waiting, Reading(copies[:1]), uuid=UUID, place="X", now=later)
    assert (found.whole, found.waiting, found.findings) == (False, [1, 2, 3], [])
    assert spans([]) == "events "


def test_the_reader_of_the_tests_knows_the_form() -> None:
    """The one that imports nothing of ours has its own table, which is the one in the docs."""
    assert {
        kind.name: {
            at: list(field.usual) if isinstance(field.usual, tuple) else field.usual
            for at, field in enumerate(kind.fields)
            if field.level is Level.STRUCTURE
        }
        for kind in KINDS.values()
    } == journal_reader.STRUCTURE
