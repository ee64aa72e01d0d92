"""The programs that processes run: a base class for revisions and tasks, and the revision of a container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Program:
    """The properties common to container and job processes."""

    container_id: str
    """Id of the container or job run, used to find its logs."""
    name: str
    """Name of the container or job."""
    image: str
    """Image reference by digest, including the registry's address."""
    environment: Mapping[str, str] = field(repr=False)
    """Environment variables, including secret ones."""
    secrets: tuple[str, ...] = field(repr=False)
    """Values that must not appear in messages."""
    command: tuple[str, ...]
    args: tuple[str, ...]
    memory_bytes: int
    mvcpu: int
    """Thousandths of a CPU."""

    def redacted(self, text: str) -> str:
        """``text`` with all secret values replaced."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, "[secret]")
        return text


@dataclass(frozen=True)
class Probe:
    """A startup or liveness probe. Times are in seconds."""

    path: str | None
    """Path of a GET request. None: the port has to accept a connection."""
    interval: float
    timeout: float
    failure_threshold: int
    """Number of consecutive failures after which the instance is unhealthy."""


@dataclass(frozen=True, kw_only=True)
class Revision(Program):
    generation: int
    """Deployment number, starting at 1."""
    port: int
    instances: int
    timeout: float
    """Maximum duration of a request, in seconds."""
    startup: Probe | None
    liveness: Probe | None

    def document(self) -> dict[str, Any]:
        """The revision in its stored form."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Revision:
        probes = {name: Probe(**document[name]) if document[name] else None for name in ("startup", "liveness")}
        lists = {name: tuple(document[name]) for name in ("secrets", "command", "args")}
        return cls(**{**document, **lists, **probes})
