# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Whose a snapshot is: by its ledger's UUID, never by a name."""

from __future__ import annotations

from hgaurora.core.whose import Shares, shares
from tests.unit.test_keep import snapshot

OURS = snapshot(2, tags={"ledger": "ours"})
OTHER = snapshot(2, "other", tags={"ledger": "another"})
BARE = snapshot(2, "bare", tags={})


def test_they_are_parted_by_the_ledger_in_their_tags() -> None:
    assert shares([OTHER, OURS, BARE], "ours") == Shares(ours=(OURS,), unknown=(BARE,), others=(OTHER,))


def test_without_a_ledger_nobody_knows() -> None:
    assert shares([OTHER, OURS, BARE], None) == Shares(unknown=(OTHER, OURS, BARE))
