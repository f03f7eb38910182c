# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""deploy Alembic migrations of a repository to Amazon Aurora, and take them back

An environment is a database that a changeset is deployed to. A deploy takes a snapshot before each
migration and records what it did in the database itself; a revert takes a deploy back, with the
recorded scripts or from a snapshot. Begin with :hg:`aurora-init`, or read :hg:`help aurora`.
"""

from __future__ import annotations

__version__ = "0.1.0"

#: What Mercurial reads from an extension module. Forwarded lazily (PEP 562), so that ``[extensions] hgaurora =`` works
#: by name and by path, and plain ``import hgaurora`` loads neither Mercurial nor any third-party library.
_EXTENSION = {
    *("cmdtable", "configtable", "revsetpredicate", "templatekeyword", "colortable"),
    *("testedwith", "minimumhgversion", "buglink"),
    *("uisetup", "extsetup", "reposetup", "uipopulate"),
}


def __getattr__(name: str) -> object:
    if name in _EXTENSION:
        from . import aurora

        if hasattr(aurora, name):
            return getattr(aurora, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
