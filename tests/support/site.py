"""A local Scaleway that really runs its containers, and a container of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tests.support.base_images import build, node_image, runtime_image
from tests.support.docker import Engine
from tests.support.local_scaleway import HTTP, Client
from tests.support.oci import NAMESPACES, Oci, digest_of
from tests.support.seed import OWNER_SECRET_KEY

BASE = "/containers/v1/regions/fr-par"
_SECONDS = 60.0


def eventually(condition: Callable[[], Any], what: str, seconds: float = _SECONDS) -> Any:
    """The first true value of ``condition``."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.05)
    return found


@dataclass
class Deployed:
    """A container, as its API and its users see it."""

    api: Client
    path: str
    host: str

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    def get(self, path: str = "/", method: str = "GET", **more: Any) -> httpx.Response:
        headers = {"Host": self.host, **more.pop("headers", {})}
        return HTTP.request(method, self.api.url + path, headers=headers, timeout=30, **more)

    def show(self) -> Any:
        return self.api("GET", self.path)

    def settled(self, seconds: float = _SECONDS) -> Any:
        """The container once its status does not change by itself any more."""
        transient = ("creating", "updating", "upgrading")
        eventually(lambda: self.show()["status"] not in transient, f"settled: {self.show()}", seconds)
        return self.show()

    def change(self, **values: Any) -> Any:
        self.api("PATCH", self.path, values)
        return self.settled()

    def lines(self) -> list[dict[str, str]]:
        answer = HTTP.get(f"{self.api.url}/_local/containers/{self.id}/logs?tail=1000")
        return [httpx.Response(200, content=line).json() for line in answer.text.splitlines()]

    def texts(self) -> list[str]:
        return [line["text"] for line in self.lines()]


@dataclass
class CockpitLogs:
    """What Cockpit has of the default project's logs."""

    url: str
    token: str

    @classmethod
    def of(cls, api: Client) -> CockpitLogs:
        base = "/cockpit/v1/regions/fr-par"
        (source,) = api("GET", f"{base}/data-sources?origin=scaleway&types=logs")["data_sources"]
        token = api.create(f"{base}/tokens", name="reader", token_scopes=["read_only_logs"])
        return cls(source["url"], token["secret_key"])

    def values(self, resource_id: str, filters: str = "", **query: Any) -> list[list[str]]:
        parameters = {"query": f'{{resource_id="{resource_id}"}} {filters}', "direction": "forward", **query}
        answer = HTTP.get(
            f"{self.url}/loki/api/v1/query_range", params=parameters, headers={"X-Token": self.token}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        return [value for stream in answer.json()["data"]["result"] for value in stream["values"]]

    def messages(self, resource_id: str, filters: str = "", **query: Any) -> list[str]:
        return [json.loads(line)["message"] for _, line in self.values(resource_id, filters, **query)]

    def times(self, resource_id: str, filters: str = "", **query: Any) -> list[int]:
        """The times of the lines, in nanoseconds."""
        return [int(time) for time, _ in self.values(resource_id, filters, **query)]


class Site:
    """A local Scaleway, its registry with the test's image, and the Docker engine behind."""

    def __init__(self, api: Client, engine: Engine, image: str) -> None:
        self.api = api
        self.engine = engine
        self._tag = image
        self.furnish()

    def furnish(self) -> None:
        """Make what its containers need; a reset takes it away."""
        self.api.create(NAMESPACES, name="snu-test")
        self.image = self.push(self._tag, "snu-test/tiny")
        self.namespace = self.api.create(f"{BASE}/namespaces", name="test", environment_variables={"SHARED": "s"})

    def push(self, tag: str, repository: str) -> str:
        """Push an image of the engine; gives its reference by digest."""
        return push(self.api, self.engine, tag, repository)

    def create(self, name: str, **values: Any) -> Deployed:
        """As the API answers it; not settled yet."""
        defaults = {"image": self.image, "min_scale": 1, "memory_limit_bytes": 256_000_000, "mvcpu_limit": 500}
        made = self.api.create(f"{BASE}/containers", namespace_id=self.namespace["id"], name=name, **defaults | values)
        return Deployed(self.api, f"{BASE}/containers/{made['id']}", made["public_endpoint"].removeprefix("https://"))

    def deploy(self, name: str, **values: Any) -> Deployed:
        """Ready, or the test fails."""
        deployed = self.create(name, **values)
        found = deployed.settled()
        assert found["status"] == "ready", found["error_message"]
        return deployed

    def processes(self, container: Deployed, *, stopped: bool = False) -> list[Any]:
        """Docker's containers of one container of ours."""
        label = f"localcloud.container={container.id}"
        return self.engine.client.containers.list(all=stopped, filters={"label": label}, ignore_removed=True)


def tiny(engine: Engine) -> str:
    """An image of the engine that runs ``server.js``, not as root."""
    script = (Path(__file__).parent / "server.js").read_text()
    dockerfile = f"""
        FROM {runtime_image(engine)}
        COPY --from={node_image(engine)} /usr/local/bin/node /usr/local/bin/node
        COPY server.js /server.js
        USER 1000
        ENTRYPOINT ["/usr/local/bin/node"]
        CMD ["/server.js"]
    """
    return build(engine, dockerfile, {"server.js": script}, "snu-test/tiny-server:1")


_images: dict[str, tuple[bytes, list[bytes]]] = {}
"""Manifest and blobs of what was pushed before, by the engine's id: it would compress them again for each registry."""


def push(api: Client, engine: Engine, tag: str, repository: str) -> str:
    """Push an image of the engine; gives its reference by digest."""
    oci, id = Oci(api.url), str(engine.client.images.get(tag).id)
    if id in _images:
        manifest, blobs = _images[id]
        for blob in blobs:
            oci.push_blob(repository, blob)
        oci.push_manifest(repository, "1", manifest)
    else:
        digest = _push_from_engine(api, engine, tag, repository)
        manifest = oci("GET", f"{repository}/manifests/{digest}", status=200).content
        found = json.loads(manifest)
        _images[id] = manifest, [oci.pull(repository, blob["digest"]) for blob in (found["config"], *found["layers"])]
    return f"localhost:{api.url.rpartition(':')[2]}/{repository}@{digest_of(manifest)}"


def _push_from_engine(api: Client, engine: Engine, tag: str, repository: str) -> str:
    """Gives the digest."""
    name = f"{api.url.removeprefix('http://')}/{repository}"
    engine.client.images.get(tag).tag(name, "1")
    login = {"username": "nologin", "password": OWNER_SECRET_KEY}
    digest = ""
    for message in engine.client.images.push(name, "1", auth_config=login, stream=True, decode=True):
        assert "error" not in message, message
        digest = message.get("aux", {}).get("Digest", digest)
    engine.client.images.remove(f"{name}:1")
    return digest
