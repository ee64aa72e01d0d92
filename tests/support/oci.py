"""A small OCI client, as tests use it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from tests.support.local_scaleway import HTTP, Client, Server
from tests.support.seed import OWNER_SECRET_KEY

NAMESPACES = "/registry/v1/regions/fr-par/namespaces"
REGISTRY = "/registry/v1/regions/fr-par"

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encode(document: Any) -> bytes:
    return json.dumps(document).encode()


def descriptor(content: bytes, media_type: str = OCI_LAYER) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}


def manifest(*layers: bytes, config: bytes = b"{}", media_type: str = OCI_MANIFEST, **more: Any) -> bytes:
    """An image manifest; the layers and the config are not pushed by this."""
    return encode(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": descriptor(config, OCI_CONFIG),
            "layers": [descriptor(layer) for layer in layers],
            **more,
        }
    )


def index(*manifests: bytes, media_type: str = OCI_INDEX, **more: Any) -> bytes:
    items = [descriptor(content, OCI_MANIFEST) for content in manifests]
    return encode({"schemaVersion": 2, "mediaType": media_type, "manifests": items, **more})


class Oci:
    """Requests below ``/v2/``; each says which status it expects."""

    def __init__(self, url: str, secret_key: str | None = OWNER_SECRET_KEY) -> None:
        self.url = url
        self.auth = httpx.BasicAuth("nologin", secret_key or "") if secret_key is not None else None

    def __call__(
        self,
        method: str,
        path: str,
        *,
        status: int,
        code: str | None = None,
        content: Any = None,
        headers: Mapping[str, str] | None = None,
        http: httpx.Client = HTTP,
    ) -> httpx.Response:
        target = path if path.startswith("/v2") else f"/v2/{path}"
        auth = self.auth or httpx.USE_CLIENT_DEFAULT
        answer = http.request(method, self.url + target, content=content, headers=headers, auth=auth)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        assert answer.headers["Docker-Distribution-API-Version"] == "registry/2.0"
        if code is not None:
            (error,) = answer.json()["errors"]
            assert error["code"] == code
            assert error["message"]
        return answer

    def upload(self, name: str) -> str:
        """Begin an upload; gives its path."""
        answer = self("POST", f"{name}/blobs/uploads/", status=202)
        assert answer.headers["Range"] == "0-0"
        return str(answer.headers["Location"])

    def push_blob(self, name: str, content: bytes) -> str:
        digest = digest_of(content)
        answer = self("PUT", f"{self.upload(name)}?digest={digest}", status=201, content=content)
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["Location"] == f"/v2/{name}/blobs/{digest}"
        return digest

    def push_manifest(self, name: str, reference: str, content: bytes, **expected: Any) -> httpx.Response:
        headers = {"Content-Type": json.loads(content)["mediaType"]}
        return self(
            "PUT", f"{name}/manifests/{reference}", content=content, headers=headers, **({"status": 201} | expected)
        )

    def push(self, name: str, tag: str, *layers: bytes, **more: Any) -> bytes:
        """Push a whole image; gives its manifest."""
        for blob in (*layers, b"{}"):
            self.push_blob(name, blob)
        content = manifest(*layers, **more)
        self.push_manifest(name, tag, content)
        return content

    def pull(self, name: str, digest: str) -> bytes:
        return self("GET", f"{name}/blobs/{digest}", status=200).content


def files(server: Server) -> set[str]:
    """Digests of the blobs on disk."""
    return {f"sha256:{path.name}" for path in (server.data / "registry" / "blobs" / "sha256").iterdir()}


def uploads(server: Server) -> list[Path]:
    return list((server.data / "registry" / "uploads").iterdir())


def make_namespace(api: Client, name: str = "snu-ci", **more: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = api.create(NAMESPACES, name=name, **more)
    return namespace
