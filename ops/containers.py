"""Status of a stack's containers and domains, because the provider treats a container in ``error`` as deployed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.operation_record import OperationRecord
from ops.scaleway.catalogue import CONTAINER, CONTAINER_DOMAIN, ResourceKind, bare_id
from ops.scaleway.client import REQUEST_SECONDS, Client, ScalewayError, concurrent_map, http_client
from ops.stacks import Stack
from ops.steps import name_of

if TYPE_CHECKING:
    import httpx

NO_ANSWER = "no response from Scaleway"
GONE = "gone"
"""The status of a container that no longer exists."""
_TRANSIENT = frozenset({"creating", "updating", "upgrading", "locking", "deleting", NO_ANSWER})
_FAILED = frozenset({"error", "locked"})
_POLL_SECONDS = 1.0
_LOCAL_POLL_SECONDS = 0.1
_PAGE_HEADER = "x-local-scaleway"
_SHOWN_VERSION = 60
_SILENCE_SECONDS = 30.0
"""How long to wait without a response before giving up; Scaleway or the network may be down."""


@dataclass(frozen=True)
class Container:
    """A container of the stack, or one of its domains, with its status."""

    id: str
    """``<region>/<uuid>``."""
    name: str
    """Name on Scaleway."""
    hosts: tuple[str, ...] = ()
    """Host names: the container's domains, or else the platform's endpoint."""
    public: bool = True
    status: str = "unknown"
    error_message: str = ""
    kind: ResourceKind = CONTAINER
    """``CONTAINER`` or ``CONTAINER_DOMAIN``."""
    app: str = ""
    """The app's key in the stack's settings."""

    @property
    def bare_id(self) -> str:
        """The id without the region."""
        return bare_id(self.id)

    @property
    def is_transient(self) -> bool:
        return self.status in _TRANSIENT

    @property
    def failed(self) -> bool:
        return self.status in _FAILED


def containers_in(record: OperationRecord) -> list[Container]:
    """An update's containers, including unchanged ones."""
    return _containers(_states(record))


def containers_of(latest: Mapping[str, Any]) -> list[Container]:
    """The containers of a stack's state."""
    return _containers(latest.get("resources") or [])


def _states(record: OperationRecord) -> list[Mapping[str, Any]]:
    """Resource states after the operation, except those from its refresh, which may have been deleted since."""
    steps = (item.step for item in record.steps.values() if not item.refreshed)
    return [step.new for step in steps if step.new and not step.is_replacement_part]


def _containers(states: Collection[Mapping[str, Any]]) -> list[Container]:
    hosts: dict[str, list[str]] = {}
    for state in states:
        if state.get("type") == CONTAINER_DOMAIN.token:
            hosts.setdefault(bare_id(_value(state, "containerId")), []).append(_value(state, "hostname"))
    found = {}
    for state in states:
        identity = str(state.get("id") or "")
        if state.get("type") == CONTAINER.token and identity:
            found[identity] = Container(
                id=identity,
                name=_value(state, "name"),
                hosts=tuple(
                    dict.fromkeys(
                        hosts.get(bare_id(identity)) or filter(None, [_host(_value(state, "publicEndpoint"))])
                    )
                ),
                public=_value(state, "privacy") != "private",
                status=_value(state, "status") or "unknown",
                error_message=_value(state, "errorMessage"),
                app=name_of(str(state.get("parent") or "")),
            )
    return sorted(found.values(), key=lambda container: container.name)


def domains_in(record: OperationRecord) -> list[Container]:
    """The domains of an update's containers, including unchanged ones. Their names are the host names."""
    domains = {
        identity: Container(identity, _value(state, "hostname"), kind=CONTAINER_DOMAIN)
        for state in _states(record)
        if state.get("type") == CONTAINER_DOMAIN.token and (identity := str(state.get("id") or ""))
    }
    return sorted(domains.values(), key=lambda domain: domain.name)


def _value(state: Mapping[str, Any], key: str) -> str:
    for part in ("outputs", "inputs"):
        value = (state.get(part) or {}).get(key)
        if isinstance(value, str):
            return value
    return ""


def _host(endpoint: str) -> str:
    return endpoint.removeprefix("https://").removeprefix("http://").rstrip("/")


