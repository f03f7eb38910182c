# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of one module share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash.mysql.warm import Warm


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Processes that have everything imported."""
    with Warm(tmp_path_factory.mktemp("warm")) as found:
        yield found
