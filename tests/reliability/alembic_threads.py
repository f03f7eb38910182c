# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""Threads of one process that call Alembic's command API, all at once: what hgaurora does not do.

``python alembic_threads.py FOLDER``: a thread for each database, whose URLs are the words of stdin. Prints, as JSON,
what each call ended with; one that has not ended after :data:`LONG` (they may well wait for each other's transactions)
is left out.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from alembic import command
from alembic.config import Config

#: seconds for all; by itself each takes some 0.05
LONG = 5.0

#: as ``alembic init`` lays it down, in short
ENV = """
from alembic import context
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

with create_engine(context.config.get_main_option("sqlalchemy.url"), poolclass=NullPool).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""


def main() -> None:
    """Each thread upgrades its database."""
    folder, urls = sys.argv[1], sys.stdin.read().split()
    (Path(folder) / "env.py").write_text(ENV)
    together = threading.Barrier(len(urls))
    ended: dict[str, str] = {}

    def upgrade(url: str) -> None:
        config = Config()
        config.set_main_option("script_location", folder)
        config.set_main_option("sqlalchemy.url", url)
        together.wait()
        try:
            command.upgrade(config, "head")
            ended[url] = "ok"
        except Exception as error:  # whatever it is, it is what came of it
            ended[url] = f"{type(error).__name__}: {error}"[:200]

    threads = [threading.Thread(target=upgrade, args=(url,), daemon=True) for url in urls]
    deadline = time.monotonic() + LONG
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    print(json.dumps(dict(ended)), flush=True)
    os._exit(0)  # the end of the interpreter would wait for what hangs


if __name__ == "__main__":
    main()
