"""What the api answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.apps.process import AppProcess
from tests.support.apps.workspace import Workspace


@pytest.fixture(scope="module")
def api(workspace: Workspace) -> Iterator[AppProcess]:
    with workspace.start("api", ADMIN_URL="https://admin.example/login", APP_URL="https://app.example") as process:
        yield process.ready()


@pytest.mark.parametrize(
    ("birthday", "on", "age", "eligible"),
    [
        ("2010-06-15", "2025-06-14", 14, False),
        ("2010-06-15", "2025-06-15", 15, True),
        ("2010-06-15", "2028-06-14", 17, True),
        ("2010-06-15", "2028-06-15", 18, False),
        ("2008-02-29", "2025-02-28", 16, True),
    ],
)
def test_eligibility_goes_by_birthdays(api: AppProcess, birthday: str, on: str, age: int, eligible: bool) -> None:
    answer = api.get(f"/eligibility?birthday={birthday}&on={on}").json()
    assert answer == {"birthday": birthday, "on": on, "age": age, "eligible": eligible}


@pytest.mark.parametrize("query", ["", "?birthday=2010-02-30", "?birthday=1/2/2010", "?birthday=2010-01-01&on=x"])
def test_wrong_days_are_refused(api: AppProcess, query: str) -> None:
    answer = api.get(f"/eligibility{query}")
    assert answer.status_code == 400
    assert "YYYY-MM-DD" in answer.json()["error"]


@pytest.mark.parametrize("origin", ["https://admin.example", "https://app.example"])
def test_pages_of_both_fronts_may_read_answers(api: AppProcess, origin: str) -> None:
    answer = api.get("/health/version", Origin=origin)
    assert answer.headers["access-control-allow-origin"] == origin
    assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("origin", ["https://other.example", "http://admin.example", "null"])
def test_others_may_not(api: AppProcess, origin: str) -> None:
    assert "access-control-allow-origin" not in api.get("/health/version", Origin=origin).headers
    assert "access-control-allow-origin" not in api.get("/health/version").headers


def test_it_says_whether_it_runs_tasks(api: AppProcess, workspace: Workspace) -> None:
    assert api.get("/").json() == {"app": "api", "tasks": False}
    addresses = {"ADMIN_URL": "https://admin.example", "APP_URL": "https://app.example"}
    with workspace.start("api", **addresses, RUN_TASKS="true") as tasks:
        assert tasks.ready().get("/").json() == {"app": "api", "tasks": True}


def test_preflight_requests_are_answered(api: AppProcess) -> None:
    headers = {"Access-Control-Request-Method": "POST", "Origin": "https://app.example"}
    answer = api.request("OPTIONS", "/eligibility", **headers)
    assert answer.status_code == 204
    assert "POST" in answer.headers["access-control-allow-methods"]


def test_unknown_paths_and_methods(api: AppProcess) -> None:
    assert api.get("/nothing").status_code == 404
    assert api.get("//eligibility").status_code == 404
    refused = api.request("POST", "/eligibility")
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET")
    assert api.request("HEAD", "/").content == b""
    assert api.get("/slow?seconds=31").status_code == 400
