"""Delays between restarts of a process, as Kubernetes delays crashing containers.

Source: Kubernetes documentation, "Pod Lifecycle", "Container restart policy".
"""

from __future__ import annotations

from dataclasses import dataclass, field

RESTART_DELAY = 10.0
"""Seconds before the second restart. The first one is immediate."""
LONGEST_DELAY = 300.0
"""Seconds."""
RESET_AFTER = 600.0
"""Seconds. A process that was healthy for this long resets the backoff."""


@dataclass
class Backoff:
    """No delay, then ``base`` seconds, doubled for each further restart up to ``LONGEST_DELAY``."""

    base: float = RESTART_DELAY
    _failures: int = field(default=0, init=False)

    def delay(self, healthy_for: float) -> float:
        """Seconds until the next start, after a process that was healthy for so many seconds."""
        if healthy_for >= RESET_AFTER:
            self._failures = 0
        failures, self._failures = self._failures, self._failures + 1
        return min(LONGEST_DELAY, self.base * 2.0 ** (failures - 1)) if failures else 0.0
