"""The instances of one container. A new revision takes over when all of its instances are ready, or not at all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from localcloud.api.errors import EngineError
from localcloud.runtime.balancer import Backend, Balancer
from localcloud.runtime.instance import Instance, InstanceContext, UnhealthyError
from localcloud.runtime.revision import Revision

_KEPT_ENDED = 10
"""So many ended processes are kept for their logs."""


class Workload:
    def __init__(self, parts: InstanceContext) -> None:
        self._parts = parts
        self._balancer = Balancer()
        self._ended: deque[str] = deque()
        self._serving: list[Instance] = []
        self._coming: list[Instance] = []
        self._leaving: set[asyncio.Task[None]] = set()
        self.revision: Revision | None = None
        """The one that serves, or the first one while it is coming."""

    @property
    def serves(self) -> bool:
        """Whether a revision was rolled out, however its instances are now."""
        return bool(self._serving)

    @property
    def is_ready(self) -> bool:
        """Whether any instance gets requests."""
        return any(instance.backend is not None for instance in self._serving)

    @property
    def standing(self) -> str:
        """Why no instance is ready."""
        told = {instance.stands for instance in self._serving or self._coming}
        return "; ".join(sorted(told)) or "is being started"

    def pick(self, without: Sequence[Backend] = ()) -> Backend | None:
        """The ready instance that is to get the next request."""
        ready = (instance.backend for instance in self._serving)
        return self._balancer.pick(backend for backend in ready if backend is not None and backend not in without)

    async def roll_out(self, revision: Revision) -> str:
        """Start a revision; once it is ready it takes over. Gives why it did not, and then all is as before."""
        if self.revision is None:
            self.revision = revision
        coming = [Instance(self._parts, revision, number + 1, self._bury) for number in range(revision.instances)]
        self._coming = coming
        try:
            for instance in coming:
                instance.begin()
            await asyncio.gather(*(instance.first_ready for instance in coming))
        except UnhealthyError as error:
            await _stop(coming)
            return str(error)
        except asyncio.CancelledError:
            await _stop(coming)
            raise
        finally:
            self._coming = []
        old, self._serving, self.revision = self._serving, coming, revision
        leaving = asyncio.create_task(_stop(old))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return ""

    async def stop(self) -> None:
        """Stop everything; logs stay."""
        old, self._serving = self._serving, []
        await _stop(old)
        if self._leaving:
            await asyncio.wait(self._leaving)

    async def remove(self) -> None:
        """Stop everything and remove the logs too."""
        await self.stop()
        while self._ended:
            await self._remove(self._ended.popleft())

    async def _bury(self, id: str) -> None:
        self._ended.append(id)
        while len(self._ended) > _KEPT_ENDED:
            await self._remove(self._ended.popleft())

    async def _remove(self, id: str) -> None:
        try:
            await self._parts.engine.remove(id)
        except EngineError:
            return  # the next start of the runtime finds it by its label


async def _stop(instances: Sequence[Instance]) -> None:
    await asyncio.gather(*(instance.stop() for instance in instances))
