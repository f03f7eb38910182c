# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``cluster-from``: which cluster it is, from what made it. Pure; no program of the tool is run.

What each tool writes:

==============  ===================================================================================================
terraform       ``terraform output -json`` (or ``tofu``): ``{"NAME": {"value": ..., "sensitive": ...}}``; or the
                state, version 4: ``outputs`` in the same form, and ``resources`` with their attributes
pulumi          ``pulumi stack output --json``: ``{"NAME": value}``, secrets as ``"[secret]"``
cdk             ``cdk deploy --outputs-file``: ``{"STACK": {"NAME": value}}``
crossplane      the manifest of a ``Cluster`` of ``rds.aws``: ``crossplane.io/external-name``, ``status.atProvider``
planton         the manifest of an ``AwsRdsCluster``: ``metadata.name`` is the identifier, ``status.outputs``
ansible         what ``amazon.aws.rds_cluster_info`` returned: ``{"clusters": [{"db_cluster_identifier": ...}]}``
cloudformation  ``Outputs`` of a stack, or an export; the API is asked (:mod:`hgaurora.adapters.aws.discover`)
==============  ===================================================================================================
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

#: bytes of one file: a state has some megabytes
LARGEST = 32 << 20
#: files in YAML; the others are JSON
YAML = ("crossplane", "planton")
#: tool to the words that may stand beside it, and what they name
WORDS: Mapping[str, tuple[str, ...]] = {
    "terraform": ("output", "resource"),
    "pulumi": ("output",),
    "cloudformation": ("output",),
    "cloudformation-export": (),
    "cdk": ("output", "stack"),
    "crossplane": ("name",),
    "planton": ("name",),
    "ansible": ("output", "name"),
}
#: tools that say nothing without one of their words
NEEDED: Mapping[str, str] = {"pulumi": "output", "cloudformation": "output", "cdk": "output"}

_IDENTIFIER = re.compile(r"[A-Za-z](?:-?[A-Za-z0-9]){0,62}")
_ARN = re.compile(r"arn:aws[\w-]*:rds:([a-z0-9-]+):(\d{12}):cluster:([A-Za-z][A-Za-z0-9-]{0,62})")
_HOST = re.compile(
    r"(?P<id>[a-z][a-z0-9-]{0,62})\.(?P<kind>[a-z]+-(?:ro-|custom-)?|)(?P<hash>[a-z0-9]+)"
    r"\.(?P<region>[a-z0-9-]+)\.rds\.amazonaws\.com(?:\.cn)?(?::\d{1,5})?",
)
_SECRET = "[secret]"
_CLUSTER_TYPE = "aws_rds_cluster"


