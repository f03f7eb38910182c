# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys that contradict each other. Each rule sees values that are right one by one, and names both keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..toml_lines import Path, line_of
from .keys import BY_SECTION, KINDS
from .model import Environment, ProjectSettings, dotted
from .values import near, shown


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong. ``message`` is whole; the line is that of ``path``, or of the later of two keys."""

    path: Path
    message: str
    hint: str | None = None
    line: int = 0


class Where:
    """Lines of keys, for rules about two of them."""

    def __init__(self, lines: Mapping[Path, int]) -> None:
        self.lines = lines

    def line(self, path: Path) -> int:
        """The line of a path."""
        return line_of(self.lines, path)

    def given(self, *path: str) -> bool:
        """True where the key stands in the file."""
        return path in self.lines

    def problem(self, path: Path, rest: str, hint: str | None = None, *, other: Path | None = None) -> Problem:
        """A problem of a key; ``{other}`` in ``rest`` becomes the other key with its line."""
        if other is not None:
            name = str(other[-1]) if other[:-1] == path[:-1] else dotted(other)
            rest = rest.replace("{other}", f"{name} (line {self.line(other)})")
        return Problem(path=path, message=f"{dotted(path)} {rest}", hint=hint, line=self.line(path))


def kinds(names: Mapping[str, object], name: str, where: Where) -> Iterator[Problem]:
    """Exactly one of target, url and cluster (or cluster-from), and only keys that go with it."""
    at: Path = ("environments", name)
    from_tool = "cluster-from" in names and "cluster" not in names

    def key(kind: str) -> Path:
        return (*at, "cluster-from" if kind == "cluster" and from_tool else kind)

    found = sorted(
        (kind for kind in KINDS if kind in names or (kind == "cluster" and from_tool)),
        key=lambda kind: where.line(key(kind)),
    )
    if not found:
        yield where.problem(
            at, "names no database", 'add one of target = "local", url = "postgresql://host/database", cluster = "..."'
        )
        return
    if len(found) > 1:
        yield where.problem(
            key(found[1]), "does not go with {other}", "keep one of target, url and cluster", other=key(found[0])
        )
        return
    (kind,) = found
    for one in BY_SECTION["environments"].values():
        if one.name in names and kind not in one.kinds:
            yield where.problem(
                (*at, one.name),
                "does not go with {other}",
                "the database is named in the url"
                if (one.name, kind) == ("database", "url")
                else f"{one.name} goes with {' or '.join(one.kinds)}",
                other=key(kind),
            )
        if one.name not in names and kind in one.required:
            yield where.problem(
                (*at, one.name),
                "is missing: {other} needs it",
                f"add {one.name} = {one.example}",
                other=key(kind),
            )


def within(environment: Environment, project: ProjectSettings | None, where: Where) -> Iterator[Problem]:
    """Keys of one environment that need or exclude each other; ``project`` is None where it is wrong itself."""
    at: Path = ("environments", environment.name)

    def key(name: str) -> Path:
        return (*at, name)

    if environment.user and "user" in environment.parameters and "@" in (environment.url or ""):
        yield where.problem(key("user"), "does not go with the user in {other}", "keep one", other=key("url"))
    if environment.engine == "mysql" and where.given("environments", environment.name, "schema"):
        yield where.problem(
            key("schema"),
            "does not go with {other}: a MySQL database has no schemas",
            "remove it; unqualified names go into the database that the url names",
            other=key("url"),
        )
    if environment.external_id and not environment.role_arn:
        yield where.problem(
            key("external-id"), "is given without role-arn", 'add role-arn = "...", the role that wants it'
        )
    host = environment.parameters.get("host", "")
    if kind := next((kind for kind in ("ro", "custom") if f".cluster-{kind}-" in host), None):
        yield where.problem(
            key("url"),
            f"names the {'reader' if kind == 'ro' else 'custom'} endpoint of an Aurora cluster, and a deploy writes",
            f"name the cluster's own endpoint, or the cluster: {_cluster_hint(host)}",
        )
    if environment.snapshot_copy.get("region") == environment.region and environment.region:
        yield where.problem(
            key("snapshot-copy"), "names the cluster's own region, {other}", "name another one", other=key("region")
        )
    if environment.account and environment.snapshot_copy.get("account") == environment.account:
        yield where.problem(
            key("snapshot-copy"), "names the cluster's own account, {other}", "name another one", other=key("account")
        )
    if where.given("environments", environment.name, "soak") and not environment.after:
        yield where.problem(
            key("soak"), "is given without after", 'add after = ["..."], the environments it counts from'
        )
    if environment.on_push and not environment.deploys:
        yield where.problem(
            key("on-push"), "is true without deploys", 'add deploys = "...", the revset that a push is held against'
        )
    if environment.change_request_required and project is not None and not project.change_request:
        yield where.problem(
            key("change-request-required"),
            "is true without project.change-request",
            r"add change-request = '\bOPS-\d+\b' to [project]",
        )
    if environment.require_journal and environment.is_cluster and not environment.log_group:
        yield where.problem(
            key("require-journal"), "is true without log-group", f'add log-group = "/hgaurora/{environment.name}"'
        )
    for name, given in (("log-retention", environment.log_retention), ("log-key", environment.log_key)):
        if given and not environment.log_group:
            hint = f'add log-group = "/hgaurora/{environment.name}"'
            yield where.problem(key(name), "is given without log-group", hint)
    migration, lock = environment.migration_timeout, environment.lock_timeout
    for name, limit in (
        ("statement-timeout", environment.statement_timeout),
        ("backfill-timeout", environment.backfill_timeout),
    ):
        if limit and migration and limit > migration:
            yield where.problem(
                key(name),
                "is longer than {other}, the limit of the whole migration",
                "make migration-timeout the longer one",
                other=key("migration-timeout"),
            )
        if limit and lock >= limit:
            given = where.given("environments", environment.name, "lock-timeout")
            yield where.problem(
                key(name),
                "is not longer than {other}" if given else f"is not longer than lock-timeout ({lock:g}s, the default)",
                "make lock-timeout the shorter one: a wait for a lock is tried again, a slow statement is not",
                other=key("lock-timeout") if given else None,
            )


def _cluster_hint(host: str) -> str:
    """The cluster whose reader a host is; of a custom endpoint the name is another."""
    name, kind, rest = host.partition(".cluster-ro-")
    region = rest.split(".")[1] if kind and rest.count(".") > 1 else "..."
    return f'cluster = "{name if kind else "..."}", region = "{region}"'


def _database(environment: Environment) -> tuple[str, ...] | None:
    """What two environments must not have in common; None where there is nothing."""
    if environment.kind == "url":
        known = environment.parameters
        host = known.get("host", "").lower()
        host = "localhost" if host in ("", "127.0.0.1", "::1") else host
        usual = {"postgresql": "5432", "mysql": "3306"}[environment.engine]
        return "url", environment.engine, host, known.get("socket") or known.get("port", usual), known["dbname"]
    if environment.kind == "cluster":
        named = (environment.cluster or str(environment.cluster_from)).lower()
        return "cluster", environment.region or "", named, environment.database or ""
    return ("port", str(environment.port)) if environment.port else None


def shared(environments: Mapping[str, Environment], where: Where) -> Iterator[Problem]:
    """Two environments on one database, or one port."""
    seen: dict[tuple[str, ...], list[Environment]] = {}
    for environment in environments.values():
        identity = _database(environment)
        if identity is None:
            continue
        for first in seen.get(identity, ()):
            # the same names in two accounts are two clusters; where one does not say its account, it may be the same
            if first.account and environment.account and first.account != environment.account:
                continue
            names = (
                (one, "cluster-from" if identity[0] == "cluster" and not one.cluster else identity[0])
                for one in (first, environment)
            )
            pair = sorted((("environments", one.name, key) for one, key in names), key=where.line)
            what = "port" if identity[0] == "port" else "database"
            yield where.problem(
                pair[1], f"is the same {what} as {{other}}", f"each environment has its own {what}", other=pair[0]
            )
            break
        seen.setdefault(identity, []).append(environment)


def order(after: Mapping[str, tuple[str, ...]], names: list[str], where: Where) -> Iterator[Problem]:
    """``after`` names other environments that there are, and never goes in a circle.

    :param after: name to what it comes after; only environments whose ``after`` could be read.
    :param names: all environments.
    """
    for name, befores in after.items():
        for index, before in enumerate(befores):
            path: Path = ("environments", name, "after", index)
            if before not in names:
                meant = near(before, [other for other in names if other != name])
                yield where.problem(
                    path,
                    f"names {shown(before)}, which is no environment of this file",
                    f'the environment is "{meant}"' if meant else f"environments are {', '.join(names)}",
                )
    reported: set[str] = set()
    for name in sorted(after, key=lambda name: where.line(("environments", name, "after"))):
        circle = _circle(name, lambda one: after.get(one, ()))
        if circle and not reported.intersection(circle):
            reported.update(circle)
            others = ", ".join(
                f"{one}.after (line {where.line(('environments', one, 'after'))})" for one in circle[1:-1]
            )
            yield where.problem(
                ("environments", name, "after"),
                f"goes in a circle: {', '.join(circle)}" + (f"; see {others}" if others else ""),
                "an environment comes after others, never after itself",
            )


def _circle(start: str, following: Callable[[str], tuple[str, ...]]) -> list[str] | None:
    """The way from ``start`` back to itself, or None; without recursion, however long it is."""
    ways: dict[str, list[str]] = {}
    queue = [[start]]
    for way in queue:
        for one in following(way[-1]):
            if one == start:
                return [*way, start]
            if one not in ways:
                ways[one] = [*way, one]
                queue.append(ways[one])
    return None
