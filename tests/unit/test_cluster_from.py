# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``cluster-from``: what each tool writes, what is not that, and whatever else a file may hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hgaurora.adapters.manifests import documents
from hgaurora.core.cluster_from import WORDS, YAML, NotFound, Reference, Source, find, parsed, reference

ARN = "arn:aws:rds:eu-west-1:123456789012:cluster:shop-prod"
HOST = "shop-prod.cluster-c0ffee123456.eu-west-1.rds.amazonaws.com"
BY_ARN = Reference(cluster="shop-prod", region="eu-west-1", account="123456789012")
BY_HOST = Reference(cluster="shop-prod", region="eu-west-1", endpoint=HOST)
BY_NAME = Reference(cluster="shop-prod")


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (ARN, BY_ARN),
        (HOST, BY_HOST),
        (f"{HOST}:5432", BY_HOST),
        (HOST.upper(), BY_HOST),
        (f"{HOST}.cn".replace("eu-west-1", "cn-north-1"), Reference(
            cluster="shop-prod", region="cn-north-1", endpoint=f"{HOST}.cn".replace("eu-west-1", "cn-north-1"))),
        ("Shop-Prod", BY_NAME),
        (" shop-prod\n", BY_NAME),
        ("arn:aws-cn:rds:cn-north-1:123456789012:cluster:shop-prod",
         Reference(cluster="shop-prod", region="cn-north-1", account="123456789012")),
    ],
)  # fmt: skip
def test_a_name_an_arn_an_endpoint(value: str, wanted: Reference) -> None:
    assert reference(value, what="it") == wanted


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "is empty, not a text"),
        (7, "is a number"),
        (["shop"], "is a list"),
        ({"a": 1}, "is an object"),
        (True, "is true or false"),
        ("", "is no identifier"),
        ("shop prod", "is no identifier"),
        ("1shop", "is no identifier"),
        ("shop--prod", "is no identifier"),
        ("shop-", "is no identifier"),
        ("a" * 64, "is no identifier"),
        ("[secret]", "is a secret"),
        ("shop-1.c0ffee123456.eu-west-1.rds.amazonaws.com", "an instance's endpoint"),
        (HOST.replace("cluster-", "cluster-ro-"), "a reader endpoint, and a deploy writes"),
        (HOST.replace("cluster-", "cluster-custom-"), "a custom endpoint"),
        (HOST.replace("cluster-", "proxy-"), "an RDS proxy's endpoint"),
        ("arn:aws:rds:eu-west-1:123456789012:db:shop-1", "is no identifier"),
        ("postgresql://u:hunter2@shop/x", "is no identifier"),
        (f"{HOST}.evil.example.org", "is no identifier"),
    ],
)
def test_what_is_none_of_the_three(value: object, words: str) -> None:
    with pytest.raises(NotFound) as caught:
        reference(value, what="it")
    assert words in caught.value.message
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}", "a value may be a secret"


def _output(value: object, *, sensitive: bool = False) -> dict[str, object]:
    return {"sensitive": sensitive, "type": "string", "value": value}


OUTPUTS = {"cluster_arn": _output(ARN), "endpoint": _output(HOST), "port": _output(5432), "tags": _output({"a": "b"})}


def _cluster(name: str, **more: Any) -> dict[str, Any]:
    attributes = {"cluster_identifier": name, "arn": ARN.replace("shop-prod", name), "endpoint": HOST, "port": 5432}
    return {
        "mode": "managed",
        "type": "aws_rds_cluster",
        "name": "db",
        "instances": [{"attributes": attributes}],
        **more,
    }


def _state(*resources: Any, version: object = 4) -> dict[str, Any]:
    return {"version": version, "terraform_version": "1.9.0", "outputs": OUTPUTS, "resources": list(resources)}


def _several(name: str, index: object) -> dict[str, Any]:
    made = _cluster(name, module="module.shop")
    return {**made, "instances": [{**made["instances"][0], "index_key": index}]}


PULUMI = {"clusterArn": ARN, "clusterEndpoint": HOST, "password": "[secret]"}
CDK = {"ShopProd": {"ClusterEndpoint0A1B": HOST, "Other": "x"}, "ShopStaging": {"ClusterEndpoint0A1B": HOST}}
CROSSPLANE = {
    "apiVersion": "rds.aws.upbound.io/v1beta1",
    "kind": "Cluster",
    "metadata": {"name": "shop-prod"},
    "spec": {"forProvider": {"engine": "aurora-postgresql"}},
}
PLANTON = {"apiVersion": "aws.project-planton.org/v1", "kind": "AwsRdsCluster", "metadata": {"name": "shop-prod"}}
ANSIBLE = {
    "changed": False,
    "clusters": [
        {"db_cluster_identifier": "shop-prod", "db_cluster_arn": ARN, "endpoint": HOST, "engine": "aurora-postgresql"},
        {"db_cluster_identifier": "graph", "engine": "neptune"},
    ],
}


