"""A client for OCI registries that reads and writes manifests and blobs without Docker."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin, urlsplit

from infra.loopback import is_loopback
from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import requests

USER = "nologin"
"""Scaleway's registry accepts any user name; its documentation uses this one."""
_REFERENCE = re.compile(r"^(?P<host>[^/]+)/(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})$")
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ACCEPT = ", ".join((*_INDEXES, *_MANIFESTS))
_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = (10.0, 60.0)
"""Connect and read timeouts, in seconds."""
_UPLOAD_TIMEOUT_SECONDS = (10.0, 600.0)
"""A registry may verify a whole layer before it responds."""
_REASON_LENGTH = 200


def is_by_digest(reference: str) -> bool:
    return _REFERENCE.match(reference) is not None


class RegistryError(Exception):
    """A request to a registry failed. The message contains the registry's name and response but never a key."""

    def __init__(self, message: str, *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient
        """Whether a retry may succeed."""


@dataclass(frozen=True)
class Manifest:
    """An image manifest, or an index of several, with its original bytes."""

    digest: str
    media_type: str
    content: bytes

    @property
    def children(self) -> list[str]:
        """Digests of the manifests in an index. Raises RegistryError for invalid content."""
        return [str(each["digest"]) for each in self._descriptors("manifests")]

    @property
    def blobs(self) -> dict[str, int]:
        """Sizes of the config and layers by digest, excluding foreign layers, which are not in the registry.

        Raises RegistryError for invalid content.
        """
        descriptors = [*self._descriptors("config"), *self._descriptors("layers")]
        return {str(each["digest"]): int(each["size"]) for each in descriptors if not each.get("urls")}

    def _descriptors(self, key: str) -> list[dict[str, Any]]:
        try:
            value = json.loads(self.content).get(key) or []
            descriptors: list[dict[str, Any]] = [value] if isinstance(value, dict) else list(value)
            if all(isinstance(each["digest"], str) and isinstance(each["size"], int) for each in descriptors):
                return descriptors
        except (ValueError, AttributeError, TypeError, KeyError):
            pass
        raise RegistryError(f"the manifest {self.digest} has an invalid {key}")


class Body(Protocol):
    """A request body that is read while it is sent. ``len``, its size in bytes, prevents chunked encoding."""

    len: int

    def read(self, size: int = -1, /) -> bytes: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Repository:
    """A registry repository, which contains the images with one name in one namespace."""

    def __init__(self, name: str, secret_key: str) -> None:
        """``name``: ``<host>/<namespace>/<image>``."""
        self.name = name
        self.host, _, self.path = name.partition("/")
        self._prefix = "http" if is_loopback(self.host.partition(":")[0]) else "https"
        self._secret_key = secret_key
        self._lock = Lock()
        self._auth: Any = None
        """Authentication backend; None until the registry has sent a challenge."""

    def digest_of(self, reference: str) -> str | None:
        """The digest that a tag or digest resolves to; None if it does not exist. Raises RegistryError."""
        response = self._request("HEAD", f"manifests/{reference}", missing=True, headers={"Accept": _ACCEPT})
        return None if response is None else str(response.headers.get("Docker-Content-Digest", "")) or None

    def manifest(self, reference: str) -> Manifest | None:
        """A manifest by tag or digest; None if it does not exist.

        Raises RegistryError if the request fails or the content does not match the digest.
        """
        response = self._request("GET", f"manifests/{reference}", missing=True, headers={"Accept": _ACCEPT})
        if response is None:
            return None
        content = response.content
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        claimed = str(response.headers.get("Docker-Content-Digest") or digest)
        if claimed != digest or (":" in reference and reference != digest):
            raise RegistryError(f"{self.name} returned a manifest for {reference} with the digest {digest}")
        return Manifest(digest, str(response.headers.get("Content-Type", "")).partition(";")[0].strip(), content)

    def put_manifest(self, manifest: Manifest, reference: str) -> None:
        """Upload a manifest under a tag or its digest. Raises RegistryError."""
        self._request(
            "PUT", f"manifests/{reference}", headers={"Content-Type": manifest.media_type}, data=manifest.content
        )

    def blob_size(self, digest: str) -> int | None:
        """Size of a blob in bytes; -1 if unknown, None if it does not exist. Raises RegistryError."""
        response = self._request("HEAD", f"blobs/{digest}", missing=True)
        return None if response is None else int(response.headers.get("Content-Length", -1))

    @contextmanager
    def blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """Yields a blob's content in chunks. Raises RegistryError, and errors from ``requests`` during reading."""
        response = self._request("GET", f"blobs/{digest}", stream=True)
        assert response is not None
        with response:
            yield response.iter_content(_CHUNK_BYTES)

    def begin_upload(self, digest: str, origin: Repository | None) -> str | None:
        """The URL for uploading a blob; None if the registry has mounted it from ``origin``.

        If the registry cannot mount the blob, it starts an ordinary upload. Raises RegistryError.
        """
        query = f"?mount={digest}&from={origin.path}" if origin is not None else ""
        try:
            response = self._request("POST", f"blobs/uploads/{query}", data=b"")
        except RegistryError as error:
            if origin is None or error.transient:
                raise
            return self.begin_upload(digest, None)  # the registry rejects the mount if the key may not read the origin
        assert response is not None
        if response.status_code == 201:
            return None
        location = response.headers.get("Location", "")
        if not location:
            raise RegistryError(f"{self.name} returned no upload URL for blob {digest}")
        return urljoin(f"{self._prefix}://{self.host}/", location)

    def finish_upload(self, location: str, digest: str, body: Body) -> None:
        """Send a blob in one request. Raises RegistryError, and errors from ``requests``."""
        # The key is sent only to the registry, whatever the upload URL.
        is_own = urlsplit(location).netloc == self.host
        headers = {"Content-Type": "application/octet-stream", **(self._authorization() if is_own else {})}
        separator = "&" if urlsplit(location).query else "?"
        # Not retried after 401 as in `_request`, as the body is consumed by then.
        response = self._session.put(
            f"{location}{separator}digest={digest}",
            data=body if body.len else b"",
            headers=headers,
            timeout=_UPLOAD_TIMEOUT_SECONDS,
        )
        self._check(response, f"blobs/{digest}", transient=response.status_code == 401)

    def _request(
        self, method: str, path: str, *, missing: bool = False, headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response | None:
        """The response; None for a 404 if ``missing`` is true."""
        import requests

        url = f"{self._prefix}://{self.host}/v2/{self.path}/{path}"

        def send() -> requests.Response:
            all_headers = (headers or {}) | self._authorization()
            return self._session.request(method, url, headers=all_headers, timeout=_TIMEOUT_SECONDS, **more)

        try:
            response = send()
            if response.status_code == requests.codes.unauthorized:
                self._authenticate(response)
                response = send()
        except requests.RequestException as error:
            raise RegistryError(f"{self.name}: {type(error).__name__} at {path}", transient=True) from None
        if missing and response.status_code == requests.codes.not_found:
            return None
        self._check(response, path)
        return response

    def _check(self, response: requests.Response, path: str, *, transient: bool = False) -> None:
        if not response.ok:
            status = response.status_code
            raise RegistryError(
                f"{self.name}: status {status} at {path}{_reason(response)}",
                transient=transient or status == 429 or status >= 500,
            )

    def _authorization(self) -> dict[str, str]:
        headers: dict[str, str] = {} if self._auth is None else self._auth.get_auth_header()
        return headers

    def _authenticate(self, challenge: requests.Response) -> None:
        """Respond to a challenge: choose the scheme, or replace a token, which has a limited scope and lifetime."""
        import oras.auth

        with self._lock:
            if self._auth is None:
                basic = str(challenge.headers.get("Www-Authenticate", "")).lower().startswith("basic")
                auth = oras.auth.get_auth_backend(
                    "basic" if basic else "token", self._session, insecure=self._prefix == "http"
                )
                auth.set_basic_auth(USER, self._secret_key)
                self._auth = auth
            try:
                self._auth.authenticate_request(challenge, {}, refresh=True)
            except ValueError:
                raise RegistryError(f"{self.name} sent no usable authentication challenge") from None

    @cached_property
    def _session(self) -> requests.Session:
        import requests

        logging.getLogger("oras").setLevel(logging.CRITICAL)  # its messages repeat the response
        session = requests.Session()
        session.auth = _unchanged  # otherwise a login in ~/.netrc would replace the key
        return session


class Registries:
    """Image registries, with one client per repository."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key
        self._repositories: dict[str, Repository] = {}
        self._lock = Lock()

    def has(self, reference: str) -> bool:
        """Whether an image ``<host>/<name>@sha256:<digest>`` exists. Raises OpsError if the registry fails."""
        parts = _REFERENCE.match(reference)
        if parts is None:
            raise OpsError(f"{reference} is not an image reference with a digest", ExitCode.FAILED)
        return self.digest_of(f"{parts['host']}/{parts['name']}", parts["digest"]) is not None

    def digest_of(self, repository: str, reference: str) -> str | None:
        """The digest that a tag or digest resolves to; None if it does not exist.

        ``repository``: ``<host>/<namespace>/<name>``. Raises OpsError if the registry fails.
        """
        try:
            return self.repository(repository).digest_of(reference)
        except RegistryError as error:
            raise OpsError(
                f"{repository}:{reference} cannot be looked up in the registry: {error}", ExitCode.FAILED
            ) from None

    def repository(self, name: str) -> Repository:
        """``name``: ``<host>/<namespace>/<image>``."""
        with self._lock:
            if name not in self._repositories:
                self._repositories[name] = Repository(name, self._secret_key)
            return self._repositories[name]


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(response: requests.Response) -> str:
    """The registry's error messages, on one line."""
    try:
        messages = "; ".join(str(each["message"]) for each in response.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {' '.join(messages.split())[:_REASON_LENGTH]}"
