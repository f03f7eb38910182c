# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What both ways to Mercurial's history have in common: the rules, over a few questions.

A manifest is hostile input: Mercurial accepts a push whose manifest holds ``../../evil.py``, absolute paths,
``.hg/hgrc``, escape sequences and symlinks. A clone that does not hold every file answers as if the files were not
there. Both are refused here, once, before a byte of content is read.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ...core.errors import InputError, StateError
from ...core.model import Changeset
from ...core.paths import check_path

#: most that is read of one changeset; bounds what a pushed manifest can make us hold
MOST_FILES = 100_000

#: requirements of a repository that does not hold every file (Mercurial's requirements.py, and remotefilelog)
PARTIAL = {"narrowhg-experimental": "narrow", "exp-remotefilelog-repo-req-1": "shallow", "remotefilelog": "shallow"}

_NODE = re.compile("[0-9a-f]{40}")


class Entry(NamedTuple):
    """A file of a manifest."""

    path: str
    symlink: bool


def is_node(text: str) -> bool:
    """True for a full changeset node."""
    return _NODE.fullmatch(text) is not None


class BaseHistory(ABC):
    """:class:`hgaurora.ports.History` over :meth:`_log`, :meth:`_manifest`, :meth:`_read`."""

    _whole = False

    @property
    @abstractmethod
    def root(self) -> Path:
        """The repository's root."""

    @abstractmethod
    def _log(self, revset: str, *, hidden: bool, typed: bool = False) -> Changeset | None:
        """The last changeset of a revset, or None; ``typed``: by a person, whose aliases count where hg has them.

        :raises InputError: the revset is wrong, or names what is not there.
        """

    @abstractmethod
    def _requirements(self) -> set[str]:
        """What this repository requires of hg."""

    @abstractmethod
    def _manifest(self, node: str, folders: Sequence[str]) -> list[Entry]:
        """The files of a changeset that are, or lie below, these paths; and ``.hgsubstate``."""

    @abstractmethod
    def _read(self, node: str, folders: Sequence[str], paths: Sequence[str], *, subrepos: bool) -> dict[str, bytes]:
        """The content of ``paths``, which are all the regular files below ``folders``."""

    def changeset(self, rev: str) -> Changeset:
        """The one changeset a revset names; hidden ones are found by full node."""
        if "\0" in rev or not rev.strip():
            raise InputError("no changeset is named", state="nothing was done", hint="name one, such as -r tip")
        found = self._log(f"id({rev})" if is_node(rev) else f"last(({rev}), 1)", hidden=is_node(rev), typed=True)
        if found is None and is_node(rev):
            raise unknown(rev)
        if found is None or not found.node.strip("0") or not found.node.strip("f"):
            raise InputError(
                f"{rev!r} names no changeset",
                state="nothing was done",
                hint="hg log -G lists the changesets; in an empty repository, hg commit makes the first",
            )
        return found

    def newest(self, revset: str) -> Changeset | None:
        """The newest changeset (highest revision number) in a revset, or None; a branch that nobody made is empty."""
        return self._set(f"max(({revset}) - null)")

    def contains(self, revset: str, node: str) -> bool:
        """True where the changeset is in the revset; a hidden one is in none."""
        return is_node(node) and self._set(f"id({node}) and ({revset})") is not None

    def known(self, node: str) -> bool:
        """True where the full node is in this repository, hidden or not."""
        return is_node(node) and node.strip("0") != "" and self._log(f"id({node})", hidden=True) is not None

    def files(self, node: str, folders: Sequence[str]) -> dict[str, bytes]:
        """Every regular file below the folders, as of a changeset: repository path to content; ``""``: all files.

        :raises InputError: a path that could lead elsewhere, a symlink, a subrepository, too much;
            or ``node`` is not here.
        :raises StateError: this clone does not hold every file.
        """
        if not folders:
            return {}
        entries, subrepos = self._checked(node, folders)
        return self._read(node, folders, [entry.path for entry in entries], subrepos=subrepos)

    def file(self, node: str, path: str) -> bytes | None:
        """One file's content as of a changeset, or None.

        :raises InputError: as :meth:`files`.
        """
        entries, _ = self._checked(node, [path])
        if all(entry.path != path for entry in entries):
            return None
        return self._read(node, [path], [path], subrepos=True)[path]

    def _set(self, revset: str) -> Changeset | None:
        try:
            return self._log(revset, hidden=False)
        except InputError as error:
            if error.data.get("unknown"):
                return None
            raise

    def _checked(self, node: str, folders: Sequence[str]) -> tuple[list[Entry], bool]:
        for folder in filter(None, folders):
            check_path(folder, "")
        if not self.known(node):
            raise unknown(node)
        self._check_whole()
        entries = self._manifest(node, folders)
        subrepos = any(entry.path == ".hgsubstate" for entry in entries)
        if subrepos:
            self._check_subrepos(node, folders)
        wanted = [entry for entry in entries if any(_below(entry.path, folder) for folder in folders)]
        for entry in wanted:
            check_path(entry.path, "")
            if entry.symlink:
                raise InputError(
                    f"{entry.path!r} is a symlink in {node[:12]}",
                    state="nothing was read",
                    hint="commit the file itself in its place",
                )
        if len(wanted) > MOST_FILES:
            raise InputError(
                f"{', '.join(folders)} in {node[:12]} holds {len(wanted):,} files, more than {MOST_FILES:,}",
                state="nothing was read",
                hint="name a smaller folder in hgaurora.toml",
            )
        return wanted, subrepos

    def _check_whole(self) -> None:
        if self._whole:
            return
        for requirement in sorted(self._requirements() & set(PARTIAL)):
            raise StateError(
                f"this is a {PARTIAL[requirement]} clone: it does not hold every file",
                state="nothing was done",
                hint="use a full clone: hg clone, without --narrow, --include, --exclude or --shallow",
            )
        self._whole = True

    def _check_subrepos(self, node: str, folders: Sequence[str]) -> None:
        content = self._read(node, [".hgsubstate"], [".hgsubstate"], subrepos=True)[".hgsubstate"]
        for line in content.splitlines():
            path = line.partition(b" ")[2].strip().decode("utf-8", "surrogateescape")
            for folder in folders:
                if path and (_below(path, folder) or _below(folder, path)):
                    raise InputError(
                        f"{path!r} is a subrepository in {node[:12]}, and {folder} needs what is in it",
                        state="nothing was read",
                        hint="commit the files into this repository",
                    )


def _below(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(folder + "/")


def unknown(node: str) -> InputError:
    """A changeset that is not in this repository."""
    return InputError(
        f"changeset {node[:40]!r} is not in this repository",
        state="nothing was done",
        hint="hg pull may bring it; hg log -G lists the changesets",
    )


def from_hg(message: str, hint: str | None) -> InputError:
    """An error of hg's own about a revision, in our shape."""
    if "hidden" in message:
        hint = "a hidden changeset is found by its full node"
    hint = hint or "hg log -G lists the changesets"
    return InputError(
        message, state="nothing was done", hint=hint, data={"unknown": True} if message.startswith("unknown ") else None
    )
