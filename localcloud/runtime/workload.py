"""The instances of one container. A new revision replaces the old one only once all its instances are ready."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from localcloud.api.errors import EngineError
from localcloud.runtime.balancer import Backend, Balancer
from localcloud.runtime.instance import Instance, InstanceContext, UnhealthyError
from localcloud.runtime.revision import Revision

_KEPT_ENDED = 10
"""Number of exited processes whose logs are kept."""


class Workload:
    def __init__(self, context: InstanceContext) -> None:
        self._context = context
        self._balancer = Balancer()
        self._ended: deque[str] = deque()
        self._serving: list[Instance] = []
        self._starting: list[Instance] = []
        self._stopping: set[asyncio.Task[None]] = set()
        self.revision: Revision | None = None
        """The serving revision, or the first one while it is starting."""

    @property
    def serves(self) -> bool:
        """Whether a revision has been rolled out, even if no instance is currently ready."""
        return bool(self._serving)

    @property
    def is_ready(self) -> bool:
        """Whether at least one instance receives requests."""
        return any(instance.backend is not None for instance in self._serving)

    @property
    def not_ready_reason(self) -> str:
        """The reason why no instance is ready."""
        reasons = {instance.not_ready_reason for instance in self._serving or self._starting}
        return "; ".join(sorted(reasons)) or "it is starting"

    def pick(self, exclude: Sequence[Backend] = ()) -> Backend | None:
        """Pick a ready instance for the next request."""
        ready = (instance.backend for instance in self._serving)
        return self._balancer.pick(backend for backend in ready if backend is not None and backend not in exclude)

    async def roll_out(self, revision: Revision) -> str:
        """Replace the current revision once the new one is ready.

        Returns an empty string, or why the new revision never became ready; the current one then continues to serve.
        """
        if self.revision is None:
            self.revision = revision
        starting = [
            Instance(self._context, revision, number + 1, self._keep_ended) for number in range(revision.instances)
        ]
        self._starting = starting
        try:
            for instance in starting:
                instance.start()
            await asyncio.gather(*(instance.first_ready for instance in starting))
        except UnhealthyError as error:
            await _stop(starting)
            return str(error)
        except asyncio.CancelledError:
            await _stop(starting)
            raise
        finally:
            self._starting = []
        old, self._serving, self.revision = self._serving, starting, revision
        stopping = asyncio.create_task(_stop(old))
        self._stopping.add(stopping)
        stopping.add_done_callback(self._stopping.discard)
        return ""

    async def stop(self) -> None:
        """Stop all instances and keep their logs."""
        old, self._serving = self._serving, []
        await _stop(old)
        if self._stopping:
            await asyncio.wait(self._stopping)

    async def remove(self) -> None:
        """Stop all instances and remove their logs."""
        await self.stop()
        while self._ended:
            await self._remove(self._ended.popleft())

    async def _keep_ended(self, id: str) -> None:
        self._ended.append(id)
        while len(self._ended) > _KEPT_ENDED:
            await self._remove(self._ended.popleft())

    async def _remove(self, id: str) -> None:
        try:
            await self._context.engine.remove(id)
        except EngineError:
            return  # the next start of the runtime finds it by its label and removes it


async def _stop(instances: Sequence[Instance]) -> None:
    await asyncio.gather(*(instance.stop() for instance in instances))
