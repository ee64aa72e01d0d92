"""The interface between the API and the container runtime (``localcloud.runtime``)."""

from __future__ import annotations

from typing import Protocol

from localcloud.api.asgi import Receive, Scope, Send
from localcloud.api.store import Resource


class TruncatedResponse(Exception):
    """A response failed midway. Its connection must be closed so that the response does not look complete."""

    def __init__(self, status: int, reason: str) -> None:
        """``status``: the status that the response should have had."""
        super().__init__(reason)
        self.status = status
        self.reason = reason


class ContainerRuntime(Protocol):
    async def start(self) -> None:
        """Run all deployed containers until ``stop`` is called."""
        ...

    async def stop(self) -> None:
        """Stop all processes within a bounded time."""
        ...

    def wake(self) -> None:
        """Reconcile after a change to the store."""
        ...

    def serves(self, container: Resource) -> bool:
        """Whether a process handles the container's requests. If not, see ``unavailable_response``."""
        ...

    def unavailable_response(self, container: Resource) -> tuple[int, str] | None:
        """Status and reason to send while no process handles requests. None: use the ``error_message`` instead."""
        ...

    async def serve(self, container: Resource, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Forward a request to a container. Returns the status and, for errors, the reason to log.

        Raises TruncatedResponse.
        """
        ...
