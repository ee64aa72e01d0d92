"""What a local Scaleway without a runtime does with what one with a runtime left on its way."""

from __future__ import annotations

from localcloud.api import transitions
from localcloud.api.cloud import Cloud

CONTAINERS = "containers.container"


def release(cloud: Cloud) -> None:
    """Nobody waits for a process: what waited for one is ready."""
    for container in list(cloud.store.all(CONTAINERS)):
        if transitions.is_held(container):
            cloud.store.put(CONTAINERS, container["id"], transitions.settled(container, ""))
    cloud.store.commit()