class NotFound(Exception):
    """No cluster is named there.

    :ivar message: what there is instead; goes on after the file's name.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a cluster's name is.

    :ivar tool: a key of :data:`WORDS`.
    :ivar place: a file in the repository, or a stack's or export's name.
    """

    tool: str
    place: str
    output: str | None = None
    resource: str | None = None
    stack: str | None = None
    name: str | None = None

    @property
    def by_api(self) -> bool:
        """It is not in a file."""
        return self.tool.startswith("cloudformation")

    @property
    def made_by(self) -> str:
        """The tool, as :data:`hgaurora.core.doctor.attributes.TOOLS` has it."""
        return "cloudformation" if self.by_api else self.tool

    def __str__(self) -> str:
        words = ((word, getattr(self, word, None)) for word in WORDS[self.tool])
        return ", ".join([f"{self.tool} {self.place}", *(f"{word} {said}" for word, said in words if said)])


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A cluster, as far as a text names it.

    :ivar cluster: its identifier, in lower case.
    :ivar endpoint: the writer endpoint, where it was that: the cluster that AWS describes has to have it, for
        another account's may have the same identifier in the same region.
    """

    cluster: str
    region: str | None = None
    account: str | None = None
    endpoint: str | None = None


def reference(value: object, *, what: str) -> Reference:
    """The cluster that a value names: an identifier, an ARN, or an endpoint.

    :param what: what the value is called, for the message.
    :raises NotFound: it is none of the three.
    """
    if not isinstance(value, str):
        raise NotFound(f"{what} is {_kind(value)}, not a text", "name an output that is an identifier, ARN or endpoint")
    if value == _SECRET:
        raise NotFound(f"{what} is a secret, and left out", "an identifier is no secret: output one that is plain")
    text = value.strip()
    if arn := _ARN.fullmatch(text):
        return Reference(cluster=arn[3].lower(), region=arn[1], account=arn[2])
    if host := _HOST.fullmatch(text.lower()):
        kinds = {
            "": "an instance's endpoint",
            "cluster-ro-": "a reader endpoint, and a deploy writes",
            "cluster-custom-": "a custom endpoint",
            "proxy-": "an RDS proxy's endpoint",
            "global-": "a global database's endpoint",
        }
        kind = host["kind"]
        if kind != "cluster-":
            said = kinds.get(kind, "an endpoint that is no cluster's")
            raise NotFound(f"{what} is {said}", "name the cluster's identifier, ARN or endpoint")
        return Reference(cluster=host["id"], region=host["region"], endpoint=text.lower().partition(":")[0])
    if _IDENTIFIER.fullmatch(text):
        return Reference(cluster=text.lower())
    # the value itself may be anything, a password too: it is not repeated
    raise NotFound(f"{what} is no identifier, ARN or endpoint of a cluster", "name another output")


def parsed(content: bytes) -> object:
    """A JSON file.

    :raises NotFound: it is none, or too large, or too deep.
    """
    if len(content) > LARGEST:
        raise NotFound(f"has more than {LARGEST >> 20} MiB", "is it the right file?")
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise NotFound("is not UTF-8", "is it the right file?") from None
    except json.JSONDecodeError as error:
        raise NotFound(f"is not JSON: {error.msg} at line {error.lineno}", "is it the right file?") from None
    except (RecursionError, ValueError):
        raise NotFound("is JSON that is nested too deep, or has too long a number", "is it the right file?") from None


def find(source: Source, document: object) -> Reference:
    """The cluster that a document names.

    :param document: parsed JSON; for manifests the list of the file's documents.
    :raises NotFound: it names none, or several.
    """
    return {
        "terraform": _terraform,
        "pulumi": _pulumi,
        "cdk": _cdk,
        "crossplane": _crossplane,
        "planton": _planton,
        "ansible": _ansible,
    }[source.tool](source, document)


# Terraform and OpenTofu


def _terraform(source: Source, document: object) -> Reference:
    top = _mapping(document, "the file")
    state = "terraform_version" in top or isinstance(top.get("resources"), list)
    if source.output is not None:
        outputs = _mapping(top.get("outputs", {}), "outputs") if state else top
        output = _member(outputs, source.output, "output")
        if not isinstance(output, Mapping) or "value" not in output:
            raise NotFound(
                f"output {source.output} has no value",
                "it is what terraform output -json writes, without a name behind it",
            )
        return reference(output["value"], what=f"output {source.output}")
    if not state:
        raise NotFound("is no state, and no output is named", 'add output = "..." beside terraform')
    version = top.get("version")
    if version != 4:
        raise NotFound(f"is a state of version {_shown(version)}, not 4", "write it anew with Terraform 0.12 or later")
    found = dict(_resources(top))
    wanted = source.resource
    if wanted is None:
        address, attributes = _only(found, _CLUSTER_TYPE, 'add resource = "..." beside terraform')
    else:
        address, attributes = wanted, _mapping(_member(found, wanted, "resource"), wanted)
    for name in ("arn", "cluster_identifier", "id"):
        if attributes.get(name):
            return reference(attributes[name], what=f"{name} of {address}")
    raise NotFound(f"{address} has no cluster_identifier", "apply it first")


def _resources(state: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Address and attributes of each cluster in a state."""
    for resource in _list(state.get("resources")):
        if not isinstance(resource, Mapping) or resource.get("type") != _CLUSTER_TYPE:
            continue
        instances = _list(resource.get("instances"))
        data = "data." if resource.get("mode") == "data" else ""
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in instances:
            if not isinstance(instance, Mapping):
                continue
            index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
            attributes = instance.get("attributes")
            address = f"{module}{data}{_CLUSTER_TYPE}.{resource.get('name')}{index}"
            yield address, attributes if isinstance(attributes, Mapping) else {}


# Pulumi, CDK, Ansible


def _pulumi(source: Source, document: object) -> Reference:
    top = _mapping(document, "the file")
    name = str(source.output)
    return reference(_member(top, name, "output"), what=f"output {name}")


def _cdk(source: Source, document: object) -> Reference:
    stacks = _mapping(document, "the file")
    name = str(source.output)
    if source.stack is not None:
        outputs = _mapping(_member(stacks, source.stack, "stack"), f"stack {source.stack}")
        return reference(_member(outputs, name, "output"), what=f"output {name} of {source.stack}")
    having = {stack: outputs for stack, outputs in stacks.items() if isinstance(outputs, Mapping) and name in outputs}
    if not having:
        every = {key for outputs in stacks.values() if isinstance(outputs, Mapping) for key in outputs}
        raise _absent(name, "output", every)
    stack, outputs = _only(having, f"stack with output {name}", 'add stack = "..." beside cdk')
    return reference(outputs[name], what=f"output {name} of {stack}")


