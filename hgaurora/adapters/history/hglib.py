# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""History through Mercurial's command server, by python-hglib.

The server is started in a background thread at once, so that its 0.2 s overlap with what else a command does
first. Only raw commands and templates of our own are used, each value in hex: names in a repository are data, and
may hold anything.
"""

from __future__ import annotations

import ast
import getpass
import os
import re
import subprocess
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ...core.errors import ConfigError, StateError
from ...core.model import Changeset
from . import server
from .base import BaseHistory, Entry, from_hg
from .server import find_hg

_CHANGESET = "{node} {phase} {if(obsolete, 1, 0)} {branch|hex}.{author|hex}.{desc|hex}.{tags % '{tag|hex},'}\n"
#: what is asked of hgrc, all at the first time: (section, name)
_SETTINGS = (("hgaurora", "config"), ("hgaurora", "config-rev"), ("ui", "username"))


class HglibHistory(BaseHistory):
    """:class:`hgaurora.ports.History` of the repository at ``root``. Thread-safe; one request at a time.

    :param hg: hg's program; the default is found.
    :param started: a command server of this repository that was started already; it is this object's from now on.
    """

    def __init__(self, root: Path, *, hg: str | None = None, started: subprocess.Popen[bytes] | None = None) -> None:
        self._root = root
        self._hg = hg
        self._started = started
        self._lock = threading.Lock()
        self._client: Any = None
        self._broken: Exception | None = None
        self._starting = threading.Thread(target=self._start, name="hg", daemon=True)
        self._starting.start()

    @property
    def root(self) -> Path:
        """The repository's root."""
        return self._root

    def config(self, name: str) -> str | None:
        """A value of ``[hgaurora]`` in hgrc, or None; what hg does not trust is not seen."""
        wanted = ("hgaurora", name)
        return (self._settings if wanted in _SETTINGS else self._asked(wanted))[wanted] or None

    def user(self) -> str:
        """``HGUSER``, ``ui.username``, ``EMAIL``, or the login name: hg's own order."""
        found = os.environ.get("HGUSER") or self._settings["ui", "username"] or os.environ.get("EMAIL")
        return os.path.expandvars(found) if found else getpass.getuser()

    def close(self) -> None:
        """End the server."""
        self._starting.join()
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                server.end(client.server)
            self._broken = self._broken or ValueError("closed")

    def _start(self) -> None:
        try:
            self._client = _open(self._root, self._started or (self._hg or find_hg()))
        except Exception as error:  # handed over to whoever asks first
            self._broken = error

    def _run(self, *arguments: str, none: bool = False) -> bytes:
        """Run one hg command; its stdout. With ``none``, exit code 1 means: nothing found.

        :raises InputError: hg refused it.
        :raises StateError: hg is not there (any more).
        """
        self._starting.join()
        from hglib.error import CommandError, ResponseError, ServerError

        with self._lock:
            if self._client is None:
                raise self._gone(self._broken)
            try:
                return bytes(self._client.rawcommand([_bytes(argument) for argument in arguments]))
            except CommandError as error:
                if none and error.ret == 1:
                    return bytes(error.out)
                raise from_hg(*_said(error.err)) from error
            except (ServerError, ResponseError, OSError, ValueError) as error:
                self._client, self._broken = None, error
                raise self._gone(error) from error

    def _gone(self, error: Exception | None) -> Exception:
        if isinstance(error, (ConfigError, StateError)):
            return error
        return StateError(
            f"hg stopped answering: {_last_words(error).splitlines()[-1]}",
            state="nothing was done",
            hint=f"hg -R {self._root} verify says whether the repository is whole",
        )

    @cached_property
    def _settings(self) -> dict[tuple[str, str], str]:
        return self._asked(*_SETTINGS)

    def _asked(self, *settings: tuple[str, str]) -> dict[tuple[str, str], str]:
        assert all(re.fullmatch(r"[a-z.-]+", section + name) for section, name in settings)
        template = " ".join(f'{{config("{section}", "{name}")|hex}}' for section, name in settings)
        values = self._run("log", "--rev=null", "-T", template).decode("ascii").split(" ")
        return dict(zip(settings, map(_text, values), strict=True))

    def _log(self, revset: str, *, hidden: bool, typed: bool = False) -> Changeset | None:
        out = self._run("log", f"--rev={revset}", "-T", _CHANGESET, *(["--hidden"] if hidden else []))
        if not out:
            return None
        node, phase, obsolete, rest = out.decode("ascii").rstrip("\n").split("\n")[-1].split(" ")
        branch, author, description, tags = rest.split(".")
        return Changeset(
            node=node,
            branch=_words(branch),
            phase=phase,
            author=_words(author),
            description=_words(description),
            tags=tuple(tag for tag in map(_words, tags.split(",")) if tag not in ("", "tip")),
            obsolete=obsolete == "1",
        )

    def _requirements(self) -> set[str]:
        return set(self._run("debugrequirements").decode("ascii", "replace").split())

    def _manifest(self, node: str, folders: Sequence[str]) -> list[Entry]:
        # asking for {flags} would open every file; the fileset reads them from the manifest
        where = [f"path:{folder or '.'}" for folder in folders]
        ask = ("files", "--hidden", f"--rev={node}", "-T", "{path|hex}\n")
        links = set(self._run(*ask, *(f"--include={path}" for path in where), "set:symlink()", none=True).split())
        every = self._run(*ask, *where, "path:.hgsubstate", none=True).split()
        return [Entry(_text(path), path in links) for path in every]

    def _read(self, node: str, folders: Sequence[str], paths: Sequence[str], *, subrepos: bool) -> dict[str, bytes]:
        # `hg cat` of more than one file looks into every subrepository, and makes those that are not there
        asked = [[path] for path in paths] if subrepos or len(paths) == 1 else [list(folders)]
        found: dict[str, bytes] = {}
        for patterns in asked if paths else []:
            where = [f"path:{pattern or '.'}" for pattern in patterns]
            out = self._run("cat", "--hidden", f"--rev={node}", "-T", "{path|hex} {data|hex}\n", *where)
            for line in out.splitlines():
                path, _, data = line.partition(b" ")
                found[_text(path)] = bytes.fromhex(data.decode("ascii"))
        if missing := sorted(set(paths) - set(found)):
            raise StateError(f"hg did not give {missing[0]!r} of {node[:12]}", hint="hg verify")
        return {path: found[path] for path in paths}


