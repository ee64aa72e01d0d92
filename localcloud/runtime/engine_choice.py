"""Finds a Docker engine to run containers, if one is available."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from docker import DockerClient

_PING_SECONDS = 5
_CALL_SECONDS = 120


class EngineChoice(StrEnum):
    AUTO = "auto"
    """Docker, if an engine responds."""
    DOCKER = "docker"
    OFF = "off"


@dataclass(frozen=True)
class Chosen:
    """The chosen engine, if any."""

    client: DockerClient | None
    why: str
    """A description of the chosen engine, or the reason why none was chosen."""


class EngineUnavailable(Exception):
    """No usable engine was found; the message states why."""


def owner_of(data: Path) -> str:
    """The owner id of processes started by the local Scaleway with this data folder."""
    return hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:10]


def choose(choice: EngineChoice) -> Chosen:
    """Raises EngineUnavailable if ``docker`` is required and no engine responds."""
    if choice is EngineChoice.OFF:
        return Chosen(None, "the local Scaleway was started with --runtime off")
    try:
        client, address = _client()
    except EngineUnavailable as error:
        if choice is EngineChoice.DOCKER:
            raise
        return Chosen(None, str(error))
    return Chosen(client, f"the Docker engine at {address}")


def _client() -> tuple[DockerClient, str]:
    """A client for the engine selected by the environment and the Docker context, and the engine's address."""
    import os

    from docker import DockerClient
    from docker.context import ContextAPI
    from docker.errors import DockerException

    address = os.environ.get("DOCKER_HOST", "")
    try:
        if not address:
            context = ContextAPI.get_current_context()
            address = str(context.Host) if context is not None else ""
        if not _is_local(address):
            raise EngineUnavailable(
                f"the Docker engine at {address} is on another machine: its ports cannot be reached from here"
            )
        # Use from_env, so that DOCKER_TLS_VERIFY and DOCKER_CERT_PATH are also respected.
        client = DockerClient.from_env(timeout=_CALL_SECONDS, environment={**os.environ, "DOCKER_HOST": address})
        client.api.get(f"{client.api.base_url}/_ping", timeout=_PING_SECONDS)
    except EngineUnavailable:
        raise
    except (DockerException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise EngineUnavailable(f"no Docker engine responds at {address or 'its default address'} ({reason})") from None
    return client, address


def _is_local(address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme in ("", "unix", "npipe", "http+unix"):
        return True
    if parts.hostname == "localhost":
        return parts.scheme != "ssh"
    try:
        return parts.scheme != "ssh" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
