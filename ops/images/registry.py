"""Asks an OCI registry what it holds; no Docker is needed."""

from __future__ import annotations

import ipaddress
import logging
import re
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode

if TYPE_CHECKING:
    import oras.provider

_USER = "nologin"
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

    def has(self, reference: str) -> bool:
        """Whether the registry holds the image. Raises OpsError when it does not say."""
        parts = _REFERENCE.match(reference)
        if parts is None:
            raise OpsError(f"{reference} is no image by digest", ExitCode.FAILED)
        host, name, digest = parts.group("host", "name", "digest")
        import requests

        client = self._client(host)
        try:
            answer = client.do_request(
                f"{client.prefix}://{host}/v2/{name}/manifests/{digest}", "HEAD", headers={"Accept": _ACCEPT}
            )
        except (requests.RequestException, ValueError) as error:
            raise _silent(host, reference, type(error).__name__) from None
        if answer.status_code == requests.codes.not_found:
            return False
        if not answer.ok:
            raise _silent(host, reference, f"status {answer.status_code}")
        return True

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
        client.auth.set_basic_auth(_USER, self._secret_key)
        return client


def _silent(host: str, reference: str, said: str) -> OpsError:
    return OpsError(f"The registry {host} does not say whether it has {reference}: {said}", ExitCode.FAILED)


def _is_loopback(host: str) -> bool:
    name = host.partition(":")[0]
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
