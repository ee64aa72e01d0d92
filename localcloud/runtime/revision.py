"""What one deploy of a container runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Probe:
    """Scaleway's startup or liveness probe. Times in seconds."""

    path: str | None
    """Of a GET request; ``None``: the port has to accept a connection."""
    interval: float
    timeout: float
    failure_threshold: int
    """So many failures in a row mean that the instance is not well."""


@dataclass(frozen=True)
class Revision:
    container_id: str
    name: str
    """The container's."""
    generation: int
    """Counts the deploys of the container, from 1."""
    image: str
    """By digest, with the registry's address."""
    environment: Mapping[str, str] = field(repr=False)
    """Variables and secret ones together."""
    secrets: tuple[str, ...] = field(repr=False)
    """Values that no message may show."""
    command: tuple[str, ...]
    args: tuple[str, ...]
    port: int
    memory_bytes: int
    mvcpu: int
    """Thousandths of a processor."""
    instances: int
    timeout: float
    """How long a request may take, in seconds."""
    startup: Probe | None
    liveness: Probe | None

    def redacted(self, text: str) -> str:
        """``text`` without the values of secret variables."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, "[secret]")
        return text

    def document(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Revision:
        probes = {name: Probe(**document[name]) if document[name] else None for name in ("startup", "liveness")}
        lists = {name: tuple(document[name]) for name in ("secrets", "command", "args")}
        return cls(**{**document, **lists, **probes})
