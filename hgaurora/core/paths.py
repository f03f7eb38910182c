# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Paths of a manifest, which are hostile input: Mercurial accepts a push whose manifest holds ``../../evil.py``,
``/etc/abs.py``, ``.hg/hgrc`` and escape sequences."""

from __future__ import annotations

import unicodedata

from .errors import InputError

#: bytes in one component of a path that Linux and macOS file systems can hold
LONGEST_PART = 255
# control, format (bidi), surrogate (undecodable bytes), private use, unassigned, line and paragraph separator
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def check_path(path: str, folder: str) -> None:
    """Refuse a repository path that could be written outside of a folder, or that a screen could not show.

    :param folder: a repository path; ``""`` is the whole repository.
    :raises InputError: ``data`` holds ``path`` (escaped) and ``reason``.
    """
    reason = _reason(path) or _outside(path, folder)
    if reason is not None:
        shown = ascii(path)
        raise InputError(
            f"the changeset holds a path that is refused: {shown} ({reason})",
            hint="rename the file in a new changeset and deploy that one",
            data={"path": shown, "reason": reason},
        )


def relative(path: str, folder: str) -> str:
    """A checked path as seen from the folder, such as ``versions/0001_customers.py``."""
    check_path(path, folder)
    return path[len(folder) + 1 :] if folder else path


def _reason(path: str) -> str | None:
    if any(unicodedata.category(c) in _UNSAFE for c in path):
        return "a control, direction or undecodable character"
    if path.startswith("/"):
        return "absolute"
    if "\\" in path:
        return "a backslash"
    for part in path.split("/"):
        if part in ("", ".", ".."):
            return "an empty part" if not part else f"a part {part!r}"
        # file systems of macOS and Windows ignore case, and Windows ends of dots and spaces and short names
        if part.lower().rstrip(". ") == ".hg" or part.lower().startswith("hg~"):
            return "a part .hg"
        if len(part.encode()) > LONGEST_PART:
            return f"a part longer than {LONGEST_PART} bytes"
    return None


def _outside(path: str, folder: str) -> str | None:
    return None if not folder or path.startswith(folder + "/") else f"not in {folder}/"
