# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.emulator``: an emulated AWS for a person, until its input ends or Ctrl-C.

With a command behind ``--`` it runs that instead, in an environment where everything is set, and ends with it::

    $ python -m tests.emulator --clusters shop-prod:aurora-mysql -- bash
"""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
from contextlib import suppress

from tests.emulator import Made
from tests.emulator.clusters import ENGINES
from tests.emulator.secured import Secured

#: the user of deploys: logs in by IAM tokens, owns nothing yet
USER = "hgaurora"
_GRANTS = {
    "aurora-postgresql": ("GRANT ALL ON DATABASE shop TO {user}", "GRANT ALL ON SCHEMA public TO {user}"),
    "aurora-mysql": ("GRANT ALL ON shop.* TO {user}",),
}
_CLUSTERS = "shop-staging:aurora-postgresql,shop-prod:aurora-postgresql"


def _clusters(text: str) -> list[tuple[str, str]]:
    found = []
    for one in filter(None, text.split(",")):
        id, _, engine = one.partition(":")
        if engine not in ENGINES:
            raise argparse.ArgumentTypeError(f"{one}: such as shop-prod:aurora-mysql; engines: {', '.join(ENGINES)}")
        found.append((id, engine))
    return found


def settings(aws: Secured, made: Made) -> str:
    """What goes into ``hgaurora.toml`` for a cluster. It is not protected: the exported keys are long-term ones of the
    account's root, and a protected environment wants its settings from elsewhere, too."""
    name = made.id.rpartition("-")[2]
    return (
        f"[environments.{name}]\n"
        f'cluster = "{made.id}"\n'
        f'region = "{aws.default_region}"\n'
        f'account = "{aws.account}"\n'
        f'database = "{made.database}"\n'
        f'user = "{USER}"\n'
        f'ca-bundle = "{aws.authority.bundle}"\n'
        "protected = false\n"
    )


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.emulator", description=__doc__.split("\n")[0])
    parser.add_argument("--clusters", type=_clusters, default=_CLUSTERS, metavar="NAME:ENGINE,...", help=_CLUSTERS)
    parser.add_argument("command", nargs="*", help="a program to run with it")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # a shell that starts it in the background has it ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with Secured() as aws:
        made = [aws.cluster(id, engine, EnableIAMDatabaseAuthentication=True) for id, engine in options.clusters]
        for one in made:
            aws.iam_user(one.id, USER, _GRANTS[one.engine])
        if options.command:
            return aws.run(options.command).returncode
        for name, value in aws.env().items():
            print(f"export {name}={shlex.quote(value)}")
        for one in made:
            print(f"\n# {one.engine}, {one.endpoint} is {one.address}\n# password of {one.user}: {one.password}")
            print(settings(aws, one), end="")
        print("\n# endpoints resolve for what is run by:", shlex.join(aws.command(["COMMAND"])))
        print("# ends with its input, or by Ctrl-C", flush=True)
        with suppress(KeyboardInterrupt):
            sys.stdin.read()
    return 0


if __name__ == "__main__":
    with suppress(subprocess.SubprocessError, KeyboardInterrupt):
        sys.exit(main())
