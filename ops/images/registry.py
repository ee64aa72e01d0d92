"""Asks OCI registries what they hold, reads from them and writes to them; no Docker is needed."""

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

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import is_loopback

if TYPE_CHECKING:
    import requests

USER = "nologin"
"""Scaleway's registry takes any name; its documentation says this one."""
_REFERENCE = re.compile(r"^(?P<host>[^/]+)/(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})$")
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
_ACCEPT = ", ".join((*_INDEXES, *_MANIFESTS))
_CHUNK_BYTES = 1 << 18
_TIMEOUT_SECONDS = (10.0, 60.0)
"""Until it is connected, and until something comes."""
_UPLOAD_TIMEOUT_SECONDS = (10.0, 600.0)
"""A registry may look at a whole layer before it answers."""
_LONGEST_REASON = 200


def is_by_digest(reference: str) -> bool:
    return _REFERENCE.match(reference) is not None


class RegistryError(Exception):
    """A registry did not do what it was asked for; the text says which, and what came of it; never a key."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing
        """Whether it may go well the next time."""


@dataclass(frozen=True)
class Manifest:
    """What describes an image, or an index of several, byte for byte as a registry has it."""

    digest: str
    media_type: str
    content: bytes

    @property
    def children(self) -> list[str]:
        """Digests of the manifests that an index names. Raises RegistryError where it cannot be read."""
        return [str(each["digest"]) for each in self._described("manifests")]

    @property
    def blobs(self) -> dict[str, int]:
        """By digest the size of config and layers; layers that lie elsewhere are given to no registry.

        Raises RegistryError where it cannot be read.
        """
        described = [*self._described("config"), *self._described("layers")]
        return {str(each["digest"]): int(each["size"]) for each in described if not each.get("urls")}

    def _described(self, key: str) -> list[dict[str, Any]]:
        try:
            found = json.loads(self.content).get(key) or []
            described: list[dict[str, Any]] = [found] if isinstance(found, dict) else list(found)
            if all(isinstance(each["digest"], str) and isinstance(each["size"], int) for each in described):
                return described
        except (ValueError, AttributeError, TypeError, KeyError):
            pass
        raise RegistryError(f"the manifest {self.digest} cannot be read: its {key} is not as OCI has it")


class Body(Protocol):
    """A content that is sent as it is read; ``len`` is its size in bytes, so that it is sent in one piece."""

    len: int

    def read(self, size: int = -1, /) -> bytes: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Repository:
    """One repository of a registry: where the images of one name are, in one namespace."""

    def __init__(self, name: str, secret_key: str) -> None:
        """``name``: ``<host>/<namespace>/<image>``."""
        self.name = name
        self.host, _, self.path = name.partition("/")
        self._prefix = "http" if is_loopback(self.host.partition(":")[0]) else "https"
        self._secret_key = secret_key
        self._lock = Lock()
        self._auth: Any = None
        """How the registry wants to be told who asks: not known before it has refused once."""

    def digest_of(self, reference: str) -> str | None:
        """The digest under a tag or digest; None where there is nothing. Raises RegistryError."""
        answer = self._ask("HEAD", f"manifests/{reference}", missing=True, headers={"Accept": _ACCEPT})
        return None if answer is None else str(answer.headers.get("Docker-Content-Digest", "")) or None

    def manifest(self, reference: str) -> Manifest | None:
        """By tag or digest; None where there is none. Raises RegistryError, also for a content of another digest."""
        answer = self._ask("GET", f"manifests/{reference}", missing=True, headers={"Accept": _ACCEPT})
        if answer is None:
            return None
        content = answer.content
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        said = str(answer.headers.get("Docker-Content-Digest") or digest)
        if said != digest or (":" in reference and reference != digest):
            raise RegistryError(
                f"{self.name} answers, for the manifest {reference}, a content whose digest is {digest}"
            )
        return Manifest(digest, str(answer.headers.get("Content-Type", "")).partition(";")[0].strip(), content)

    def put_manifest(self, manifest: Manifest, reference: str) -> None:
        """Under a tag, or under its digest. Raises RegistryError."""
        self._ask("PUT", f"manifests/{reference}", headers={"Content-Type": manifest.media_type}, data=manifest.content)

    def blob_size(self, digest: str) -> int | None:
        """In bytes; None where there is no such blob. Raises RegistryError."""
        answer = self._ask("HEAD", f"blobs/{digest}", missing=True)
        return None if answer is None else int(answer.headers.get("Content-Length", -1))

    @contextmanager
    def blob(self, digest: str) -> Iterator[Iterator[bytes]]:
        """The content, in parts, for as long as the block. Raises RegistryError; on the way, requests' errors."""
        answer = self._ask("GET", f"blobs/{digest}", stream=True)
        assert answer is not None
        with answer:
            yield answer.iter_content(_CHUNK_BYTES)

    def begin_upload(self, digest: str, origin: Repository | None) -> str | None:
        """Where a blob is to be sent; None where the registry has taken it over from ``origin``.

        A registry that cannot take it over, or must not, asks for it as if there were no origin. Raises RegistryError.
        """
        query = f"?mount={digest}&from={origin.path}" if origin is not None else ""
        try:
            answer = self._ask("POST", f"blobs/uploads/{query}", data=b"")
        except RegistryError as error:
            if origin is None or error.passing:
                raise
            return self.begin_upload(digest, None)  # the key may not read there, and the registry says so
        assert answer is not None
        if answer.status_code == 201:
            return None
        location = answer.headers.get("Location", "")
        if not location:
            raise RegistryError(f"{self.name} does not say where blob {digest} is to be sent")
        return urljoin(f"{self._prefix}://{self.host}/", location)

    def finish_upload(self, location: str, digest: str, body: Body) -> None:
        """Send a blob in one request. Raises RegistryError; on the way, requests' errors."""
        # The key is for the registry, wherever it sends the bytes.
        own = urlsplit(location).netloc == self.host
        headers = {"Content-Type": "application/octet-stream", **(self._authorization() if own else {})}
        separator = "&" if urlsplit(location).query else "?"
        # Not asked for once more after 401, as `_ask` does: the body is used up then.
        answer = self._session.put(
            f"{location}{separator}digest={digest}",
            data=body if body.len else b"",
            headers=headers,
            timeout=_UPLOAD_TIMEOUT_SECONDS,
        )
        self._check(answer, f"blobs/{digest}", passing=answer.status_code == 401)

    def _ask(
        self, method: str, what: str, *, missing: bool = False, headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response | None:
        """None where it is not there, and may be ``missing``."""
        import requests

        url = f"{self._prefix}://{self.host}/v2/{self.path}/{what}"

        def send() -> requests.Response:
            told = (headers or {}) | self._authorization()
            return self._session.request(method, url, headers=told, timeout=_TIMEOUT_SECONDS, **more)

        try:
            answer = send()
            if answer.status_code == requests.codes.unauthorized:
                self._renew(answer)
                answer = send()
        except requests.RequestException as error:
            raise RegistryError(f"{self.name}: {type(error).__name__} at {what}", passing=True) from None
        if missing and answer.status_code == requests.codes.not_found:
            return None
        self._check(answer, what)
        return answer

    def _check(self, answer: requests.Response, what: str, *, passing: bool = False) -> None:
        if not answer.ok:
            status = answer.status_code
            raise RegistryError(
                f"{self.name}: status {status} at {what}{_reason(answer)}",
                passing=passing or status == 429 or status >= 500,
            )

    def _authorization(self) -> dict[str, str]:
        found: dict[str, str] = {} if self._auth is None else self._auth.get_auth_header()
        return found

    def _renew(self, refused: requests.Response) -> None:
        """Learn how to say who asks, or get a token for what was refused: a token is for some things and some time."""
        import oras.auth

        with self._lock:
            if self._auth is None:
                basic = str(refused.headers.get("Www-Authenticate", "")).lower().startswith("basic")
                made = oras.auth.get_auth_backend(
                    "basic" if basic else "token", self._session, insecure=self._prefix == "http"
                )
                made.set_basic_auth(USER, self._secret_key)
                self._auth = made
            try:
                self._auth.authenticate_request(refused, {}, refresh=True)
            except ValueError:
                raise RegistryError(f"{self.name} does not say how it wants to be told who asks") from None

    @cached_property
    def _session(self) -> requests.Session:
        import requests

        logging.getLogger("oras").setLevel(logging.CRITICAL)  # what it has to say comes as an answer
        session = requests.Session()
        session.auth = _as_it_is  # or else a login in ~/.netrc would take the key's place
        return session


class Registries:
    """The registries of images that are named with their digest, such as ``<host>/<name>@sha256:<digest>``."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key
        self._repositories: dict[str, Repository] = {}
        self._lock = Lock()

    def has(self, reference: str) -> bool:
        """Whether the registry holds the image. Raises OpsError when it does not say."""
        parts = _REFERENCE.match(reference)
        if parts is None:
            raise OpsError(f"{reference} is no image by digest", ExitCode.FAILED)
        return self.digest_of(f"{parts['host']}/{parts['name']}", parts["digest"]) is not None

    def digest_of(self, repository: str, reference: str) -> str | None:
        """The digest of the image with a tag (or digest), None where there is none.

        ``repository``: ``<host>/<namespace>/<name>``. Raises OpsError when the registry does not say.
        """
        try:
            return self.repository(repository).digest_of(reference)
        except RegistryError as error:
            host = repository.partition("/")[0]
            raise OpsError(
                f"The registry {host} does not say whether it has {repository}:{reference}: {error}", ExitCode.FAILED
            ) from None

    def repository(self, name: str) -> Repository:
        """``name``: ``<host>/<namespace>/<image>``."""
        with self._lock:
            if name not in self._repositories:
                self._repositories[name] = Repository(name, self._secret_key)
            return self._repositories[name]


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _reason(answer: requests.Response) -> str:
    """What the registry gives as a reason, on one line."""
    try:
        said = "; ".join(str(each["message"]) for each in answer.json()["errors"])
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {' '.join(said.split())[:_LONGEST_REASON]}"