def source(tool: str, **words: str) -> Source:
    return Source(tool=tool, place="file", **words)


@pytest.mark.parametrize(
    ("from_", "document", "wanted"),
    [
        (source("terraform", output="cluster_arn"), OUTPUTS, BY_ARN),
        (source("terraform", output="endpoint"), OUTPUTS, BY_HOST),
        (source("terraform", output="cluster_arn"), _state(), BY_ARN),
        (source("terraform"), _state(_cluster("shop-prod"), {"type": "aws_instance"}), BY_ARN),
        (source("terraform", resource="aws_rds_cluster.db"), _state(_cluster("shop-prod")), BY_ARN),
        (source("terraform", resource='module.shop.aws_rds_cluster.db["prod"]'),
         _state(_several("shop-staging", "staging"), _several("shop-prod", "prod")), BY_ARN),
        (source("terraform", resource="module.shop.aws_rds_cluster.db[1]"),
         _state(_several("shop-staging", 0), _several("shop-prod", 1)), BY_ARN),
        (source("pulumi", output="clusterArn"), PULUMI, BY_ARN),
        (source("cdk", output="ClusterEndpoint0A1B", stack="ShopProd"), CDK, BY_HOST),
        (source("cdk", output="Other"), {"ShopProd": {"Other": "shop-prod"}, "X": {}}, BY_NAME),
        (source("crossplane"), [CROSSPLANE], BY_NAME),
        (source("crossplane"), [{"kind": "Service"}, {**CROSSPLANE, "status": {"atProvider": {"arn": ARN}}}], BY_ARN),
        (source("crossplane"), [{**CROSSPLANE, "metadata": {
            "name": "x", "annotations": {"crossplane.io/external-name": "shop-prod"}}}], BY_NAME),
        (source("crossplane", name="shop-prod"),
         [{"kind": "List", "items": [CROSSPLANE, {**CROSSPLANE, "metadata": {"name": "other"}}]}], BY_NAME),
        (source("planton"), [PLANTON], BY_NAME),
        (source("planton"), [{**PLANTON, "status": {"outputs": {"rds_cluster_arn": ARN}}}], BY_ARN),
        (source("planton"), [{**PLANTON, "status": {"outputs": {"rdsClusterEndpoint": HOST}}}], BY_HOST),
        (source("ansible"), ANSIBLE, BY_ARN),
        (source("ansible", output="db"), {"db": ANSIBLE}, BY_ARN),
        (source("ansible", name="shop-prod"), {"clusters": [*ANSIBLE["clusters"], {  # type: ignore[misc]
            "db_cluster_identifier": "b", "engine": "aurora-mysql"}]}, BY_ARN),
    ],
)  # fmt: skip
def test_what_each_tool_writes(from_: Source, document: object, wanted: Reference) -> None:
    assert find(from_, json.loads(json.dumps(document))) == wanted


