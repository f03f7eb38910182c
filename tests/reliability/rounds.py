# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Races that the suite forces once, in rounds: ``python -m tests.reliability.rounds d2 200``.

d2: two deploys of different changesets, d3: a deploy and a revert; each a process that starts after a random delay.
d8: processes that wait for a lock whose holder is killed. Each round is on an empty database.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
import time
from pathlib import Path

from tests import engines
from tests.world import call, command, server_for_command

from .test_concurrency import shop, sound
from .test_waiting import many_wait

#: seconds; a process needs some 0.7 from its start to its lock
DELAY = 0.5


def two(folder: Path, url: str, chance: random.Random, *, revert: bool) -> str:
    """One race; what came of it.

    :raises AssertionError: a command ended as none may, or ledger, version table and tables do not agree.
    """
    repo, nodes = shop(folder, url)
    commands = [["deploy", "dev", "-r", nodes[1]], ["deploy", "dev", "-r", nodes[2]]]
    if revert:
        for node in nodes[:2]:
            call(repo, "deploy", env="dev", rev=node)
        commands[0] = ["revert", "dev", "--yes"]
    codes: dict[int, int] = {}

    def one(number: int, delay: float) -> None:
        time.sleep(delay)  # the race itself
        ended = command(repo, *commands[number])
        assert "Traceback" not in ended.stderr, ended.stderr
        codes[number] = ended.returncode

    threads = [threading.Thread(target=one, args=(number, chance.uniform(0, DELAY))) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # a revert that is overtaken stops and says so
    assert codes.keys() == {0, 1}
    assert codes[1] == 0
    assert codes[0] in ((0, 20, 21, 250) if revert else (0,)), codes
    (version,) = sound(url)
    return f"{'both' if codes[0] == 0 else 'one'} done, at {version}"


def main() -> int:
    """Rounds, on the same engine as the suite."""
    parser = argparse.ArgumentParser(prog="python -m tests.reliability.rounds", description=__doc__)
    parser.add_argument("scenario", choices=("d2", "d3", "d8"))
    parser.add_argument("rounds", type=int)
    parser.add_argument("--engine", choices=("postgresql", "mysql"), default="postgresql", help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the delays (%(default)s)")
    parser.add_argument("--count", type=int, default=50, help="how many wait, in d8 (%(default)s)")
    given = parser.parse_args()
    fresh = engines.fresh_my_database if given.engine == "mysql" else engines.fresh_database
    chance = random.Random(given.seed)
    with server_for_command(given.engine) as (server, folder):
        for number in range(given.rounds):
            begun = time.monotonic()
            with fresh(server) as url:
                if given.scenario == "d8":
                    many_wait(folder / f"shop-{number}", url, given.count)
                    came = f"{given.count} waited, 1 applied, all ended with 0"
                else:
                    came = two(folder / f"shop-{number}", url, chance, revert=given.scenario == "d3")
            print(f"round {number + 1}: {came}, {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{given.rounds} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
