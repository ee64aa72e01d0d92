"""What all requests share: the state, the clock, the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.api.store import Store

REGIONS = ("fr-par", "nl-ams", "pl-waw", "it-mil")


@dataclass
class Cloud:
    store: Store
    port: int
    """Where the API listens; part of the registry's address."""
    organization_id: str
    """The one organization's; its default project has the same id, as on the platform."""
    transitions: float = 1.0
    """How long a status such as ``creating`` lasts, in seconds."""
    sql_server: str = ""
    """``<host>:<port>`` of a PostgreSQL server that new Serverless SQL databases and instances lead to."""
    sql_certificate: str = ""
    """PEM that this server's certificate is verified with."""
    now: Callable[[], float] = time.time
    will_run: Callable[[str], bool] = lambda image: False
    """Whether a process will run of an image; then statuses wait for what becomes of it (``transitions.hold``)."""
