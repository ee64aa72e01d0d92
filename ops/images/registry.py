"""Asks an OCI registry what it holds; no Docker is needed."""

from __future__ import annotations

import ipaddress
import logging
import re
from threading import Lock
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import oras.provider
    import requests

USER = "nologin"
"""Scaleway's registry takes any name; its documentation says this one."""
_REFERENCE = re.compile(r"^(?P<host>[^/]+)/(?P<name>[^@]+)@(?P<digest>sha256:[0-9a-f]{64})$")
_ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


def is_by_digest(reference: str) -> bool:
    return _REFERENCE.match(reference) is not None


class Registries:
    """The registries of images that are named with their digest, such as ``<host>/<name>@sha256:<digest>``."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key
        self._clients: dict[str, oras.provider.Registry] = {}
        self._lock = Lock()
        """Builds that go on side by side ask one after the other."""

    def has(self, reference: str) -> bool:
        """Whether the registry holds the image. Raises OpsError when it does not say."""
        parts = _REFERENCE.match(reference)
        if parts is None:
            raise OpsError(f"{reference} is no image by digest", ExitCode.FAILED)
        return self._ask(*parts.group("host", "name", "digest")) is not None

    def digest_of(self, repository: str, tag: str) -> str | None:
        """The digest of the image with a tag, None where there is none. Raises OpsError when the registry does not say.

        ``repository``: ``<host>/<namespace>/<name>``.
        """
        host, _, name = repository.partition("/")
        answer = self._ask(host, name, tag)
        return None if answer is None else str(answer.headers.get("Docker-Content-Digest", "")) or None

    def _ask(self, host: str, name: str, reference: str) -> requests.Response | None:
        """What the registry says of a manifest; None where there is none."""
        import requests

        asked = f"{host}/{name}:{reference}"
        try:
            with self._lock:
                client = self._client(host)
                answer: requests.Response = client.do_request(
                    f"{client.prefix}://{host}/v2/{name}/manifests/{reference}", "HEAD", headers={"Accept": _ACCEPT}
                )
        except (requests.RequestException, ValueError) as error:
            raise _silent(host, asked, type(error).__name__) from None
        if answer.status_code == requests.codes.not_found:
            return None
        if not answer.ok:
            raise _silent(host, asked, f"status {answer.status_code}")
        return answer

    def _client(self, host: str) -> oras.provider.Registry:
        if host not in self._clients:
            self._clients[host] = self._connected(host)
        return self._clients[host]

    def _connected(self, host: str) -> oras.provider.Registry:
        import oras.provider
        import requests

        logging.getLogger("oras").setLevel(logging.CRITICAL)  # what it has to say comes as an answer
        prefix = "http" if _is_loopback(host) else "https"
        try:
            asked: Any = requests.get(f"{prefix}://{host}/v2/", timeout=30)
        except requests.RequestException as error:
            raise _silent(host, host, type(error).__name__) from None
        basic = str(asked.headers.get("Www-Authenticate", "")).lower().startswith("basic")
        client = oras.provider.Registry(host, insecure=prefix == "http", auth_backend="basic" if basic else "token")
        client.auth.set_basic_auth(USER, self._secret_key)
        return client


def _silent(host: str, reference: str, said: str) -> OpsError:
    return OpsError(f"The registry {host} does not say whether it has {reference}: {said}", ExitCode.FAILED)


def _is_loopback(host: str) -> bool:
    name = host.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
