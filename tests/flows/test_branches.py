# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random revision graphs: a move between any two changesets ends where a fresh deploy of the second ends.

The same id comes with another body, another ``down_revision``, and both; merges and dependencies too. Each revision
owns a table whose shape depends on its variant and on its parents, so a step that was skipped, doubled or run with the
wrong script shows in the schema. Rows of tables whose revision did not have to move must survive.

More than the suite's sample: ``python -m tests.flows.test_branches 500 [FIRST SEED]``.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from hgaurora.adapters.history.hglib import HglibHistory
from tests import engines
from tests.unit.strategies import History, Revision, mutated, random_history, script_source
from tests.world import Repo, bare, call, dump, query, server_for_command, settings, versions

SAMPLE = 5
MORE = 25


def _files(history: History) -> dict[str, str | bytes | None]:
    return {f"migrations/versions/{one.revision}.py": _text(one) for one in history.values()}


def _text(one: Revision) -> bytes:
    """A table whose columns tell variant and parents, and a comment that only a row's survival can keep."""
    shape = ", ".join(["id int", f"v{one.variant} int", *(f"after_{parent} int" for parent in one.parents)])
    table = f"t_{one.revision}"
    return script_source(
        one.revision,
        one.parents,
        one.depends_on,
        f'op.execute("CREATE TABLE {table} ({shape})")\nop.execute("INSERT INTO {table} (id) VALUES (0)")',
        f'op.execute("DROP TABLE {table}")',
        style=one.style,
    )


def _changesets(repo: Repo, rng: random.Random, url: str) -> list[tuple[str, History]]:
    """Five changesets over four named branches."""
    config = settings({"dev": url}, project="multiple-heads = true")
    repo.commit({"hgaurora.toml": config}, "settings")
    history = random_history(rng, rng.randint(4, 30))
    made: list[tuple[str, History]] = []
    for number in range(5):
        files = _files(history)
        present = {f"migrations/versions/{path.name}" for path in (repo.root / "migrations/versions").glob("*.py")}
        gone: dict[str, str | bytes | None] = dict.fromkeys(present - set(files))
        made.append((repo.commit({**gone, **files}, f"changeset {number}", branch=f"b{number % 4}"), history))
        history = mutated(rng, history)
    return made


def _kept(before: History, after: History) -> set[str]:
    """Revisions that are the same in both, with all that they need."""
    kept: set[str] = set()
    for revision, one in before.items():
        other = after.get(revision)
        if other is None or (one.variant, set(one.parents), set(one.depends_on)) != (
            other.variant, set(other.parents), set(other.depends_on),
        ):  # fmt: skip
            continue
        if {*one.parents, *one.depends_on} <= kept:
            kept.add(revision)
    return kept


def check(seed: int, server: str, url: str, folder: Path) -> int:
    """Walk a random path through random changesets; returns how many moves were compared."""
    rng = random.Random(seed)
    repo = Repo(folder / f"repo-{seed}")
    history_of_repo = HglibHistory(repo.root)
    try:
        changesets = _changesets(repo, rng, url)
        config = (repo.root / "hgaurora.toml").read_text()
        at: History = {}
        order = [rng.randrange(len(changesets)) for _ in range(4)]
        expected: dict[int, tuple[list[str], set[str]]] = {}
        for index in order:
            node, history = changesets[index]
            for revision in at:
                query(url, f"UPDATE t_{revision} SET id = 1")
            call(repo, "deploy", env="dev", rev=node, reapply=True, history=history_of_repo)
            kept = _kept(at, history)
            marks = {revision: query(url, f"SELECT id FROM t_{revision}")[0][0] for revision in history}
            stayed = {revision for revision, mark in marks.items() if mark == 1}
            assert stayed == kept, f"seed {seed}: {stayed ^ kept}"
            if index not in expected:
                with engines.fresh_database(server) as fresh:
                    (repo.root / "hgaurora.toml").write_text(config.replace(f'"{bare(url)}"', f'"{bare(fresh)}"'))
                    call(repo, "deploy", env="dev", rev=node, reapply=True, history=history_of_repo)
                    (repo.root / "hgaurora.toml").write_text(config)
                    expected[index] = _sorted(dump(fresh)), versions(fresh)
            assert (_sorted(dump(url)), versions(url)) == expected[index], f"seed {seed}"
            at = history
        return len(order)
    finally:
        history_of_repo.close()
        repo.close()


def _sorted(text: str) -> list[str]:
    return sorted(text.splitlines())


@pytest.mark.parametrize(
    "seed", [*range(SAMPLE), *(pytest.param(seed, marks=pytest.mark.whole) for seed in range(SAMPLE, MORE))]
)
def test_any_two_changesets(seed: int, pg_server: str, tmp_path: Path) -> None:
    with engines.fresh_database(pg_server) as url:
        assert check(seed, pg_server, url, tmp_path) == 4


def main() -> int:
    """A longer run, on the same engine as the suite."""
    count, first = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    moves = 0
    with server_for_command() as (server, folder):
        for seed in range(first, first + count):
            with engines.fresh_database(server) as url:
                moves += check(seed, server, url, folder)
            if (seed - first + 1) % 25 == 0:
                print(f"{seed - first + 1}/{count} examples, {moves} moves equal", flush=True)
    print(f"{count} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
