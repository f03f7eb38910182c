# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""History inside the hg process: answers what :mod:`.pipe` asks, from a repository object.

Bytes become text, and text bytes, here and nowhere else. Runs in hg's own Python (3.9 syntax) and knows no rule:
those are applied by whoever asks. Mercurial 6.3 or later.
"""

from __future__ import annotations

import os
from typing import Any

from mercurial import encoding, error, match, revset
from mercurial.node import hex, nullrev, wdirrev

Answer = tuple[dict, bytes]


class Refused(Exception):
    """hg can not answer; ``args`` are its message and its hint or None."""


class RepositoryServer:
    """Answers for one repository. Not thread-safe, as repository objects are not."""

    def __init__(self, ui: Any, repo: Any) -> None:
        self._ui, self._repo = ui, repo

    def answer(self, call: str, arguments: dict[str, Any]) -> Answer:
        """One question; JSON-safe fields, and content.

        :raises Refused: with hg's words.
        """
        try:
            return getattr(self, "ask_" + call)(**arguments)
        except Exception as problem:  # whatever hg raises: it must not end as a traceback in the hg process
            hint = getattr(problem, "hint", None)
            raise Refused(_said(problem), _text(hint) if hint else None) from problem

    def ask_root(self) -> Answer:
        return {"root": _path(self._repo.root)}, b""

    def ask_config(self, name: str) -> Answer:
        value = self._ui.config(b"hgaurora", _bytes(name))
        return {"value": None if value is None else _text(value)}, b""

    def ask_user(self) -> Answer:
        found = encoding.environ.get(b"HGUSER") or self._ui.config(b"ui", b"username") or encoding.environ.get(b"EMAIL")
        if found:
            return {"user": os.path.expandvars(_text(found))}, b""
        from getpass import getuser  # not even a lazy import leaves it out of every hg command

        return {"user": getuser()}, b""

    def ask_requirements(self) -> Answer:
        return {"requirements": sorted(_text(name) for name in self._repo.requirements)}, b""

    def ask_log(self, revset: str, hidden: bool, typed: bool) -> Answer:
        repo = self._repo.unfiltered() if hidden else self._repo
        rev = _matcher(self._ui if typed else None, repo, revset)(repo).last()
        if rev is None:
            return {"changeset": None}, b""
        if rev == wdirrev:
            rev = nullrev  # neither of the two is a changeset
        ctx = repo[rev]
        changeset = {
            "node": hex(ctx.node()).decode("ascii"),
            "branch": _text(ctx.branch()),
            "phase": _text(ctx.phasestr()),
            "author": _text(ctx.user()),
            "description": _text(ctx.description()),
            "tags": [_text(tag) for tag in ctx.tags() if tag != b"tip"],
            "obsolete": bool(ctx.obsolete()),
        }
        return {"changeset": changeset}, b""

    def ask_manifest(self, node: str, folders: list[str]) -> Answer:
        ctx = self._repo.unfiltered()[bytes.fromhex(node)]
        patterns = [b"path:" + _raw(folder or ".") for folder in [*folders, ".hgsubstate"]]
        wanted = match.match(self._repo.root, b"", patterns)
        flags = ctx.manifest().flags
        return {"files": [[_path(name), b"l" in flags(name)] for name in ctx.manifest().walk(_quiet(wanted))]}, b""

    def ask_read(self, node: str, paths: list[str]) -> Answer:
        ctx = self._repo.unfiltered()[bytes.fromhex(node)]
        contents = [ctx[_raw(path)].data() for path in paths]
        return {"sizes": [len(content) for content in contents]}, b"".join(contents)


def _matcher(ui: Any, repo: Any, spec: str) -> Any:
    """A revset, with the names that ``-r`` knows; the user's aliases only where ``ui`` is given."""
    return revset.matchany(ui, [_bytes(spec)], lookup=revset.lookupfn(repo))


def _said(problem: Exception) -> str:
    if isinstance(problem, error.ParseError):
        return f"not a revset: {_text(problem.message)}"
    said = getattr(problem, "message", None) or (problem.args[0] if problem.args else b"")
    return _text(said) if isinstance(said, bytes) and said else f"{type(problem).__name__}: {problem}"


def _quiet(matcher: Any) -> Any:
    """A folder that is not in the manifest is an empty one, not a warning."""
    matcher.bad = lambda name, message: None
    return matcher


def _text(local: bytes) -> str:
    return encoding.fromlocal(local).decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    return encoding.tolocal(text.encode("utf-8", "surrogateescape"))


def _path(name: bytes) -> str:
    """A file name as hg has it; what is not UTF-8 stays recognisable."""
    return name.decode("utf-8", "surrogateescape")


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
