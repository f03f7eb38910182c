# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated AWS: one WSGI server on loopback, with clusters that are real servers."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import moto.rds.urls
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.rds.responses import RDSResponse
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends
from werkzeug.serving import BaseWSGIServer, make_server

from hgaurora.adapters.local import binaries, mysqld
from tests import canaries

from . import names
from .base import current
from .calls import WSGI, Call, Layer
from .endpoints import Endpoints
from .guard import Guard
from .iamfront import Keys
from .plane import Plane, workspace
from .plane_mysql import MysqlPlane
from .plane_postgresql import PostgresqlPlane
from .rds import Rds
from .secrets import pend, promote
from .serving import Handler, session
from .snapshots import remove_image
from .states import States
from .store import Cluster, Record, Region, Snapshot
from .tls import Authority

ACCOUNT = "123456789012"
REGION = "eu-west-1"
#: what :meth:`Emulator.env` and :meth:`Emulator.client` use unless told otherwise: root
KEY, SECRET = "AKIAEMULATOR00000000", canaries.secret()


@dataclass(frozen=True, kw_only=True)
class Made:
    """A cluster with a writer, made by :meth:`Emulator.cluster`."""

    id: str
    engine: str
    endpoint: str
    reader: str
    address: str
    port: int
    database: str
    user: str
    password: str
    arn: str
    resource_id: str

    @property
    def url(self) -> str:
        """By address and password: for whoever does not resolve names. Not what the product connects with."""
        scheme = "postgresql" if self.engine == "aurora-postgresql" else "mysql"
        return f"{scheme}://{self.user}:{self.password}@{self.address}:{self.port}/{self.database}"


