# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""A captured schema as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .kinds import Value

#: names from the outside in: ``("public", "orders", "vat")``; without a schema on MySQL: ``("orders", "vat")``.
#: A routine's name has its argument types: ``("public", "vat(numeric)")``
Path = tuple[str, ...]
#: one value for each field of the kind, in the kind's order
Values = tuple[Value, ...]


@dataclass(frozen=True)
class Schema:
    """Everything of one database that is compared: kind, then path, to values.

    ``engine`` is postgresql, mysql or mariadb; ``major`` the version within which that engine's deparsed text can be
    compared: ``16``, ``9.7``, ``10.11``. Nothing in it depends on OIDs or on the order in which things were made.
    """

    engine: str
    major: str
    objects: Mapping[str, Mapping[Path, Values]]


class Fingerprints(NamedTuple):
    """Of one schema. ``structure`` is portable; ``text`` is structure with what a server deparses, comparable within
    ``major`` of ``engine``; ``full`` has everything. Each a sha256, hexadecimal."""

    engine: str
    major: str
    structure: str
    text: str
    full: str


class PartHashes(NamedTuple):
    """What of a :class:`Part` is enough to compare it; each a sha256, hexadecimal."""

    structure: str
    text: str
    full: str


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that stands alone (a table with all that hangs on it, a function, a type), by which captures are stored
    and compared quickly.

    ``id`` is canonical JSON of its group and path, such as ``["relation","public","orders"]``. ``content`` is canonical
    JSON of its objects: ``[[kind, [path...], [values...]], ...]`` in the order of the kinds, then by path; usual values
    at the end of an object are left out. The three hashes are of the content as far as each level goes; ``full`` is the
    sha256 of ``content`` itself.
    """

    id: str
    content: bytes
    structure: str
    text: str
    full: str
