"""Deleted secrets after a week, and ephemeral secrets after their lifetime."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.in_process import InProcess

SECRETS = "/secret-manager/v1beta1/regions/fr-par/secrets"
DAY = 86_400


@pytest.fixture
def server(tmp_path: Path) -> Iterator[InProcess]:
    server = InProcess(tmp_path / "data")
    yield server
    server.cloud.store.close()


def answer(server: InProcess, status: int, method: str, path: str, body: Any = None) -> Any:
    answered, content = server(method, path, "", body)
    assert answered == status, content
    return json.loads(content) if content else None


def pass_time(server: InProcess, seconds: float) -> None:
    later = server.cloud.now() + seconds
    server.cloud.now = lambda: later


def test_a_deleted_secret_is_removed_after_a_week(server: InProcess) -> None:
    path = f"{SECRETS}/{answer(server, 200, 'POST', SECRETS, {'name': 's'})['id']}"
    answer(server, 200, "POST", f"{path}/versions", {"data": "b25l"})
    answer(server, 204, "DELETE", path)
    pass_time(server, 6 * DAY)
    answer(server, 409, "POST", SECRETS, {"name": "s"})
    pass_time(server, DAY)
    answer(server, 404, "GET", path)
    answer(server, 200, "POST", SECRETS, {"name": "s"})
    assert "b25l" not in json.dumps([*server.cloud.store.all("vault.secret_manager.payload")])


def test_a_recovered_secret_is_not_removed(server: InProcess) -> None:
    path = f"{SECRETS}/{answer(server, 200, 'POST', SECRETS, {'name': 's'})['id']}"
    answer(server, 200, "POST", f"{path}/versions", {"data": "b25l"})
    answer(server, 204, "DELETE", path)
    answer(server, 200, "POST", f"{path}/restore", {})
    pass_time(server, 8 * DAY)
    assert answer(server, 200, "GET", f"{path}/versions/1/access")["data"] == "b25l"


def test_a_version_of_an_ephemeral_secret_expires(server: InProcess) -> None:
    policy = {"time_to_live": "3600s", "action": "disable"}
    path = f"{SECRETS}/{answer(server, 200, 'POST', SECRETS, {'name': 's', 'ephemeral_policy': policy})['id']}"
    answer(server, 200, "POST", f"{path}/versions", {"data": "b25l"})
    answer(server, 200, "GET", f"{path}/versions/1/access")
    pass_time(server, 3600)
    answer(server, 412, "GET", f"{path}/versions/1/access")
