"""The control API, ``/_local/…``, for command-line tools, tests and users. Requests that change state require a token.

GET  /_local/health        version, process, data folder, uptime, resource counts
GET  /_local/resources     all resources by kind, except those scheduled for deletion; secrets are omitted;
                            ``?seed=false`` omits seeded resources
GET  /_local/journal       recorded write requests (time, method, path, status); ``?after=SEQ``
GET, POST /_local/containers/ID/logs, /_local/job-runs/ID/logs    see ``logs.routes``
POST /_local/reset         restore the seed and clear all faults
POST /_local/transitions   {"seconds": 0.5}: duration of statuses such as ``creating``
POST /_local/status        {"kind", "id", "status", "error_message"}: set a resource's status
GET, POST, DELETE /_local/faults   list the fault rules, add one, clear all or one (``/_local/faults/ID``)
GET  /_local/faults/reference      the faults and the fields of a rule
POST /_local/sql-server    {"address": "127.0.0.1:5432", "certificate": "-----BEGIN…"}: the PostgreSQL server of new
                           Serverless SQL databases and instances, and optionally the PEM certificate for verifying it
GET  /_local/object-storage   the object storage's address, and whether it is running and ready
POST /_local/object-storage   start the object storage unless it is running; same response as GET
"""

from __future__ import annotations

import hmac
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from localcloud.api.cloud import Cloud
from localcloud.api.control_token import FILE, HEADER
from localcloud.api.errors import invalid, not_found, not_implemented, plain
from localcloud.api.faults.active import ActiveFaults
from localcloud.api.faults.reference import reference
from localcloud.api.logs.reader import LogReader
from localcloud.api.logs.routes import add_lines, logs_of
from localcloud.api.object_storage import ObjectStorage
from localcloud.api.oci.service import Registry
from localcloud.api.paging import Query, number
from localcloud.api.request import parse_object
from localcloud.api.seed import DEFAULT, Command, Seed
from localcloud.api.seeding import seed_store
from localcloud.api.store import HIDDEN_PREFIX, VAULT_PREFIX
from localcloud.api.transitions import visible

VERSION = "1"
NO_RUNTIME = {"engine": "off", "why": "the local Scaleway was started with --runtime off"}


