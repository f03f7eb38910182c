# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The process that migrations run in: ``python -I child/__main__.py FD PARENT``.

Run by path, on an interpreter (3.10 or later) that has Alembic, SQLAlchemy and the driver and need not have hgaurora:
nothing here imports the rest of it, and there it is loaded under a name of its own. It speaks JSON lines over the
socket FD with the process PARENT; stdout and stderr belong to the scripts. It holds the environment's lock on the
connection that runs the DDL, and ends with its parent.

Requests: ``job`` (first), ``lock``, ``begin``, ``run``, ``close``; each but the last has one answer. In between the
child asks for a ``password`` for each physical connection, and with ``trace`` waits for ``go`` before and after each
thing it sends.

On PostgreSQL a migration is one transaction: BEGIN with a token, the script, Alembic's version row, the ledger's row
under its fences, COMMIT. Where a script commits on the way (an autocommit block), each statement so far is journaled
in the transaction that commits it; a later run of the same script does not send again what is journaled, and stops at
the first difference.
"""
