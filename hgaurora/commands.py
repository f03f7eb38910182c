# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The one table of commands. Both front ends are built from it, so they cannot differ.

Data only, standard library only, and Python 3.9 syntax, because Mercurial may run on an older Python than
hgaurora does. ``python -m hgaurora.commands > docs/commands.rst`` writes the reference.
"""

from __future__ import annotations

import textwrap
from typing import NamedTuple

#: how the two front ends spell a command
HG = "hg aurora-"
CLI = "hgaurora "


class Option(NamedTuple):
    """One option. ``kind`` is flag, value, int or choice; ``globally`` names what hg itself calls it, if it does."""

    long: str
    short: str = ""
    kind: str = "flag"
    metavar: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()
    globally: str = ""

    @property
    def key(self) -> str:
        """Its name among the options that an action is run with."""
        return self.long.replace("-", "_")


class Argument(NamedTuple):
    """One positional argument; ``choices`` empty: any text."""

    name: str
    required: bool = True
    choices: tuple[str, ...] = ()

    @property
    def synopsis(self) -> str:
        word = "|".join(self.choices) or self.name.upper()
        return word if self.required else f"[{word}]"


class Command(NamedTuple):
    """One command.

    ``action`` is what ``app.run`` is called with. ``changes``: it has ``-n/--dry-run``. ``repository`` false: it
    runs anywhere. ``examples`` are (what follows the command's name, what it does).
    """

    name: str
    summary: str
    text: str
    examples: tuple[tuple[str, str], ...]
    action: str
    arguments: tuple[Argument, ...] = ()
    own_options: tuple[Option, ...] = ()
    changes: bool = False
    repository: bool = True

    @property
    def options(self) -> tuple[Option, ...]:
        """Its own options, then those that every command of its kind has."""
        return self.own_options + ((DRY_RUN,) if self.changes else ()) + (VERBOSE, JSON)

    def synopsis(self, front: str) -> str:
        """One line of usage, such as ``hg aurora-deploy [OPTION]... [ENV]``."""
        return " ".join([front + self.name, "[OPTION]...", *(a.synopsis for a in self.arguments)])

    def help(self, front: str) -> str:
        """The help text with its examples; paragraphs are divided by empty lines."""
        return f"{self.summary}\n\n{self.text}\n\nExample::\n\n" + "\n".join(
            line for rest, what in self.examples for line in (f"  {front}{self.name} {rest}".rstrip(), f"      {what}")
        )


DRY_RUN = Option("dry-run", "n", help="print what would be done, and change nothing")
VERBOSE = Option("verbose", "v", help="say more", globally="verbose")
JSON = Option("json", help="print JSON: a list of objects, also on failure", globally="template")
YES = Option("yes", help="do not ask; for scripts")

#: those that ask AWS where an environment is a cluster, as ``iam-policy --for`` spells them
AWS_COMMANDS = (
    "deploy",
    "revert",
    "adopt",
    "status",
    "log",
    "diff",
    "drift",
    "trace",
    "annotate",
    "snapshots",
    "prune",
    "journal",
    "secret-rotate",
    "doctor",
)

ENVIRONMENT = Argument("env")
ANY_ENVIRONMENT = Argument("env", required=False)

COMMANDS: tuple[Command, ...] = (
    Command(
        "init",
        "lay down hgaurora.toml and the migrations folder",
        "Writes ``hgaurora.toml`` and ``migrations/`` into the repository. A file that is there already is left as it "
        "is, and named. Nothing is committed.",
        (("", "a repository's first step; then edit hgaurora.toml, hg add, hg commit"),),
        action="init",
        changes=True,
    ),
    Command(
        "deploy",
        "bring an environment to the migrations of a changeset",
        "Prints the plan, takes a snapshot before each migration, runs it, and says at the end where the environment "
        "is. The migrations are those of the changeset, never those of the working directory. Without ``--rev`` it is "
        "the newest changeset in the environment's ``deploys``, or the working directory's parent where that is not "
        "set; without ENV every environment whose ``deploys`` holds the changeset.\n\n"
        "A deploy that was interrupted goes on where it stopped when the same command is run again. Going back to an "
        "older changeset, or across branches, runs down first with the scripts that the ledger recorded.",
        (
            ("staging", "bring staging to the newest changeset it deploys"),
            ("prod -r 9d6ac3e8f051 -n", "print the plan for one changeset, and change nothing"),
        ),
        action="deploy",
        arguments=(ANY_ENVIRONMENT,),
        own_options=(
            Option("rev", "r", "value", "REV", "the changeset"),
            YES,
            Option("reapply", help="run applied migrations again whose script was changed afterwards"),
            Option("accept-drift", help="record what others changed in the schema, and go on"),
        ),
        changes=True,
    ),
    Command(
        "revert",
        "take a deploy back",
        "Without ``--to`` it takes the newest deploy back that still stands. ``--way downgrade`` (the default) "
        "runs the recorded scripts backwards, and says for each step whether it can lose data; ``--way restore`` "
        "goes back to a snapshot, and loses all that was written since. On a protected environment its name must be "
        "typed (for a restore also the snapshot's age); ``--yes`` is for scripts.\n\n"
        "The scripts come from the ledger: the changeset may be stripped, and the working directory may hold anything.",
        (
            ("prod -n", "the steps of the way back, and what each can lose"),
            ("prod --to previous", "the state before the last deploy"),
            ("prod --way restore --to prod-42-1", "back to a snapshot"),
        ),
        action="revert",
        arguments=(ENVIRONMENT,),
        own_options=(
            Option("to", "", "value", "TARGET", "a changeset, deploy id, snapshot, or previous (the default)"),
            Option("way", "", "choice", "WAY", "how: downgrade or restore", ("downgrade", "restore")),
            YES,
            Option("resume", help="go on with an interrupted revert"),
            Option("abort", help="give an interrupted restore up, and open the database again"),
        ),
        changes=True,
    ),
    Command(
        "status",
        "show where each environment is",
        "One line per environment: its changeset, branch, since when, and the migrations that are pending. For one "
        "environment also a deploy that runs or was interrupted, and what the next run will do. Where one "
        "can not be looked at, or its pending migrations are not known, that is said, with the exit code of the error.",
        (
            ("", "every environment"),
            ("--follow staging-88", "watch one deploy until it ends"),
        ),
        action="status",
        arguments=(ANY_ENVIRONMENT,),
        own_options=(Option("follow", "", "value", "ID", "watch a deploy until it ends"),),
    ),
    Command(
        "log",
        "show the deploys and reverts of an environment",
        "Newest first, from the ledger: when, who, what, from which changeset to which, and how it ended.",
        (("prod -l 5", "the last five"),),
        action="log",
        arguments=(ANY_ENVIRONMENT,),
        own_options=(Option("limit", "l", "int", "N", "at most N deploys"),),
    ),
    Command(
        "diff",
        "compare the schemas of any two states",
        "What makes schema B of schema A. Each is an environment (as it is now), a deploy's id or a snapshot's (as the "
        "ledger recorded it; nothing is restored), or a changeset (its migrations are run from an empty database on a "
        "local server; the result is kept). The exit code is 0 whether they differ or not; ``drift`` is the command "
        "that answers by its exit code.",
        (
            ("prod staging", "what staging has that prod does not"),
            ("prod-43 prod --text", "as a unified diff of the schema written out"),
        ),
        action="diff",
        arguments=(Argument("a"), Argument("b")),
        own_options=(Option("text", help="a unified diff of the two schemas written out"),),
    ),
    Command(
        "drift",
        "say whether a schema is the one that was recorded",
        "The live schema against what the ledger recorded last: what was changed beside hgaurora, and between when. "
        "Without ENV: every environment. What the key ``ignore`` names does not count. The exit code is 1 where one "
        "differs; 0 only where every schema was compared and is as recorded; else that of why one was not compared: "
        "100 where it did not answer, 21 while it is being changed, 20 where a migration stands half done or nothing "
        "is recorded.",
        (("prod", "what others changed in prod"),),
        action="drift",
        arguments=(ANY_ENVIRONMENT,),
    ),
    Command(
        "trace",
        "say which changeset made a database",
        "By the database's own ledger, and whether its schema agrees. Without a ledger by the schema alone: against "
        "all that the ledgers of the environments recorded, and against the migrations of the newest changesets, run "
        "on a local server. Owners, grants, collations and the version of the server make no difference. It says how "
        "sure it is; where nothing is equal, what is nearest, and what differs.",
        (
            ("prod", "an environment"),
            ("--url postgresql://localhost/shop_copy", "any database"),
        ),
        action="trace",
        arguments=(ANY_ENVIRONMENT,),
        own_options=(Option("url", "", "value", "URL", "a database that is no environment"),),
    ),
    Command(
        "annotate",
        "say who made each table and column, and when it reached each environment",
        "Like ``hg annotate``, for the schema of one environment: the changeset that made or last changed each object, "
        "its author, its change request, and the day it came to each environment. With ``-v`` its whole life. OBJECT "
        "is a table, or a column as TABLE.COLUMN.",
        (
            ("staging orders", "one table with its columns"),
            ("prod orders.gross -v", "the whole life of a column"),
        ),
        action="annotate",
        arguments=(ENVIRONMENT, Argument("object", required=False)),
    ),
    Command(
        "adopt",
        "take over a database that Alembic has migrated",
        "The database's version table says which revisions are applied; their scripts are those of the changeset. "
        "They enter the ledger as adopted, with the schema as it is; nothing in the schema is changed and no migration "
        "runs. A database that hgaurora knows and whose version table was edited by hand is recorded as it is.",
        (("prod -r stable", "prod enters the ledger with the migrations of stable"),),
        action="adopt",
        arguments=(ENVIRONMENT,),
        own_options=(Option("rev", "r", "value", "REV", "the changeset that has the scripts"),),
        changes=True,
    ),
    Command(
        "snapshots",
        "list, prune or copy the snapshots of an environment",
        "Newest first: the changeset and the heads each holds, the migration it was taken before, its size and age.\n\n"
        "``--prune`` deletes what nobody needs: those of the last deploys stay (``keep`` in the settings, or "
        "``--keep``), those that a row of the ledger of these names, what is being made, and what hgaurora did not "
        "make for this environment's ledger. It lists them first and asks; ``-n`` only lists.\n\n"
        "``--copy`` begins the copies that are missing where ``snapshot-copy`` says; a deploy does that by itself.",
        (
            ("prod", "what a restore can go back to"),
            ("prod --prune -n", "what nobody needs any more"),
            ("prod --prune --keep 5", "delete it, but for the last 5 deploys"),
        ),
        action="snapshots",
        arguments=(ENVIRONMENT,),
        own_options=(
            Option("prune", help="delete what nobody needs"),
            Option("keep", "", "int", "N", "of how many deploys the snapshots stay"),
            Option("copy", help="begin the copies that are missing"),
            YES,
        ),
        changes=True,
    ),
    Command(
        "doctor",
        "say what production wants of an environment",
        "Looks at the cluster, its members, backups, keys, logs and alarms, at who gets in and how, and at what "
        "hgaurora itself needs: permissions, clock, ledger. Each finding says what was found, why it matters, and the "
        "command, or the attribute in the tool that made the cluster, that mends it. A finding is graver where the "
        "environment is protected. What could not be asked is unknown, never ok. Nothing is changed. Without ENV: "
        "every environment. The exit code is 1 where a fail stands, or could stand behind what is unknown.",
        (
            ("prod", "what is wrong with prod"),
            ("prod -v", "all that was looked at, with the values found"),
        ),
        action="doctor",
        arguments=(ANY_ENVIRONMENT,),
    ),
    Command(
        "iam-policy",
        "print what a command may do in AWS",
        "The least-privilege policy of a role for one command and one environment, as JSON. It is made from the "
        "settings; AWS is not asked. What the settings do not say, such as an account, is ``*`` in it.",
        (
            ("prod --for deploy", "what the role that deploys to prod needs"),
            ("prod --for status", "and the one that only looks"),
        ),
        action="iam-policy",
        arguments=(ENVIRONMENT,),
        own_options=(Option("for", "", "choice", "COMMAND", "the command; deploy is the default", AWS_COMMANDS),),
    ),
    Command(
        "secret",
        "give the database user of a cluster a new password",
        "For an environment with the key ``secret``: its secret in Secrets Manager is rotated, by RDS (``managed``) or "
        "by the function that is set there. When the new version is current, a session is opened with it, which proves "
        "it. Sessions that are open stay open, and a deploy that runs meanwhile goes on: its connections read the "
        "secret each time, and once more where a password was changed in between.",
        (("rotate prod", "a new password in the database and in the secret, proven"),),
        action="secret",
        arguments=(Argument("verb", choices=("rotate",)), ENVIRONMENT),
        changes=True,
    ),
    Command(
        "journal",
        "deliver waiting events, or compare ledger and journal",
        "The journal is the copy of the ledger's events outside of the database: a CloudWatch log group (the key "
        "``log-group``), else a file below ``.hg/hgaurora``. A deploy or a revert delivers by itself; what could not "
        "be delivered waits in the ledger, and the next one delivers it, or ``journal sync`` does. ``journal verify`` "
        "reads both whole, and names each row of the ledger that was edited and each event that is missing, other, or "
        "known to one of them alone. Its exit code is 0 only where they agree and nothing waits. What it finds "
        "missing, ``journal sync --missing`` delivers again; where ``log-group`` is another one by now that is every "
        "event. Without ENV: every environment.",
        (
            ("sync prod", "deliver what waits"),
            ("sync prod --missing", "and again what was delivered and is not there"),
            ("verify prod", "whether anybody edited the ledger, or the journal"),
        ),
        action="journal",
        arguments=(Argument("verb", choices=("sync", "verify")), ANY_ENVIRONMENT),
        own_options=(Option("missing", help="with sync: deliver again what the journal does not have"),),
        changes=True,
    ),
    Command(
        "engine",
        "start or stop the local database servers",
        "Environments whose target is ``local`` have a PostgreSQL server of their own under ``.hg/hgaurora``. It is "
        "started when it is needed and runs until it is stopped. Without ENV: every one of them.",
        (
            ("status", "which servers run, and how to connect"),
            ("stop dev", "stop the server of dev"),
        ),
        action="engine",
        arguments=(Argument("verb", choices=("start", "stop", "status")), ANY_ENVIRONMENT),
        changes=True,
    ),
    Command(
        "demo",
        "build a playground, break its production, revert it",
        "Makes a repository with two branches in DIRECTORY (``hgaurora-demo``), deploys it to dev, staging and prod on "
        "an embedded PostgreSQL, breaks prod and reverts it. Each public command is printed before it runs. The "
        "playground stays for exploring.",
        (("", "about 40s, no AWS, nothing outside hgaurora-demo"),),
        action="demo",
        arguments=(Argument("directory", required=False),),
        repository=False,
        changes=True,
    ),
    Command(
        "hg-config",
        "print the hgrc lines for a Mercurial on another Python",
        "A Mercurial that was installed apart (by the system, by pipx) finds the extension by its path, and starts "
        "hgaurora with the interpreter that ``executable`` names.",
        ((">> ~/.hgrc", "switch the extension on for your own Mercurial"),),
        action="hg-config",
        repository=False,
    ),
)

BY_NAME: dict[str, Command] = {command.name: command for command in COMMANDS}

#: exit codes that are not an error class, and what they and the classes mean
MEANINGS: tuple[tuple[int, str, str], ...] = (
    (0, "", "done, or nothing to do"),
    (1, "", "answered, and the answer is no"),
    (10, "InputError", "the command line or a file in the repository is wrong"),
    (20, "StateError", "not possible in the state things are in now"),
    (21, "LockHeld", "another deploy or revert holds the environment"),
    (22, "DriftError", "the database is not what the ledger recorded"),
    (30, "ConfigError", "hgaurora.toml or hgrc is wrong"),
    (40, "PolicyError", "a rule refused"),
    (60, "MigrationFailed", "a migration failed; the state is said"),
    (100, "RemoteError", "a database, AWS or the network did not answer"),
    (150, "SecurityError", "wrong account, identity or TLS name"),
    (240, "Interrupted", "half way; the next run goes on"),
    (250, "Declined", "a person said no at a prompt"),
    (255, "", "a bug in hgaurora, or an error of hg itself"),
)


def _title(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


def _option(option: Option) -> str:
    head = (f"-{option.short}, " if option.short else "") + f"--{option.long}"
    head += f" {option.metavar}" if option.metavar else ""
    under_hg = {"template": "; under hg: ``-T json``", "verbose": "; under hg: its own ``-v``"}
    return f"``{head}``\n    {option.help}{under_hg.get(option.globally, '')}\n"


def _wrapped(text: str) -> list[str]:
    return "\n\n".join(textwrap.fill(part, 100, break_on_hyphens=False) for part in text.split("\n\n")).split("\n")


def docs_reference() -> str:
    """The text of docs/commands.rst."""
    out = [".. made by: python -m hgaurora.commands > docs/commands.rst", "", *_title("Commands", "=")]
    out += _wrapped(
        "Each command has two spellings with the same options, output and exit codes: ``hg aurora-NAME``, once the "
        "extension is on, and ``hgaurora NAME``. The second also takes ``-R PATH`` (the repository; else the one that "
        "holds the current folder) and ``--debug`` (a traceback with an error), as hg does."
    )
    out += [""]
    for command in COMMANDS:
        out += _title(command.name, "-")
        out += ["::", "", f"    {command.synopsis(HG)}", f"    {command.synopsis(CLI)}", ""]
        out += [f"{command.summary[0].upper()}{command.summary[1:]}.", "", *_wrapped(command.text), ""]
        out += [_option(option) for option in command.options]
        out += ["Example::", ""]
        for rest, what in command.examples:
            out += [f"    {front}{command.name} {rest}".rstrip() for front in (HG, CLI)]
            out += [f"        {what}", ""]
    rule = "====  ===============  ====================================================="
    out += _title("Exit codes", "-")
    out += ["The same for both spellings. A refused push is always 255 at the pusher.", ""]
    out += [rule, "code  class            meaning", rule]
    out += [f"{code:<4}  {name or '-':<15}  {meaning}" for code, name, meaning in MEANINGS]
    return "\n".join([*out, rule]) + "\n"


if __name__ == "__main__":
    print(docs_reference(), end="")
