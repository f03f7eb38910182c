# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clusters on the emulated AWS, and what CloudWatch alone says of their schemas."""

from __future__ import annotations

import json

import pytest

from hgaurora.core.schema.form import fingerprints, parts
from tests import journal_reader
from tests.cloud import ENGINES, Cloud
from tests.planes import Quick, client, settings
from tests.world import Repo, call, migration, sql

TEN = 10
GROUP = "/hgaurora/prod"


@pytest.mark.whole
@pytest.mark.parametrize("engine", ENGINES)
def test_ten_deploys_are_ten_deltas_that_fold_to_the_live_schema(aws: Cloud, repo: Repo, engine: str) -> None:
    aws.snapshot_quota = 100
    made = aws.fresh(engine)
    group = f"{GROUP}-{made.id}"
    extra = f'log-group = "{group}"\nlog-retention = 30\nsnapshot = "none"\nrequire-journal = true'
    repo.commit({"hgaurora.toml": settings(aws, {"prod": made}, {"prod": extra})}, "settings")
    for number in range(1, TEN + 1):
        text = migration(
            f"r{number}",
            f"r{number - 1}" if number > 1 else None,
            sql(f"CREATE TABLE t{number} (id int PRIMARY KEY, n varchar(10) DEFAULT 'x')"),
            sql(f"DROP TABLE t{number}"),
        )
        repo.commit({f"migrations/versions/r{number}.py": text}, f"r{number}")
        assert call(repo, "deploy", env="prod", adapters=Quick()).code == 0
    texts = list(journal_reader.messages(group, "prod", client(aws, "logs")))
    found = journal_reader.fold(texts)
    deltas = [said for said in map(json.loads, texts) if said.get("event") == "delta"]
    assert [said["revision"] for said in deltas if said["cause"] == "step"] == [f"r{n}" for n in range(1, TEN + 1)]
    # who AWS says it was stands in each event
    assert {said["caller"] for said in map(json.loads, texts) if "id" in said} == {deltas[0]["caller"]}
    adapters = Quick()
    control = adapters.cluster("prod", aws.environment(made), "ana")
    database = adapters.database(control.connection(), "prod")
    try:
        seen = database.capture()
    finally:
        database.close()
    assert found.structure == found.said == fingerprints(seen.engine, seen.major, parts(seen)).structure
    (verified,) = call(repo, "journal", verb="verify", env="prod", json=True, adapters=Quick()).json()
    assert verified["agree"], verified
