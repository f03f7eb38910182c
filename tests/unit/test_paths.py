# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from hgaurora.core.errors import InputError
from hgaurora.core.paths import check_path, relative


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../migrations/x.py",
        "migrations/../../evil.py",
        "migrations/./x.py",
        "migrations//x.py",
        "migrations/",
        "migrations",
        "",
        "migrations2/x.py",
        "migrations/a\\b.py",
        "migrations/.hg/hgrc",
        "migrations/.HG/hgrc",
        "migrations/.hg. /hgrc",
        "migrations/HG~1/hgrc",
        "migrations/a\x1b[2J.py",
        "migrations/a\n.py",
        "migrations/a\u202egpj.py",
        "migrations/a\udcff.py",
        "migrations/a\u2028.py",
        "migrations/" + "a" * 256,
        "migrations/" + "é" * 128,
    ],
)
def test_refused(path: str) -> None:
    with pytest.raises(InputError) as caught:
        check_path(path, "migrations")
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert caught.value.data["reason"]


@pytest.mark.parametrize("path", ["migrations/versions/0001_a b.py", "migrations/.hgkeep", "migrations/é"])
def test_taken(path: str) -> None:
    assert f"migrations/{relative(path, 'migrations')}" == path
    assert relative(path, "") == path
