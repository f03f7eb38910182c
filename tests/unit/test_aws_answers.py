# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What of an answer of AWS has to be there, and which bodies are no answers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import Session

import hgaurora.adapters.aws
from hgaurora.adapters.aws.answers import NEEDED, has, in_form
from hgaurora.adapters.aws.errors import NotWhole, translated
from hgaurora.core.errors import RemoteError

SESSION = Session()


def model(named: str) -> Any:
    """botocore's of an operation."""
    service, operation = named.split(":")
    return SESSION.get_service_model(service).operation_model(operation)


@pytest.mark.parametrize(
    ("value", "path", "good"),
    [
        ({"A": "x"}, "A", True),
        ({"A": None}, "A", False),
        ({}, "A", False),
        ({}, "?A[].B", True),
        ({"B": 0}, "A|B", True),
        ({"C": 0}, "A|B", False),
        ({"A": {"B": ""}}, "A.B", True),
        ({"A": {}}, "A.B", False),
        ({"A": []}, "A[].B", True),
        ({"A": []}, "A[+].B", False),
        ({}, "A[].B", False),
        ({"A": [{"B": 1}, {}]}, "A[].B", False),
        ({"A": [{"B": 1}, {"B": 2}]}, "A[+].B", True),
        ({"A": [{"C": [{}]}]}, "A[].?C[].D", False),
        ({"A": [{}]}, "A[].?C[].D", True),
        ({"A": "x"}, "A[].B", False),
    ],
)
def test_paths(value: Any, path: str, good: bool) -> None:
    assert has(value, path) is good


@pytest.mark.parametrize("named", NEEDED)
def test_what_is_needed_is_in_the_service_s_model(named: str) -> None:
    for path in NEEDED[named]:
        shape = model(named).output_shape
        for part in path.split("."):
            for name in part.strip("?[+]").split("|"):
                found = shape.members[name]
            shape = found.member if found.type_name == "list" else found


def test_each_call_of_ours_has_a_line() -> None:
    """A client's method that is called somewhere here, and nobody said what its answer must have."""
    folder = Path(hgaurora.adapters.aws.__file__).parent
    text = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    known = {xform_name(name.split(":")[1]) for name in NEEDED}
    services = {name.split(":")[0] for name in NEEDED}
    methods = {xform_name(one) for name in services for one in SESSION.get_service_model(name).operation_names}
    called = {word for word in re.findall(r"[.\"](\w+)[\"(]", text) if word in methods}
    assert called - known == set()
    assert {"describe_db_clusters", "put_log_events", "describe_blue_green_deployments"} <= called


@pytest.mark.parametrize(
    ("named", "body", "good"),
    [
        ("logs:PutLogEvents", b'{"nextSequenceToken": "1"}', True),
        ("logs:PutLogEvents", b"{}", True),
        ("logs:PutLogEvents", b'{"rejectedLogEventsInfo": {"tooOldLogEventEndIndex": 1}, "other": 1}', True),
        ("logs:PutLogEvents", b'{"rejectedLogEventsInfo": {"tooOld', False),
        ("logs:PutLogEvents", b'{"message": "log in"}', False),
        ("logs:PutLogEvents", b"[]", False),
        ("logs:PutLogEvents", b"", False),
        ("logs:PutLogEvents", b"<html></html>", False),
        ("logs:CreateLogStream", b"", True),
        ("logs:CreateLogStream", b"{}", True),
        ("logs:CreateLogStream", b"<html></html>", False),
        ("rds:DescribeDBClusters", b"<html><body>x</body></html>", False),
        ("rds:DescribeDBClusters", b"<R xmlns='u'><DescribeDBClustersResult/></R>", True),
        ("rds:DescribeDBClusters", b"<R><DescribeDBCl", True),  # botocore says so
    ],
)
def test_bodies_in_form(named: str, body: bytes, good: bool) -> None:
    assert in_form(model(named), 200, body) is good


@pytest.mark.parametrize(
    ("named", "body", "good"),
    [
        ("logs:PutLogEvents", b'{"__type": "ResourceNotFoundException", "message": "no"}', True),
        ("logs:PutLogEvents", b'{"__type": "ResourceNotFou', False),
        ("logs:CreateLogStream", b"<html></html>", False),
        ("logs:CreateLogStream", b"", False),
        ("rds:DescribeDBClusters", b"<ErrorResponse xmlns='u'><Error><Code>X</Code></Error></ErrorResponse>", True),
        ("rds:DescribeDBClusters", b"<html><body>log in</body></html>", False),
    ],
)
def test_bodies_of_errors_in_form(named: str, body: bytes, good: bool) -> None:
    assert in_form(model(named), 403, body) is good


def test_it_is_an_answer_that_was_lost() -> None:
    with pytest.raises(RemoteError) as caught, translated("describe x", environment="prod", state="nothing was done"):
        raise NotWhole("rds", "DescribeDBClusters")
    error = caught.value
    assert error.message == "prod: can not describe x: the answer of AWS to rds:DescribeDBClusters was not whole"
    assert error.hint == "look at the network, then the same command again"
    assert error.state == "nothing was done"
    assert error.data["unknown"] is True
    assert str(NotWhole("rds", "X", 403)) == "the answer of AWS to rds:X was not whole (HTTP 403)"
    assert error.data["aws"]["operation"] == "DescribeDBClusters"  # type: ignore[index]
