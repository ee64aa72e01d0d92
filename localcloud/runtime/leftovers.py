"""Cleans up after an earlier local Scaleway."""

from __future__ import annotations

import asyncio
from pathlib import Path

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.serverless_jobs.runs import interrupt_leftover_runs
from localcloud.runtime.engine import Engine
from localcloud.runtime.engine_choice import EngineChoice, choose, owner_of


async def remove_leftovers(engine: Engine) -> int:
    """Remove all containers of the engine's owner and return their number. Raises EngineError."""
    processes = await engine.list_processes()
    await asyncio.gather(*(engine.remove(process.id) for process in processes))
    return len(processes)


def remove_leftovers_of(data: Path) -> int:
    """Remove all Docker containers of the local Scaleway with this data folder, and return their number.

    Returns 0 without a Docker engine. Raises EngineError.
    """
    client = choose(EngineChoice.AUTO).client
    if client is None:
        return 0
    from localcloud.runtime.docker_engine import DockerEngine

    try:
        return asyncio.run(remove_leftovers(DockerEngine(client, owner_of(data))))
    finally:
        client.close()


def finish_without_runtime(cloud: Cloud) -> None:
    """Finish everything that waits for a process: make containers ready and interrupt job runs.

    Called if no process will run.
    """
    for container in list(cloud.store.all(CONTAINERS)):
        if transitions.is_held(container):
            cloud.store.put(CONTAINERS, container["id"], transitions.finished(container, ""))
    interrupt_leftover_runs(cloud)
