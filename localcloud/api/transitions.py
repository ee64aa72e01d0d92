"""Statuses that take their course by time alone.

A resource on its way has ``status`` set to where it goes, ``_transient`` to what it says meanwhile, and ``_until``
(seconds since the epoch). Nothing runs in the background, so a transition goes on over a restart.
"""

from __future__ import annotations

from typing import Any

from localcloud.api.store import Resource

_DELETING = "deleting"


def begin(resource: Resource, transient: str, now: float, seconds: float, final: str = "ready") -> Resource:
    """``resource`` on its way: ``transient`` for ``seconds``, then ``final``."""
    return {**resource, "status": final, "_transient": transient, "_until": now + seconds}


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
    return answer
