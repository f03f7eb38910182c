# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the quota of snapshots means for a revert: a word, never a refusal."""

from __future__ import annotations

import pytest

from hgaurora.core.gates import Quota
from hgaurora.core.policy.room import for_revert


@pytest.mark.parametrize(
    ("quota", "said"),
    [
        (Quota(used=99, most=100), []),
        (Quota(used=100, most=100), ["warning"]),
        (Quota(used=101, most=100), ["warning"]),
        (None, ["note"]),
    ],
)
def test_it_is_said_beforehand(quota: Quota | None, said: list[str]) -> None:
    assert [finding.severity for finding in for_revert(quota)] == said
