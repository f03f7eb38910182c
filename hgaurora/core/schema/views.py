# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A captured view as the statement that makes it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from .kinds import KINDS
from .model import Path, Values


def created(engine: str, path: Path, values: Values) -> str:
    """``CREATE OR REPLACE VIEW``. Owner (definer), grants and comment are not in it: one that is there keeps them.

    :param engine: postgresql, mysql or mariadb.
    """
    facts = dict(zip((field.name for field in KINDS["view"].fields), values, strict=True))
    if engine == "postgresql":
        name = ".".join(_quoted(one, '"') for one in path)
        columns = ", ".join(_quoted(one, '"') for one in cast("Sequence[str]", facts["columns"]))
        # each as it is said: security_barrier=true
        said = cast("Sequence[str]", facts["options"])
        options = f" WITH ({', '.join(said)})" if said else ""
        return f"CREATE OR REPLACE VIEW {name} ({columns}){options} AS {facts['definition']}"
    how = f" ALGORITHM = {facts['algorithm']}" if facts["algorithm"] else ""
    how += f" SQL SECURITY {facts['security']}" if facts["security"] else ""
    check = f" WITH {facts['check_option']} CHECK OPTION" if facts["check_option"] else ""
    return f"CREATE OR REPLACE{how} VIEW {_quoted(path[-1], '`')} AS {facts['definition']}{check}"


def _quoted(name: str, mark: str) -> str:
    return mark + name.replace(mark, mark * 2) + mark
