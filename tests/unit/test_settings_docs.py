# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``docs/settings.rst`` holds every key as the parser has it; ``python -m tests.unit.test_settings_docs`` writes it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hgaurora.core.errors import ConfigError
from hgaurora.core.settings import KEYS, Key, read_settings, settings_reference

DOCS = Path(__file__).parents[2] / "docs" / "settings.rst"
_BEGIN, _END = ".. keys begin\n\n", ".. keys end\n"


def written(page: str) -> str:
    """The page with the reference of today between its two marks."""
    head, rest = page.split(_BEGIN)
    return f"{head}{_BEGIN}{settings_reference().rstrip()}\n\n{_END}{rest.split(_END)[1]}"


def test_the_reference_is_the_table() -> None:
    page = DOCS.read_text("utf-8")
    assert page == written(page), "python -m tests.unit.test_settings_docs"


@pytest.mark.parametrize("key", KEYS, ids=lambda key: f"{key.section}.{key.name}")
def test_each_key_is_in_it(key: Key) -> None:
    assert f"\n``{key.name} = {key.example}``\n" in DOCS.read_text("utf-8")


def test_the_shown_error() -> None:
    """The page shows what a wrong value gives."""
    with pytest.raises(ConfigError) as raised:
        read_settings("\n" * 6 + '[environments.dev]\ntarget = "local"\nlock-tries = 0\n')
    shown = re.search(r"abort: (.*)\n +nothing was done\n", DOCS.read_text("utf-8"))
    assert shown is not None
    assert (raised.value.message, raised.value.state) == (shown[1], "nothing was done")


if __name__ == "__main__":
    DOCS.write_text(written(DOCS.read_text("utf-8")), "utf-8")
