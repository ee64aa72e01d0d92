"""The client of Scaleway's API: keys, retries, pages and errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import ALERT_MANAGER, CONTAINER, REGISTRY_TAGS
from ops.scaleway.client import Client, ScalewayError, concurrent_map
from ops.scaleway.profile import API_URL, Profile
from ops.stacks import Stack

KEY = "hush-hush"
PATH = "/things"
Answer = httpx.Response | Exception


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr("ops.scaleway.client.time.sleep", found.append)
    return found


def profile(**environ: str) -> Profile:
    return Profile.of(Stack(Path(), "ci", {}, "passphrase"), {"SCW_SECRET_KEY": KEY, **environ})


class Api:
    """Gives its answers one after another, the last one for ever, and keeps what was asked."""

    def __init__(self, *answers: Answer | Callable[[httpx.Request], httpx.Response], **options: Any) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers)
        self.client = Client(profile(), transport=httpx.MockTransport(self._answer), **options)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else answer(request)


# --- profile --------------------------------------------------------------------------------------------


def test_a_missing_key_has_one_message() -> None:
    with pytest.raises(OpsError) as raised:
        profile(SCW_SECRET_KEY="")
    assert str(raised.value) == "ci: no Scaleway API key. Set SCW_ACCESS_KEY and SCW_SECRET_KEY."
    assert raised.value.code is ExitCode.ENVIRONMENT


@pytest.mark.parametrize("key", ["hush-é", "hush\nhush"])
def test_a_malformed_key_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(OpsError, match="SCW_SECRET_KEY is not a Scaleway secret key") as raised:
        profile(SCW_SECRET_KEY=key)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize("url", ["api.scaleway.com", "ftp://x", "https://", "http://x:0", "http://x:y"])
def test_a_malformed_address_is_refused(url: str) -> None:
    with pytest.raises(OpsError, match=r"SCW_API_URL is .*; expected an address such as https://"):
        profile(SCW_API_URL=url)


def test_a_shell_that_points_at_the_local_scaleway_is_refused_for_other_stacks() -> None:
    with pytest.raises(OpsError, match=r"ci: SCW_API_URL is http://127\.0\.0\.1:8421, which is on this machine"):
        profile(SCW_API_URL="http://127.0.0.1:8421")


def test_the_stack_file_takes_precedence_over_the_environment() -> None:
    config = {"scaleway:region": "nl-ams", "scaleway:secretKey": {"secure": "v1:x"}, "scaleway:projectId": "p"}
    found = Profile.of(
        Stack(Path(), "ci", config, "passphrase"),
        {"SCW_SECRET_KEY": KEY, "SCW_DEFAULT_REGION": "pl-waw", "SCW_DEFAULT_PROJECT_ID": "q"},
    )
    assert (found.region, found.project_id, found.secret_key) == ("nl-ams", "p", KEY)
    assert (found.api_url, found.is_local) == (API_URL, False)
    assert KEY not in repr(found)
    assert profile().region == "fr-par"


# --- requests and retries -------------------------------------------------------------------------------


def test_a_request_carries_the_key_and_the_query() -> None:
    api = Api(httpx.Response(200, json={"name": "a"}))
    assert api.client.get(PATH, {"name": "a b"}) == {"name": "a"}
    (request,) = api.requests
    assert request.headers["X-Auth-Token"] == KEY
    assert str(request.url) == f"{API_URL}{PATH}?name=a+b"


@pytest.mark.parametrize(
    "failure", [httpx.Response(429), httpx.Response(500), httpx.Response(503), httpx.ReadTimeout("late")]
)
def test_what_may_pass_is_retried(failure: Answer, slept: list[float]) -> None:
    api = Api(failure, failure, httpx.Response(200, json={}))
    assert api.client.get(PATH) == {}
    assert slept == [0.5, 1.0]


def test_retries_come_to_an_end(slept: list[float]) -> None:
    api = Api(httpx.Response(503, json={"message": "try later"}))
    with pytest.raises(ScalewayError) as raised:
        api.client.get(PATH)
    assert str(raised.value) == "Scaleway returned 503 for GET /things: try later"
    assert (raised.value.status, raised.value.code) == (503, ExitCode.FAILED)
    assert len(api.requests) == 4
    assert slept == [0.5, 1.0, 2.0]


def test_who_polls_gets_no_retries(slept: list[float]) -> None:
    api = Api(httpx.Response(503))
    with pytest.raises(ScalewayError) as raised:
        api.client.get(PATH, retry=False)
    assert raised.value.is_transient
    assert len(api.requests) == 1
    assert not slept


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 409, 412])
def test_a_refusal_is_final(status: int) -> None:
    api = Api(httpx.Response(status, json={"message": "no"}))
    with pytest.raises(ScalewayError, match=f"Scaleway returned {status} for POST /things: no") as raised:
        api.client.post(PATH, {})
    assert raised.value.status == status
    assert not raised.value.is_transient
    assert len(api.requests) == 1


def test_a_change_waits_until_the_object_is_in_no_transient_state() -> None:
    api = Api(httpx.Response(409), httpx.Response(204))
    api.client.delete(PATH)
    assert [request.method for request in api.requests] == ["DELETE", "DELETE"]
    api = Api(httpx.Response(409), httpx.Response(200, json={"a": 1}))
    assert api.client.patch(PATH, {}) == {"a": 1}


def test_what_is_gone_already_is_deleted() -> None:
    Api(httpx.Response(404)).client.delete(PATH)
    with pytest.raises(ScalewayError, match="403 for DELETE"):
        Api(httpx.Response(403)).client.delete(PATH)


# --- errors ---------------------------------------------------------------------------------------------


def test_no_answer_is_an_error_without_the_text_of_the_cause() -> None:
    api = Api(httpx.LocalProtocolError(f"Illegal header value {KEY}"))
    with pytest.raises(ScalewayError) as raised:
        api.client.get(PATH)
    assert str(raised.value) == "Scaleway did not respond to GET /things (LocalProtocolError)"
    assert (raised.value.status, raised.value.__cause__) == (0, None)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'{"message": null}'])
def test_an_error_need_not_be_scaleways(body: bytes) -> None:
    with pytest.raises(ScalewayError) as raised:
        Api(httpx.Response(400, content=body)).client.get(PATH)
    assert str(raised.value) == "Scaleway returned 400 for GET /things"


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"1"])
def test_an_answer_that_is_no_object_is_an_error(body: bytes) -> None:
    with pytest.raises(ScalewayError, match="did not return a JSON object"):
        Api(httpx.Response(200, content=body)).client.get(PATH)


def test_the_exit_code_is_the_callers() -> None:
    api = Api(httpx.Response(403), failure=ExitCode.ENVIRONMENT)
    with pytest.raises(OpsError) as raised:
        api.client.get(PATH)
    assert raised.value.code is ExitCode.ENVIRONMENT


# --- pages ----------------------------------------------------------------------------------------------


def paged(count: int, *, most: int = 100, total: bool = True) -> Callable[[httpx.Request], httpx.Response]:
    """A list of so many objects, at most ``most`` on a page whatever is asked for."""

    def answer(request: httpx.Request) -> httpx.Response:
        size = min(int(request.url.params["page_size"]), most)
        start = (int(request.url.params["page"]) - 1) * size
        page = {"containers": [{"id": str(index)} for index in range(count)[start : start + size]]}
        return httpx.Response(200, json=page | ({"total_count": count} if total else {}))

    return answer


@pytest.mark.parametrize(
    ("count", "most", "total", "requests"),
    [
        (0, 100, True, 1),
        (100, 100, True, 1),
        (101, 100, True, 2),
        (250, 100, True, 3),
        (90, 40, True, 3),
        (0, 100, False, 1),
        (99, 100, False, 1),
        (100, 100, False, 2),
        (250, 100, False, 3),
    ],
)
def test_all_pages_are_read(count: int, most: int, total: bool, requests: int) -> None:
    api = Api(paged(count, most=most, total=total))
    found = list(api.client.list(CONTAINER.listing, {"name": "a"}))
    assert [each["id"] for each in found] == [str(index) for index in range(count)]
    assert len(api.requests) == requests
    assert {request.url.path for request in api.requests} == {"/containers/v1/regions/fr-par/containers"}
    assert {request.url.params["name"] for request in api.requests} == {"a"}


def test_a_list_that_becomes_shorter_ends() -> None:
    first = {"containers": [{"id": "1"}], "total_count": 3}
    api = Api(httpx.Response(200, json=first), httpx.Response(200, json={"containers": None, "total_count": 1}))
    assert list(api.client.list(CONTAINER.listing)) == [{"id": "1"}]


def test_a_page_that_fails_is_an_error_and_no_shorter_list() -> None:
    api = Api(paged(150), httpx.Response(403))
    with pytest.raises(ScalewayError, match="403"):
        list(api.client.list(CONTAINER.listing))


def test_properties_complete_the_path() -> None:
    api = Api(httpx.Response(200, json={"tags": [], "total_count": 0}))
    assert list(api.client.list(REGISTRY_TAGS, region="nl-ams", imageId="i")) == []
    assert api.requests[0].url.path == "/registry/v1/regions/nl-ams/images/i/tags"


def test_a_setting_is_a_list_of_itself() -> None:
    api = Api(httpx.Response(200, json={"alert_manager_enabled": True}))
    assert list(api.client.list(ALERT_MANAGER.listing, {"project_id": "p"})) == [{"alert_manager_enabled": True}]
    assert "page" not in api.requests[0].url.params


def test_results_come_in_the_order_of_the_items() -> None:
    assert concurrent_map(lambda number: number * 2, range(50)) == [number * 2 for number in range(50)]
