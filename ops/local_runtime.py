"""What may run the local Scaleway's containers. Apart from ``ops.local``, which takes longer to import."""

from __future__ import annotations

from enum import StrEnum


class RuntimeChoice(StrEnum):
    AUTO = "auto"
    """Docker, if an engine of this machine answers."""
    DOCKER = "docker"
    OFF = "off"
