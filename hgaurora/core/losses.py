# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What running a ``downgrade`` can lose, as far as its text shows it."""

from __future__ import annotations

import ast

from .errors import InputError
from .script import parse_module

UNKNOWN = "not known (the recorded script is not at hand)"
_SQL = "may change data (SQL)"


def losses(content: bytes) -> tuple[str, ...]:
    """Words for each thing that the downgrade of a script can lose, each once, in order.

    Functions of the same file that it calls are read too; what it imports is not.
    """
    try:
        tree = parse_module("", content)
    except InputError:
        return (UNKNOWN,)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    found: dict[str, None] = {}
    seen: set[str] = set()
    waiting = ["downgrade"]
    while waiting:
        name = waiting.pop()
        if name in functions and name not in seen:
            seen.add(name)
            tables = _batches(functions[name])
            for node in ast.walk(functions[name]):
                if isinstance(node, ast.Call):
                    if isinstance(node.func, ast.Name):
                        waiting.append(node.func.id)
                    elif isinstance(node.func, ast.Attribute):
                        found.update(dict.fromkeys(_lost(node, node.func, tables)))
    return tuple(found)


def _batches(function: ast.FunctionDef) -> dict[str, str]:
    """The names of ``with op.batch_alter_table("t") as name``, to their tables."""
    tables = {}
    for node in ast.walk(function):
        if isinstance(node, ast.withitem):
            match node:
                case ast.withitem(
                    context_expr=ast.Call(func=ast.Attribute(attr="batch_alter_table"), args=[table, *_]),
                    optional_vars=ast.Name(id=name),
                ):
                    tables[name] = _text(table)
    return tables


def _lost(call: ast.Call, function: ast.Attribute, tables: dict[str, str]) -> list[str]:
    arguments = [_text(argument) for argument in call.args]
    keywords = {keyword.arg: _text(keyword.value) for keyword in call.keywords}
    batch = tables.get(function.value.id) if isinstance(function.value, ast.Name) else None
    if batch is not None:
        arguments.insert(0, batch)
    table = (arguments[0] if arguments else keywords.get("table_name")) or "?"
    column = (arguments[1] if len(arguments) > 1 else keywords.get("column_name")) or "?"
    match function.attr:
        case "drop_table":
            return [f"drops table {table}"]
        case "drop_column":
            return [f"drops column {table}.{column}"]
        case "alter_column" if "type_" in keywords:
            return [f"changes the type of {table}.{column}"]
        case "execute" | "bulk_insert":
            return [_SQL]
    return []


def _text(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "?"
