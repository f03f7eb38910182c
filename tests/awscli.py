# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The AWS command line, as far as our hints use it: a printed command becomes the boto3 call that it stands for.

Names of options come from botocore's models, as the real one's do: a command that AWS would not know fails here.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from botocore import xform_name
from botocore.model import ListShape, Shape, StructureShape
from botocore.session import Session

from tests import canaries

Client = Callable[[str], Any]
#: operations that only some versions of the command line spell as the API does
_GLOBAL = {"region", "profile"}


def parsed(command: str) -> tuple[str, str, dict[str, Any], str | None]:
    """Service, operation, parameters and region of a command.

    :raises KeyError: there is no such operation or option.
    """
    words = shlex.split(command.replace("\\\n", " "))
    assert words[0] == "aws"
    service, verb, options = words[1], words[2], words[3:]
    model = _model(service)
    operation = {xform_name(name, "-"): name for name in model.operation_names}[verb]
    members = model.operation_model(operation).input_shape.members
    known = {xform_name(name, "-"): name for name in members}
    values: dict[str, list[str]] = {}
    for word in options:
        if word.startswith("--"):
            current = values.setdefault(word[2:], [])
        else:
            current.append(word)
    region = values.pop("region", [None])[0]
    assert not values.keys() & _GLOBAL
    found: dict[str, Any] = {}
    for name, given in values.items():
        if name in known:
            found[known[name]] = _value(members[known[name]], given)
        elif not name.startswith("no-"):
            raise KeyError(name)
        else:
            found[known[name.removeprefix("no-")]] = False
    return service, operation, found, region


@lru_cache
def _model(service: str) -> Any:
    return Session().get_service_model(service)


def run(client: Client, command: str) -> Any:
    """Do what a command says. None of ours is one that shows a secret.

    :param client: makes a client of a service.
    """
    service, operation, parameters, _ = parsed(command)
    answer = getattr(client(service), xform_name(operation))(**parameters)
    canaries.clean(command, repr(answer))
    return answer


def _value(shape: Shape, given: list[str]) -> Any:
    if isinstance(shape, ListShape):
        return [_value(shape.member, [one]) for one in given]
    if isinstance(shape, StructureShape):
        (text,) = given
        if text.startswith("{"):
            return json.loads(text)
        pairs = (pair.partition("=") for pair in text.split(","))
        return {key: _value(shape.members[key], [value]) for key, _, value in pairs}
    if shape.type_name == "boolean":
        assert not given
        return True
    (text,) = given
    return {"integer": int, "long": int, "double": float, "float": float}.get(shape.type_name, str)(text)
