# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the extension costs ``hg status``: the median difference of interleaved pairs.

``python tests/bench/hg_status.py [--pairs 50]``
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HG = Path(sys.executable).parent / "hg"
PACKAGE = Path(__file__).parents[2] / "hgaurora"


def once(root: Path, env: dict[str, str]) -> float:
    """Seconds of one ``hg status``."""
    start = time.perf_counter()
    subprocess.run([HG, "status"], cwd=root, env=env, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(pairs: int) -> tuple[float, float, float]:
    """Medians in seconds: without, with, and of the differences within the pairs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rcs = {"without": "", "with": f"[extensions]\nhgaurora = {PACKAGE}\n"}
        envs = {}
        for key, text in rcs.items():
            (folder / key).write_text(text)
            envs[key] = {**os.environ, "HGRCPATH": str(folder / key), "HGUSER": "ana"}
            envs[key].pop("PYTHONDONTWRITEBYTECODE", None)  # installed packages have their bytecode
        root = folder / "shop"
        subprocess.run([HG, "init", root], env=envs["without"], check=True)
        for number in range(100):
            (root / f"{number}.txt").write_text(str(number))
        subprocess.run([HG, "commit", "-qAm", "files"], cwd=root, env=envs["without"], check=True)
        for key in rcs:
            once(root, envs[key])
        times: dict[str, list[float]] = {"without": [], "with": []}
        for pair in range(pairs):
            for key in sorted(times, reverse=pair % 2 == 1):
                times[key].append(once(root, envs[key]))
    differences = [b - a for a, b in zip(times["without"], times["with"], strict=True)]
    return statistics.median(times["without"]), statistics.median(times["with"]), statistics.median(differences)


def main() -> None:
    """Print the figures in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    pairs = parser.parse_args().pairs
    without, with_it, difference = (round(seconds * 1000, 1) for seconds in measure(pairs))
    print(f"hg status, median of {pairs} interleaved pairs: {without} ms without, {with_it} ms with the extension")
    print(f"median difference {difference} ms (at most 10)")


if __name__ == "__main__":
    main()
