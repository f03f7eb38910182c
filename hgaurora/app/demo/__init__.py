# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``demo``: a playground made with public commands alone, each printed before it runs."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import InputError, MigrationFailed
from ..context import Context
from . import world


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Build it, deploy it, break it, take it back."""
    folder = Path(options.get("directory") or "hgaurora-demo").absolute()
    if folder.exists():
        raise InputError(
            f"{folder} is there already",
            state="nothing was done",
            hint=f"hgaurora -R {folder / 'shop'} engine stop && rm -r {folder} removes it, or name another directory",
        )
    if options.get("dry_run"):
        context.ui.write(f"would build a playground in {folder}")
        return 0
    started = time.monotonic()
    _Demo(context, folder).play()
    if context.json:
        context.ui.write(json.dumps([{"directory": str(folder), "seconds": round(time.monotonic() - started, 1)}]))
    else:
        context.ui.write(f"demo: the playground stays, made in {time.monotonic() - started:.0f}s; to explore it:")
        context.ui.write(f"  cd {_near(folder / 'shop')}")
        for line in world.EXPLORE:
            context.ui.write(f"  {line}")
    return 0


def _near(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


class _Demo:
    def __init__(self, context: Context, folder: Path) -> None:
        self._say = context.ui.status if context.json else context.ui.write
        self._shop = folder / "shop"
        scripts = str(Path(sys.executable).parent)
        self._env = {key: value for key, value in os.environ.items() if not key.startswith("HG")}
        self._env["PATH"] = scripts + os.pathsep + os.environ.get("PATH", os.defpath)
        # one user and no extensions but ours: the playground looks the same on every machine
        self._env["HGRCPATH"] = ""
        if shutil.which("hg", path=self._env["PATH"]) is None:
            raise InputError(
                "the demo needs Mercurial, and there is no hg on PATH",
                state="nothing was done",
                hint="pip install mercurial",
            )

    def play(self) -> None:
        """The five acts."""
        self._say("demo: a shop with dev, staging and prod on an embedded PostgreSQL, no AWS")
        self._say(f"demo: all of it is made in {_near(self._shop.parent)}; lines after $ are public commands")
        self._act(1, "a repository with 8 changesets, 2 branches, 1 merge")
        nodes = self._build()
        self._act(2, "the same migrations go to dev, staging and prod")
        self._hg("aurora-deploy", "dev", "-r", nodes["gross"])
        self._hg("aurora-deploy", "staging", "-r", nodes["gross"])
        self._hg("aurora-deploy", "prod", "-r", nodes["stable"])
        self._run("python", "invoices.py", "prod")
        self._hg("aurora-deploy", "prod", "-n")
        self._hg("aurora-deploy", "prod")
        self._act(3, "prod breaks: the nightly invoices read orders.net, which 0007 has renamed")
        self._run("python", "invoices.py", "prod", fails=True)
        self._hg("aurora-revert", "prod", "--yes")
        self._act(4, "prod is what it was; the invoices run again")
        self._run("python", "invoices.py", "prod")
        self._act(5, "what happened, and where everything is")
        self._hg("aurora-log", "prod")
        self._hg("aurora-snapshots", "prod")
        self._hg("aurora-status")

    def _act(self, number: int, title: str) -> None:
        self._say(f"demo {number}/5: {title}")

    def _build(self) -> dict[str, str]:
        self._shop.parent.mkdir(parents=True)
        self._show("hg", "init", _near(self._shop))
        subprocess.run(["hg", "init", str(self._shop)], check=True, env=self._env)
        (self._shop / ".hg" / "hgrc").write_text(world.hgrc(self._shop))
        self._hg("aurora-init")
        (self._shop / "hgaurora.toml").write_text(world.SETTINGS)
        nodes = {}
        for change in world.CHANGES:
            for command in change.before:
                self._hg(*command, quiet=True)
            for name, content in change.files.items():
                path = self._shop / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            self._hg("commit", "-A", "-q", "-u", change.user, "-m", change.message)
            nodes[change.key] = self._output("hg", "log", "-r", ".", "-T", "{node|short}")
        self._hg("log", "-G", "-T", r"{node|short} {branch} {desc|firstline}\n")
        return nodes

    def _show(self, *command: str) -> None:
        self._say("$ " + shlex.join(command))

    def _hg(self, *arguments: str, quiet: bool = False) -> None:
        self._run("hg", *arguments, quiet=quiet)

    def _output(self, *command: str) -> str:
        return subprocess.run(
            command, check=True, cwd=self._shop, env=self._env, stdout=subprocess.PIPE, text=True
        ).stdout

    def _run(self, *command: str, fails: bool = False, quiet: bool = False) -> None:
        """Print a command, run it, and hand its output on as it comes."""
        self._show(*command)
        with subprocess.Popen(
            command,
            cwd=self._shop,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if not quiet:
                    self._say(line.rstrip("\n"))
        if (process.returncode != 0) is not fails:
            raise MigrationFailed(
                f"the demo stopped: {shlex.join(command)} ended with {process.returncode}",
                state=f"what was made stays in {self._shop}",
            )
