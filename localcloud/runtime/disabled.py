"""What a local Scaleway without a runtime does with what one with a runtime left on its way."""

from __future__ import annotations

from localcloud.api import transitions
from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.serverless_jobs.runs import give_up


def release(cloud: Cloud) -> None:
    """Nobody waits for a process: what waited for one is ready, and runs of jobs are over."""
    for container in list(cloud.store.all(CONTAINERS)):
        if transitions.is_held(container):
            cloud.store.put(CONTAINERS, container["id"], transitions.settled(container, ""))
    give_up(cloud)
