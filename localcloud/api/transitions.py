"""Transient statuses, such as ``creating``, that end after some time.

During a transition, ``status`` is the final status, and ``_transient`` is the status shown until ``_until`` (seconds
since the epoch). Nothing runs in the background, so transitions survive a restart. A *held* transition has no time
limit: with a runtime, it ends when the container's process is ready or has failed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcloud.api.store import Resource

_DELETING = "deleting"
_HELD_UNTIL = 253_402_300_800.0
"""Marks a held transition: the end of the year 9999, in seconds since the epoch."""


@dataclass(frozen=True)
class StatusOutcome:
    """Duration and result of the transitions started by a request."""

    seconds: float | None = None
    """Duration in seconds. None: the default."""
    factor: float = 1.0
    final: str = "ready"
    error_message: str = ""
    """Used if ``final`` is ``error``."""

    def duration(self, default: float) -> float:
        """The duration in seconds, based on ``default`` unless this outcome sets one."""
        return (default if self.seconds is None else self.seconds) * self.factor

    def overridden_by(self, other: StatusOutcome) -> StatusOutcome:
        """This outcome, overridden by the values set in ``other``."""
        return StatusOutcome(
            self.seconds if other.seconds is None else other.seconds,
            self.factor * other.factor,
            self.final if other.final == "ready" else other.final,
            other.error_message or self.error_message,
        )


NORMAL = StatusOutcome()


def begin(resource: Resource, transient: str, now: float, seconds: float, final: str = "ready") -> Resource:
    """Start a transition: ``transient`` for ``seconds``, then ``final``."""
    return {**resource, "status": final, "_transient": transient, "_until": now + seconds}


def begin_with_outcome(
    resource: Resource, transient: str, now: float, outcome: StatusOutcome, default: float
) -> Resource:
    """Start the transition described by ``outcome``. ``default``: its usual duration in seconds."""
    moving = begin(resource, transient, now, outcome.duration(default), outcome.final)
    return {**moving, "error_message": outcome.error_message} if outcome.error_message else moving


def hold(resource: Resource) -> Resource:
    """Make the current transition last until ``finished`` is called."""
    return {**resource, "_until": _HELD_UNTIL}


def is_held(resource: Resource) -> bool:
    return resource.get("_until") == _HELD_UNTIL


def finished(resource: Resource, fault: str) -> Resource:
    """End a transition in status ``ready``, or ``error`` with ``fault`` as the message."""
    return {**resource, "status": "error" if fault else "ready", "error_message": fault, "_until": 0}


def begin_deletion(resource: Resource, now: float, seconds: float) -> Resource:
    """Start a deletion: the store removes the resource after ``seconds``."""
    return {**resource, "status": _DELETING, "_until": 0, "_gone_at": now + seconds}


def is_deleting(resource: Resource) -> bool:
    return "_gone_at" in resource


def status(resource: Resource, now: float) -> str:
    """The status shown at ``now``."""
    return str(resource["_transient"] if resource.get("_until", 0) > now else resource["status"])


def is_transient(resource: Resource, now: float) -> bool:
    return is_deleting(resource) or resource.get("_until", 0) > now


def visible(resource: Resource, now: float) -> dict[str, Any]:
    """The resource without internal fields, with its status at ``now``."""
    shown = {name: value for name, value in resource.items() if name[0] != "_"}
    if resource.get("_until", 0) > now:
        shown["status"] = resource["_transient"]
        if resource["status"] == "error":
            shown["error_message"] = ""
    return shown
