"""Data shared by all requests: state, clock, settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.api.store import Store

TRANSITION_SECONDS = 1.0
"""Default duration of statuses such as ``creating``."""
REGIONS = ("fr-par", "nl-ams", "pl-waw", "it-mil")


@dataclass
class Cloud:
    store: Store
    port: int
    """The API's port; part of the registry's address."""
    organization_id: str
    """Id of the organization and, as on the platform, of its default project."""
    transitions: float = TRANSITION_SECONDS
    """Duration of statuses such as ``creating``, in seconds."""
    sql_server: str = ""
    """``<host>:<port>`` of the PostgreSQL server that new databases and instances point to. Empty: none."""
    sql_certificate: str = ""
    """CA certificate (PEM) for verifying that server's certificate."""
    now: Callable[[], float] = time.time
    will_run: Callable[[str], bool] = lambda _image: False
    """Whether a container or job with this image runs as a process, which then determines its status
    (``transitions.hold``)."""
