"""The local Scaleway's API in process: requests are function calls, and tests set the time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from localcloud.api.app import App
from localcloud.api.cloud import Cloud
from localcloud.api.control import Control
from localcloud.api.control_token import HEADER
from localcloud.api.faults.active import ActiveFaults
from localcloud.api.logs.reader import LogReader
from localcloud.api.products import ROUTES
from localcloud.api.seeding import seed_store
from localcloud.api.store import Store
from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY, SEED

TOKEN = "fake-control-token"


class InProcess:
    def __init__(self, folder: Path) -> None:
        self.cloud = Cloud(Store(folder), port=8421, organization_id=ORGANIZATION, transitions=0)
        seed_store(self.cloud, SEED)
        faults = ActiveFaults(ROUTES)
        logs = LogReader()
        self._app = App(self.cloud, Control(self.cloud, faults, logs, token=TOKEN), faults, logs)

    def __call__(self, method: str, path: str, query: str, body: Any) -> tuple[int, bytes]:
        """Status and content of the response. The application never waits, so no event loop is needed."""
        sent: list[Any] = []
        content = json.dumps(body).encode()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content}

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [
            (b"host", b"localhost"),
            (b"x-auth-token", OWNER_SECRET_KEY.encode()),
            (HEADER.lower().encode(), TOKEN.encode()),
        ]
        scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": headers}
        with pytest.raises(StopIteration):
            self._app(scope, receive, send).send(None)
        return sent[0]["status"], sent[1]["body"]
