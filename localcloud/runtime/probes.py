"""Startup and liveness probes.

They follow ``scaleway_facts.behaviour``, or Kubernetes where Scaleway documents no behaviour.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from localcloud.runtime.clock import Clock
from localcloud.runtime.revision import Probe

Check = Callable[[str, Probe], Awaitable[str]]
"""Runs a probe against an address. Returns the problem, or an empty string."""

_SETTLE_SECONDS = 0.5
_POLL_SECONDS = 0.25


async def until_started(check: Check, address: str, probe: Probe, clock: Clock) -> str:
    """Repeat the probe until it succeeds. Returns an empty string, or the problem if it fails too often."""
    failures = 0
    while fault := await check(address, probe):
        failures += 1
        if failures >= probe.failure_threshold:
            return f"its startup probe failed {_times(failures)}: {fault}"
        await clock.sleep(probe.interval)
    return ""


async def until_listening(check: Check, address: str, port: int, seconds: float, clock: Clock) -> str:
    """Wait up to ``seconds`` for the port to accept a connection; used if there is no startup probe.

    Returns an empty string, or the problem.
    """
    probe = Probe(None, _POLL_SECONDS, 1.0, 1)
    deadline = clock.now() + seconds
    while await check(address, probe):
        if clock.now() >= deadline:
            return f"it did not listen on port {port} within {seconds:.0f} s"
        await clock.sleep(probe.interval)
    return ""


async def until_unhealthy(check: Check, address: str, probe: Probe, clock: Clock) -> str:
    """Repeat the probe until it fails ``failure_threshold`` times in a row, and return the problem."""
    failures = 0
    while True:
        await clock.sleep(probe.interval)
        fault = await check(address, probe)
        failures = failures + 1 if fault else 0
        if failures >= probe.failure_threshold:
            return f"its liveness probe failed {_times(failures)}: {fault}"


async def until_healthy(check: Check, address: str, probe: Probe, clock: Clock) -> None:
    """Repeat the probe until it succeeds."""
    while True:
        await clock.sleep(probe.interval)
        if not await check(address, probe):
            return


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in a row"


class NetworkCheck:
    """Runs probes over the network."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, address: str, probe: Probe) -> str:
        return await (self._tcp(address, probe) if probe.path is None else self._http(address, probe, probe.path))

    async def _http(self, address: str, probe: Probe, path: str) -> str:
        try:
            async with asyncio.timeout(probe.timeout):
                response = await self._client.get(f"http://{address}{path}", headers={"Connection": "close"})
        except TimeoutError:
            return f"GET {path} got no response within {probe.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL):
            return f"GET {path} got no response"
        return "" if 200 <= response.status_code < 400 else f"GET {path} returned {response.status_code}"

    async def _tcp(self, address: str, probe: Probe) -> str:
        """Docker accepts connections to a published port even if nothing is listening, and closes them immediately."""
        host, _, port = address.rpartition(":")
        started = time.monotonic()
        try:
            async with asyncio.timeout(probe.timeout):
                reader, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            return "the port is not accepting connections"
        try:
            remaining = probe.timeout - (time.monotonic() - started)
            async with asyncio.timeout(min(_SETTLE_SECONDS, max(remaining, 0.0))):
                return "" if await reader.read(1) else "the port is not accepting connections"
        except TimeoutError:
            return ""
        except OSError:
            return "the port is not accepting connections"
        finally:
            writer.close()
