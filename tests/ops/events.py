"""Engine events for tests of the displays, as short as they can be."""

from __future__ import annotations

from typing import Any

from ops.engines.base import EngineEvent

STACK = "urn:pulumi:local::snu::pulumi:pulumi:Stack::snu-local"
APP = "urn:pulumi:local::snu::snu:index:ContainerApp::api"
CONTAINER = "urn:pulumi:local::snu::snu:index:ContainerApp$scaleway:containers/container:Container::api-container"
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"

_TYPES = {
    STACK: ("pulumi:pulumi:Stack", ""),
    APP: ("snu:index:ContainerApp", STACK),
    CONTAINER: ("scaleway:containers/container:Container", APP),
}


def state(urn: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    kind, parent = _TYPES[urn]
    base = {
        "type": kind,
        "urn": urn,
        "id": "",
        "parent": parent,
        "inputs": inputs,
        "outputs": {},
        "custom": kind.startswith("scaleway:"),
    }
    return base | {"provider": ""} | more


def metadata(op: str, urn: str, old: dict[str, Any] | None, new: dict[str, Any] | None, **more: Any) -> Any:
    return {
        "op": op,
        "urn": urn,
        "type": _TYPES[urn][0],
        "old": None if old is None else state(urn, old, **more.pop("old_state", {})),
        "new": None if new is None else state(urn, new, **more.pop("new_state", {})),
        "detailedDiff": None,
        "provider": "",
    } | more


def step(
    op: str, urn: str, old: dict[str, Any] | None, new: dict[str, Any] | None, *, end: str = "done", **more: Any
) -> list[EngineEvent]:
    """The events of one step; ``end`` is ``done``, ``failed`` or ``running``."""
    body = {"metadata": metadata(op, urn, old, new, **more)}
    events: list[EngineEvent] = [{"resourcePreEvent": body}]
    if end == "done":
        events.append({"resOutputsEvent": body})
    elif end == "failed":
        events.append({"resOpFailedEvent": {**body, "status": 2, "steps": 0}})
    return events


def diagnostic(severity: str, message: str, urn: str = "") -> EngineEvent:
    return {"diagnosticEvent": {"severity": severity, "message": message, "urn": urn, "color": "never"}}


def summary(result: str = "succeeded", **changes: int) -> EngineEvent:
    return {"summaryEvent": {"resourceChanges": changes, "result": result, "durationSeconds": 1}}
