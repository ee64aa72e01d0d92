"""What one deploy of a container runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from localcloud.runtime.program import Program


@dataclass(frozen=True)
class Probe:
    """Scaleway's startup or liveness probe. Times in seconds."""

    path: str | None
    """Of a GET request; ``None``: the port has to accept a connection."""
    interval: float
    timeout: float
    failure_threshold: int
    """So many failures in a row mean that the instance is not well."""


@dataclass(frozen=True, kw_only=True)
class Revision(Program):
    generation: int
    """Counts the deploys of the container, from 1."""
    port: int
    instances: int
    timeout: float
    """How long a request may take, in seconds."""
    startup: Probe | None
    liveness: Probe | None

    def document(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Revision:
        probes = {name: Probe(**document[name]) if document[name] else None for name in ("startup", "liveness")}
        lists = {name: tuple(document[name]) for name in ("secrets", "command", "args")}
        return cls(**{**document, **lists, **probes})
