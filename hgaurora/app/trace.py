# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``trace``: which changeset made the schema of a database, and how sure that is.

Asked in this order: the database's own ledger; the schemas that the ledgers of reachable environments recorded; the
builds of changesets that are kept; a build of the newest changesets. Equal means: the same *structure*, which is the
same whatever owners, grants, collations and versions of the server; where the servers are of one version, texts (view
definitions, defaults, checks) count too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..core import render
from ..core.errors import InputError, SecurityError, StateError
from ..core.model import Changeset, Deployment, State
from ..core.schema.delta import Change
from ..core.schema.form import fingerprints, parts
from ..core.schema.kinds import KINDS, Level
from ..ports import Database
from . import schema
from .assess import change_request
from .build import Like
from .candidates import Candidate, Judged, of_builds, of_ledger, of_tips
from .context import Context, Target
from .revert import changeset_of
from .states import Held, between, whole

#: what a new database has
_GIVEN = (("schema", ("public",)), ("extension", ("plpgsql",)))


def run(context: Context, options: Mapping[str, Any]) -> int:
    """Trace one environment, or any database by its URL."""
    if bool(options.get("env")) == bool(options.get("url")):
        raise InputError(
            "trace takes an environment, or --url", state="nothing was done", hint=f"{context.ui.front}help trace"
        )
    if options.get("url"):
        connection = context.adapters.reach(options["url"])
        context.ui.secret(connection.password())
        database = context.adapters.database(connection, "the database")
        try:
            found, lines = _trace(context, database, None)
        finally:
            database.close()
    else:
        target = context.target(options["env"])
        if not target.control.exists():
            raise StateError(f"{target.name} was never started: there is nothing to trace", state="nothing was done")
        found, lines = _trace(context, target.database, target)
    if context.json:
        context.ui.write(json.dumps([found]))
        return 0
    prints = found["fingerprints"]
    if context.verbose:
        lines += [f"  {level.ljust(9)} {prints[level]}" for level in ("structure", "text", "full")]
    for line in lines:
        context.ui.write(line)
    return 0


def _name_owner(error: SecurityError) -> None:
    """Where the ledger of a copy belongs to another user than the one of the URL: that one is the next thing to try."""
    found = error.data.get("findings")
    said = [str(one) for one in found] if isinstance(found, list) else []
    owners = {one.rpartition(" belongs to ")[2] for one in said if " belongs to " in one}
    if len(owners) == 1 and all(" belongs to " in one for one in said):
        error.hint = f"name {owners.pop()}, the user of deploys, as the user in the url"


def _trace(context: Context, database: Database, target: Target | None) -> tuple[dict[str, Any], list[str]]:
    try:
        state = database.state()
    except SecurityError as error:
        if error.data.get("sqlstate") != "42501":  # insufficient_privilege
            if target is None:
                _name_owner(error)
            raise
        context.ui.status(f"warning: the ledger may not be read ({error.message}); by schema alone")
        return _by_schema(context, whole("this database", database.capture()), None)
    except StateError as error:
        if target is not None or "remains" not in error.data:
            raise
        context.ui.status(f"warning: {error.message}; by schema alone")
        return _by_schema(context, whole("this database", database.capture()), None)
    if state.ledger is not None:
        return _by_ledger(context, database, state, target)
    return _by_schema(context, whole("this database", database.capture()), state.versions)


# ---- the database has a ledger


