"""Whether there is a Docker engine to run containers with."""

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

_ANSWER_SECONDS = 5
_CALL_SECONDS = 120


class EngineChoice(StrEnum):
    AUTO = "auto"
    """Docker if an engine answers."""
    DOCKER = "docker"
    OFF = "off"


@dataclass(frozen=True)
class Chosen:
    client: DockerClient | None
    why: str
    """For people: which engine, or why none."""


class EngineUnavailable(Exception):
    """No engine, and why."""


def owner_of(data: Path) -> str:
    """Whose the processes are that the local Scaleway with its data there starts."""
    return hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:10]


def choose(choice: EngineChoice) -> Chosen:
    """Raises NoEngine where ``docker`` is asked for and none answers."""
    if choice is EngineChoice.OFF:
        return Chosen(None, "it was started with --runtime off")
    try:
        client, address = _client()
    except EngineUnavailable as error:
        if choice is EngineChoice.DOCKER:
            raise
        return Chosen(None, str(error))
    return Chosen(client, f"the Docker engine at {address}")


def _client() -> tuple[DockerClient, str]:
    """A client of the engine that the user's environment and Docker contexts name, and its address."""
    import os

    from docker import DockerClient
    from docker.context import ContextAPI
    from docker.errors import DockerException

    address = os.environ.get("DOCKER_HOST", "")
    try:
        if not address:
            context = ContextAPI.get_current_context()
            address = str(context.Host) if context is not None else ""
        if not _is_of_this_machine(address):
            raise EngineUnavailable(
                f"the Docker engine at {address} is not of this machine: its ports are not reached from here"
            )
        # From the environment, so that DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count too.
        client = DockerClient.from_env(timeout=_CALL_SECONDS, environment={**os.environ, "DOCKER_HOST": address})
        client.api.get(f"{client.api.base_url}/_ping", timeout=_ANSWER_SECONDS)
    except EngineUnavailable:
        raise
    except (DockerException, OSError, ValueError) as error:
        found = " ".join(str(error).split())
        raise EngineUnavailable(f"no Docker engine answers at {address or 'its usual address'} ({found})") from None
    return client, address


def _is_of_this_machine(address: str) -> bool:
    parts = urlsplit(address)
    if parts.scheme in ("", "unix", "npipe", "http+unix"):
        return True
    if parts.hostname == "localhost":
        return parts.scheme != "ssh"
    try:
        return parts.scheme != "ssh" and ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        return False
