"""What runs the containers, as the API sees it (``localcloud.runtime`` is one)."""

from __future__ import annotations

from typing import Protocol

from localcloud.api.asgi import Receive, Scope, Send
from localcloud.api.store import Resource


class TruncatedResponse(Exception):
    """An answer that cannot be ended as it began: its connection has to be cut, so that it is not taken for whole."""

    def __init__(self, status: int, why: str) -> None:
        """``status``: what it would be, could it begin anew."""
        super().__init__(why)
        self.status = status
        self.why = why


class ContainerRuntime(Protocol):
    async def start(self) -> None:
        """Bring what should run, and keep it running until ``stop``."""
        ...

    async def stop(self) -> None:
        """Stop all processes, within a bounded time."""
        ...

    def wake(self) -> None:
        """Something was written to the store, or it was emptied."""
        ...

    def serves(self, container: Resource) -> bool:
        """Whether a process answers the container's requests; where none does, see ``standing``."""
        ...

    def standing(self, container: Resource) -> tuple[int, str] | None:
        """Why no process answers: status and sentence; ``None`` where the container's own status says it."""
        ...

    async def serve(self, container: Resource, scope: Scope, receive: Receive, send: Send) -> tuple[int, str]:
        """Answer a request for a container that is served; gives the status and, for the log, why it is an error.

        Raises BrokenAnswer.
        """
        ...
