# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""``python -m tests.flows.aurora_story``: the whole of it on the emulated AWS, unattended, as a user would do it.

On each engine: clusters for staging and prod; roles that may do what ``hgaurora iam-policy`` prints, and no more;
changesets, each deployed to both by ``hg aurora-deploy`` in a process of its own, with IAM tokens over verified TLS.
Then each snapshot is restored to a cluster, which is started and asked by ``hgaurora trace`` which changeset it is at;
and a program that imports nothing of hgaurora reads CloudWatch alone, by a role that may do nothing else, and comes to
the structure of the live database.

Everything is checked; the first thing that is not as it has to be ends it with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hgaurora.adapters.aws.tags import from_aws
from hgaurora.adapters.history.hglib import find_hg
from tests import canaries, journal_reader
from tests.emulator import Made, names
from tests.emulator.secured import Secured
from tests.world import Repo, environ, migration

ENGINES = ("aurora-postgresql", "aurora-mysql")
ENVIRONMENTS = ("staging", "prod")
#: the database's user of deploys; it signs in by IAM
USER = "hgaurora"
_GRANTS = {
    "aurora-postgresql": ("GRANT ALL ON DATABASE shop TO {user}", "GRANT ALL ON SCHEMA public TO {user}"),
    "aurora-mysql": ("GRANT ALL ON shop.* TO {user}",),
}
#: what whoever deploys may do; the policy of each is what ``iam-policy`` prints
_COMMANDS = ("deploy", "revert", "snapshots", "journal")

#: title, what upgrade() does, what downgrade() does; the first is there before the ten that are counted
MIGRATIONS: Sequence[tuple[str, str, str]] = (
    (
        "customers",
        'op.create_table("customers", sa.Column("id", sa.Integer, primary_key=True), '
        'sa.Column("name", sa.String(80), nullable=False))',
        'op.drop_table("customers")',
    ),
    (
        "customer_email",
        'op.add_column("customers", sa.Column("email", sa.String(120)))\n'
        'op.create_index("customers_email_key", "customers", ["email"], unique=True)',
        'op.drop_index("customers_email_key", "customers")\nop.drop_column("customers", "email")',
    ),
    (
        "orders",
        'op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True), '
        'sa.Column("customer", sa.Integer, nullable=False), sa.Column("placed", sa.DateTime, nullable=False), '
        'sa.ForeignKeyConstraint(["customer"], ["customers.id"], name="orders_customer_fk"))',
        'op.drop_table("orders")',
    ),
    (
        "order_gross",
        'op.add_column("orders", sa.Column("gross", sa.Numeric(12, 2)))',
        'op.drop_column("orders", "gross")',
    ),
    (
        "some_customers",
        "op.execute(\"INSERT INTO customers (id, name, email) VALUES (1, 'Ana', 'ana@example.org')\")",
        'op.execute("DELETE FROM customers WHERE id = 1")',
    ),
    (
        "open_orders",
        'op.execute("CREATE VIEW open_orders AS SELECT id, customer FROM orders WHERE gross IS NULL")',
        'op.execute("DROP VIEW open_orders")',
    ),
    (
        "longer_names",
        'op.alter_column("customers", "name", type_=sa.String(160), existing_type=sa.String(80), '
        "existing_nullable=False)",
        'op.alter_column("customers", "name", type_=sa.String(80), existing_type=sa.String(160), '
        "existing_nullable=False)",
    ),
    (
        "orders_placed_idx",
        'op.create_index("orders_placed_idx", "orders", ["placed"])',
        'op.drop_index("orders_placed_idx", "orders")',
    ),
    (
        "products",
        'op.create_table("products", sa.Column("sku", sa.String(40), primary_key=True), '
        'sa.Column("price", sa.Numeric(10, 2), nullable=False), '
        'sa.CheckConstraint("price >= 0", name="products_price_check"))',
        'op.drop_table("products")',
    ),
    (
        "order_lines",
        'op.create_table("order_lines", sa.Column("order_id", sa.Integer, primary_key=True), '
        'sa.Column("line", sa.Integer, primary_key=True), sa.Column("sku", sa.String(40), nullable=False), '
        'sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name="order_lines_order_fk"), '
        'sa.ForeignKeyConstraint(["sku"], ["products.sku"], name="order_lines_sku_fk"))',
        'op.drop_table("order_lines")',
    ),
    (
        "order_note",
        'op.add_column("orders", sa.Column("note", sa.String(200), server_default="none", nullable=False))',
        'op.drop_column("orders", "note")',
    ),
)
CHANGESETS = len(MIGRATIONS) - 1


class Wrong(Exception):
    """Something is not as it has to be; says what."""


def insist(true: object, what: str) -> None:
    """:raises Wrong: it is not so."""
    if not true:
        raise Wrong(what)


