# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Commands in processes of their own that need not import anything: forks of one that has, and has no threads.

As a program (``python -m tests.crash.mysql.warm``) it is told one command a line as JSON, and answers with the process
id when it has begun, and the exit code when it has ended.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import re
import select
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hgaurora
from hgaurora.adapters.migrations.process import ChildSession
from tests import nursery
from tests.crash.mysql import forked
from tests.crash.mysql.wiretap import kill_tree
from tests.world import ROOT, environ

#: seconds that a command may take before it counts as hanging
LIMIT = 90.0
ALEMBIC, HGAURORA = "alembic", "hgaurora"


@dataclass(frozen=True)
class Ended:
    """How a command ended. ``code`` is negative where a signal ended it, None where it hung."""

    code: int | None
    said: str


class Warm:
    """The parent's side.

    :param preloads: modules that the commands need, beside the usual.
    :param more: environment variables.
    """

    def __init__(self, folder: Path, *preloads: str, **more: str) -> None:
        self._out = folder / "said"
        self.pid: int | None = None
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.mysql.warm", *preloads],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environ(HGENCODING="UTF-8", **more),
            cwd=ROOT,
        )

    def begin(self, program: str, arguments: Sequence[str], folder: Path, **options: Any) -> None:
        """Start a command; :meth:`end` waits for it.

        :param program: one of the two here, or ``module:function``, which is told all of it and returns the exit code.
        """
        self._tell(
            {"program": program, "arguments": list(arguments), "folder": str(folder), "out": str(self._out)} | options
        )
        self.pid = self._told()["pid"]

    def end(self) -> Ended:
        """Wait until it has ended; one that hangs is killed."""
        assert self._process.stdout is not None
        hung = not select.select([self._process.stdout], [], [], LIMIT)[0]
        if hung:
            self.kill()
        code = self._told()["code"]
        self.pid = None
        return Ended(None if hung else code, self._out.read_text(errors="replace"))

    def run(self, program: str, arguments: Sequence[str], folder: Path, **options: Any) -> Ended:
        """Start and wait."""
        self.begin(program, arguments, folder, **options)
        return self.end()

    def kill(self) -> None:
        """What runs, and all that it started."""
        if self.pid is not None:
            kill_tree(self.pid)

    def close(self) -> None:
        """No more commands."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(message).encode() + b"\n")
        self._process.stdin.flush()

    def _told(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the warm process is gone, exit code {self._process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


def _alone(told: Mapping[str, Any]) -> None:
    """In the fork; does not return."""
    code = 70
    try:
        os.setsid()
        out = os.open(told["out"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, source in ((0, nothing), (1, out), (2, out)):
            os.dup2(source, fd)
        # an object that goes must not take its descriptor along
        sys.stdin, sys.stdout, sys.stderr = (open(fd, mode, closefd=False) for fd, mode in enumerate("rww"))  # noqa: SIM115
        os.chdir(told["folder"])
        code = _programs().get(told["program"], _elsewhere)(told)
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 1
    except BaseException:
        traceback.print_exc()
        code = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _programs() -> dict[str, Callable[[Mapping[str, Any]], int]]:
    return {ALEMBIC: _alembic, HGAURORA: _hgaurora}


def _elsewhere(told: Mapping[str, Any]) -> int:
    module, _, function = told["program"].partition(":")
    code: int = getattr(importlib.import_module(module), function)(told)
    return code


def _alembic(told: Mapping[str, Any]) -> int:
    from alembic.config import main

    main(argv=told["arguments"], prog="alembic")
    return 0


def _hgaurora(told: Mapping[str, Any]) -> int:
    from hgaurora.cli import main

    os.environ["MYSQL_PWD"] = told["password"]
    if not told["cold"]:
        forked.instead()
    if told["program_of_child"]:
        ChildSession.program = Path(told["program_of_child"])
    return main(told["arguments"])


def _product() -> list[str]:
    """The product's modules, but for those of the child and of a project's template."""
    found = pkgutil.walk_packages(hgaurora.__path__, "hgaurora.")
    return [one.name for one in found if not re.search(r"\.child\b|__main__|template", one.name)]


def serve() -> None:
    """Until the end of input."""
    import alembic.command
    import click
    import sqlalchemy.dialects.mysql.pymysql

    del alembic, click, sqlalchemy
    nursery.preload(*nursery.MERCURIAL, *_product(), *sys.argv[1:])
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _alone(told)
        print(json.dumps({"pid": pid}), file=answers, flush=True)
        _, status = os.waitpid(pid, 0)
        print(json.dumps({"code": os.waitstatus_to_exitcode(status)}), file=answers, flush=True)


if __name__ == "__main__":
    serve()
