# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""One migration script, read by parsing: nothing of a changeset is executed here.

Which files count, and what ``revision`` and its companions may say, follows Alembic's ``script/base.py`` and
``script/revision.py`` (1.16 to 1.20).
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import NoReturn

from .errors import InputError
from .identity import raw_hash, tree_hash
from .model import Script

#: ``alembic_version.version_num`` is varchar(32)
LONGEST_REVISION = 32

_SCRIPT_FILE = re.compile(r"(?!\.\#|__init__).*\.py")  # script/base.py, _only_source_rev_file
_REVISION = re.compile(r"[\w.]+")  # Alembic refuses @ - + : as it uses them in names such as label@head
_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")
_MODULE_LEVEL = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Expr, ast.Pass)
_SYNTAX_ERRORS = (SyntaxError, ValueError, RecursionError, MemoryError)

_Value = str | None | tuple[str, ...]


def is_script(path: str) -> bool:
    """True for the file names that Alembic takes for migrations."""
    return _SCRIPT_FILE.fullmatch(path.rsplit("/", 1)[-1]) is not None


def parse_module(path: str, content: bytes) -> ast.Module:
    """The syntax tree of a script.

    :raises InputError: it is no Python; ``data`` holds ``file`` and ``line``.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape sequence warns while it is parsed
            return ast.parse(content)
    except _SYNTAX_ERRORS as error:
        line = getattr(error, "lineno", None)
        try:
            content.decode()
        except UnicodeDecodeError as undecodable:
            line = content.count(b"\n", 0, undecodable.start) + 1
            reason = f"byte {undecodable.start} is not UTF-8"
        else:
            reason = str(getattr(error, "msg", None) or error) or "it nests too deeply"
        where = path if line is None else f"{path}:{line}"
        raise InputError(
            f"{where}: this is not Python: {reason}",
            hint=f"python -m py_compile {path} shows the place",
            data={"file": path, "line": line, "reason": reason},
        ) from error


def parse_script(path: str, content: bytes) -> Script | None:
    """Read one file; None where Alembic would not take it for a migration.

    :param path: relative to the migrations folder.
    :returns: a script whose ``depends_on`` is as written, not yet resolved to revisions.
    :raises InputError: ``data`` holds ``file``, and ``line`` where there is one.
    """
    if not is_script(path):
        return None
    tree = parse_module(path, content)
    found = _Assignments(path).read(tree)
    if "revision" not in found:
        raise InputError(
            f"{path}: no revision is assigned in this file" + ("" if content.strip() else ", it is empty"),
            hint='a migration says: revision = "..."; a file that is none belongs outside of the versions folder',
            data={"file": path},
        )
    revision, line = found["revision"]
    if not isinstance(revision, str):
        _expected(path, line, "revision", "a string")
    _check_revision(path, line, revision)
    return Script(
        revision=revision,
        parents=_names(path, found, "down_revision"),
        depends_on=_names(path, found, "depends_on"),
        branch_labels=_names(path, found, "branch_labels"),
        path=path,
        message=(ast.get_docstring(tree) or "").strip().split("\n", 1)[0].strip(),
        raw=raw_hash(content),
        normal=tree_hash(tree),
        irreversible=_irreversible(tree),
        content=content,
    )


class _Assignments:
    """The module-level assignments of one script, evaluated as far as they are constant."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.constants: dict[str, _Value] = {}
        self.lines: dict[str, int] = {}

    def read(self, tree: ast.Module) -> dict[str, tuple[_Value, int]]:
        """Value and line of those of the four names that are assigned; the last assignment counts."""
        for statement in tree.body:
            match statement:
                case ast.Assign(targets=targets, value=value) if all(isinstance(t, ast.Name) for t in targets):
                    for target in targets:
                        assert isinstance(target, ast.Name)
                        self._assign(target.id, value, statement.lineno)
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    self._assign(name, value, statement.lineno)
                case ast.AnnAssign():
                    pass
                case _ if not isinstance(statement, _MODULE_LEVEL):
                    for name, line in _bound(statement):
                        self.constants.pop(name, None)
                        if name in _NAMES:
                            _expected(self.path, line, name, "one plain assignment at module level")
        return {name: (self.constants[name], line) for name, line in self.lines.items()}

    def _assign(self, name: str, value: ast.expr, line: int) -> None:
        try:
            self.constants[name] = self._constant(value)
        except _NotConstant:
            self.constants.pop(name, None)
            if name in _NAMES:
                _expected(self.path, value.lineno, name, "a string, None, or a tuple or list of strings, written out")
        else:
            if name in _NAMES:
                self.lines[name] = line

    def _constant(self, node: ast.expr) -> _Value:
        match node:
            case ast.Constant(value=str() | None as value):
                return value
            case ast.Name(id=name) if name in self.constants:
                return self.constants[name]
            case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
                values = [self._constant(part) for part in parts]
                strings = tuple(value for value in values if isinstance(value, str))
                if len(strings) == len(values):
                    return strings
            case ast.BinOp(op=ast.Add()):
                return self._sum(node)
        raise _NotConstant

    def _sum(self, node: ast.expr) -> str:
        parts: list[str] = []
        while isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts.append(self._string(node.right))
            node = node.left
        parts.append(self._string(node))
        return "".join(reversed(parts))

    def _string(self, node: ast.expr) -> str:
        value = self._constant(node)
        if not isinstance(value, str):
            raise _NotConstant
        return value


class _NotConstant(Exception):
    """An expression whose value only running it would tell."""


def _bound(statement: ast.stmt) -> Iterator[tuple[str, int]]:
    """Names that a compound statement, an import or an unpacking binds, with their lines."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name.split(".", 1)[0]), statement.lineno


def _names(path: str, found: dict[str, tuple[_Value, int]], name: str) -> tuple[str, ...]:
    value, line = found.get(name, (None, 0))
    if value is None:
        return ()
    names = (value,) if isinstance(value, str) else value
    if not all(names):
        _expected(path, line, name, "no empty string")
    return tuple(dict.fromkeys(names))


def _expected(path: str, line: int, name: str, what: str) -> NoReturn:
    raise InputError(
        f"{path}:{line}: {name} can not be read: expected {what}",
        hint="migrations are read without running them, so the value has to stand there",
        data={"file": path, "line": line, "name": name, "expected": what},
    )


def _check_revision(path: str, line: int, revision: str) -> None:
    if len(revision) > LONGEST_REVISION:
        problem = f"longer than {LONGEST_REVISION} characters, which is what alembic_version holds"
    elif not _REVISION.fullmatch(revision):
        problem = "letters, digits, _ and . are what a revision id is made of"
    else:
        return
    raise InputError(
        f"{path}:{line}: the revision id {revision!a} is refused: {problem}",
        hint="give it another id, here and in the migrations that come after it",
        data={"file": path, "line": line, "revision": revision},
    )


def _irreversible(tree: ast.Module) -> bool:
    """No ``downgrade``, or one that does nothing but raise; one that does nothing at all can be run."""
    for statement in reversed(tree.body):
        match statement:
            case ast.FunctionDef(name="downgrade", body=body):
                rest = [s for s in body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
                return bool(rest) and all(isinstance(s, ast.Raise) for s in rest)
            case ast.ClassDef() | ast.Expr() | ast.FunctionDef():
                continue
            case _ if any(name == "downgrade" for name, _ in _bound(statement)):
                return False
    return True