class Emulator:
    """See :mod:`tests.emulator`. A context manager; :meth:`stop` ends every server it started.

    :param mysql: the programs of ``aurora-mysql``; else the first MariaDB or MySQL that is installed.
    :param keys: IAM, as endpoints ask it. With it they speak TLS and take tokens; without it neither.
    """

    def __init__(self, *, mysql: mysqld.Programs | None = None, keys: Keys | None = None) -> None:
        self.id = secrets.token_hex(6)
        self.account, self.default_region = ACCOUNT, REGION
        self.lock = threading.RLock()
        self.calls: list[Call] = []
        self.middleware: list[Callable[[WSGI], WSGI]] = []
        self.states = States(self.lock)
        self.globals: dict[tuple[str, str], Record] = {}
        #: by ARN, for DescribePendingMaintenanceActions
        self.maintenance: dict[str, list[Record]] = {}
        self.snapshot_quota, self.cluster_quota, self.instance_quota = 100, 40, 40
        #: take a snapshot's data at the last moment instead of the first: AWS promises neither
        self.late_snapshots = False
        #: how far LatestRestorableTime is behind
        self.restorable_lag = timedelta(0)
        #: seconds after which a switchover gives up, if its own timeout, 30 at least, is not shorter
        self.switchover_patience = 3600.0
        #: cluster identifiers that DescribeDBClusters does not find though they are there
        self.unseen: set[str] = set()
        self._mysql, self._keys = mysql, keys
        self._regions: dict[tuple[str, str], Region] = {}
        self._server: BaseWSGIServer | None = None

    # life

    def start(self) -> Emulator:
        """Serve. The first start of a process takes a second, for moto is big."""
        self.folder = workspace()
        self._guard = Guard(self.folder)
        (self.folder / "images").mkdir()
        self.authority = Authority(self.folder / "authority")
        self.hosts = names.Hosts(names.shared())
        self._endpoints = Endpoints(
            self.id, self.lock, lambda: list(self._regions.values()), self.hosts, self.authority, self._keys
        )
        self.fronts = self._endpoints.fronts
        #: what is to be called after a change that endpoints show; the sessions of a cluster, ended
        self.sync, self.drop = self._endpoints.sync, self._endpoints.drop
        self.certificate = self._endpoints.certificate
        _no_moto_rds()
        self._app = self._composed()
        self._server = make_server("127.0.0.1", 0, self._entry, threaded=True, request_handler=Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="emulator-http", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End all, and remove all data. Secrets, logs and roles in moto's memory go too.

        :raises AssertionError: a secret is where none may be (:func:`tests.canaries.emulated`).
        """
        assert self._server is not None
        self.states.close()
        try:
            found = canaries.emulated(self)
        finally:
            self._end(self._server)
        assert not found, f"secrets where none may be: {found}"

    def _end(self, server: BaseWSGIServer) -> None:
        server.shutdown()
        self._thread.join()
        server.server_close()
        self._endpoints.stop()
        for region in self._regions.values():
            for cluster in region.clusters.values():
                if cluster.plane.folder.exists():
                    cluster.stop()
        shutil.rmtree(self.folder)
        self._guard.close()
        moto_api_backend.reset()

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # the client's side

    @property
    def url(self) -> str:
        """For ``AWS_ENDPOINT_URL``."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def env(self, *, key: str = KEY, secret: str = SECRET) -> dict[str, str]:
        """Environment variables for a client: nothing of the machine's own AWS set-up is left to look for."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_DEFAULT_REGION": self.default_region,
            "AWS_REGION": self.default_region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            names.HOSTS: str(self.hosts.path),
        }

    def client(self, service: str, *, region: str | None = None, **more: Any) -> Any:
        """A boto3 client, independent of this process's environment."""
        made = session(
            region or self.default_region,
            aws_access_key_id=more.pop("key", KEY),
            aws_secret_access_key=more.pop("secret", SECRET),
            aws_session_token=more.pop("token", None),
        )
        return made.client(service, endpoint_url=self.url, **more)

    def hostaddr(self, endpoint: str) -> tuple[str, int]:
        """See :meth:`Endpoints.hostaddr`."""
        return self._endpoints.hostaddr(endpoint)

    def command(self, argv: Sequence[str]) -> list[str]:
        """The command line that runs a program so that it, and what it starts, resolves endpoints."""
        return names.command(self.hosts.path, argv)

    def run(self, argv: Sequence[str], **more: Any) -> subprocess.CompletedProcess[Any]:
        """:func:`subprocess.run` of :meth:`command`, with :meth:`env` over the caller's environment."""
        environment = {**os.environ, **self.env(), **more.pop("env", {})}
        done = subprocess.run(self.command(argv), env=environment, **more)
        canaries.clean(" ".join(argv), done.stdout, done.stderr)
        return done

    def enter(self) -> None:
        """Let the calling thread, and what it starts from now on, resolve endpoints. It cannot be taken back."""
        names.enter(self.hosts.path)

    # helpers for tests

    def cluster(
        self,
        id: str,
        engine: str = "aurora-postgresql",
        *,
        database: str = "shop",
        user: str = "admin1",
        region: str | None = None,
        readers: int = 0,
        **more: Any,
    ) -> Made:
        """Make a cluster with a writer, and wait until both are available. ``more`` goes to CreateDBCluster."""
        rds = self.client("rds", region=region)
        word = canaries.secret()
        if not more.get("ManageMasterUserPassword"):
            more["MasterUserPassword"] = word
        rds.create_db_cluster(DBClusterIdentifier=id, Engine=engine, MasterUsername=user, DatabaseName=database, **more)
        return self.writer(id, region=region, readers=readers)

    def writer(self, id: str, *, region: str | None = None, readers: int = 0) -> Made:
        """Give a cluster that has none a writer, such as one just restored, and wait until it serves."""
        rds = self.client("rds", region=region)
        engine = rds.describe_db_clusters(DBClusterIdentifier=id)["DBClusters"][0]["Engine"]
        before = len(self.states.errors)
        for number in range(1 + readers):
            rds.create_db_instance(
                DBInstanceIdentifier=f"{id}-{number + 1}",
                DBInstanceClass="db.r6g.large",
                Engine=engine,
                DBClusterIdentifier=id,
            )
        self.states.settle()
        if self.states.errors[before:]:
            raise RuntimeError(self.states.errors[before])
        return self.made(id, region=region)

    def made(self, id: str, *, region: str | None = None) -> Made:
        """How to reach a cluster that serves."""
        with self.lock:
            here = self.region(self.account, region or self.default_region)
            cluster = here.cluster(id)
            record = cluster.record
            address, port = self.hostaddr(record["Endpoint"])
            return Made(
                id=id,
                engine=record["Engine"],
                endpoint=record["Endpoint"],
                reader=record["ReaderEndpoint"],
                address=address,
                port=port,
                database=record["DatabaseName"] or "",
                user=record["MasterUsername"],
                password=cluster.password,
                arn=record["DBClusterArn"],
                resource_id=record["DbClusterResourceId"],
            )

    def hold(self, kind: str, id: str = "*") -> None:
        """See :meth:`States.hold`."""
        self.states.hold(kind, id)

    def release(self, kind: str = "*", id: str = "*") -> None:
        """See :meth:`States.release`."""
        self.states.release(kind, id)

    def delay(self, kind: str, seconds: float) -> None:
        """See :meth:`States.delay`."""
        self.states.delay(kind, seconds)

    def fail(self, kind: str, id: str = "*", *, times: int = 1) -> None:
        """See :meth:`States.fail`."""
        self.states.fail(kind, id, times=times)

    # what calls use

    def region(self, account: str, region: str) -> Region:
        """One region of one account; made when needed."""
        with self.lock:
            return self._regions.setdefault((account, region), Region(self, account, region))

    def plane(self, engine: str) -> Plane:
        """A new server's, with nothing in its folder."""
        folder = self.folder / "clusters" / secrets.token_hex(4)
        if engine == "aurora-postgresql":
            return PostgresqlPlane(folder, self.folder / "postgresql")
        return MysqlPlane(folder, self.folder / "mysql", self._mysql)

    def version(self, engine: str) -> str:
        """The default EngineVersion: of the major version that really runs; MariaDB and MySQL pass for 8.0."""
        if engine == "aurora-postgresql":
            return binaries.for_server().version
        return "8.0.mysql_aurora.3.08.0"

    def shared(self, account: str, region: str) -> list[Snapshot]:
        """Snapshots of others that are shared with an account."""
        return [
            snapshot
            for (owner, name), there in self._regions.items()
            if name == region and owner != account
            for snapshot in there.snapshots.values()
            if account in snapshot.shared
        ]

    def forget(self, snapshot: Snapshot) -> None:
        """Remove a snapshot's data, where no copy has them."""
        if not any(o.image == snapshot.image for r in self._regions.values() for o in r.snapshots.values()):
            remove_image(snapshot)

    def rotate(self, cluster: Cluster, here: Region) -> None:
        """Rotate a managed password: on the server, then in the secret; old sessions stay.

        For RotateSecret of Secrets Manager too. The version before is AWSPREVIOUS afterwards.

        :raises RotationRuns: one is under way.
        """
        record, word = cluster.record["MasterUserSecret"], canaries.secret()
        vault = secretsmanager_backends[here.account][here.name].secrets[str(cluster.secret)]
        assert isinstance(vault, FakeSecret)
        version = pend(vault, json.dumps({"username": cluster.record["MasterUsername"], "password": word}))
        record["SecretStatus"] = "rotating"

        def work() -> None:
            with cluster.work:
                cluster.plane.master(cluster.record["MasterUsername"], word)

        def done() -> None:
            cluster.password = word
            promote(vault, version)
            record["SecretStatus"] = "active"

        def failed() -> None:
            del vault.versions[version]
            record["SecretStatus"] = "impaired"

        self.states.start("secret", cluster.id, work, done, failed)

    # requests

    def _composed(self) -> WSGI:
        app: WSGI = Layer(DomainDispatcherApplication(create_backend_app))
        for layer in self.middleware:
            app = layer(app)
        return app

    def recompose(self) -> None:
        """Take :attr:`middleware` as it is now; the last one is outermost."""
        self._app = self._composed()

    def _entry(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        current.set(self)
        call = Call.of(environ)
        if call.service:
            self.calls.append(call)
        return self._app(environ, start_response)


def _no_moto_rds() -> None:
    """Let our RDS answer where moto's would."""
    moto.rds.urls.url_paths["{0}/$"] = _dispatch


def _dispatch(*args: Any) -> Any:
    """Ours in an emulator's request; moto's own where tests serve stock moto in the same process."""
    return (Rds if current.get(None) else RDSResponse).dispatch(*args)
