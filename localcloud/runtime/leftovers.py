"""What a runtime left that was killed, for whoever takes it away while no local Scaleway runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from localcloud.runtime.engine_choice import EngineChoice, choose, owner_of


def remove_leftovers_of(data: Path) -> int:
    """Remove the processes of the local Scaleway that has its data there; how many there were.

    Without a Docker engine there are none. Raises EngineError.
    """
    client = choose(EngineChoice.AUTO).client
    if client is None:
        return 0
    from localcloud.runtime.docker_engine import DockerEngine
    from localcloud.runtime.runtime import remove_leftovers

    try:
        return asyncio.run(remove_leftovers(DockerEngine(client, owner_of(data))))
    finally:
        client.close()
