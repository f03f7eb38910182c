# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Bare Alembic, as the oracle: a process that is told one command a line, and answers with one line.

Run by path with the interpreter that has the migrations' imports: ``python bare.py VERSIONS SYSPATH``. The first line
is the URL, for it may have a password, and arguments are read by everybody. A command is ``up REVISION``,
``down REVISION`` or ``tip``; the answer is ``ok`` or ``failed: ...``.
"""

import json
import os
import sys

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool


def main() -> None:
    """Read commands until the end of input."""
    versions, path = sys.argv[1:]
    url = sys.stdin.readline().strip()
    if path:
        sys.path.insert(0, path)
    config = Config()
    config.set_main_option("script_location", versions)
    config.set_main_option("version_locations", versions)
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    engine = create_engine(url, poolclass=NullPool)
    answers = sys.stdout
    sys.stdout = sys.stderr
    found = [(one.revision, os.path.basename(one.path)) for one in scripts.walk_revisions()]
    print(json.dumps(found[::-1]), file=answers, flush=True)
    for line in sys.stdin:
        word, _, revision = line.strip().partition(" ")

        def steps(heads, context, word=word, revision=revision):
            if word == "down":
                return scripts._downgrade_revs(revision, heads)
            return scripts._upgrade_revs("heads" if word == "tip" else revision, heads)

        try:
            with engine.connect() as connection, EnvironmentContext(config, scripts) as environment:
                environment.configure(connection=connection, transaction_per_migration=True, fn=steps)
                with environment.begin_transaction():
                    environment.run_migrations()
            print("ok", file=answers, flush=True)
        except Exception as error:  # whatever a migration raises is the answer
            print("failed:", type(error).__name__, str(error).splitlines()[0], file=answers, flush=True)


if __name__ == "__main__":
    main()
