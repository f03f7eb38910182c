# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the playground is made of: settings, migrations, and the changesets they come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

SETTINGS = """\
[project]
migrations = "migrations"
change-request = '\\bOPS-\\d+\\b'

[environments.dev]
target = "local"
deploys = "branch(default)"
snapshot = "deploy"

[environments.staging]
target = "local"
deploys = "branch(default)"

[environments.prod]
target = "local"
deploys = "branch(stable)"
protected = true
after = ["staging"]
"""

EXPLORE = (
    "hg aurora-status",
    "hg aurora-log prod -v",
    "hg aurora-deploy dev",
    "hg aurora-revert staging -n",
    "hg aurora-engine stop",
)


def hgrc(shop: Path) -> str:
    """The playground's own hgrc: the extension, and where prod's policy comes from."""
    return f"[extensions]\nhgaurora =\n\n[hgaurora]\nconfig = {shop / 'hgaurora.toml'}\n\n[ui]\nusername = ben\n"


def _migration(number: int, title: str, up: str, down: str) -> str:
    parent = f'"{number - 1:04}"' if number > 1 else "None"
    return (
        f'"""{title}"""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\n'
        f'revision = "{number:04}"\ndown_revision = {parent}\n\n\n'
        f"def upgrade():\n{_indent(up)}\n\n\ndef downgrade():\n{_indent(down)}\n"
    )


def _indent(body: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in body.strip().splitlines())


def _versions(*numbers: int) -> dict[str, str]:
    out = {}
    for number in numbers:
        name, title, up, down = MIGRATIONS[number]
        out[f"migrations/versions/{number:04}_{name}.py"] = _migration(number, title, up, down)
    return out


MIGRATIONS = {
    1: (
        "customers",
        "added table customers",
        """
op.create_table(
    "customers",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
)
op.execute("INSERT INTO customers (name) SELECT 'customer ' || n FROM generate_series(1, 500) AS n")
""",
        'op.drop_table("customers")',
    ),
    2: (
        "orders",
        "added table orders",
        """
op.create_table(
    "orders",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("customer_id", sa.Integer, sa.ForeignKey("customers.id"), nullable=False),
    sa.Column("net", sa.Numeric(12, 2), nullable=False),
)
op.execute("INSERT INTO orders (customer_id, net) SELECT 1 + n % 500, n * 1.25 FROM generate_series(1, 20000) AS n")
""",
        'op.drop_table("orders")',
    ),
    3: (
        "products",
        "added table products",
        """
op.create_table(
    "products",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
)
""",
        'op.drop_table("products")',
    ),
    4: (
        "order_customer_index",
        "added index orders_customer_idx",
        """
with op.get_context().autocommit_block():
    op.create_index("orders_customer_idx", "orders", ["customer_id"], postgresql_concurrently=True)
""",
        'op.drop_index("orders_customer_idx", "orders")',
    ),
    5: (
        "customer_email",
        "added column customers.email",
        'op.add_column("customers", sa.Column("email", sa.Text))',
        'op.drop_column("customers", "email")',
    ),
    6: (
        "order_notes",
        "added table order_notes",
        """
op.create_table(
    "order_notes",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("order_id", sa.Integer, sa.ForeignKey("orders.id"), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
""",
        'op.drop_table("order_notes")',
    ),
    7: (
        "order_gross",
        "gross in place of net",
        'op.alter_column("orders", "net", new_column_name="gross")',
        'op.alter_column("orders", "gross", new_column_name="net")',
    ),
    8: (
        "product_sku",
        "added column products.sku",
        'op.add_column("products", sa.Column("sku", sa.String(40), unique=True))',
        'op.drop_column("products", "sku")',
    ),
}

INVOICES = '''\
"""The nightly invoices of the shop: python invoices.py ENVIRONMENT."""

import json
import subprocess
import sys

import psycopg

found = subprocess.run(["hgaurora", "engine", "status", sys.argv[1], "--json"], check=True, stdout=subprocess.PIPE)
with psycopg.connect(json.loads(found.stdout)[0]["socket"]) as connection:
    try:
        total, count = connection.execute("SELECT sum(net), count(*) FROM orders").fetchone()
    except psycopg.errors.UndefinedColumn as error:
        sys.exit(f"invoices: {error.diag.message_primary}")
print(f"invoices: {count} orders, {total} net")
'''


@dataclass(frozen=True)
class Change:
    """One changeset: commands that come before it, the files it writes, who commits it."""

    key: str
    user: str
    message: str
    files: Mapping[str, str] = field(default_factory=dict)
    before: tuple[tuple[str, ...], ...] = ()


CHANGES = (
    Change("customers", "ana", "shop: customers", _versions(1)),
    Change("orders", "ana", "shop: orders", _versions(2)),
    Change("invoices", "leo", "shop: products, nightly invoices", {**_versions(3, 4), "invoices.py": INVOICES}),
    Change("stable", "ben", "stable: first release", {"NEWS": "1.0: invoices\n"}, (("branch", "-q", "stable"),)),
    Change("email", "ana", "customers: email (OPS-412)", _versions(5), (("update", "-q", "default"),)),
    Change("gross", "ana", "orders: notes, gross beside net (OPS-412)", _versions(6, 7)),
    Change("merge", "ben", "merge default for OPS-412", {}, (("update", "-q", "stable"), ("merge", "-q", "default"))),
    Change("sku", "leo", "catalog: products by sku", _versions(8), (("update", "-q", "default"),)),
)
