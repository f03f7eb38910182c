# Copyright (C) 2026 the hgaurora authors
# SPDX-License-Identifier: GPL-2.0-or-later
"""What all calls of the emulated RDS share: who asks, for what, in pages; and what moto may answer itself."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.parse import XFormedDict
from moto.core.responses import ActionResult
from moto.core.utils import camelcase_to_underscores
from moto.rds.responses import RDSResponse

from .errors import Fault, contradiction, invalid
from .store import Record, Region

if TYPE_CHECKING:
    from .server import Emulator

#: set for each request, by the server
current: ContextVar[Emulator] = ContextVar("emulator")
#: what moto models well enough
_MOTOS = re.compile(
    r"(parameter_group|db_cluster_parameters|db_parameters|subnet_group|option_group|event_subscription)s?$"
)
_ARNS = {
    "DBClusterIdentifier": "cluster",
    "SourceDBClusterIdentifier": "cluster",
    "NewDBClusterIdentifier": "cluster",
    "DBClusterSnapshotIdentifier": "cluster-snapshot",
    "SnapshotIdentifier": "cluster-snapshot",
    "SourceDBClusterSnapshotIdentifier": "cluster-snapshot",
    "TargetDBClusterSnapshotIdentifier": "cluster-snapshot",
    "FinalDBSnapshotIdentifier": "cluster-snapshot",
    "DBInstanceIdentifier": "db",
    "ResourceName": "",
}


class Calls(RDSResponse):
    """The base of :class:`tests.emulator.rds.Rds`'s parts."""

    @property
    def emulator(self) -> Emulator:
        """Whose server this request came to."""
        return current.get()

    @property
    def here(self) -> Region:
        """The caller's account and region."""
        return self.emulator.region(self.current_account, self.region)

    @property
    def asked(self) -> dict[str, Any]:
        """The request's parameters."""
        params = self.params
        return dict(params.original_dict()) if isinstance(params, XFormedDict) else dict(params)

    def _authenticate_and_authorize_normal_action(self, resource: str = "*") -> None:
        """Against each resource that the request names, as RDS does; where it names none, against ``*``."""
        for arn in self._arns() or ["*"]:
            super()._authenticate_and_authorize_normal_action(arn)

    def _arns(self) -> list[str]:
        found = []
        for key, kind in _ARNS.items():
            value = self.asked.get(key)
            if value:
                arn = value if value.startswith("arn:") else self.here.arn(kind, value.lower())
                found.append(arn)
        return found

    def call_action(self) -> TYPE_RESPONSE:
        """One at a time. What neither we nor moto model well is an error of ours, not a page."""
        with self.emulator.lock:
            try:
                action = camelcase_to_underscores(self._get_action())
                method = getattr(type(self), action, None)
                if method is None or (
                    action in vars(RDSResponse) and method is getattr(RDSResponse, action) and not _MOTOS.search(action)
                ):
                    raise Fault("InvalidAction", f"the emulator does not model {self._get_action()}")
                answer = super().call_action()
                self.emulator.sync()
                return answer
            except Fault as fault:
                status, headers, body = self.serialized(ActionResult(fault))
                return status, {**headers, "status": str(status)}, body

    def page(self, key: str, records: Iterable[Record]) -> ActionResult:
        """Some records from ``Marker`` on, ``MaxRecords`` at most (20 to 100).

        :raises Fault: out of that range, or an unknown marker.
        """
        most = int(self.asked.get("MaxRecords") or 100)
        if not 20 <= most <= 100:
            raise invalid(f"Invalid value {most} for MaxRecords. Must be between 20 and 100")
        marker = self.asked.get("Marker") or "0"
        if not marker.isdigit():
            raise invalid("The request pagination token is invalid")
        rows, start = list(records), int(marker)
        result: Record = {key: rows[start : start + most]}
        if start + most < len(rows):
            result["Marker"] = str(start + most)
        return ActionResult(result)

    def filters(self, **known: str) -> dict[str, list[str]]:
        """The values asked for, by our word for a filter, such as ``cluster="db-cluster-id"``.

        :raises Fault: a filter that is not known.
        """
        words = {name: word for word, name in known.items()}
        found = {}
        for one in self.asked.get("Filters") or []:
            if one["Name"] not in words:
                raise invalid(f"Unrecognized filter name: {one['Name']}")
            found[words[one["Name"]]] = [str(value).lower() for value in one["Values"]]
        return found

    def exactly_one(self, *names: str) -> str:
        """The one of some parameters that is given. :raises Fault: none, or more."""
        given = [name for name in names if self.asked.get(name) not in (None, False)]
        if len(given) != 1:
            raise contradiction(f"Exactly one of {', '.join(names)} must be specified")
        return given[0]
