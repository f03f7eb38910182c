# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The journal as a file."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hgaurora.adapters.local.journal import FileJournal


def event(seq: int, chain: str = "a") -> dict[str, Any]:
    return {
        "seq": seq,
        "at": datetime(2026, 11, 19, 14, 51, 0, 120, UTC),
        "deployment": None,
        "kind": "step",
        "payload": {"text": f"line\nbreak é {seq}"},
        "hash": f"{chain}{seq}",
    }


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path / "env" / "journal.jsonl")


def test_events_come_back_in_order_and_once(journal: FileJournal) -> None:
    assert journal.events() == []
    assert journal.deliver([]) == 0
    assert journal.deliver([event(1), event(2)]) == 2
    assert journal.deliver([event(2), event(3), event(3)]) == 3
    assert journal.deliver([event(1)]) == 1
    assert [row["seq"] for row in journal.events()] == [1, 2, 3]
    assert [row["seq"] for row in journal.events(after=1)] == [2, 3]
    assert journal.events()[0]["payload"] == event(1)["payload"]
    assert journal.events()[0]["at"] == "2026-11-19T14:51:00.000120+00:00"
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_database_made_anew_counts_from_one_again(journal: FileJournal) -> None:
    journal.deliver([event(1), event(2)])
    assert journal.deliver([event(1, "b")]) == 1
    assert [row["hash"] for row in journal.events()] == ["a1", "a2", "b1"]


def test_a_torn_tail_at_any_byte_is_skipped_and_cut_away(journal: FileJournal) -> None:
    journal.deliver([event(1)])
    first = journal.path.read_bytes()
    journal.deliver([event(2)])
    both = journal.path.read_bytes()
    for end in range(len(first), len(both)):
        journal.path.write_bytes(both[:end])
        assert [row["seq"] for row in journal.events()] == [1]
        assert journal.deliver([event(1), event(2)]) == 2
        assert journal.path.read_bytes() == both


def test_lines_of_others_are_left_and_passed_over(journal: FileJournal) -> None:
    journal.deliver([event(1)])
    with journal.path.open("ab") as file:
        file.write(b'garbage\n{"no": "seq"}\n[1]\n')
    journal.deliver([event(2)])
    assert [row["seq"] for row in journal.events()] == [1, 2]
    assert b"garbage" in journal.path.read_bytes()


def test_two_deliverers_do_not_mix(journal: FileJournal) -> None:
    def deliver() -> None:
        for start in range(1, 40):
            FileJournal(journal.path).deliver([event(start), event(start + 1)])

    threads = [threading.Thread(target=deliver) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [row["seq"] for row in journal.events()] == list(range(1, 41))
    assert journal.path.read_bytes().count(b"\n") == 40
