"""Engine events in Pulumi's format (``sdk/go/common/apitype/events.go``)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from engine.plugin import Diff
from pulumi_state.snapshot import ResourceState, resource_to_event
from pulumi_state.urn import is_provider_type
from pulumi_state.values import unwrap

EngineEvent = dict[str, Any]
OnEvent = Callable[[EngineEvent], None]

_LOGICAL = frozenset({"same", "create", "update", "replace", "delete", "read", "discard"})


def reported(op: str, resource: ResourceState) -> bool:
    """Return whether Pulumi reports a step; it omits default providers and state cleanup (``pkg/engine/update.go``)."""
    default_provider = is_provider_type(resource.type) and resource.name.startswith("default")
    return not default_provider and op != "remove-pending-replace"


def counted(op: str, old: ResourceState | None, new: ResourceState | None) -> bool:
    """Return whether the summary counts a step; it omits the parts of a replacement and reads without changes."""
    resource = new or old
    if resource is None or not reported(op, resource) or op not in _LOGICAL:
        return False
    return op != "read" or (old is not None and new is not None and unwrap(old.outputs) != unwrap(new.outputs))


class Events:
    """Emits the events of one operation, with sequence numbers and timestamps."""

    def __init__(self, on_event: OnEvent, *, preview: bool) -> None:
        self._on_event = on_event
        self._preview = preview
        self._sequence = 0

    def _emit(self, kind: str, body: Mapping[str, Any]) -> None:
        self._sequence += 1
        self._on_event({"sequence": self._sequence, "timestamp": int(time.time()), kind: body})

    def prelude(self, config: Mapping[str, str]) -> None:
        self._emit("preludeEvent", {"config": dict(config)})

    def step_started(self, op: str, old: ResourceState | None, new: ResourceState | None, diff: Diff) -> None:
        self._emit_step("resourcePreEvent", op, old, new, diff)

    def step_done(self, op: str, old: ResourceState | None, new: ResourceState | None, diff: Diff) -> None:
        self._emit_step("resOutputsEvent", op, old, new, diff)

    def step_failed(self, op: str, old: ResourceState | None, new: ResourceState | None, diff: Diff) -> None:
        self._emit_step("resOpFailedEvent", op, old, new, diff, status=2, steps=0)

    def _emit_step(
        self, kind: str, op: str, old: ResourceState | None, new: ResourceState | None, diff: Diff, **more: int
    ) -> None:
        resource = new or old
        if resource is None or not reported(op, resource):
            return
        metadata: dict[str, Any] = {
            "op": op,
            "urn": resource.urn,
            "type": resource.type,
            "old": resource_to_event(old),
            "new": resource_to_event(new),
            "detailedDiff": {
                path: {"diffKind": kind, "inputDiff": False} for path, kind in sorted(diff.detailed.items())
            }
            or None,
            "provider": resource.provider,
        }
        if diff.changed_keys:
            metadata["diffs"] = diff.changed_keys
        if diff.replace_keys:
            metadata["keys"] = diff.replace_keys
        if op in _LOGICAL:
            metadata["logical"] = True
        body: dict[str, Any] = {"metadata": metadata, **more}
        if self._preview:
            body["planning"] = True
        self._emit(kind, body)

    def diagnostic(self, severity: str, message: str, urn: str = "", *, ephemeral: bool = False) -> None:
        """Emit a diagnostic; ``severity`` is ``debug``, ``info``, ``info#err``, ``warning`` or ``error``."""
        body: dict[str, Any] = {"severity": severity, "message": message, "color": "never"}
        if urn:
            body["urn"] = urn
        if ephemeral:
            body["ephemeral"] = True
        self._emit("diagnosticEvent", body)

    def summary(self, changes: Mapping[str, int], seconds: float, result: str) -> None:
        """Emit the summary; ``result`` is ``succeeded``, ``failed`` or ``canceled``."""
        self._emit(
            "summaryEvent",
            {
                "maybeCorrupt": False,
                "durationSeconds": int(seconds),
                "resourceChanges": dict(changes),
                "PolicyPacks": {},
                "isPreview": self._preview,
                "result": result,
            },
        )
