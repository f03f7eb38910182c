# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""CloudFormation, as far as it is read: stacks with outputs, some of them exported. They make nothing.

(moto's own runs templates, and wants a dozen more packages for it.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from tests.emulator.calls import WSGI, Answer, Call, Layer

_PAGE = 100


@dataclass
class Stack:
    """A stack that was made.

    :ivar outputs: name to value.
    :ivar exports: name of an output to the name it is exported by.
    """

    name: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    exports: Mapping[str, str] = field(default_factory=dict)
    status: str = "CREATE_COMPLETE"


class Stacks(Layer):
    """Answers DescribeStacks and ListExports; ``made`` is filled by tests."""

    def __init__(self, app: WSGI) -> None:
        super().__init__(app)
        self.made: list[Stack] = []

    def handle(self, call: Call) -> Answer:
        """The two calls; all others are moto's."""
        if call.name == "cloudformation:DescribeStacks":
            return self._describe(call)
        if call.name == "cloudformation:ListExports":
            return self._exports(call)
        return call.forward(self.app)

    def _describe(self, call: Call) -> Answer:
        name = call.params.get("StackName")
        found = [stack for stack in self.made if name in (None, stack.name, _arn(call, stack))]
        if name and not found:
            return call.error("ValidationError", f"Stack with id {name} does not exist")
        return call.xml("<Stacks>" + "".join(self._stack(call, stack) for stack in found) + "</Stacks>")

    @staticmethod
    def _stack(call: Call, stack: Stack) -> str:
        outputs = "".join(
            f"<member><OutputKey>{escape(key)}</OutputKey><OutputValue>{escape(value)}</OutputValue>"
            + (f"<ExportName>{escape(stack.exports[key])}</ExportName>" if key in stack.exports else "")
            + "</member>"
            for key, value in stack.outputs.items()
        )
        return (
            f"<member><StackId>{_arn(call, stack)}</StackId><StackName>{escape(stack.name)}</StackName>"
            f"<StackStatus>{stack.status}</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>"
            + (f"<Outputs>{outputs}</Outputs>" if outputs else "")
            + "</member>"
        )

    def _exports(self, call: Call) -> Answer:
        rows = [
            f"<member><ExportingStackId>{_arn(call, stack)}</ExportingStackId><Name>{escape(name)}</Name>"
            f"<Value>{escape(stack.outputs[key])}</Value></member>"
            for stack in self.made
            for key, name in stack.exports.items()
        ]
        start = int(call.params.get("NextToken") or 0)
        more = f"<NextToken>{start + _PAGE}</NextToken>" if len(rows) > start + _PAGE else ""
        return call.xml(f"<Exports>{''.join(rows[start : start + _PAGE])}</Exports>{more}")


def _arn(call: Call, stack: Stack) -> str:
    return f"arn:aws:cloudformation:{call.region}:{call.account}:stack/{stack.name}/0f0f"
