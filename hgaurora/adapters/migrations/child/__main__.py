# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -I child/__main__.py FD PARENT``: see the package's own words."""

from __future__ import annotations

import ctypes
import gc
import importlib
import importlib.util
import io
import json
import os
import resource
import signal
import sys
from types import ModuleType
from typing import Any

#: what the package is called here; none of the application's modules is
NAME = "hgaurora_child"


def package() -> None:
    """Make this folder importable as :data:`NAME`, whatever it is part of, with nothing put on Python's path."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.util.spec_from_file_location(
        NAME, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


def unimportable(missing: ImportError) -> dict[str, object]:
    """The last word of a child that lacks a library."""
    said = f"{sys.executable} cannot import {missing.name or missing}, which running migrations needs: {missing}"
    return {"is": "failed", "what": "missing", "message": said, "fatal": True}


def loaded(fd: int) -> tuple[ModuleType, ModuleType]:
    """The package's wire and runner; where a library is missing, the parent is told which."""
    package()
    try:
        return importlib.import_module(f"{NAME}.wire"), importlib.import_module(f"{NAME}.runner")
    except ImportError as missing:
        os.write(fd, json.dumps(unimportable(missing)).encode() + b"\n")
        os._exit(3)


def tether(parent: int) -> None:
    """End with the parent, leave no core, and keep within limits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG, prctl(2)
    if os.getppid() != parent:
        os._exit(4)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), min(hard, 4096)))


def child(runner: ModuleType, parent: Any) -> Any:
    """The child for the job that the parent sends; its driver is imported here."""
    job = parent.request()
    try:
        return runner.Child(parent, job)
    except ImportError as missing:
        parent.send(**unimportable(missing))
        os._exit(3)


def main() -> None:
    """Run until the parent closes; leave without waiting for anything a script left behind."""
    wire, runner = loaded(int(sys.argv[1]))
    sys.dont_write_bytecode = True
    # of the modules and scripts that are loaded nothing is garbage; what a migration leaves is found later
    gc.set_threshold(50_000)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # what a script printed is there when it is killed
        sys.stdout.reconfigure(line_buffering=True)
    tether(int(sys.argv[2]))
    parent = wire.Parent(int(sys.argv[1]))
    try:
        child(runner, parent).serve()
    except wire.Gone:
        os._exit(5)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
