# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""An emulated AWS, with real databases behind its RDS. For tests, and for a person: ``python -m tests.emulator``.

The wire is moto's (signatures, accounts, IAM, CloudWatch, Logs, Secrets Manager, STS, ...); RDS is our own
(:mod:`.rds`), because moto's has no data, no time, and is wrong where it would be dangerous.

::

    from tests.emulator import Emulator

    with Emulator() as aws:
        prod = aws.cluster("shop-prod", "aurora-postgresql")    # a Made: endpoint, port, user, password, url ..
        rds = aws.client("rds")                                 # boto3; or os.environ | aws.env() for another program
        aws.hold("snapshot", "before-*")                        # stays in creating until aws.release()
        aws.run([sys.executable, "-m", "hgaurora", ...])        # resolves prod.endpoint; so does what it starts

What others may rely on:

``Emulator(mysql=Programs)``
    ``aurora-postgresql`` is the PostgreSQL that the product finds, ``aurora-mysql`` the first MariaDB or MySQL, or what
    is given. ``start()``, ``stop()``, or a ``with`` block. Several may run in one process; moto's own services (all but
    RDS) are one for the process, and are emptied when any of them stops.
``.url``, ``.env()``, ``.client(service, region=, key=, secret=, token=)``
    The endpoint; environment variables; a boto3 client. Account 123456789012, region eu-west-1. A key that STS gave
    for a role of another account lands in that account.
``.cluster(id, engine, database=, user=, readers=, **CreateDBCluster)``, ``.writer(id)``, ``.made(id)``
    Make a cluster and a writer and wait; the writer alone (after a restore); how to reach one.
``.hold(kind, id)``, ``.release(kind, id)``, ``.delay(kind, seconds)``, ``.fail(kind, id, times=)``
    Kinds: cluster, instance, restore, snapshot, copy, rename, password, secret, start, stop, reboot, failover, delete,
    bluegreen, switchover, backtrack; ``*`` is any; ``id`` may be a pattern. Each state lasts 0.2 s unless told.
    ``.states.settle()`` waits until nothing is under way; ``.states.errors`` has what went wrong inside.
``.snapshot_quota``, ``.cluster_quota``, ``.instance_quota``, ``.late_snapshots``, ``.restorable_lag``, ``.unseen``
    Settable at any time. Late snapshots have the data of their last moment instead of their first.
``.calls``
    List of :class:`~.calls.Call`, in order of arrival, before any middleware.
``.middleware``
    List of ``wrap(app) -> app`` around moto's WSGI application, such as a :class:`~.calls.Layer`; the last outermost.
    Filled before ``start()``, or later followed by ``recompose()``.
``Emulator(keys=Keys)``, ``.authority``, ``.fronts.all``
    With an :class:`~.iamfront.Keys` endpoints are :class:`~.pgfront.PgFront` and :class:`~.myfront.MyFront`: TLS with a
    certificate of the endpoint's name, and IAM tokens for clusters with EnableIAMDatabaseAuthentication. Without it
    they are :class:`~.front.Plain`. ``fronts.all`` has them by name, for ``drop()`` and ``refusing``.
:class:`~.secured.Secured`
    This emulator with every layer before it, IAM enforced: faults and kill points (:mod:`.faults`), users, roles,
    sessions and web identities (:mod:`.iam`, :mod:`.sts`, :mod:`.vending`), the limits of CloudWatch Logs
    (:mod:`.logs`), rotation (:mod:`.secrets`), alarms (:mod:`.alarms`), endpoints with TLS and tokens
    (:mod:`.iamfront`), a clock that is off. ``aws.faults.log`` numbers the calls.
``.region(account, region).clusters[id].plane``
    A :class:`~.plane.Plane`, the server itself: ``address``, and ``admin(database)``, a superuser's connection.
``.region(account, region)``
    The state: ``clusters``, ``instances``, ``snapshots``, whose ``record`` is what describe calls answer. Change it
    under ``.lock`` to plant a defect, then call ``.sync()``.
``.hostaddr(endpoint)``, ``.command(argv)``, ``.run(argv)``, ``.enter()``
    Names. Every endpoint has AWS's form, ``shop-prod.cluster-c0ffee123456.eu-west-1.rds.amazonaws.com``, a loopback
    address of its own, and the engine's usual port. How programs resolve it: :mod:`.names`.
``.rotate(cluster, region)``
    What RotateMasterUserPassword does, for RotateSecret.
"""

from __future__ import annotations

from .calls import Call
from .server import Emulator, Made

__all__ = ["Call", "Emulator", "Made"]
