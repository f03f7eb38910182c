# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The matrix sees what goes wrong where nothing protects: bare Alembic, at known points."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.mysql.ground import Verdict
from tests.crash.mysql.matrix import Draw, one_shape
from tests.crash.mysql.shapes import BY_NAME, MARIADB, MYSQL, shapes
from tests.crash.mysql.warm import Warm
from tests.crash.mysql.wiretap import Aim, shortened

CELLS = {
    "kill before UPDATE account SET balance = balance + 10 #1": Verdict.SAME,
    "kill after CREATE TABLE IF NOT EXISTS audit (id INT PRIMARY KEY, what VARCHAR(40)) #1": Verdict.WRONG,
    "cut after CREATE TABLE IF NOT EXISTS audit (id INT PRIMARY KEY, what VARCHAR(40)) #1": Verdict.WRONG,
}


@pytest.mark.parametrize("cell", CELLS)
def test_what_is_applied_twice_is_seen(cell: str, my_server: str, tmp_path: Path, warm: Warm) -> None:
    found = one_shape("if-not-exists", my_server, tmp_path, warm, Draw(only=cell), bare=True)
    (result,) = found.results
    assert result.verdict is CELLS[cell], result.problems


def test_a_refusal_is_no_convergence(my_server: str, tmp_path: Path, warm: Warm) -> None:
    cell = "kill amid RENAME TABLE orders TO orders_old, orders_new TO orders #1"
    found = one_shape("swap", my_server, tmp_path, warm, Draw(only=cell), bare=True)
    assert [result.verdict for result in found.results] == [Verdict.REFUSED]


@pytest.mark.parametrize("product", [MARIADB, MYSQL])
def test_there_are_forty_shapes(product: str) -> None:
    assert len(shapes(product)) >= 40
    assert "if-not-exists" in BY_NAME


@pytest.mark.parametrize("text", ["kill amid DROP TABLE a, b #2", "cut after COMMIT #1"])
def test_a_cell_is_named_by_a_line(text: str) -> None:
    assert str(Aim.parse(text)) == text


def test_what_is_drawn_anew_is_not_in_a_label() -> None:
    one, two = (
        "UPDATE e SET a = '6f1e0c2d-0000-4abc-8000-1234567890ab'",
        "UPDATE e SET a = 'e2ab5f80-1111-4abc-8000-abcdefabcdef'",
    )
    assert shortened(one) == shortened(two)
