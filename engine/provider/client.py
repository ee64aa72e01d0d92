"""Scaleway's HTTP API, as the provider uses it: its waits, its retries and its error texts."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import sys
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import urlsplit

from engine.errors import EngineError, ProviderError
from pulumi_state.values import PropertyMap, unwrap

# httpx without its command line, whose parts take longer to import than all the rest of it.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
import httpx  # noqa: E402

_RETRY_SECONDS = (0.5, 1.0, 2.0)
_TIMEOUT_SECONDS = 60.0
_TRANSIENT_STATUS_CODES = frozenset({429, 500, 502, 503, 504})
_POLL_SECONDS = 0.1
_POLL_LONGEST_SECONDS = 2.0
_WAIT_SECONDS = 600.0


_TOUCHED: ContextVar[list[str] | None] = ContextVar("touched", default=None)
"""Writing requests that were carried out, or may have been, since somebody asked to be told of doubt."""


def _touch(method: str, path: str) -> None:
    touched = _TOUCHED.get()
    if touched is not None and method != "GET":
        touched.append(path)


class ApiError(ProviderError):
    """An answer that is no success; ``status`` is the HTTP status code."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def loopback_problem(url: str) -> str | None:
    """Why the embedded engine refuses an address, or None where it is one of this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        valid = parts.scheme in ("http", "https") and host != "" and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        return f"scaleway:apiUrl is {url!r}; expected http://127.0.0.1:<port>"
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        return (
            f"scaleway:apiUrl is {url!r}; the embedded engine works on the local Scaleway only "
            "(127.0.0.1, ::1 or localhost): use the Pulumi CLI for a real account (--engine pulumi)"
        )
    return None


def check_config(config: PropertyMap) -> list[str]:
    """What is wrong with the provider's configuration."""
    problem = loopback_problem(str(unwrap(config.get("apiUrl", ""))))
    return [problem] if problem else []


class Client:
    """Raises ApiError for answers that are no success, ProviderError when there is no answer."""

    def __init__(self, config: Mapping[str, str]) -> None:
        """``config`` is the provider's: apiUrl, secretKey, region, projectId, organizationId."""
        url = config.get("apiUrl", "")
        problem = loopback_problem(url)
        if problem:
            raise EngineError(problem)
        self.region = config.get("region", "fr-par")
        self.project_id = config.get("projectId", "")
        self.organization_id = config.get("organizationId", "")
        self._url = url
        self._http = httpx.AsyncClient(
            base_url=url,
            headers={"X-Auth-Token": config.get("secretKey", "")},
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # trusts nobody: to read whom it could trust takes time
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
        )

    async def close(self) -> None:
        await self._http.aclose()

    @contextlib.contextmanager
    def marking_uncertain(self) -> Iterator[None]:
        """A ProviderError that comes out of here says whether the platform may have changed all the same."""
        touched: list[str] = []
        token = _TOUCHED.set(touched)
        try:
            yield
        except ProviderError as error:
            error.uncertain = bool(touched)
            raise
        finally:
            _TOUCHED.reset(token)

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
                response = await self._http.request(method, path, json=body, params=query)
            except httpx.ConnectError as error:
                raise ProviderError(
                    f"the local Scaleway at {self._url} does not answer: start it with `scripts/snu local start`"
                ) from error
            except httpx.HTTPError as error:
                uncertain = True
                _touch(method, path)
                if seconds is None:
                    raise ProviderError(f"{method} {path}: {_silence(error)}") from error
            else:
                if response.is_success:
                    _touch(method, path)
                if response.status_code not in _TRANSIENT_STATUS_CODES or seconds is None:
                    return _content(response, uncertain=uncertain)
                uncertain = uncertain or response.is_server_error
                with contextlib.suppress(ValueError):
                    seconds = float(response.headers.get("Retry-After", seconds))
            await asyncio.sleep(seconds)
        raise AssertionError("unreachable")

    async def wait(self, path: str, transient: frozenset[str]) -> Any:
        """Read an object until its ``status`` is none of ``transient``."""
        interval = _POLL_SECONDS
        waited = 0.0
        while True:
            found = await self.get(path)
            if found.get("status") not in transient:
                return found
            if waited > _WAIT_SECONDS:
                raise ProviderError(f"{path} is still {found.get('status')} after {int(waited)} s")
            await asyncio.sleep(interval)
            waited += interval
            interval = min(interval * 1.5, _POLL_LONGEST_SECONDS)

    async def wait_gone(self, path: str, gone: frozenset[int] = frozenset({404})) -> None:
        """Read an object until the answer's status code is one of ``gone``."""
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
        raise ProviderError(f"{path} is still there after {int(waited)} s")


def _silence(error: httpx.HTTPError) -> str:
    """What the last of the attempts without an answer ended with, in words."""
    attempts = f"{len(_RETRY_SECONDS) + 1} attempts"
    if isinstance(error, httpx.TimeoutException):
        return f"no answer within {_TIMEOUT_SECONDS:.0f} seconds ({attempts})"
    return f"no answer: the local Scaleway closed the connection ({attempts})"


def _content(response: httpx.Response, *, uncertain: bool) -> Any:
    """``uncertain``: an earlier attempt may have been carried out, although it looked like a failure."""
    if response.is_success:
        try:
            return response.json() if response.content else {}
        except ValueError:
            kind = response.headers.get("Content-Type", "unknown content")
            raise ProviderError(f"{response.request.method} {response.url.path}: answered {kind}, not JSON") from None
    text = error_text(response)
    if uncertain and response.status_code == httpx.codes.CONFLICT:
        text += "; an earlier attempt got no answer and may have made it: look for it before you try again"
    raise ApiError(response.status_code, text)


def error_text(response: httpx.Response) -> str:
    """The platform's error in the words of its SDK (``scaleway-sdk-go/scw/errors.go``)."""
    try:
        body = response.json()
    except ValueError:
        body = {}
    status = f"{response.status_code} {response.reason_phrase}"
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
            return f"scaleway-sdk-go: precondition failed: , {body.get('help_message', '')}"  # it says no more
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
