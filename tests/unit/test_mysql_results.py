# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Errors in the statement journal: kept, and raised again for a script that caught them."""

from __future__ import annotations

import json

import pytest
from pymysql import err

from hgaurora.adapters.migrations.child.mysql.results import failure, raised


@pytest.mark.parametrize("sqlstate", ["HY000", None])
def test_an_error_comes_back_as_it_was(sqlstate: str | None) -> None:
    was = err.OperationalError(1553, "Cannot drop index 'i'", sqlstate=sqlstate)
    found = raised(json.loads(json.dumps(failure(was))))
    assert (type(found), found.args, found.sqlstate) == (err.OperationalError, was.args, sqlstate)


def test_an_error_of_a_driver_before_1_2_is_kept() -> None:
    """The interpreter of the project has whichever PyMySQL its own packages pin; zenml's is 1.1."""
    was = err.OperationalError(1553, "Cannot drop index 'i'")
    del was.sqlstate
    assert failure(was) == {"error": [1553, "Cannot drop index 'i'", None, "OperationalError"]}