@dataclass
class Clocked:
    """How long each kind of step took, in seconds."""

    took: dict[str, list[float]] = field(default_factory=dict)

    @contextmanager
    def __call__(self, what: str) -> Iterator[None]:
        begun = time.monotonic()
        yield
        self.took.setdefault(what, []).append(time.monotonic() - begun)

    def lines(self) -> Iterator[str]:
        """One for each kind."""
        for what, all in self.took.items():
            middle = sorted(all)[len(all) // 2]
            yield f"{what:<28} {len(all):>4} times, median {middle:.1f}s, longest {max(all):.1f}s, all {sum(all):.0f}s"


@dataclass
class Shop:
    """One repository, whose environments staging and prod are clusters of one engine."""

    aws: Secured
    engine: str
    repo: Repo
    made: dict[str, Made]
    caller: dict[str, str]
    auditor: dict[str, str]
    clocked: Clocked
    say: Callable[[str], None]
    nodes: list[str] = field(default_factory=list)

    def run(self, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
        """A program of a user who may assume the roles of the environments, in the repository."""
        env = environ(**self.caller, HGRCPATH=str(self.repo.root / ".hg/hgrc-user"), **more)
        done = subprocess.run(
            argv, cwd=self.repo.root, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
        canaries.clean(" ".join(argv), done.stdout, done.stderr)
        return done

    def hg(self, *words: str) -> str:
        """``hg WORDS``, which has to end well; what it printed."""
        return _well(self.run(find_hg(), *words))

    def hgaurora(self, *words: str, **more: str) -> str:
        """``hgaurora WORDS``, in the same way."""
        return _well(self.run(sys.executable, "-m", "hgaurora", *words, **more))

    def group(self, environment: str) -> str:
        """The log group of an environment."""
        return f"/shop/{self.made[environment].id}"

    # what is done

    def commit(self) -> str:
        """The next changeset, with one migration."""
        at = len(self.nodes)
        title, up, down = MIGRATIONS[at]
        revision, before = f"{at:04}", f"{at - 1:04}" if at else None
        text = migration(revision, before, up, down, title=title)
        node = self.repo.commit({f"migrations/versions/{revision}_{title}.py": text}, f"{title} (OPS-{at})", date=at)
        self.nodes.append(node)
        return node

    def deploy(self, environment: str) -> str:
        """``hg aurora-deploy ENV -r NODE`` of the newest changeset."""
        node = self.nodes[-1]
        with self.clocked(f"hg aurora-deploy, {self.engine[7:]}"):
            said = self.hg("aurora-deploy", environment, "-r", node)
        last = said.splitlines()[-1]
        insist(last.startswith(f"{environment} is now at {node[:12]} (default)"), f"the deploy ended with: {last}")
        return said

    def snapshots(self, environment: str) -> list[dict[str, Any]]:
        """Those of an environment's cluster, in the order of deploys, with our tags."""
        found = self.aws.client("rds").describe_db_cluster_snapshots(DBClusterIdentifier=self.made[environment].id)
        rows = [{**row, "tags": from_aws(row["TagList"])} for row in found["DBClusterSnapshots"]]
        return sorted(rows, key=lambda row: int(row["tags"]["deployment"].rpartition("-")[2]))

    def tagged(self, environment: str) -> list[dict[str, Any]]:
        """The snapshots, each tagged with the changeset that it is of."""
        rows = self.snapshots(environment)
        insist(len(rows) == len(self.nodes) - 1, f"{environment}: {len(rows)} snapshots of {len(self.nodes)} deploys")
        for at, row in enumerate(rows):
            tags = row["tags"]
            said = (row["Status"], *map(tags.get, ("environment", "node", "heads", "before")))
            wanted = ("available", environment, self.nodes[at], f"{at:04}", f"{at + 1:04}")
            insist(said == wanted, f"{row['DBClusterSnapshotIdentifier']} says {said} instead of {wanted}")
        return rows

    def restored(self, environment: str, row: Mapping[str, Any], at: int) -> None:
        """Restore a snapshot, start it, ask ``trace``, delete it again."""
        name, rds = row["DBClusterSnapshotIdentifier"], self.aws.client("rds")
        copy = f"copy-of-{name}"
        with self.clocked(f"restore and start, {self.engine[7:]}"):
            rds.restore_db_cluster_from_snapshot(
                DBClusterIdentifier=copy,
                SnapshotIdentifier=name,
                Engine=self.engine,
                EnableIAMDatabaseAuthentication=True,
            )
            self.aws.states.settle()
            made = self.aws.writer(copy)
        url, secret = self._way(made, environment)
        with self.clocked(f"trace, {self.engine[7:]}"):
            (found,) = json.loads(self.hgaurora("trace", "--url", url, "--json", **secret))
        said = (found["node"], found["sure"], found["environment"], (found["copy_of"] or {}).get("snapshot"))
        wanted = (self.nodes[at], "ledger and schema agree", environment, f"snapshot {name}")
        insist(said == wanted, f"{copy} says {said} instead of {wanted}")
        rds.delete_db_instance(DBInstanceIdentifier=f"{copy}-1")
        self.aws.states.settle()
        rds.delete_db_cluster(DBClusterIdentifier=copy, SkipFinalSnapshot=True)
        self.aws.states.settle()

    def _way(self, copy: Made, environment: str) -> tuple[str, dict[str, str]]:
        """A URL of a copy for ``trace``, and the variable with the password: on PostgreSQL a token of the ledger's
        owner, on MySQL the master user's."""
        bundle, place = self.aws.authority.bundle, f"{copy.endpoint}:{copy.port}/{copy.database}"
        if self.engine == "aurora-mysql":
            password = self.made[environment].password
            return f"mysql://{copy.user}@{place}?ssl-mode=verify-full&ssl-ca={bundle}", {"MYSQL_PWD": password}
        keys = self.aws.directory.session(f"arn:aws:iam::{self.aws.account}:role/{self.made[environment].id}")
        token = self.aws.as_("rds", keys).generate_db_auth_token(copy.endpoint, copy.port, USER)
        return f"postgresql://{USER}@{place}?sslmode=verify-full&sslrootcert={bundle}", {"PGPASSWORD": token}

    def folded(self, environment: str) -> dict[str, Any]:
        """The journal by a program that has CloudWatch alone; and what the database itself says."""
        events = list(journal_reader.messages(self.group(environment), environment, self.aws.client("logs")))
        deltas = Counter(
            (one["revision"], one["direction"])
            for one in map(json.loads, events)
            if one["event"] == "delta" and one.get("revision")
        )
        wanted = {(f"{at:04}", "up"): 1 for at in range(len(self.nodes))}
        insist(deltas == wanted, f"{environment}: deltas in CloudWatch are {dict(deltas)} instead of {wanted}")
        with self.clocked("the reader of CloudWatch"):
            done = self._reader(environment)
        insist(done.returncode == 0, f"the reader ended with {done.returncode}: {done.stdout}{done.stderr}")
        said = dict(line.split(None, 1) for line in done.stdout.splitlines())
        (live,) = json.loads(self.hgaurora("trace", environment, "--json"))
        insist(live["node"] == self.nodes[-1], f"{environment} is at {live['node']}")
        structure = live["fingerprints"]["structure"]
        insist(
            said["structure"] == structure, f"{environment}: CloudWatch gives {said['structure']}, it is {structure}"
        )
        return {"events": len(events), "deltas": sum(deltas.values()), "structure": structure}

    def _reader(self, environment: str) -> subprocess.CompletedProcess[str]:
        """Isolated: a copy of the one file, where an import of ours fails, by a role that may read the log."""
        with tempfile.TemporaryDirectory() as folder:
            program = shutil.copy(str(journal_reader.__file__), folder)
            start = (
                "import runpy, sys; sys.modules['hgaurora'] = sys.modules['tests'] = None; "
                f"sys.argv[1:] = {[self.group(environment), environment]!r}; "
                f"runpy.run_path({program!r}, run_name='__main__')"
            )
            env = {"PATH": os.environ["PATH"], **self.auditor}
            return subprocess.run(
                [sys.executable, "-I", "-c", start], cwd=folder, env=env, capture_output=True, text=True, timeout=300
            )


def _well(done: subprocess.CompletedProcess[str]) -> str:
    words = [os.path.basename(done.args[0]), *done.args[1:]]
    insist(done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def opened(aws: Secured, engine: str, folder: Path, say: Callable[[str], None], clocked: Clocked) -> Shop:
    """Clusters, roles, a repository with settings. Names are of the engine, so both fit into one account."""
    short = engine.removeprefix("aurora-")
    made = {}
    for name in ENVIRONMENTS:
        with clocked(f"cluster and writer, {short}"):
            made[name] = aws.cluster(f"shop-{short}-{name}", engine, EnableIAMDatabaseAuthentication=True)
        aws.iam_user(made[name].id, USER, _GRANTS[engine])
    repo = Repo(folder / short)
    rc = repo.root / ".hg/hgrc-user"
    roles = {name: f"arn:aws:iam::{aws.account}:role/shop-{short}-{name}" for name in ENVIRONMENTS}
    server = folder / f"{short}.toml"
    server.write_text(_settings(aws, made, roles))
    rc.write_text(f"[extensions]\nhgaurora =\n[ui]\nusername = ana\n[hgaurora]\nconfig = {server}\n")
    repo.commit({"hgaurora.toml": server.read_text()}, "settings")
    shop = Shop(aws, engine, repo, made, {}, {}, clocked, say)
    for name in ENVIRONMENTS:
        policies = [json.loads(shop.hgaurora("iam-policy", name, "--for", command)) for command in _COMMANDS]
        aws.directory.role(roles[name].rpartition("/")[2], *policies)
    assume = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": list(roles.values())}
    shop.caller = _session(aws, f"release-{short}", [assume])
    groups = [f"arn:aws:logs:*:*:log-group:{shop.group(name)}:*" for name in ENVIRONMENTS]
    read = {"Effect": "Allow", "Action": "logs:FilterLogEvents", "Resource": groups}
    shop.auditor = _session(aws, f"auditor-{short}", [read])
    return shop


def _session(aws: Secured, role: str, statements: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return aws.env_of(aws.directory.session(aws.directory.role(role, document), "ana"))


def _settings(aws: Secured, made: Mapping[str, Made], roles: Mapping[str, str]) -> str:
    text = "[project]\nmigrations = \"migrations\"\nchange-request = '\\bOPS-\\d+\\b'\n"
    for name, one in made.items():
        lines = {
            "cluster": one.id,
            "region": aws.default_region,
            "account": aws.account,
            "role-arn": roles[name],
            "database": one.database,
            "user": USER,
            "ca-bundle": str(aws.authority.bundle),
            "log-group": f"/shop/{one.id}",
        }
        said = "\n".join(f'{key} = "{value}"' for key, value in lines.items())
        text += f"\n[environments.{name}]\n{said}\nrequire-journal = true\nchange-request-required = true\n"
        text += 'after = ["staging"]\n' if name == "prod" else ""
    return text


def tell(shop: Shop, changesets: int) -> dict[str, dict[str, Any]]:
    """The story of one engine; by environment what came out.

    :param changesets: how many after the first, whose deploy finds nothing that a snapshot would keep.
    :raises Wrong: it did not.
    """
    say = shop.say
    for at in range(changesets + 1):
        node = shop.commit()
        for name in ENVIRONMENTS:
            said = shop.deploy(name)
            say(f"{shop.engine} {name}: {MIGRATIONS[at][0]} is {node[:12]}; {said.splitlines()[-1]}")
    found = {}
    for name in ENVIRONMENTS:
        rows = shop.tagged(name)
        found[name] = {"deploys": len(shop.nodes), "snapshots": len(rows), **shop.folded(name)}
        say(f"{shop.engine} {name}: from CloudWatch alone {found[name]['structure'][:12]}, as it is live")
    for name in ENVIRONMENTS:
        for at, row in enumerate(shop.tagged(name)):
            shop.restored(name, row, at)
            say(f"{shop.engine} {name}: {row['DBClusterSnapshotIdentifier']} restored: {shop.nodes[at][:12]}")
    return found


def screens(shop: Shop) -> Iterator[str]:
    """What a user sees of it."""
    for words in (
        ["aurora-status"],
        ["aurora-deploy", "prod", "-n"],
        ["aurora-log", "prod", "-v"],
        ["aurora-snapshots", "prod"],
        ["aurora-journal", "verify", "prod"],
        ["aurora-revert", "prod", "-n"],
        ["aurora-revert", "prod", "--yes"],
    ):
        yield f"$ hg {' '.join(words)}"
        yield from shop.hg(*words).splitlines()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.flows.aurora_story", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--engine", choices=ENGINES, action="append", help="of both")
    parser.add_argument("--changesets", type=int, default=CHANGESETS, help=f"1 to {CHANGESETS}, {CHANGESETS}")
    parser.add_argument("--screens", action="store_true", help="print what a user sees of the last deploy")
    options = parser.parse_args()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:6.1f}s {text}", flush=True)

    names.enter(names.shared())
    clocked = Clocked()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aurora-story-")))
        aws = Secured()
        stack.enter_context(aws)
        for engine in options.engine or ENGINES:
            shop = opened(aws, engine, folder, say, clocked)
            stack.callback(shop.repo.close)
            try:
                found = tell(shop, options.changesets)
                for line in screens(shop) if options.screens else ():
                    print(line)
            except Wrong as error:
                say(f"{engine}: {error}")
                return 1
            for name, said in found.items():
                say(f"{engine} {name}: {', '.join(f'{key} {value}' for key, value in said.items())}")
        asked = Counter(name for name in aws.faults.names())
        insist(not aws.states.errors, str(aws.states.errors))
        print("\n".join(clocked.lines()))
        print(f"{sum(asked.values())} AWS calls: " + ", ".join(f"{n} {name}" for name, n in asked.most_common()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