class Api:
    """Sends the requests that check a deployment, both to Scaleway and to the containers."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError if there is no API key."""
        self._local = stack.is_local
        try:
            self._client = Client.of(stack, environ)
        except OpsError as error:
            raise OpsError(f"The containers were not checked: {error}", ExitCode.CONTAINERS) from None
        self.poll_seconds = _LOCAL_POLL_SECONDS if stack.is_local else _POLL_SECONDS

    @cached_property
    def _hosts(self) -> httpx.Client:
        return http_client(self._client.profile)

    def current(self, container: Container) -> Container:
        """The container with its current status. Raises OpsError if Scaleway rejects the request."""
        region, _, identity = container.id.rpartition("/")
        path = container.kind.listing.object_at(region=region, id=identity)
        try:
            response = self._client.get(path, retry=False)
        except ScalewayError as error:
            if error.is_transient:
                return replace(container, status=NO_ANSWER)
            if error.is_not_found:
                return replace(container, status=GONE)
            raise OpsError(f"{container.name} was not checked: {error}", ExitCode.CONTAINERS) from None
        return replace(
            container, status=str(response.get("status")), error_message=str(response.get("error_message") or "")
        )

    def redeploy(self, container: Container) -> str:
        """Redeploy the container. Returns an error message, or an empty string on success.

        See `RedeployContainer` in https://www.scaleway.com/en/developers/api/serverless-containers/.
        """
        region, _, identity = container.id.rpartition("/")
        try:
            self._client.post(f"{container.kind.listing.object_at(region=region, id=identity)}/redeploy")
        except ScalewayError as error:
            if not error.is_not_found:  # the check that follows reports missing containers
                return f"The container {container.name} was not redeployed: {error}"
        return ""

    def url(self, host: str) -> str:
        """The URL for opening a host in a browser."""
        if not self._local:
            return f"https://{host}"
        import httpx

        return f"http://{host}:{httpx.URL(self._client.profile.api_url).port or 80}"

    def request_problem(self, host: str) -> str:
        """The problem with the host's response, or an empty string."""
        import httpx

        try:
            response = self._get(host, "/")
        except httpx.TransportError as error:
            return f"no response ({error})"
        return "" if response.status_code < 500 else f"answered {response.status_code}"

    def wrong_version(self, host: str, path: str, expected: str) -> str:
        """The problem with the version that the host reports; empty if the version is ``expected``.

        Containers without a process on the local Scaleway report no version, which is accepted.
        """
        import httpx

        try:
            response = self._get(host, path)
        except httpx.TransportError as error:
            return f"no response ({error})"
        if self._local and _PAGE_HEADER in response.headers and response.status_code < 500:
            return ""
        if response.status_code != 200:
            return f"answered {response.status_code}"
        try:
            version = response.json()["version"]
        except (ValueError, KeyError, TypeError):
            return "reports no version; expected a JSON object with the key `version`"
        return "" if version == expected else f"reports version {str(version)[:_SHOWN_VERSION]}, expected {expected}"

    def _get(self, host: str, path: str) -> httpx.Response:
        """Request a path from a host.

        Requests to local hosts always go to the local Scaleway's address, bypassing DNS.
        """
        import httpx

        if self._local:
            return self._hosts.get(path, headers={"Host": host})
        return httpx.get(f"https://{host}{path}", timeout=REQUEST_SECONDS)


def wait_until_settled(
    current: Callable[[Container], Container],
    containers: Iterable[Container],
    *,
    seconds: float,
    poll_seconds: float,
    progress: Callable[[list[Container]], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Container]:
    """Poll the containers until none has a transient status, for at most ``seconds``.

    ``current`` reads a container's status. The wait ends early if Scaleway does not respond for 30 seconds.
    """
    deadline = clock() + seconds
    last_answer = clock()
    settled = concurrent_map(current, containers)
    while waiting := [container for container in settled if container.is_transient]:
        if any(container.status != NO_ANSWER for container in waiting):
            last_answer = clock()
        if clock() >= min(deadline, last_answer + _SILENCE_SECONDS):
            break
        progress(waiting)
        sleep(poll_seconds)
        settled = concurrent_map(lambda container: current(container) if container.is_transient else container, settled)
    return settled
