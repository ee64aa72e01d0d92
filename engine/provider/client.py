"""A client for Scaleway's HTTP API with the waits, retries and error messages of the real provider."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError, ProviderError
from engine.provider.http import ConnectionFailedError, HttpClient, NoResponseError, Response
from pulumi_state.values import PropertyMap, unwrap

_RETRY_SECONDS = (0.5, 1.0, 2.0)
_TIMEOUT_SECONDS = 60.0
_TRANSIENT_STATUS_CODES = frozenset({429, 500, 502, 503, 504})
_POLL_SECONDS = 0.1
_POLL_LONGEST_SECONDS = 2.0
_WAIT_SECONDS = 600.0


_WRITES: ContextVar[list[str] | None] = ContextVar("writes", default=None)
"""Paths of the write requests inside ``Client.marking_uncertain`` that took effect or may have taken effect."""


def _record_write(method: str, path: str) -> None:
    writes = _WRITES.get()
    if writes is not None and method != "GET":
        writes.append(path)


class ApiError(ProviderError):
    """An error response; ``status`` is the HTTP status code."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def loopback_problem(url: str) -> str | None:
    """Return why the embedded engine rejects an address, or None for a loopback address."""
    host, valid = "", False
    with contextlib.suppress(ValueError):
        parts = urlsplit(url)
        host = parts.hostname or ""
        valid = parts.scheme in ("http", "https") and host != "" and parts.port != 0
    if not valid:
        return f"scaleway:apiUrl: found {url or 'no address'}; expected http://127.0.0.1:<port>"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        return (
            f"scaleway:apiUrl: found {url}; the embedded engine supports only the local Scaleway "
            "(127.0.0.1, ::1 or localhost). Use the Pulumi CLI for a real account (--engine pulumi)"
        )
    return None


def check_config(config: PropertyMap) -> list[str]:
    """Return the problems in the provider's configuration."""
    problem = loopback_problem(str(unwrap(config.get("apiUrl", ""))))
    return [problem] if problem else []


class Client:
    """An HTTP client. Raises ApiError for an error response and ProviderError if no response arrives."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """Use the provider's configuration: apiUrl, secretKey, region, projectId, organizationId."""
        url = config.get("apiUrl", "")
        problem = loopback_problem(url)
        if problem:
            raise EngineError(problem)
        self.region = config.get("region", "fr-par")
        self.project_id = config.get("projectId", "")
        self.organization_id = config.get("organizationId", "")
        self._url = url
        self._http = HttpClient(url, {"X-Auth-Token": config.get("secretKey", "")}, _TIMEOUT_SECONDS)

    async def close(self) -> None:
        await self._http.close()

    @contextlib.contextmanager
    def marking_uncertain(self) -> Iterator[None]:
        """Set ``uncertain`` on a ProviderError raised in this context if an earlier write may have taken effect."""
        writes: list[str] = []
        token = _WRITES.set(writes)
        try:
            yield
        except ProviderError as error:
            error.uncertain = bool(writes)
            raise
        finally:
            _WRITES.reset(token)

    async def get(self, path: str, **query: str) -> Any:
        return await self._call("GET", path, query=query)

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._call("POST", path, body)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._call("PUT", path, body)

    async def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return await self._call("PATCH", path, body)

    async def delete(self, path: str, body: Mapping[str, Any] | None = None, **query: str) -> Any:
        return await self._call("DELETE", path, body, query)

    async def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Any:
        uncertain = False
        for seconds in (*_RETRY_SECONDS, None):
            try:
                response = await self._http.request(method, path, body, query)
            except ConnectionFailedError as error:
                raise ProviderError(
                    f"the local Scaleway at {self._url} is not responding; start it with `scripts/snu local start`"
                ) from error
            except (NoResponseError, TimeoutError) as error:
                uncertain = True
                _record_write(method, path)
                if seconds is None:
                    raise ProviderError(f"{method} {path}: {_no_response(error)}") from error
            else:
                if response.is_success:
                    _record_write(method, path)
                if response.status not in _TRANSIENT_STATUS_CODES or seconds is None:
                    return _content(response, f"{method} {path}", uncertain=uncertain)
                uncertain = uncertain or response.is_server_error
                with contextlib.suppress(ValueError):
                    seconds = float(response.headers.get("retry-after", seconds))
            await asyncio.sleep(seconds)
        raise AssertionError("unreachable")

    async def wait(self, path: str, transient: frozenset[str]) -> Any:
        """Poll an object until its ``status`` is no longer in ``transient``."""
        interval = _POLL_SECONDS
        waited = 0.0
        while True:
            response = await self.get(path)
            if response.get("status") not in transient:
                return response
            if waited > _WAIT_SECONDS:
                raise ProviderError(f"{path} is still {response.get('status')} after {int(waited)} s")
            await asyncio.sleep(interval)
            waited += interval
            interval = min(interval * 1.5, _POLL_LONGEST_SECONDS)

    async def wait_gone(self, path: str, gone: frozenset[int] = frozenset({404})) -> None:
        """Poll an object until the response's status code is in ``gone``."""
        interval = _POLL_SECONDS
        waited = 0.0
        while waited <= _WAIT_SECONDS:
            try:
                await self.get(path)
            except ApiError as error:
                if error.status in gone:
                    return
                raise
            await asyncio.sleep(interval)
            waited += interval
            interval = min(interval * 1.5, _POLL_LONGEST_SECONDS)
        raise ProviderError(f"{path} still exists after {int(waited)} s")