def _by_ledger(
    context: Context, database: Database, state: State, target: Target | None
) -> tuple[dict[str, Any], list[str]]:
    """What its ledger says, and whether the schema agrees."""
    from ..watch import Watch

    name = target.name if target else "this database"
    ignore = target.settings.ignore if target else ()
    watch = Watch.begin(database, ignore)
    deployments = database.deployments()
    made = next((one for one in deployments if one.id == state.deployed_by), None)
    origin = None if target else _origin(context, database, state)
    found: dict[str, Any] = {
        "by": "ledger",
        "environment": state.environment,
        "node": state.node,
        "branch": state.branch,
        "deploy": state.deployed_by,
        "copy_of": origin,
        "sure": None,
        "changes": [],
        "fingerprints": watch.fingerprints._asdict(),
    }
    lines = []
    place = render.place(state.node, state.branch)
    drift = watch.drift()
    if watch.recorded is None:
        lines.append(f"{name} is at {place}, says its ledger; it recorded no schema to compare")
        found["sure"] = "by ledger alone"
    elif watch.recorded.pending:
        lines.append(f"{name} is at {place}, says its ledger; a run was stopped before it recorded its change")
        found["sure"] = "by ledger alone"
    elif drift.changes:
        lines.append(f"{name} is at {place}, says its ledger; the schema differs: {schema.count(drift)}")
        lines += schema.cut(drift, target.settings.schema if target else "public")
        found |= {"sure": "ledger and schema differ", **drift.to_json()}
    else:
        lines.append(f"{name} is at {place}: ledger and schema agree")
        found["sure"] = "ledger and schema agree"
    if origin is not None:
        lines.append("  copy of   " + ", ".join(str(one) for one in origin.values() if one))
    if state.open is not None:
        done = [step.path.rsplit("/", 1)[-1].removesuffix(".py") for step in database.steps([state.open.id])]
        goal = render.place(state.open.node or None, state.open.branch)
        lines.append(f"  half way  {state.open.id} to {goal}; done: {', '.join(done) or 'no migration'}")
        found["half_way"] = {"deploy": state.open.id, "node": state.open.node, "done": done}
    if made is not None:
        lines.append(_made_by(context, made))
        found |= _who(context, changeset_of(context, made.node, made.branch), made)
    return found, lines


def _made_by(context: Context, made: Deployment) -> str:
    changeset = changeset_of(context, made.node, made.branch)
    author = made.author or (changeset.author if changeset else "")
    summary = changeset.summary if changeset and changeset.description else made.description.split("\n", 1)[0]
    request = f" ({made.change_request})" if made.change_request and made.change_request not in summary else ""
    if not made.node:
        return f"  made by   {made.id}, {made.user}: a {made.kind.value} to {render.place(None, None)}"
    person = render.cut(author.split("<", 1)[0].strip(), 24)
    return render.cut(f"  made by   {made.id}, {made.user}; author {person}: {summary}{request}", render.WIDTH)


def _origin(context: Context, database: Database, state: State) -> dict[str, Any] | None:
    """Where a copy comes from: the ledger in a snapshot ends with the event that announced it."""
    last = database.events(after=database.tip() - 1)
    found: dict[str, Any] = {"environment": state.environment, "snapshot": None, "at": None}
    if last and last[-1]["kind"] == "snapshot-intent":
        payload = last[-1]["payload"]
        assert isinstance(payload, Mapping)
        found["snapshot"] = f"snapshot {payload['snapshot']}"
        found["at"] = str(last[-1]["at"])[:16] + "Z"
    return found


# ---- it has none


def _by_schema(context: Context, seen: Held, versions: Sequence[str] | None) -> tuple[dict[str, Any], list[str]]:
    """By the schema alone, among everything that is known."""
    found, lines = _known_as(context, seen, versions)
    prints = fingerprints(seen.engine, seen.major, parts(seen.schema()))
    return {**found, "fingerprints": prints._asdict()}, lines


