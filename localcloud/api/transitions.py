"""Statuses that take their course by time alone.

A resource on its way has ``status`` set to where it goes, ``_transient`` to what it says meanwhile, and ``_until``
(seconds since the epoch). Nothing runs in the background, so a transition goes on over a restart.
One that does not end by time is *held*: where processes run behind containers, those say when it is over.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from localcloud.api.store import Resource

_DELETING = "deleting"
_HELD_UNTIL = 253_402_300_800.0
"""The end of the year 9999."""


@dataclass(frozen=True)
class StatusOutcome:
    """How the statuses go that one request sets on their way."""

    seconds: float | None = None
    """How long they last; None = as the server was told."""
    factor: float = 1.0
    final: str = "ready"
    error_message: str = ""
    """Of what ends in ``error``."""

    def lasts(self, usual: float) -> float:
        """Seconds."""
        return (usual if self.seconds is None else self.seconds) * self.factor

    def followed_by(self, other: StatusOutcome) -> StatusOutcome:
        """Both at once: what the other does not say, this one does."""
        return StatusOutcome(
            self.seconds if other.seconds is None else other.seconds,
            self.factor * other.factor,
            self.final if other.final == "ready" else other.final,
            other.error_message or self.error_message,
        )


NORMAL = StatusOutcome()


def begin(resource: Resource, transient: str, now: float, seconds: float, final: str = "ready") -> Resource:
    """``resource`` on its way: ``transient`` for ``seconds``, then ``final``."""
    return {**resource, "status": final, "_transient": transient, "_until": now + seconds}


def set_out(resource: Resource, transient: str, now: float, course: StatusOutcome, usual: float) -> Resource:
    """``resource`` on the way that ``course`` describes; ``usual`` is how long that lasts, in seconds."""
    moving = begin(resource, transient, now, course.lasts(usual), course.final)
    return {**moving, "error_message": course.error_message} if course.error_message else moving


def hold(resource: Resource) -> Resource:
    """``resource``, which is on its way, until somebody says how that ended (``settled``)."""
    return {**resource, "_until": _HELD_UNTIL}


def is_held(resource: Resource) -> bool:
    return resource.get("_until") == _HELD_UNTIL


def settled(resource: Resource, fault: str) -> Resource:
    """``resource`` at the end of its way: ``ready``, or ``error`` with what went wrong."""
    return {**resource, "status": "error" if fault else "ready", "error_message": fault, "_until": 0}


def begin_deletion(resource: Resource, now: float, seconds: float) -> Resource:
    """``resource`` as it is deleted: gone after ``seconds`` (the store sweeps it)."""
    return {**resource, "status": _DELETING, "_until": 0, "_gone_at": now + seconds}


def is_deleting(resource: Resource) -> bool:
    return "_gone_at" in resource


def status(resource: Resource, now: float) -> str:
    """What the resource says of itself at ``now``."""
    return str(resource["_transient"] if resource.get("_until", 0) > now else resource["status"])


def is_transient(resource: Resource, now: float) -> bool:
    return is_deleting(resource) or resource.get("_until", 0) > now


def visible(resource: Resource, now: float) -> dict[str, Any]:
    """The resource without the store's own fields, with its status at ``now``."""
    answer = {name: value for name, value in resource.items() if name[0] != "_"}
    if resource.get("_until", 0) > now:
        answer["status"] = resource["_transient"]
        if resource["status"] == "error":
            answer["error_message"] = ""
    return answer
