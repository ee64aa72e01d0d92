"""What a process is made from, be it of a container or of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Program:
    container_id: str
    """Whose process it is: the container's id, or that of the job's run. Its logs are found by it."""
    name: str
    """The container's, or the job's."""
    image: str
    """By digest, with the registry's address."""
    environment: Mapping[str, str] = field(repr=False)
    """Variables and secret ones together."""
    secrets: tuple[str, ...] = field(repr=False)
    """Values that no message may show."""
    command: tuple[str, ...]
    args: tuple[str, ...]
    memory_bytes: int
    mvcpu: int
    """Thousandths of a processor."""

    def redacted(self, text: str) -> str:
        """``text`` without the values of secrets."""
        for value in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(value, "[secret]")
        return text