def _no_response(error: Exception) -> str:
    """Describe why the last attempt failed."""
    attempts = f"{len(_RETRY_SECONDS) + 1} attempts"
    if isinstance(error, TimeoutError):
        return f"no response within {_TIMEOUT_SECONDS:.0f} seconds ({attempts})"
    return f"no response: the local Scaleway closed the connection ({attempts})"


def _content(response: Response, request: str, *, uncertain: bool) -> Any:
    """Return the JSON. ``uncertain`` means that an earlier attempt without a response may have taken effect."""
    if response.is_success:
        try:
            return response.json() if response.content else {}
        except ValueError:
            kind = response.headers.get("content-type", "unknown content")
            raise ProviderError(f"{request}: found {kind}; expected JSON") from None
    message = error_text(response)
    if uncertain and response.status == HTTPStatus.CONFLICT:
        message += "; an earlier attempt got no response and may have created the resource: check before retrying"
    raise ApiError(response.status, message)


def error_text(response: Response) -> str:
    """Return an error response's message in the SDK's wording (``scaleway-sdk-go/scw/errors.go``)."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    status = f"{response.status} {response.reason}"
    if not isinstance(body, dict) or not body:
        body = {"message": status}
    message = str(body.get("message", ""))
    details = body.get("details") or []
    resource, resource_id = body.get("resource", ""), body.get("resource_id", "")
    match body.get("type"):
        case "invalid_arguments":
            listed = "; ".join(
                f"{item.get('argument_name')} {_reason(item.get('reason'))}{_help(item)}" for item in details
            )
            return f"scaleway-sdk-go: invalid argument(s): {listed or message}"
        case "permissions_denied":
            listed = "; ".join(f"{item.get('action')} {item.get('resource')}" for item in details)
            return f"scaleway-sdk-go: insufficient permissions: {listed}"
        case "denied_authentication":
            return "scaleway-sdk-go: denied authentication: invalid API key format or empty value"
        case "not_found":
            return f"scaleway-sdk-go: resource {resource} with ID {resource_id} is not found"
        case "transient_state":
            return (
                f"scaleway-sdk-go: resource {resource} with ID {resource_id} is in a transient state: "
                f"{body.get('current_state')}"
            )
        case "precondition_failed":
            return f"scaleway-sdk-go: precondition failed: , {body.get('help_message', '')}"  # as the SDK prints it
        case "locked":
            return f"scaleway-sdk-go: resource {resource} with ID {resource_id} is locked"
        case "resource_expired":
            since = str(body.get("expired_since", "")).replace("T", " ").replace("Z", " +0000 UTC")
            return f"scaleway-sdk-go: resource {resource} with ID {resource_id} expired since {since}"
        case "quotas_exceeded":
            listed = "; ".join(
                f"{item.get('resource')} has reached its quota ({item.get('current')}/{item.get('quota')})"
                for item in details
            )
            return f"scaleway-sdk-go: quota exceeded(s): {listed}"
    named = f"resource {resource}: " if resource else ""
    return f"scaleway-sdk-go: http error {status}: {named}{message}"


def _reason(reason: str | None) -> str:
    return {"required": "is required", "constraint": "does not respect constraint"}.get(reason or "", "is invalid")


def _help(item: Mapping[str, Any]) -> str:
    return f", {item['help_message']}" if item.get("help_message") else ""
