"""The runtimes of the local Scaleway's containers, kept separate from ``ops.local``, which is slower to import."""

from __future__ import annotations

from enum import StrEnum


class RuntimeChoice(StrEnum):
    """The runtime of the local Scaleway's containers."""

    AUTO = "auto"
    """Docker, if it is available on this machine."""
    DOCKER = "docker"
    OFF = "off"
    """Nothing: containers have no processes."""
