"""Startup and liveness probes: ``scaleway_facts.behaviour``, and Kubernetes' rules where Scaleway states none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx

from localcloud.runtime.clock import Clock
from localcloud.runtime.revision import Probe

Check = Callable[[str, Probe], Awaitable[str]]
"""Address and probe → what is wrong; empty when all is well."""

_SETTLE_SECONDS = 0.5
_POLL_SECONDS = 0.25


async def started(check: Check, address: str, probe: Probe, clock: Clock) -> str:
    """Probe until it succeeds once: empty then; what is wrong if it never does."""
    failures = 0
    while fault := await check(address, probe):
        failures += 1
        if failures >= probe.failure_threshold:
            return f"its startup probe failed {_times(failures)}: {fault}"
        await clock.sleep(probe.interval)
    return ""


async def listening(check: Check, address: str, port: int, seconds: float, clock: Clock) -> str:
    """Without a startup probe: until the port accepts a connection, for ``seconds`` at most."""
    probe = Probe(None, _POLL_SECONDS, 1.0, 1)
    until = clock.now() + seconds
    while await check(address, probe):
        if clock.now() >= until:
            return f"it did not listen on port {port} within {seconds:.0f} s"
        await clock.sleep(probe.interval)
    return ""


async def unwell(check: Check, address: str, probe: Probe, clock: Clock) -> str:
    """Probe until so many failures in a row as the probe says; what is wrong."""
    failures = 0
    while True:
        await clock.sleep(probe.interval)
        fault = await check(address, probe)
        failures = failures + 1 if fault else 0
        if failures >= probe.failure_threshold:
            return f"its liveness probe failed {_times(failures)}: {fault}"


async def well_again(check: Check, address: str, probe: Probe, clock: Clock) -> None:
    """Probe until it succeeds once."""
    while True:
        await clock.sleep(probe.interval)
        if not await check(address, probe):
            return


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times in a row"


class NetworkCheck:
    """Probes over the network."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def __call__(self, address: str, probe: Probe) -> str:
        return await (self._tcp(address, probe) if probe.path is None else self._http(address, probe, probe.path))

    async def _http(self, address: str, probe: Probe, path: str) -> str:
        try:
            async with asyncio.timeout(probe.timeout):
                response = await self._client.get(f"http://{address}{path}", headers={"Connection": "close"})
        except TimeoutError:
            return f"GET {path} has no answer after {probe.timeout:g} s"
        except (httpx.HTTPError, httpx.InvalidURL):
            return f"GET {path} gets no answer"
        return "" if 200 <= response.status_code < 400 else f"GET {path} answers {response.status_code}"

    async def _tcp(self, address: str, probe: Probe) -> str:
        """Docker accepts for a published port before it knows whether anybody listens behind it, and hangs up then."""
        host, _, port = address.rpartition(":")
        begun = time.monotonic()
        try:
            async with asyncio.timeout(probe.timeout):
                reader, writer = await asyncio.open_connection(host, int(port))
        except (OSError, TimeoutError):
            return "the port does not accept connections"
        try:
            left = probe.timeout - (time.monotonic() - begun)
            async with asyncio.timeout(min(_SETTLE_SECONDS, max(left, 0.0))):
                return "" if await reader.read(1) else "the port does not accept connections"
        except TimeoutError:
            return ""
        except OSError:
            return "the port does not accept connections"
        finally:
            writer.close()