@pytest.mark.parametrize(
    ("from_", "document", "message", "hint"),
    [
        (source("terraform", output="cluster_anr"), OUTPUTS, "has no output cluster_anr", "it is cluster_arn"),
        (source("terraform", output="x"), {}, "has no output x", "it has none"),
        (source("terraform", output="port"), OUTPUTS, "is a number", "name an output"),
        (source("terraform", output="cluster_arn"), PULUMI | {"cluster_arn": ARN}, "has no value", "output -json"),
        (source("terraform"), OUTPUTS, "no output is named", "add output"),
        (source("terraform"), _state(), "has no aws_rds_cluster", "right file"),
        (source("terraform"), _state(_several("a", 0), _several("b", 1)), "has 2 of aws_rds_cluster: module.shop."
         "aws_rds_cluster.db[0], module.shop.aws_rds_cluster.db[1]", "add resource"),
        (source("terraform"), _state(_cluster("a"), version=3), "is a state of version 3, not 4", "anew"),
        (source("terraform"), _state(_cluster("a", instances=[{"attributes": {}}])), "no cluster_identifier", "apply"),
        (source("terraform", resource="aws_rds_cluster.dv"), _state(_cluster("a")), "has no resource", "is aws_rds"),
        (source("terraform"), [], "is a list, not an object", "right file"),
        (source("pulumi", output="password"), PULUMI, "is a secret", "no secret"),
        (source("cdk", output="ClusterEndpoint0A1B"), CDK, "has 2 of stack with output", "add stack"),
        (source("cdk", output="ClusterEndpoint"), CDK, "has no output", "it is ClusterEndpoint0A1B"),
        (source("cdk", output="Other", stack="ShopPrd"), CDK, "has no stack ShopPrd", "it is ShopProd"),
        (source("crossplane"), [{"kind": "Cluster", "apiVersion": "cluster.x-k8s.io/v1"}], "has no Cluster", "right"),
        (source("crossplane"), [CROSSPLANE, {**CROSSPLANE, "metadata": {"name": "b"}}], "has 2 of Cluster", "add name"),
        (source("planton", name="shop"), [PLANTON], "has no AwsRdsCluster shop", "it is shop-prod"),
        (source("ansible"), {"db": ANSIBLE}, "has no list clusters", "add output"),
        (source("ansible"), {"clusters": [{"engine": "neptune"}]}, "has no cluster", "right file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(from_: Source, document: object, message: str, hint: str) -> None:
    with pytest.raises(NotFound) as caught:
        find(from_, json.loads(json.dumps(document)))
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON: Expecting value at line 1"),
        (b'{"a": 1,\n}', "at line 2"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"1" * 5000, "too long a number"),
        (b"kind: Cluster", "is not JSON"),
    ],
)
def test_files_that_are_no_json(content: bytes, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        parsed(content)


def test_a_byte_order_mark_is_none() -> None:
    assert parsed(b"\xef\xbb\xbf{}") == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a: [1\n", "is not YAML"),
        (b"a: &a [x]\nb: *a\n", "has aliases"),
        (b"a: !!python/object/apply:os.system [id]\n", "is not YAML"),
        (b"[" * 10_000, "is not YAML"),
        (b"a: 2026-99-99\n", "is not YAML"),
        (b"\x00", "is not YAML"),
    ],
)
def test_files_that_are_no_manifest(content: bytes, words: str) -> None:
    with pytest.raises(NotFound, match=words):
        documents(content)


def test_several_documents() -> None:
    assert documents(b"kind: A\n---\nkind: B\n---\n") == [{"kind": "A"}, {"kind": "B"}, None]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
    | st.sampled_from([ARN, HOST, "shop-prod", "[secret]"]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.text(max_size=8)
        | st.sampled_from(
            ["outputs", "resources", "value", "version", "terraform_version", "type", "instances", "attributes", "arn",
             "kind", "apiVersion", "metadata", "name", "status", "items", "annotations", "atProvider", "clusters",
             "db_cluster_arn", "db_cluster_identifier", "engine", "module", "index_key", "mode"]
        ),
        inner | st.sampled_from(["aws_rds_cluster", "Cluster", "AwsRdsCluster", "rds.aws.x/v1", 4, "List", "aurora-x"]),
        max_size=6,
    ),
    max_leaves=30,
)  # fmt: skip
SOURCES = st.builds(
    lambda tool, words: Source(tool=tool, place="f", **{word: words[word] for word in WORDS[tool] if word in words}),
    st.sampled_from([tool for tool in WORDS if not tool.startswith("cloudformation")]),
    st.dictionaries(st.sampled_from(["output", "resource", "stack", "name"]), st.text(max_size=8) | st.just("value")),
)


def answered(ask: Callable[[], Reference]) -> Reference | str:
    """A cluster, or an error in words; another exception is let through."""
    try:
        return ask()
    except NotFound as error:
        return error.message


@given(SOURCES, JSON)
def test_whatever_a_file_holds(from_: Source, document: object) -> None:
    found = answered(lambda: find(from_, document))
    assert found
    if isinstance(found, Reference):
        assert reference(found.cluster, what="it").cluster == found.cluster


@given(st.binary(max_size=200), st.sampled_from([parsed, documents]))
def test_whatever_bytes(content: bytes, read: Any) -> None:
    try:
        document = read(content)
    except NotFound:
        return
    for tool in YAML:
        assert answered(lambda tool=tool: find(source(tool), document))  # type: ignore[misc]


@given(st.text(max_size=80))
def test_whatever_text(text: str) -> None:
    found = answered(lambda: reference(text, what="it"))
    if isinstance(found, Reference):
        assert found.cluster in text.lower()
    else:
        # nothing of the value is said
        assert found in ("it is no identifier, ARN or endpoint of a cluster", "it is a secret, and left out")
