# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The schema of a changeset, built: its migrations run from an empty database on a local server of our own.

The result is kept below ``.hg/hgaurora/built`` under a hash of everything it depends on, with the schema after each
migration: so one build of a tip knows every state on the way to it.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core import render
from ..core.errors import HgAuroraError, InputError, RemoteError, SecurityError, StateError
from ..core.model import Changeset, State
from ..core.plan import plan_deploy
from ..core.schema.form import part_id
from ..core.schema.kinds import KINDS
from ..core.schema.model import Fingerprints
from ..core.schema.record import Pending
from ..core.settings import Environment, Settings
from ..ports import Connection
from ..watch import Watch
from .assess import Sources, read_sources
from .context import Context, Target
from .migrate import new_deployment
from .session import child
from .states import Held

if TYPE_CHECKING:
    from ..adapters.local.scratch import Scratch as Server

#: what is the builder's own, and no work of migrations
NOT_MADE = ("owner", "definer", "charset of database *", "collation of database *")
#: another way to keep or to make a build: what was kept before is made anew
FORM = 1
NAME = "build"
PRODUCTS = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB"}


@dataclass(frozen=True)
class Stage:
    """The schema after one migration of a build."""

    revision: str
    path: str
    heads: tuple[str, ...]
    fingerprints: Fingerprints
    #: id to the hash of what became of a part, or None
    changed: Mapping[str, str | None]


@dataclass(frozen=True)
class Built:
    """A changeset's schema, and how it came to be."""

    node: str
    stages: tuple[Stage, ...]
    contents: Mapping[str, bytes]

    def parts(self, upto: int | None = None) -> dict[str, str]:
        """Hashes of the parts after a number of stages; None: after all."""
        found: dict[str, str] = {}
        for stage in self.stages[:upto]:
            for id, now in stage.changed.items():
                found.pop(id, None)
                if now is not None:
                    found[id] = now
        return found

    def held(self, name: str, upto: int | None = None) -> Held:
        """A stage, to be compared."""
        prints = self.stages[-1].fingerprints
        known = self.contents
        return Held(
            name,
            prints.engine,
            prints.major,
            self.parts(upto),
            lambda hashes: {one: known[one] for one in hashes if one in known},
            self.node,
            NOT_MADE,
        )


@dataclass(frozen=True)
class Like:
    """The server that a build will be compared with: the nearest that can be had on this machine is taken.

    ``engine`` is postgresql, mysql or mariadb; ``collation`` the default of a database on MySQL and MariaDB, that a
    table has where its migration names none.
    """

    engine: str
    collation: str | None = None

    @classmethod
    def of(cls, other: Held) -> Like:
        """That of a schema."""
        if other.engine == "postgresql":
            return cls(other.engine)
        path = ("database",)
        found = other.schema([part_id("database", path)]).objects.get("database", {}).get(path)
        return cls(other.engine, str(found[KINDS["database"].at("collation")]) if found else None)

    @property
    def family(self) -> str:
        """postgresql or mysql."""
        return "postgresql" if self.engine == "postgresql" else "mysql"


class Scratch(Target):
    """A database to build in, in the place of an environment."""

    def __init__(self, context: Context, connection: Connection, settings: Settings) -> None:
        super().__init__(context, NAME, settings)
        self._at = connection

    @cached_property
    def control(self) -> Any:
        """Only how to reach it."""
        return _Fixed(self._at)


@dataclass(frozen=True)
class _Fixed:
    at: Connection

    def connection(self) -> Connection:
        """How to reach the database."""
        return self.at

    def exists(self) -> bool:
        """It was just made."""
        return True


def held(context: Context, changeset: Changeset, like: Like | None = None) -> Held:
    """A changeset's schema, to be compared with ``like``."""
    name = render.place(changeset.node, changeset.branch)
    return build(context, changeset, like).held(name)


def build(context: Context, changeset: Changeset, like: Like | None = None) -> Built:
    """A changeset's schema: the kept one, else built now.

    :param like: where it is built; None: as the first environment is.
    :raises InputError: it has no migrations.
    :raises StateError: there is no server to build it on.
    :raises MigrationFailed: they do not run on an empty database.
    """
    server, like = _server(context, like)
    settings = _settings(context, like.family)
    here = Scratch(context, Connection(parameters={}), settings)
    sources = read_sources(context, here, changeset.node, {})
    if not sources.graph.scripts and not sources.repeatables:
        raise InputError(
            f"{changeset.short} ({changeset.branch}) has no migrations, so it has no schema to compare",
            state="nothing was done",
            hint="name a changeset that has some, or an environment",
        )
    folder = _folder(context)
    with (folder / "lock").open("a") as lock:
        # one build at a time: the server is stopped behind it
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / f"{_key(settings, sources, server, like)}.json.z"
        found = _read(path)
        if found is None:
            place = "a local server" if server.engine == like.engine else f"a local {PRODUCTS[server.engine]}"
            context.ui.status(f"    building  {render.place(changeset.node, changeset.branch)} on {place}")
            at = context.state_folder / ".build"
            with server.database(at, schema=_schema(settings), collation=like.collation) as connection:
                found = _run(Scratch(context, connection, settings), changeset, sources)
            _write(path, found)
    return found


