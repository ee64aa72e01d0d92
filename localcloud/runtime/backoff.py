"""Delays between restarts of a process, like those of Kubernetes for crashing containers.

Source: Kubernetes documentation, "Pod Lifecycle", "Container restart policy".
"""

from __future__ import annotations

from dataclasses import dataclass, field

RESTART_DELAY = 10.0
"""Seconds before the second restart. The first is immediate."""
LONGEST_DELAY = 300.0
"""Maximum delay in seconds."""
RESET_AFTER = 600.0
"""Seconds that a process must stay healthy to reset the backoff."""


@dataclass
class Backoff:
    """Restart delays: none, then ``base`` seconds, doubled for each further restart up to ``LONGEST_DELAY``."""

    base: float = RESTART_DELAY
    _failures: int = field(default=0, init=False)

    def delay(self, healthy_for: float) -> float:
        """Seconds until the next start, given how many seconds the previous process was healthy."""
        if healthy_for >= RESET_AFTER:
            self._failures = 0
        failures, self._failures = self._failures, self._failures + 1
        return min(LONGEST_DELAY, self.base * 2.0 ** (failures - 1)) if failures else 0.0
