# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import pytest

from hgaurora.core.identity import normal_hash, raw_hash

SCRIPT = b'''"""add notes"""
from alembic import op

revision = "0006"

def upgrade():
    op.execute("select 1")  # why
    op.add_column('t', f"{x!r:>{w}} and {{y}}" 'z')
    return {**a, 1: (2, 3)}, not (b), lambda *c, d=1: None
'''


def test_raw_hash_is_sha256() -> None:
    assert raw_hash(b"").startswith("e3b0c44298fc1c14")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"  # why", b""),
        (b'"""add notes"""', b"'''another docstring\n\nRevises: nobody'''"),
        (b'"""add notes"""\n', b""),
        (b'"select 1"', b"'select 1'"),
        (b'"select 1"', b'u"sel" "ect 1"'),
        (b'"select 1"', b'(\n        "select 1"\n    )'),
        (b"    op", b"\top"),
        (b"\n", b"\r\n"),
        (b"(b)", b"b"),
        (b"revision = ", b"\n\n\nrevision=("),
        (b"{{y}}\" 'z'", b'{{y}}z"'),
        (b'"""add', b'\xef\xbb\xbf"""add'),
    ],
)
def test_reformatting_does_not_count(old: bytes, new: bytes) -> None:
    changed = SCRIPT.replace(old, new).replace(b'("0006"', b'("0006")')
    if old == b"    op":
        changed = changed.replace(b"    return", b"\treturn")
    assert changed != SCRIPT
    assert normal_hash(changed) == normal_hash(SCRIPT)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"select 1", b"select 2"),
        (b"0006", b"0007"),
        (b"!r", b"!s"),
        (b">{w}", b"<{w}"),
        (b"{**a, 1", b"{None: a, 1"),
        (b"(2, 3)", b"[2, 3]"),
        (b"not (b)", b"(b)"),
        (b"*c, d=1", b"c, d=1"),
        (b"*c, d=1", b"*c, d"),
        (b"None", b"0"),
        (b"def upgrade():\n", b'def upgrade():\n    """said here"""\n'),
        (b"def upgrade", b"async def upgrade"),
        (b"import op", b"import op as op"),
    ],
)
def test_a_change_counts(old: bytes, new: bytes) -> None:
    changed = SCRIPT.replace(old, new)
    assert changed != SCRIPT
    assert normal_hash(changed) != normal_hash(SCRIPT)


def test_constants_of_different_types_differ() -> None:
    texts = ["1", "True", "1.0", "'1'", "b'1'", "1j", "None", "...", "'True'", "f'1'", "'None'", "(1,)", "[1]"]
    assert len({normal_hash(f"x = {text}".encode()) for text in texts}) == len(texts)


def test_the_same_on_every_python() -> None:
    """Taken with Python 3.11, 3.12 and 3.13; a ledger outlives the Python that wrote it."""
    assert normal_hash(SCRIPT)[:16] == "be65a15c0010941a"


def test_deep_trees_do_not_recurse() -> None:
    deep = b"x = " + b" + ".join([b"'a'"] * 900)
    assert normal_hash(deep) == normal_hash(deep.replace(b" + ", b"+"))
