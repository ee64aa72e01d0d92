"""How long a process that ended waits for its next start: Kubernetes' rule for containers that crash.

Source: Kubernetes' documentation, "Pod Lifecycle", "Container restart policy".
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Backoff:
    """At once the first time, then ``base``, twice that, … up to ``longest``. All times in seconds."""

    base: float = 10.0
    longest: float = 300.0
    forgiven_after: float = 600.0
    """A process that ran well for so long counts as if it had never ended."""
    _failures: int = field(default=0, init=False)

    def delay(self, ran: float) -> float:
        """How long to wait, after a process that was well for ``ran`` seconds."""
        if ran >= self.forgiven_after:
            self._failures = 0
        failures, self._failures = self._failures, self._failures + 1
        return min(self.longest, self.base * 2.0 ** (failures - 1)) if failures else 0.0