def _ansible(source: Source, document: object) -> Reference:
    top = _mapping(document, "the file")
    if source.output is not None:
        top = _mapping(_member(top, source.output, "variable"), source.output)
    rows = top.get("clusters")
    if not isinstance(rows, list):
        raise NotFound(
            "has no list clusters, as amazon.aws.rds_cluster_info returns it",
            'where it is below a variable, add output = "VARIABLE"',
        )
    named = {
        str(row.get("db_cluster_identifier")): row
        for row in rows
        if isinstance(row, Mapping) and str(row.get("engine", "aurora-")).startswith("aurora-")
    }
    if source.name is not None:
        row = _mapping(_member(named, source.name, "cluster"), source.name)
    else:
        _, row = _only(named, "cluster", 'add name = "..." beside ansible')
    return _first(row, ("db_cluster_arn", "db_cluster_identifier", "endpoint"), "the cluster")


# manifests


def _crossplane(source: Source, document: object) -> Reference:
    def ours(row: Mapping[str, Any]) -> bool:
        group = str(row.get("apiVersion", "")).partition("/")[0]
        return row.get("kind") == "Cluster" and group.startswith("rds.aws.")

    name, row = _manifest(source, document, ours, "Cluster of rds.aws")
    status = _inside(row, "status", "atProvider")
    if status.get("arn"):
        return reference(status["arn"], what=f"status.atProvider.arn of {name}")
    annotations = _inside(row, "metadata", "annotations")
    if annotations.get("crossplane.io/external-name"):
        return reference(annotations["crossplane.io/external-name"], what=f"external-name of {name}")
    if status.get("endpoint"):
        return reference(status["endpoint"], what=f"status.atProvider.endpoint of {name}")
    # without the annotation Crossplane takes the object's own name
    return reference(name, what="metadata.name")


def _planton(source: Source, document: object) -> Reference:
    name, row = _manifest(source, document, lambda row: row.get("kind") == "AwsRdsCluster", "AwsRdsCluster")
    outputs = _inside(row, "status", "outputs")
    for key in ("rds_cluster_arn", "cluster_arn", "cluster_identifier", "rds_cluster_endpoint", "endpoint"):
        camel = re.sub(r"_(\w)", lambda found: found[1].upper(), key)
        if value := outputs.get(key) or outputs.get(camel):
            return reference(value, what=f"status.outputs.{key} of {name}")
    return reference(name, what="metadata.name")


def _manifest(source: Source, document: object, ours: Any, what: str) -> tuple[str, Mapping[str, Any]]:
    """The one manifest of a kind in a file, and its name."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in _list(document):
        if isinstance(row, Mapping):
            # what kubectl get -o yaml writes of several
            for one in _list(row.get("items")) if row.get("kind") == "List" else [row]:
                if isinstance(one, Mapping) and ours(one):
                    found[str(_inside(one, "metadata").get("name"))] = one
    if source.name is not None:
        return source.name, _mapping(_member(found, source.name, what), source.name)
    return _only(found, what, f'add name = "..." beside {source.tool}')


# pieces


def _inside(row: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """A table inside tables; empty where it is not there."""
    for name in path:
        found = row.get(name)
        row = found if isinstance(found, Mapping) else {}
    return row


def _first(row: Mapping[str, Any], names: tuple[str, ...], what: str) -> Reference:
    for name in names:
        if row.get(name):
            return reference(row[name], what=f"{name} of {what}")
    raise NotFound(f"{what} has no {names[0]}", None)


def _only(found: Mapping[str, Mapping[str, Any]], what: str, hint: str) -> tuple[str, Mapping[str, Any]]:
    if not found:
        raise NotFound(f"has no {what}", "is it the right file?")
    if len(found) > 1:
        raise NotFound(f"has {len(found)} of {what}: {_names(found)}", hint)
    return next(iter(found.items()))


def _member(table: Mapping[str, Any], name: str, what: str) -> Any:
    if name in table:
        return table[name]
    raise _absent(name, what, table)


def _absent(name: str, what: str, known: Any) -> NotFound:
    from difflib import get_close_matches  # only where something is wrong

    near = get_close_matches(name, [str(one) for one in known], 1)
    hint = f"it is {near[0]}" if near else f"it has {_names(known)}" if known else "it has none"
    return NotFound(f"has no {what} {name}", hint)


def _mapping(value: object, what: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    raise NotFound(f"{what} is {_kind(value)}, not an object", "is it the right file?")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _names(known: Any) -> str:
    names = sorted(str(one) for one in known)
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int | float) else _kind(value)


def _kind(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "true or false"
    for python, words in ((str, "a text"), (int | float, "a number"), (list, "a list"), (Mapping, "an object")):
        if isinstance(value, python):
            return words
    return f"a {type(value).__name__}"
