# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy Alembic migrations of a Mercurial repository to Amazon Aurora, and take them back

Plain ``import hgaurora`` loads neither Mercurial nor any third-party library. The tables that Mercurial
looks for on an extension are forwarded lazily to :mod:`hgaurora.aurora` (PEP 562), so that
``[extensions] hgaurora =`` works by name and by path.
"""

from __future__ import annotations

__version__ = "0.1.0"

#: what Mercurial reads from an extension module
_EXTENSION = frozenset(
    "cmdtable configtable revsetpredicate templatekeyword colortable testedwith minimumhgversion buglink "
    "uisetup extsetup reposetup uipopulate help".split()
)


def __getattr__(name: str) -> object:
    if name in _EXTENSION:
        from . import aurora

        if hasattr(aurora, name):
            return getattr(aurora, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
