"""Web pages can link to the home page and do nothing else."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from localcloud.api.control_token import FILE, HEADER
from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.ports import free_port
from tests.support.seed import ORGANIZATION, OWNER_SECRET_KEY

BASE = "/containers/v1/regions/fr-par"
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}


@pytest.fixture
def host(api: Client) -> str:
    """The host of a deployed container."""
    namespace = api.create(f"{BASE}/namespaces", name="apps", project_id=ORGANIZATION)["id"]
    image = "rg.fr-par.scw.cloud/images/app:1"
    body = {"secret_environment_variables": {"TOKEN": "very-secret"}, "image": image}
    container = api.create(f"{BASE}/containers", namespace_id=namespace, name="front", **body)
    return str(container["public_endpoint"]).removeprefix("https://")


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Origin": "https://evil.example"}, "Origin is https://evil.example; expected none"),
        ({"Origin": "null"}, "Origin is null; expected none"),
        ({"Origin": "http://api.local.snu.localhost:8421"}, "Origin is http://api.local.snu.localhost:8421"),
        ({"Origin": "http://127.0.0.1:8421"}, "Origin is http://127.0.0.1:8421; expected none"),
        ({"Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site is cross-site; expected same-origin or none"),
        ({"Sec-Fetch-Site": "same-site"}, "Sec-Fetch-Site is same-site; expected same-origin or none"),
        ({"Host": "evil.example"}, "Host is evil.example; expected 127.0.0.1, localhost or [::1]"),
        ({"Host": "127.0.0.1.evil.example"}, "Host is 127.0.0.1.evil.example"),
        ({"Host": "api.local.snu.localhost"}, "Host is api.local.snu.localhost"),
    ],
)
def test_the_control_api_rejects_web_pages(api: Client, server: Server, headers: dict[str, str], message: str) -> None:
    api.create(f"{BASE}/namespaces", name="kept")
    for method, path in (
        ("POST", "reset"),
        ("GET", "health"),
        ("OPTIONS", "reset"),
        ("POST", "object-storage"),
        ("GET", "containers/x/logs"),
    ):
        answer = HTTP.request(method, f"{server.url}/_local/{path}", headers=headers)
        assert answer.status_code == 403
        assert message in answer.json()["message"]
    assert "containers.namespace" in api("GET", "/_local/resources?seed=false")
    assert server.says("GET /_local/health 403")


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("path", [f"{BASE}/namespaces", "/v2/", "/cockpit/data-sources/x/loki/api/v1/labels"])
def test_scaleways_api_rejects_web_pages(server: Server, headers: dict[str, str], path: str) -> None:
    answer = HTTP.get(server.url + path, headers=headers | {"X-Auth-Token": OWNER_SECRET_KEY})
    assert answer.status_code == 403
    assert "expected" in answer.json()["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:1"},
        {"Host": "[::1]:8421"},
    ],
)
def test_programs_and_direct_navigation_are_accepted(server: Server, headers: dict[str, str]) -> None:
    assert HTTP.get(f"{server.url}/_local/health", headers=headers).status_code == 200


def test_changes_need_the_token_in_the_data_folder(tmp_path: Path) -> None:
    def refused(method: str, path: str, **headers: str) -> str:
        answer = HTTP.request(method, f"{server.url}/_local/{path}", headers=headers, json={})
        assert answer.status_code == 401
        return str(answer.json()["message"])

    with Server(tmp_path / "data", "--object-storage-port", str(free_port())) as server:
        file = tmp_path / "data" / FILE
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        api, token = server.client(), file.read_text()
        api.create(f"{BASE}/namespaces", name="kept", project_id=ORGANIZATION)
        fault = api("POST", "/_local/faults", {"fault": "latency"})["id"]
        for method, path in (
            *(("POST", path) for path in ("reset", "transitions", "status", "sql-server", "object-storage", "faults")),
            *(("POST", f"{writer}/x/logs") for writer in ("containers", "job-runs")),
            *(("DELETE", path) for path in ("faults", f"faults/{fault}")),
            ("PUT", "reset"),
        ):
            assert refused(method, path) == f"the {HEADER} header is missing; read its value from {file}"
            assert "is wrong" in refused(method, path, **{HEADER: f"{token}x", "X-Auth-Token": OWNER_SECRET_KEY})
        assert "containers.namespace" in api("GET", "/_local/resources?seed=false")
        assert not api("GET", "/_local/object-storage")["running"]
        assert len(api("GET", "/_local/faults")["faults"]) == 1
        server.stop()
        server.start()
        assert "is wrong" in refused("POST", "reset", **{HEADER: token})
        assert token not in server.log


def test_requests_to_deployed_apps_are_not_checked(server: Server, host: str) -> None:
    """Containers are separate sites, which protect themselves."""
    for path in ("/", "/_local/reset"):
        headers = {"Host": host, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        page = HTTP.post(server.url + path, headers=headers)
        assert page.status_code == 200
        assert "no process is running for it" in page.text


# --- the page at / -----------------------------------------------------------------------------------------


def test_the_home_page_lists_containers_commands_and_docs(api: Client, server: Server, host: str) -> None:
    page = HTTP.get(server.url, headers=NAVIGATION)
    assert page.status_code == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    port = server.url.rpartition(":")[2]
    for expected in (
        f'href="http://{host}:{port}/"',
        "ready",
        "no process is running",
        "scripts/snu local status",
        "scripts/snu up local",
        "docs/reference/local-scaleway.md",
    ):
        assert expected in page.text
    for link in re.findall(r'href="(/[^"]*)"', page.text):
        assert HTTP.get(server.url + link).status_code == 200
    assert "very-secret" not in page.text
    assert OWNER_SECRET_KEY not in page.text
    assert HTTP.get(server.url).text == page.text


def test_the_home_page_escapes_values(api: Client, server: Server, host: str) -> None:
    (container,) = api("GET", f"{BASE}/containers")["containers"]
    fault = {"kind": "containers.container", "id": container["id"], "status": "error"}
    api("POST", "/_local/status", fault | {"error_message": "it <b>broke</b>"})
    assert "it &lt;b&gt;broke&lt;/b&gt;" in HTTP.get(server.url).text


def test_the_home_page_without_containers(server: Server) -> None:
    assert "No containers are deployed yet" in HTTP.get(server.url).text


def test_the_home_page_has_no_scripts_and_cannot_be_framed(server: Server) -> None:
    page = HTTP.get(server.url)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script" not in page.text


def test_head_of_the_home_page(server: Server) -> None:
    page, head = HTTP.get(server.url), HTTP.head(server.url)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == page.headers["Content-Length"]


def test_any_site_can_link_to_the_home_page_but_not_read_it(server: Server) -> None:
    for site in ("cross-site", "same-site", "none", "same-origin"):
        assert HTTP.get(server.url, headers=NAVIGATION | {"Sec-Fetch-Site": site}).status_code == 200
    for mode in ("no-cors", "cors", "websocket"):
        headers = {"Sec-Fetch-Mode": mode, "Sec-Fetch-Site": "cross-site"}
        assert HTTP.get(server.url, headers=headers).status_code == 403
    assert HTTP.get(server.url, headers=NAVIGATION | {"Origin": "https://evil.example"}).status_code == 403
    cross = NAVIGATION | {"Sec-Fetch-Site": "cross-site"}
    assert HTTP.post(server.url, headers=cross).status_code == 403
    assert HTTP.get(f"{server.url}/_local/health", headers=cross).status_code == 403


def test_the_home_page_shows_the_object_storage_without_starting_it(tmp_path: Path) -> None:
    port = free_port()
    with Server(tmp_path / "data", "--object-storage-port", str(port)) as server:
        assert f"http://127.0.0.1:{port}" in HTTP.get(server.url).text
        assert not server.client()("GET", "/_local/object-storage")["running"]
