# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Names and tags of cluster snapshots keep RDS's rules, whatever they are made of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.adapters.aws.tags import from_aws, identifier, to_aws

#: RDS: identifiers, and what values of tags may hold
RULE = re.compile(r"[a-z](?:-?[a-z0-9])*")
VALUE = re.compile(r"[\w\s.:/=+\-@]{1,256}")
CLUSTERS = st.from_regex(r"[A-Za-z](-?[A-Za-z0-9]){0,62}", fullmatch=True).filter(lambda name: len(name) <= 63)
ENVIRONMENTS = st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True)


@pytest.mark.parametrize(
    ("cluster", "deployment", "number", "name"),
    [
        ("shop-staging", "staging-87", 1, "hgaurora-shop-staging-87-1"),
        ("staging", "staging-87", 2, "hgaurora-staging-87-2"),
        ("Shop", "prod-42", 12, "hgaurora-shop-prod-42-12"),
        ("shop-prod", "test-1", 1, "hgaurora-shop-prod-test-1-1"),
        ("backprod", "prod-1", 1, "hgaurora-backprod-prod-1-1"),
    ],
)
def test_names_say_cluster_deploy_and_number(cluster: str, deployment: str, number: int, name: str) -> None:
    assert identifier(cluster, deployment, number) == name
    again = identifier(cluster, deployment, number, again=True)
    assert re.fullmatch(re.escape(name) + "-[0-9a-f]{6}", again)


@given(CLUSTERS, ENVIRONMENTS, st.integers(1, 99_999), st.integers(1, 999), st.booleans())
def test_names_keep_the_rule(cluster: str, environment: str, deploy: int, number: int, again: bool) -> None:
    name = identifier(cluster, f"{environment}-{deploy}", number, again=again)
    assert len(name) <= 63
    assert RULE.fullmatch(name)
    assert name.startswith("hgaurora-")
    assert name.startswith(f"hgaurora-{cluster.lower()[:30]}")  # policies count on it


@given(CLUSTERS, ENVIRONMENTS, st.integers(1, 9_999), st.integers(1, 99))
def test_other_snapshots_have_other_names(cluster: str, environment: str, deploy: int, number: int) -> None:
    name = identifier(cluster, f"{environment}-{deploy}", number)
    assert name != identifier(cluster, f"{environment}-{deploy}", number + 1)
    assert name != identifier(cluster, f"{environment}-{deploy + 1}", number)
    assert name == identifier(cluster, f"{environment}-{deploy}", number)


@given(st.dictionaries(st.sampled_from(["environment", "branch", "heads", "change-request"]), st.text()))
def test_tags_keep_the_rule(tags: dict[str, str]) -> None:
    made = to_aws(tags)
    for tag in made:
        assert VALUE.fullmatch(tag["Value"])
        assert tag["Key"] == "hgaurora" or tag["Key"].startswith("hgaurora:")
    assert set(from_aws(made)) == {name for name, text in tags.items() if text}


def test_tags_come_back() -> None:
    tags = {"environment": "prod", "heads": "0001,0002", "environments": "prod,test", "node": "a" * 40, "empty": ""}
    assert from_aws([*to_aws(tags), {"Key": "cost-center", "Value": "7"}]) == {
        name: text for name, text in tags.items() if text
    }
