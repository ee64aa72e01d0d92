"""A client for Scaleway's HTTP API: authentication, retries, paging and errors."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.profile import Profile

if TYPE_CHECKING:
    import httpx

    from ops.scaleway.list_call import ListCall
    from ops.stacks import Stack

REQUEST_SECONDS = 30.0
RETRY_SECONDS = (0.5, 1.0, 2.0)
"""Backoff before each retry."""
_PAGE_SIZE = 100
"""The largest page size that every product allows."""
_CONCURRENCY = 8
_NOT_FOUND, _CONFLICT, _TOO_MANY_REQUESTS = 404, 409, 429
_CHANGES = ("DELETE", "PATCH")

Object = dict[str, Any]
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class ScalewayError(OpsError):
    """Scaleway refused a request or did not respond to it."""

    def __init__(self, message: str, status: int, code: ExitCode) -> None:
        """``status``: the HTTP status; 0 if there was no response."""
        super().__init__(message, code)
        self.status = status

    @property
    def is_not_found(self) -> bool:
        return self.status == _NOT_FOUND

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (0, _TOO_MANY_REQUESTS) or self.status >= 500


class Client:
    """Accesses Scaleway's API with a profile's key. Safe to share between threads.

    Requests are retried if there is no response or the status is 429 or 5xx; DELETE and PATCH are also retried on 409,
    which is returned for an object in a transient state. A POST may therefore be executed twice. Requests raise
    ScalewayError if they still fail after the retries.
    """

    def __init__(
        self,
        profile: Profile,
        failure: ExitCode = ExitCode.FAILED,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``failure``: the exit code for errors."""
        self.profile = profile
        self._failure = failure
        self._http = http_client(profile, {"X-Auth-Token": profile.secret_key}, transport)

    @classmethod
    def of(cls, stack: Stack, environ: Mapping[str, str], failure: ExitCode = ExitCode.FAILED) -> Self:
        """A client for the API that manages the stack's resources. Raises OpsError if there is no key."""
        return cls(Profile.of(stack, environ), failure)

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, path: str, query: Mapping[str, str] | None = None, *, retry: bool = True) -> Object:
        """Callers that poll set ``retry`` to False."""
        return self._request("GET", path, query=query, retry=retry)

    def post(
        self, path: str, body: Object | None = None, headers: Mapping[str, str] | None = None, *, retry: bool = True
    ) -> Object:
        """The request may be executed twice if it is retried; see the class."""
        return self._request("POST", path, body, headers=headers, retry=retry)

    def patch(self, path: str, body: Object) -> Object:
        return self._request("PATCH", path, body)

    def delete(self, path: str, body: Object | None = None) -> None:
        """Delete an object, or the one specified in ``body``; succeeds even if it no longer exists."""
        try:
            self._request("DELETE", path, body)
        except ScalewayError as error:
            if not error.is_not_found:
                raise

    def list(self, call: ListCall, query: Mapping[str, str] | None = None, /, **properties: str) -> Iterator[Object]:
        """All objects from all pages of a list call.

        ``properties`` complete the call's path; the region defaults to the profile's.
        """
        path = call.at(**{"region": self.profile.region, **properties})
        if not call.key:
            yield self.get(path, query)
            return
        seen, page = 0, 0
        while True:
            page += 1
            response = self.get(path, {**(query or {}), "page": str(page), "page_size": str(_PAGE_SIZE)})
            objects = response.get(call.key) or []
            yield from objects
            seen += len(objects)
            total = response.get("total_count")
            if not objects or (len(objects) < _PAGE_SIZE if total is None else seen >= int(total)):
                return

    def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        retry: bool = True,
    ) -> Object:
        delays = iter(RETRY_SECONDS if retry else ())
        while True:
            try:
                return self._attempt(method, path, body, query, headers)
            except ScalewayError as error:
                conflict = error.status == _CONFLICT and method in _CHANGES
                delay = next(delays, None) if error.is_transient or conflict else None
                if delay is None:
                    raise
            time.sleep(delay)

    def _attempt(
        self,
        method: str,
        path: str,
        body: Object | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Object:
        import httpx

        try:
            response = self._http.request(method, path, json=body, params=query, headers=headers)
        except httpx.RequestError as error:
            # The error's own text may repeat a header.
            cause = f"did not respond to {method} {path} ({type(error).__name__})"
            if self.profile.is_local:
                raise self._error(f"The local Scaleway {cause}. Start it with: scripts/snu local start", 0) from None
            raise self._error(f"Scaleway {cause}", 0) from None
        status = response.status_code
        if not response.is_success:
            said = _message(response)
            raise self._error(f"Scaleway returned {status} for {method} {path}" + (f": {said}" if said else ""), status)
        if not response.content:
            return {}
        try:
            answer: Any = response.json()
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise self._error(f"Scaleway did not return a JSON object for {method} {path}", status)
        return answer

    def _error(self, message: str, status: int) -> ScalewayError:
        return ScalewayError(message, status, self._failure)


def http_client(
    profile: Profile, headers: Mapping[str, str] | None = None, transport: httpx.BaseTransport | None = None
) -> httpx.Client:
    """An HTTP client for the profile's address."""
    return client_for(profile.api_url, headers, is_local=profile.is_local, transport=transport)


def client_for(
    url: str,
    headers: Mapping[str, str] | None,
    *,
    is_local: bool,
    seconds: float = REQUEST_SECONDS,
    transport: httpx.BaseTransport | None = None,
) -> httpx.Client:
    """An HTTP client for an address. It never uses a proxy for a local one. ``seconds``: the timeout."""
    import httpx

    return httpx.Client(
        base_url=url,
        headers=headers,
        timeout=seconds,
        trust_env=not is_local,
        # The local Scaleway speaks plain HTTP: this context does not load CA certificates, which is slow.
        verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if is_local else True,
        transport=transport,
    )


def concurrent_map(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """The results in the order of the items, computed by at most 8 concurrent calls."""
    with ThreadPoolExecutor(_CONCURRENCY) as pool:
        return [*pool.map(function, items)]


def _message(response: httpx.Response) -> str:
    """The message in the body of an error response; empty if there is none."""
    try:
        body: Any = response.json()
    except ValueError:
        return ""
    return str(body.get("message") or "") if isinstance(body, dict) else ""
