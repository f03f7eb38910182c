# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The story of :mod:`.aurora_story` with two changesets; and that its checks see what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import journal_reader
from tests.cloud import ENGINES, Cloud
from tests.flows.aurora_story import Clocked, Shop, Wrong, opened, tell


@pytest.fixture(params=[ENGINES[0], *(pytest.param(one, marks=pytest.mark.whole) for one in ENGINES[1:])])
def shop(aws: Cloud, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    """Staging and prod on clusters, roles of least privilege, nothing deployed yet."""
    aws.snapshot_quota = 100
    made = opened(aws, request.param, tmp_path, print, Clocked())
    yield made
    made.repo.close()


def test_the_story(shop: Shop) -> None:
    found = tell(shop, 1)
    assert {name: (said["deploys"], said["snapshots"], said["deltas"]) for name, said in found.items()} == {
        "staging": (2, 1, 2),
        "prod": (2, 1, 2),
    }
    assert found["staging"]["structure"] == found["prod"]["structure"]
    # control: a log without one delta folds to nothing
    logs = shop.aws.client("logs")
    texts = list(journal_reader.messages(shop.group("prod"), "prod", logs))
    deltas = [text for text in texts if json.loads(text)["event"] == "delta"]
    with pytest.raises(journal_reader.Wrong):
        journal_reader.fold(text for text in texts if text != deltas[-1])
    # control: nor does a snapshot pass that does not say whose it is
    (row,) = shop.tagged("prod")
    shop.aws.client("rds").remove_tags_from_resource(
        ResourceName=row["DBClusterSnapshotArn"], TagKeys=["hgaurora:node"]
    )
    with pytest.raises(Wrong):
        shop.tagged("prod")
