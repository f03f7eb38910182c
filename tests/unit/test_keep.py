# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Which snapshots may go: never one that a row of the last deploys needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from hgaurora.core.keep import judge
from hgaurora.core.model import Deployment, Kind, Outcome, Snapshot

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def one(number: int, kind: Kind = Kind.DEPLOY, outcome: Outcome = Outcome.OK) -> Deployment:
    """A row of the ledger."""
    return Deployment(
        id=f"prod-{number}",
        number=number,
        kind=kind,
        way=None,
        outcome=outcome,
        node="a" * 40,
        branch="default",
        phase="public",
        author="ana",
        description="",
        tags=(),
        change_request=None,
        from_node=None,
        from_branch=None,
        heads_before=(),
        heads_after=(),
        user="ana",
        pusher=None,
        host="build-2",
        pid=1,
        tool_version="0",
        started=NOW,
        ended=NOW,
        error=None,
    )


def snapshot(number: int, name: str = "1", **more: object) -> Snapshot:
    """A snapshot of a deployment."""
    made = Snapshot(
        id=f"prod-{number}-{name}",
        environment="prod",
        state="available",
        created=NOW,
        bytes=None,
        deployment=f"prod-{number}",
        node=None,
        heads=(),
        before=None,
        tags={"ledger": "ours"},
    )
    return replace(made, **more)  # type: ignore[arg-type]


def going(
    snapshots: list[Snapshot],
    deployments: list[Deployment],
    keep: int,
    named: Mapping[str, set[str]] | None = None,
) -> list[str]:
    """The ids of those that may go."""
    verdicts = judge(snapshots, deployments, keep=keep, named=named or {}, ledger="ours")
    assert [verdict.snapshot for verdict in verdicts] == snapshots
    return [verdict.snapshot.id for verdict in verdicts if verdict.why is None]


LEDGER = [one(number) for number in (5, 4, 3, 2, 1)]
ALL = [snapshot(number) for number in (5, 4, 3, 2, 1)]


def test_those_of_the_last_deploys_stay() -> None:
    assert going(ALL, LEDGER, 2) == ["prod-3-1", "prod-2-1", "prod-1-1"]
    assert going(ALL, LEDGER, 5) == []
    assert going(ALL, LEDGER, 50) == []


def test_reverts_do_not_count_as_deploys_and_keep_their_own() -> None:
    ledger = [one(5, Kind.REVERT), one(4, Kind.REVERT), one(3), one(2), one(1)]
    assert going(ALL, ledger, 1) == ["prod-2-1", "prod-1-1"]


def test_what_a_row_of_theirs_names_stays_whoever_made_it() -> None:
    assert going(ALL, LEDGER, 1, {"prod-5": {"prod-2-1"}}) == ["prod-4-1", "prod-3-1", "prod-1-1"]
    assert going(ALL, LEDGER, 1, {"prod-4": {"prod-2-1"}}) == ["prod-4-1", "prod-3-1", "prod-2-1", "prod-1-1"]


def test_those_of_an_open_deployment_stay() -> None:
    ledger = [one(5), one(4), one(3, outcome=Outcome.RUNNING), one(2), one(1)]
    assert going(ALL, ledger, 1, {"prod-3": {"prod-1-1"}}) == ["prod-4-1", "prod-2-1"]


def test_what_is_not_sure_stays() -> None:
    doubtful = [
        snapshot(1, "creating", state="creating"),
        snapshot(1, "lost", deployment=None),
        snapshot(1, "strange", deployment="prod-77"),
        snapshot(1, "other", tags={"ledger": "another"}),
        snapshot(1, "bare", tags={}),
    ]
    assert going(doubtful, LEDGER, 1) == []
    assert going([snapshot(1, "failed", state="failed")], LEDGER, 1) == ["prod-1-failed"]


def test_another_ledger_s_has_the_same_deploys() -> None:
    """It is kept for that it is another's, not for a deploy that only has the same name."""
    foreign = [snapshot(5, "other", tags={"ledger": "another"}), snapshot(5, "bare", tags={})]
    verdicts = judge(foreign, LEDGER, keep=1, named={"prod-5": {"prod-5-other"}}, ledger="ours")
    assert [one.why for one in verdicts] == ["of another ledger", "its tags name no ledger"]


def test_where_none_is_tagged_none_is_compared() -> None:
    """Those of a local environment have no ledger in their tags, and a folder of their own."""
    local = [snapshot(5, tags={}), snapshot(1, tags={})]
    assert [one.why for one in judge(local, LEDGER, keep=1, named={}, ledger=None)] == ["of prod-5", None]


@given(st.lists(st.sampled_from(list(Kind)), max_size=12), st.integers(1, 5), st.data())
def test_a_row_of_the_last_deploys_never_loses_one(kinds: list[Kind], keep: int, data: st.DataObject) -> None:
    ledger = [one(number, kind) for number, kind in reversed(list(enumerate(kinds, 1)))]
    snapshots = [snapshot(row.number, str(n)) for row in ledger for n in (1, 2)]
    ids = [found.id for found in snapshots]
    named = {
        row.id: set(data.draw(st.lists(st.sampled_from(ids), max_size=2))) | {f"{row.id}-1", f"{row.id}-2"}
        for row in ledger
    }
    gone = set(going(snapshots, ledger, keep, named))
    last = [row for row in ledger if row.kind is not Kind.REVERT][:keep]
    for row in last:
        assert not gone & named[row.id]