def _known_as(context: Context, seen: Held, versions: Sequence[str] | None) -> tuple[dict[str, Any], list[str]]:
    if _empty(seen):
        found: dict[str, Any] = {"by": "schema", "node": None, "branch": None, "deploy": None, "environment": None}
        found |= {"sure": "empty", "changes": [], "unjudged": [], "same_as": [], "after": None, "by_hand": []}
        return found, ["this database is empty: nothing says what it was made by"]
    judged = Judged(seen, versions)
    for name in context.names():
        target = context.target(name)
        if target.control.exists():
            judged.add(of_ledger(context, target))
    if all(one.by_hand for one in judged.equal):
        judged.add(of_builds(context))
    if not judged.equal:
        judged.add(of_tips(context, Like.of(seen)))
    best = judged.best()
    if best is None:
        raise StateError(
            "this database has no ledger, and nothing is known to compare its schema with",
            state="nothing was done",
            hint="run it in the repository whose migrations made the database",
        )
    held, made = best.held(), best.made_by
    # owners, grants, collations: another copy may have others; they are counted apart, and are no doubt
    delta = between(held, seen, full=False)
    besides = [change for change in between(held, seen).changes if _uncounted(change)]
    found = {
        "by": "schema",
        "node": best.node,
        "branch": best.branch,
        "deploy": made.id if made else None,
        "environment": best.environment,
        "by_hand": list(best.by_hand),
        "besides": [change.to_json() for change in besides],
        **delta.to_json(),
    }
    also = [one for one in judged.equal if one.node != best.node]
    lines = []
    if judged.equal:
        sure = "structure and texts are equal" if judged.texts else "structure is equal"
        if not judged.texts:
            other = seen.major if seen.engine == held.engine else f"{seen.engine} {seen.major}"
            sure += f"; texts of {held.engine} {held.major} and {other} are not judged"
        lines.append(f"this database is {'at ' if best.node else ''}{_place(best)}, by schema alone")
        lines.append(f"  sure      {sure}")
        if also:
            others = ", ".join(dict.fromkeys(one.place for one in also[:3]))
            lines.append(f"  same as   {others}" + (f" and {len(also) - 3} more" if len(also) > 3 else ""))
    else:
        sure = "nearest"
        lines.append(f"nearest is {_place(best)}, by schema alone; {schema.count(delta, 'difference')}:")
        lines += schema.cut(delta, "public")
    if besides:
        differences = render.count(len(besides), "difference")
        lines.append(f"  besides   {differences} of owners, grants, collations or the like, not counted")
    if best.by_hand:
        first, *rest = best.by_hand
        lines.append(
            f"  by hand   the changeset alone does not make it: see log -v of {first}{' and others' if rest else ''}"
        )
    if best.where:
        lines.append(f"  seen in   {best.where}")
    if made is not None:
        lines.append(_made_by(context, made))
    changeset = changeset_of(context, best.node, best.branch)
    found |= {"sure": sure, "same_as": [one.node for one in also], "after": best.after}
    found |= _who(context, changeset, made)
    if made is None and changeset is not None and changeset.author:
        person = changeset.author.split("<", 1)[0].strip()
        lines.append(render.cut(f"  author    {person}: {changeset.summary}", render.WIDTH))
    return found, lines


def _empty(seen: Held) -> bool:
    """Whether there is nothing but what every database has."""
    objects = seen.schema().objects.items()
    return not any(kind != "database" and (kind, path) not in _GIVEN for kind, paths in objects for path in paths)


def _uncounted(change: Change) -> bool:
    """Whether a change is only one of facts that another copy may have otherwise."""
    if change.action != "changed":
        return False
    return all(field.level is Level.FULL for field in KINDS[change.kind].fields if field.name in (change.after or {}))


def _place(best: Candidate) -> str:
    """Where a schema belongs; without a changeset: where it was found."""
    if best.node is None and best.environment is not None and best.found_so and best.deployment is not None:
        return f"as {best.environment} was before its first deploy, {best.deployment.id}"
    return best.place


def _who(context: Context, changeset: Changeset | None, made: Deployment | None) -> dict[str, Any]:
    """Author, change request, who deployed."""
    request = made.change_request if made else None
    if request is None and changeset is not None and context.names():
        request = change_request(context.target(context.names()[0]), changeset)
    return {
        "author": (made.author if made else "") or (changeset.author if changeset else None),
        "description": changeset.summary if changeset and changeset.description else None,
        "change_request": request,
        "deployed_by": made.user if made else None,
    }