class Control:
    prefix = "/_local/"

    def __init__(
        self,
        cloud: Cloud,
        faults: ActiveFaults,
        logs: LogReader,
        object_storage: ObjectStorage | None = None,
        images: Registry | None = None,
        runtime: Mapping[str, str] = NO_RUNTIME,
        data: Path | None = None,
        seed: Seed = DEFAULT,
        *,
        token: str,
    ) -> None:
        """``runtime`` contains ``engine`` (``docker`` or ``off``) and ``why`` (the reason for that choice)."""
        self._token = token
        self._cloud = cloud
        self._faults = faults
        self._logs = logs
        self._object_storage = object_storage
        self._images = images
        self._runtime = runtime
        self._data = data
        self._seed = seed
        self._started = time.monotonic()
        self._routes: dict[tuple[str, str], Callable[[Query, dict[str, Any]], dict[str, Any]]] = {
            ("GET", "health"): self._health,
            ("GET", "resources"): self._resources,
            ("GET", "journal"): self._journal,
            ("POST", "reset"): self._reset,
            ("POST", "transitions"): self._transitions,
            ("POST", "status"): self._status,
            ("POST", "sql-server"): self._sql_server,
            ("GET", "object-storage"): self._storage_status,
            ("POST", "object-storage"): self._start_storage,
            ("GET", "faults"): lambda _query, _body: {"faults": self._faults.documents()},
            ("POST", "faults"): lambda _query, body: self._faults.add(body),
            ("DELETE", "faults"): lambda _query, _body: {"faults": self._faults.clear()},
            ("GET", "faults/reference"): lambda _query, _body: reference(),
        }

    def require(self, token: str | None) -> None:
        """Check the token of a request that changes state. Raises 401 if it is missing or wrong."""
        if not hmac.compare_digest((token or "").encode(), self._token.encode()):
            file = f"{self._data}/{FILE}" if self._data else FILE
            raise plain(401, f"the {HEADER} header is {'wrong' if token else 'missing'}; read its value from {file}")

    def handle(self, method: str, path: str, query: Query, body: bytes) -> dict[str, Any]:
        name = path.removeprefix(self.prefix).rstrip("/")
        if method == "DELETE" and name.startswith("faults/"):
            return {"faults": self._faults.clear(name.removeprefix("faults/"))}
        if (owner := logs_of(path)) is not None and method == "POST":
            return add_lines(self._cloud, self._logs, owner, parse_object(body))
        if owner is not None and method == "GET":
            raise plain(409, f"no container processes are running: {self._runtime['why']}")
        handler = self._routes.get((method, name))
        if handler is None:
            raise not_implemented(method, path)
        return handler(query, parse_object(body))

    def _health(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        store = self._cloud.store
        return {
            "version": VERSION,
            "pid": os.getpid(),
            "data": str(self._data or ""),
            "uptime_seconds": round(time.monotonic() - self._started, 3),
            "transitions_seconds": self._cloud.transitions,
            "runtime": dict(self._runtime),
            "resources": {kind: len(list(store.all(kind))) for kind in self._shown_kinds()},
        }

    def _resources(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        include_seed = query.get("seed", ["true"])[0] != "false"
        now, store = self._cloud.now(), self._cloud.store
        resources_by_kind = {
            kind: [
                visible(resource, now)
                for resource in store.all(kind)
                if (include_seed or not resource.get("_seed")) and not resource.get("deletion_requested_at")
            ]
            for kind in self._shown_kinds()
        }
        return {kind: resources for kind, resources in resources_by_kind.items() if resources}

    def _journal(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        return {"entries": self._cloud.store.journal(number(query, "after", default=0, minimum=0))}

    def _reset(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        self._cloud.store.clear()
        seed_store(self._cloud, self._seed)
        self._faults.clear()
        self._logs.added.keep_only(())
        if self._images is not None:
            self._images.clear()
        if self._object_storage is not None:
            self._object_storage.reset()
        return {"status": "reset"}

    def _transitions(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        seconds = body.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 3_600:
            raise invalid("seconds", "must be a number between 0 and 3600")
        self._cloud.transitions = float(seconds)
        return {"seconds": self._cloud.transitions}

    def _status(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        kind, id, status = (str(body.get(name, "")) for name in ("kind", "id", "status"))
        resource = self._cloud.store.get(kind, id) if kind in self._shown_kinds() else None
        if resource is None:
            raise not_found(kind, id)
        if not status:
            raise invalid("status", "is required")
        changed = {
            **resource,
            "status": status,
            "_until": 0,
            "error_message": str(body.get("error_message", "")),
        }
        self._cloud.store.put(kind, id, changed)
        self._cloud.store.commit()
        return visible(changed, self._cloud.now())

    def _sql_server(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        address, certificate = body.get("address"), body.get("certificate", "")
        if not isinstance(address, str) or not (
            address == "" or re.fullmatch(r"(127\.0\.0\.1|localhost):\d+", address)
        ):
            raise invalid("address", "must be 127.0.0.1:<port>, or empty for none")
        if not isinstance(certificate, str):
            raise invalid("certificate", "must be a certificate in PEM format")
        self._cloud.sql_server, self._cloud.sql_certificate = address, certificate
        return {"address": address}

    def _start_storage(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        if self._object_storage is not None:
            self._object_storage.start()
        return self._storage_status(query, body)

    def _storage_status(self, query: Query, body: dict[str, Any]) -> dict[str, Any]:
        storage = self._object_storage
        if storage is None:
            raise plain(409, "object storage is off: restart the local Scaleway with --object-storage-port PORT")
        return {"url": storage.url, "running": storage.is_running(), "ready": storage.is_ready()}

    @property
    def runtime(self) -> str:
        """A description of the container runtime."""
        return f"{self._runtime['engine']} ({self._runtime['why']})"

    @property
    def storage(self) -> str:
        """A description of the object storage's state."""
        if self._object_storage is None:
            return "off"
        state = "running" if self._object_storage.is_running() else "not running; starts on demand"
        return f"{self._object_storage.url} ({state})"

    @property
    def commands(self) -> tuple[Command, ...]:
        """Commands listed on the home page."""
        return self._seed.commands

    def _shown_kinds(self) -> list[str]:
        return [kind for kind in self._cloud.store.kinds() if not kind.startswith((VAULT_PREFIX, HIDDEN_PREFIX))]