def _open(root: Path, hg: str | subprocess.Popen[bytes]) -> Any:
    """A client of the server, which is started where ``hg`` is only a program."""
    from hglib.client import hgclient
    from hglib.error import ResponseError, ServerError

    client = hgclient(os.fsencode(root), "UTF-8", None, connect=False)
    try:
        client.server = server.spawn(root, hg) if isinstance(hg, str) else hg
        client._readhello()
    except (ServerError, ResponseError, OSError, ValueError) as error:
        raise StateError(
            f"hg can not open {root}: {_last_words(error)}",
            state="nothing was done",
            hint=f"hg -R {root} log -l1 shows the same",
        ) from error
    return client


def _said(err: bytes) -> tuple[str, str | None]:
    """hg's message and hint, from its stderr; of a parse error the message alone, without its drawing."""
    lines = err.decode("utf-8", "replace").strip().splitlines()
    if parse := re.match(r"hg: parse error(?: at \d+)?: (.*)", lines[0] if lines else ""):
        return f"not a revset: {parse[1]}", "hg help revsets"
    hints = [line.strip("()") for line in lines if line.startswith("(") and line.endswith(")")]
    texts = [re.sub(r"^abort: ", "", line).rstrip("!") for line in lines if not line.startswith("(")]
    return "\n".join(texts), hints[0] if hints else None


def _last_words(error: Exception | None) -> str:
    """What hg said before it ended; hglib formats it as the repr of bytes."""
    text = str(error)
    if quoted := re.search(r"""b(['"]).*\1$""", text, re.DOTALL):
        text = _said(ast.literal_eval(quoted[0]))[0]
    return text.strip() or "it said nothing"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(hexed: bytes | str) -> str:
    """Bytes that hg gave in hex; what is not UTF-8 stays recognisable and is refused as a path."""
    return bytes.fromhex(hexed if isinstance(hexed, str) else hexed.decode("ascii")).decode("utf-8", "surrogateescape")


def _words(hexed: str) -> str:
    """Text for people: what is not UTF-8 is replaced."""
    return bytes.fromhex(hexed).decode("utf-8", "replace")


__all__ = ["HglibHistory", "find_hg"]
