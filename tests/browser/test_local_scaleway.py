"""Web pages do not reach the local Scaleway, whatever a browser lets them send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from playwright.sync_api import Browser, Route

from tests.browser.conftest import REBOUND_HOST
from tests.support.buckets import start_object_storage
from tests.support.fake_server import FakeServer
from tests.support.local_scaleway import Server
from tests.support.ports import free_port
from tests.support.seed import ORGANIZATION

BUCKET, KEY = "snu-state", "state"
ATTACK = """
async (urls) => {
  const read = [];
  const ended = (element, start) => new Promise((resolve) => {
    for (const event of ["load", "error"]) element.addEventListener(event, resolve);
    start(element);
  });
  const added = (tag, properties) =>
    ended(Object.assign(document.createElement(tag), properties), (element) => document.body.append(element));
  const fetched = async (url, method, mode) => {
    const answer = await fetch(url, { method, mode, ...(method !== "GET" && { body: "{}" }) });
    if (answer.ok && answer.type !== "opaque") read.push(`${method} ${mode} ${url}`);
  };
  const submitted = (url, method) => {
    const name = `${method} ${url}`;
    const frame = Object.assign(document.createElement("iframe"), { name });
    document.body.append(frame);
    const sent = { action: url, method, target: name, enctype: "text/plain" };
    const form = Object.assign(document.createElement("form"), sent);
    form.append(Object.assign(document.createElement("input"), { name: "{}", value: "" }));
    document.body.append(form);
    return ended(frame, () => form.submit());
  };
  const opened = (connection, url) => new Promise((resolve) => {
    connection.onopen = () => resolve(read.push(`open ${url}`));
    connection.onerror = () => resolve(connection.close());
  });
  const work = urls.flatMap((url) => [
    ...["GET", "POST", "PUT", "DELETE"].flatMap((method) =>
      ["no-cors", "cors", "same-origin"].map((mode) => fetched(url, method, mode).catch(() => undefined))),
    submitted(url, "get"),
    submitted(url, "post"),
    added("img", { src: url }),
    added("script", { src: url }),
    added("iframe", { src: url }),
    added("link", { rel: "stylesheet", href: url }),
    opened(new WebSocket(url.replace("http", "ws")), url),
    opened(new EventSource(url), url),
  ]);
  for (const url of urls) navigator.sendBeacon(url, "{}");
  // A page without an origin, which tells when its requests were answered.
  const code = `
    const ask = (url) => ["GET", "POST"].map((method) => fetch(url, { method, mode: "no-cors" }));
    Promise.allSettled(${JSON.stringify(urls)}.flatMap(ask)).then(() => parent.postMessage("", "*"));`;
  work.push(new Promise((resolve) => addEventListener("message", resolve)));
  added("iframe", { sandbox: "allow-scripts", srcdoc: `<script>${code}</script>` });
  await Promise.all(work);
  return read;
}
"""
"""All that a page can send to some addresses without asking anybody; gives what it could read."""
CONTROL_PATHS = ["/_local/reset", "/_local/resources?seed=false", "/_local/object-storage"]
STORAGE_PATHS = ["/moto-api/reset", f"/{BUCKET}/{KEY}", f"/{BUCKET}?delete"]


@dataclass(frozen=True)
class Scaleway:
    """A local Scaleway that has something to lose."""

    server: Server
    storage: str
    s3: Any

    def addresses(self, host: str = "127.0.0.1") -> list[str]:
        """What is attacked."""
        urls = [self.server.url + path for path in CONTROL_PATHS] + [self.storage + path for path in STORAGE_PATHS]
        return [url.replace("127.0.0.1", host) for url in urls]

    def held(self) -> tuple[list[str], bytes]:
        resources = self.server.client()("GET", "/_local/resources?seed=false")
        names = [each["name"] for each in resources["containers.namespace"]]
        return names, self.s3.get_object(Bucket=BUCKET, Key=KEY)["Body"].read()


@pytest.fixture(scope="module")
def scaleway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scaleway]:
    folder = tmp_path_factory.mktemp("scaleway")
    with Server(folder / "data", "--object-storage-port", str(free_port())) as server:
        api = server.client()
        api.create("/containers/v1/regions/fr-par/namespaces", name="kept", project_id=ORGANIZATION)
        storage = start_object_storage(api)
        s3: Any = boto3.client(
            "s3",
            endpoint_url=storage,
            region_name="fr-par",
            aws_access_key_id="SCWFAKEFAKEFAKE00001",
            aws_secret_access_key="fake",
        )
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "fr-par"})
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"kept")
        yield Scaleway(server, storage, s3)


def attack(browser: Browser, page_url: str, urls: list[str]) -> list[str]:
    """What a page at the first address could read of the others."""
    context = browser.new_context()
    try:
        page = context.new_page()

        def serve(route: Route) -> None:
            route.fulfill(body="<!doctype html><body>a page</body>", content_type="text/html")

        page.route(page_url, serve)
        page.goto(page_url)
        read: list[str] = page.evaluate(ATTACK, urls)
        return read
    finally:
        context.close()


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example",
        "http://app.local.snu.localhost:{api}",
        "http://app.local.snu.localhost:{other}",
        "http://127.0.0.1:{other}",
        "http://localhost:{other}",
    ],
)
def test_a_page_of_another_origin_changes_and_reads_nothing(browser: Browser, scaleway: Scaleway, origin: str) -> None:
    api = scaleway.server.url
    before, log = scaleway.held(), len(scaleway.server.log)
    page = origin.format(api=api.rpartition(":")[2], other=free_port()) + "/attack"
    assert attack(browser, page, scaleway.addresses()) == []
    assert scaleway.held() == before
    answers = {tuple(line.split()[0:3:2]) for line in scaleway.server.log[log:].splitlines() if " /_local/r" in line}
    assert {("GET", "403"), ("POST", "403")} <= answers, "the page's requests did not arrive"
    assert {status for _, status in answers - {("GET", "200")}} == {"403"}


def test_a_page_whose_host_was_pointed_here_is_refused_too(browser: Browser, scaleway: Scaleway) -> None:
    before = scaleway.held()
    urls = scaleway.addresses(REBOUND_HOST)
    for origin in (scaleway.server.url, scaleway.storage):
        rebound = origin.replace("127.0.0.1", REBOUND_HOST)
        assert attack(browser, f"{rebound}/attack", [url for url in urls if url.startswith(rebound)]) == []
    assert scaleway.held() == before
    assert scaleway.server.says(f"Host is {REBOUND_HOST}")


def test_no_page_starts_the_object_storage(browser: Browser, tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--object-storage-port", str(free_port())) as server:
        attack(browser, f"http://127.0.0.1:{free_port()}/attack", [f"{server.url}/_local/object-storage"])
        assert not server.client()("GET", "/_local/object-storage")["running"]


def test_the_same_page_does_reach_a_server_that_answers_anybody(browser: Browser) -> None:
    """Otherwise the browser, and not the local Scaleway, would be what keeps the page away."""
    with FakeServer() as server:
        server.expect_request("/open").respond_with_data("{}", headers={"Access-Control-Allow-Origin": "*"})
        read = attack(browser, "http://evil.example/attack", [f"{server.url}/open"])
        assert any(each.startswith("GET cors") for each in read), read
        sent = [request for request, _ in server.log]
        # Playwright, which makes the page, answers preflights itself: what takes one is sent in any case.
        assert {"GET", "POST", "PUT", "DELETE"} <= {request.method for request in sent}
        assert "null" in {request.headers.get("Origin") for request in sent}
        kinds = {request.headers.get("Sec-Fetch-Dest") for request in sent}
        assert {"image", "script", "iframe", "style", "empty"} <= kinds
        assert "websocket" in {request.headers.get("Upgrade") for request in sent}


def test_the_page_of_the_local_scaleway_and_its_links_are_shown(browser: Browser, scaleway: Scaleway) -> None:
    page = browser.new_page()
    try:
        page.goto(scaleway.server.url)
        links = page.locator('a[href^="/_local/"]').evaluate_all("(links) => links.map((link) => link.href)")
        assert links
        for link in links:
            page.goto(scaleway.server.url)
            with page.expect_response(link) as answer:
                page.locator(f'a[href="{link.removeprefix(scaleway.server.url)}"]').click()
            assert answer.value.status == 200
    finally:
        page.close()
