"""Traffic to this machine asks no proxy, whichever client it is of, and whatever the user's variables say."""

from __future__ import annotations

import os
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import grpc
import httpx
import pytest
import requests

from ops.process_environment import bypass_proxies
from pulumi_state.store.bucket import client
from tests.support.ports import free_port

_SECONDS = 10.0
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Server)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["lower", "upper"])
def environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies that nobody serves."""
    for name in (*PROXIES, "no_proxy"):
        for variable in (name, name.upper()):
            monkeypatch.delenv(variable, raising=False)
            monkeypatch.setenv(variable, "")  # restored afterwards, whatever the code makes of it
            del os.environ[variable]
    for name in PROXIES:
        monkeypatch.setenv(name if request.param == "lower" else name.upper(), f"http://127.0.0.1:{free_port()}")


def of_bucket(url: str) -> int:
    found = client(url, "fr-par", "key", "secret").head_object(Bucket="bucket", Key="key")
    return found["ResponseMetadata"]["HTTPStatusCode"]


def of_urllib(url: str) -> int:
    """With an opener of its own: `urlopen` keeps the proxies of its first call for ever."""
    with urllib.request.build_opener().open(url) as answer:
        return int(answer.status)


CLIENTS: dict[str, Callable[[str], int]] = {
    "httpx": lambda url: httpx.get(url).status_code,
    "requests": lambda url: requests.get(url, timeout=_SECONDS).status_code,
    "boto3": of_bucket,
    "urllib": of_urllib,
}


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("exempt", [None, "example.org", "example.org,127.0.0.1"])
def test_no_client_asks_a_proxy(url: str, monkeypatch: pytest.MonkeyPatch, exempt: str | None) -> None:
    if exempt is not None:
        monkeypatch.setenv("NO_PROXY", exempt)
    bypass_proxies()
    for address in (url, url.replace("127.0.0.1", "localhost")):
        assert {name: ask(address) for name, ask in CLIENTS.items()} == dict.fromkeys(CLIENTS, 200)
    hosts = os.environ["no_proxy"].split(",")
    assert len({*hosts}) == len(hosts)
    assert ("example.org" in hosts) is (exempt is not None)


@pytest.mark.usefixtures("environment")
def test_the_proxies_are_used_for_other_hosts() -> None:
    bypass_proxies()
    with pytest.raises(httpx.ConnectError, match="refused"):  # by what is no proxy; the host does not exist
        httpx.get("http://a.invalid")


@pytest.mark.usefixtures("environment")
def test_grpc_asks_no_proxy() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    bypass_proxies()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        grpc.channel_ready_future(channel).result(_SECONDS)
    server.stop(None)
