# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudFormation, where it made the cluster: outputs of a stack, and exports."""

from __future__ import annotations

from difflib import get_close_matches

from ...core.cluster_from import NotFound, Reference, Source, reference
from .errors import code_of, translated
from .session import Aws

#: a stack that is going, or never came: its outputs name nothing
_GONE = ("DELETE_", "ROLLBACK_", "CREATE_FAILED")


def discovered(aws: Aws, source: Source) -> Reference:
    """The cluster that CloudFormation names.

    :raises NotFound: no such stack, output or export, or it names no cluster.
    :raises RemoteError: AWS did not answer, or may not.
    """
    client = aws.client("cloudformation")
    with translated(f"ask CloudFormation for {source.place}", environment=aws.environment):
        if source.tool == "cloudformation-export":
            pages = client.get_paginator("list_exports").paginate()
            exports = {one["Name"]: one["Value"] for page in pages for one in page["Exports"]}
            return reference(_of(exports, source.place, "export"), what=f"export {source.place}")
        try:
            stack = client.describe_stacks(StackName=source.place)["Stacks"][0]
        except client.exceptions.ClientError as error:
            if code_of(error) == "ValidationError":
                raise NotFound(f"there is no stack {source.place} in {aws.region}", "name the stack") from None
            raise
    status = str(stack["StackStatus"])
    if status.startswith(_GONE):
        raise NotFound(f"stack {source.place} is {status}", "mend the stack first")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", ())}
    name = str(source.output)
    return reference(_of(outputs, name, f"output of {source.place}"), what=f"output {name} of {source.place}")


def _of(known: dict[str, str], name: str, what: str) -> str:
    if name in known:
        return known[name]
    near = get_close_matches(name, known, 1)
    raise NotFound(f"there is no {what} {name}", f"it is {near[0]}" if near else None)
