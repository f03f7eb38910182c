# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""When are two scripts the same script: one hash over the bytes, one over what Python makes of them.

The normal hash is taken over a dump of the syntax tree that is our own, because ``ast.dump`` changes between Python
versions and a hash in a ledger outlives the Python that made it. Comments, blank space, quotes, parentheses and the
module's docstring do not count; everything else does.
"""

from __future__ import annotations

import ast
import hashlib
import warnings

#: stored beside each normal hash; hashes of different versions are never compared
NORMAL_VERSION = "1"

# Where a node stands, what the parser infers from the place it stands in, and what only records how it was written.
# A literal's `kind` is its u prefix, `simple` tells `(x): int` from `x: int`.
_LEFT_OUT = frozenset({"ctx", "kind", "simple", "type_comment", "type_ignores"})
_fields: dict[type, tuple[tuple[str, ...], str]] = {}


def raw_hash(content: bytes) -> str:
    """sha256 of the bytes, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def normal_hash(content: bytes) -> str:
    """sha256 of the normalised syntax tree, 64 hex digits; the same on every Python that can parse the text.

    :raises SyntaxError: (or ``ValueError``, ``RecursionError``, ``MemoryError``) as :func:`ast.parse` does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an invalid escape sequence warns while it is parsed
        return tree_hash(ast.parse(content))


def tree_hash(tree: ast.Module) -> str:
    """The normal hash of a module that is parsed already."""
    body = tree.body[1:] if ast.get_docstring(tree, clean=False) is not None else tree.body
    return hashlib.sha256(_dump(body).encode()).hexdigest()


def _dump(body: list[ast.stmt]) -> str:
    """Tokens in prefix order, one a line. Each says how many follow that belong to it, so no two trees dump alike.

    A stack instead of recursion: a sum of 2,000 strings is a tree 2,000 deep.
    """
    tokens: list[str] = []
    emit = tokens.append
    stack: list[object] = [body]
    pop = stack.pop
    known = _fields
    while stack:
        node = pop()
        kind = type(node)
        if kind is str:
            emit("'" + str(node))
        elif kind is ast.Constant:
            emit(_constant(node.value))  # type: ignore[attr-defined]
        elif kind is list:
            emit(f"[{len(node)}")  # type: ignore[arg-type]
            stack.extend(node[::-1])  # type: ignore[index]
        elif kind in known:
            fields, name = known[kind]
            for field in fields:
                value = getattr(node, field, None)
                if value is not None and value != []:
                    name += "." + field
                    stack.append(value)
            emit(name)
        elif isinstance(node, ast.JoinedStr):
            values = _joined(node)
            emit(f"JoinedStr{len(values)}")
            stack.extend(values[::-1])
        elif isinstance(node, ast.FormattedValue):
            spec = node.format_spec
            has_spec = isinstance(spec, ast.JoinedStr) and bool(_joined(spec))
            emit(f"FormattedValue{node.conversion}{':' if has_spec else ''}")
            stack.extend([spec, node.value] if has_spec else [node.value])
        elif isinstance(node, ast.AST):
            known[kind] = tuple(f for f in node._fields if f not in _LEFT_OUT), kind.__name__
            stack.append(node)
        else:  # numbers and None of the grammar itself, such as ImportFrom.level and the None of {**a}
            emit(f"#{node}")
    return "\n".join(tokens)


def _constant(value: object) -> str:
    """One literal with its type, so that 1, True, 1.0, '1' and b'1' differ.

    ``ascii`` and not ``repr``: what counts as printable changes with the Unicode version of the Python.
    """
    if isinstance(value, str):
        return "s" + ascii(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return "i" + hex(value)  # decimal has a limit of digits
    return f"{type(value).__name__} {value!r}"


def _joined(node: ast.JoinedStr) -> list[ast.expr]:
    """The parts of an f-string; the parser of Python 3.12 cuts its text in other places than that of 3.11."""
    parts: list[ast.expr] = []
    for part in node.values:
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            if not part.value:
                continue
            if parts and isinstance(last := parts[-1], ast.Constant):
                parts[-1] = ast.Constant(f"{last.value!s}{part.value}")
                continue
        parts.append(part)
    return parts
