# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Lint, types, then the suite: stops at the first that fails. Further arguments go to pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS = (
    ("ruff", "check", "hgaurora", "tests", "migrations_template"),
    ("ruff", "format", "--check", "hgaurora", "tests", "migrations_template"),
    ("mypy",),
)


def main() -> int:
    """0 where everything passes."""
    for check in CHECKS:
        print("+", *check, flush=True)
        code = subprocess.run([sys.executable, "-m", *check], cwd=ROOT).returncode
        if code:
            return code
    suite = [sys.executable, "-m", "pytest", "-n", "auto", "--dist", "worksteal", *sys.argv[1:]]
    print("+", *suite[1:], flush=True)
    return subprocess.run(suite, cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