def kept(context: Context) -> Iterator[Built]:
    """Every build that is kept, newest first."""
    paths = sorted(_folder(context).glob("*.json.z"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        found = _read(path)
        if found is not None:
            yield found


def _run(target: Scratch, changeset: Changeset, sources: Sources) -> Built:
    context = target.context
    plan = plan_deploy(
        NAME,
        State(read=context.clock.now()),
        sources.graph,
        changeset,
        snapshot="none",
        multiple_heads=True,
        repeatables=sources.repeatables,
    )
    stages: list[Stage] = []
    contents: dict[str, bytes] = {}
    with child(target, plan, sources) as session:
        watch = Watch.begin(target.database)
        if not session.lock():
            raise StateError("the database of a build is locked by somebody else", state="nothing was built")
        begun, epoch = target.database.begin(new_deployment(context, target, plan), base_epoch=None, scripts=[])
        session.begin(deployment=begun.id, epoch=epoch)
        watch.settle(begun.id, epoch)
        for number, step in enumerate(plan.runs, 1):
            before = {} if number == 1 else {id: part.full for id, part in watch.parts.items()}
            context.ui.progress(NAME, item=f"{changeset.short} {step.name}", position=number, total=len(plan.runs))
            try:
                result = session.run(step, ordinal=number, snapshot=None)
            except HgAuroraError as error:
                error.state = f"{changeset.short} cannot be built from an empty database; no environment was touched"
                raise
            pending = Pending(result.seq, begun.id, step.revision, step.direction, step.path)
            watch.after(pending, epoch, result.touched)
            if number == len(plan.runs):
                # nobody else is here: what the looks after the migrations missed is found, too
                watch.last_look(begun.id, epoch)
            now = {id: part.full for id, part in watch.parts.items()}
            changed: dict[str, str | None] = {id: one for id, one in now.items() if before.get(id) != one}
            changed |= {id: None for id in before if id not in now}
            contents |= watch.contents(changed)
            stages.append(Stage(step.revision, step.path, result.versions, watch.fingerprints, changed))
    context.ui.progress(NAME, item="", position=None, total=None)
    target.close()
    return Built(changeset.node, tuple(stages), contents)


def _server(context: Context, like: Like | None) -> tuple[Server, Like]:
    """Where to build, and what for. Which product a MySQL environment runs is asked only where there is a choice."""
    first = next(iter(context.settings.environments.values()), None)
    family = like.family if like else _family(context, first) if first else "postgresql"
    found = context.adapters.scratch(family)
    if like is None and first is not None and family == "mysql" and len(found) > 1:
        try:
            like = Like(str(context.target(first.name).database.facts()["product"]).lower())
        except (RemoteError, SecurityError) as error:
            context.ui.status(f"warning: {first.name} could not be asked what it runs: {error.message}")
    like = like or Like(found[0].engine)
    return next((one for one in found if one.engine == like.engine), found[0]), like


def _family(context: Context, first: Environment) -> str:
    """The engine of an environment; of a cluster AWS is asked."""
    if not first.is_cluster:
        return first.engine
    try:
        return context.target(first.name).engine
    except (RemoteError, SecurityError, StateError) as error:
        context.ui.status(f"warning: {first.name} could not be asked what it runs: {error.message}")
        return "postgresql"


def _settings(context: Context, family: str) -> Settings:
    """Those of the project, with one environment to build in."""
    found = context.settings
    if family == "mysql":
        environment = Environment(name=NAME, url=f"mysql://localhost/{NAME}", snapshot="none")
    else:
        first = next((one for one in found.environments.values() if one.engine == family), None)
        schema = first.schema if first else "public"
        environment = Environment(name=NAME, target="local", schema=schema, snapshot="none")
    return Settings(project=found.project, environments={NAME: environment}, source=found.source)


def _schema(settings: Settings) -> str:
    return settings.environments[NAME].schema


def _folder(context: Context) -> Path:
    folder = context.state_folder / "built"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _key(settings: Settings, sources: Sources, server: Server, like: Like) -> str:
    """A hash of all that decides what is built."""
    project = settings.project
    said = [
        FORM,
        server.engine,
        server.major,
        like.collation,
        _schema(settings),
        project.env,
        list(project.version_locations),
        list(project.paths),
        list(project.imports),
        project.python,
        dict(project.alembic_options),
        _hashed(sources.files.items()),
        _hashed(sources.code.items()),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _hashed(files: Iterable[tuple[str, bytes]]) -> list[list[str]]:
    return sorted([path, hashlib.sha256(content).hexdigest()] for path, content in files)


def _write(path: Path, built: Built) -> None:
    said = {
        "node": built.node,
        "stages": [
            [one.revision, one.path, list(one.heads), list(one.fingerprints), dict(one.changed)] for one in built.stages
        ],
        "contents": {hash: content.decode("ascii") for hash, content in built.contents.items()},
    }
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(zlib.compress(json.dumps(said).encode(), 6))
    draft.replace(path)


def _read(path: Path) -> Built | None:
    """A kept build; None where there is none, or where it was cut off."""
    try:
        said = json.loads(zlib.decompress(path.read_bytes()))
    except (OSError, ValueError, zlib.error):
        return None
    stages = tuple(
        Stage(revision, file, tuple(heads), Fingerprints(*prints), changed)
        for revision, file, heads, prints, changed in said["stages"]
    )
    return Built(said["node"], stages, {hash: content.encode("ascii") for hash, content in said["contents"].items()})
