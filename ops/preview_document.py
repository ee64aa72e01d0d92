"""Builds the document that ``pulumi preview --json`` prints, from engine events.

Its fields are those of ``PreviewDigest`` in Pulumi's ``sdk/go/common/display``; secrets appear as ``[secret]``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from ops.engines.base import EngineEvent
from ops.steps import without_colour
from pulumi_state.urn import ROOT_STACK_TYPE

_STATE_FIELDS = ("urn", "custom", "delete", "id", "type", "inputs", "outputs", "parent", "protect", "external")


class PreviewDocument:
    """Collects the events of one preview."""

    def __init__(self) -> None:
        self._started = time.monotonic_ns()
        self._config: Mapping[str, str] = {}
        self._steps: dict[str, dict[str, Any]] = {}
        self._diagnostics: list[dict[str, Any]] = []
        self._summary: Mapping[str, Any] = {}

    def on_event(self, event: EngineEvent) -> None:
        if prelude := event.get("preludeEvent"):
            self._config = prelude.get("config") or {}
        elif body := event.get("resourcePreEvent"):
            self._add_step(body["metadata"])
        elif body := event.get("diagnosticEvent"):
            self._add_diagnostic(body)
        elif summary := event.get("summaryEvent"):
            self._summary = summary

    def _add_step(self, metadata: Mapping[str, Any]) -> None:
        if not _is_shown(metadata):
            return
        step = {"op": metadata["op"], "urn": metadata["urn"]}
        optional = {
            "provider": metadata.get("provider"),
            "oldState": _state(metadata.get("old")),
            "newState": _state(metadata.get("new")),
            "diffReasons": metadata.get("diffs"),
            "replaceReasons": metadata.get("keys"),
        }
        step |= {key: value for key, value in optional.items() if value}
        step["detailedDiff"] = _detailed(metadata.get("detailedDiff"))
        self._steps[f"{metadata['urn']} {metadata['op']}"] = step

    def _add_diagnostic(self, body: Mapping[str, Any]) -> None:
        if body.get("ephemeral") or body.get("severity") == "debug":
            return
        message = without_colour((body.get("prefix") or "") + (body.get("message") or ""))
        resource = {"urn": body["urn"]} if body.get("urn") else {}
        self._diagnostics.append(resource | {"message": message, "severity": body.get("severity", "info")})

    def as_dict(self) -> dict[str, Any]:
        """The document as Pulumi prints it, without empty fields."""
        whole = {
            "config": dict(self._config),
            "steps": list(self._steps.values()),
            "diagnostics": self._diagnostics,
            "duration": time.monotonic_ns() - self._started,
            "changeSummary": dict(self._summary.get("resourceChanges") or {}),
            "maybeCorrupt": self._summary.get("maybeCorrupt"),
        }
        return {key: value for key, value in whole.items() if value}


def _is_shown(metadata: Mapping[str, Any]) -> bool:
    """True for changes, the stack itself, and unchanged resources whose protection changes."""
    if metadata["op"] != "same" or metadata["type"] == ROOT_STACK_TYPE:
        return True
    old, new = metadata.get("old") or {}, metadata.get("new") or {}
    return bool(old.get("protect")) != bool(new.get("protect"))


def _state(state: Mapping[str, Any] | None) -> dict[str, Any]:
    if not state:
        return {}
    ordered = {key: state[key] for key in _STATE_FIELDS if state.get(key)}
    ordered["custom"] = bool(state.get("custom"))
    others = {key: value for key, value in state.items() if key not in _STATE_FIELDS and value}
    return ordered | others


def _detailed(diff: Mapping[str, Mapping[str, Any]] | None) -> dict[str, Any] | None:
    if diff is None:
        return None
    return {
        path: {"kind": item.get("diffKind", "update"), "inputDiff": bool(item.get("inputDiff"))}
        for path, item in diff.items()
    }
