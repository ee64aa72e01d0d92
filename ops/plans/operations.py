"""Digests of each resource's planned changes, used to compare two previews."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ops.canonical_json import Decrypt, digest, in_order, with_clear_secrets
from ops.steps import Step

_PULUMI, _EMBEDDED = "resourcePlans", "resources"
"""Key of the resources in each engine's update plan."""
_RANDOM = frozenset({"seed"})
"""Pulumi generates a new auto-naming seed for each plan; we name all resources explicitly."""


def operation_digests(update_plan: str, steps: Iterable[Step], decrypt: Decrypt, key: bytes) -> dict[str, str]:
    """Digest of each resource's part of the update plan and of its preview steps, by URN.

    The digest covers secret values as well as values to be replaced or deleted, so changing a property of a live
    resource changes the digest. The key prevents secrets from being guessed from their digests.
    """
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    document = json.loads(update_plan)
    for urn, planned in (document.get(_PULUMI) or document.get(_EMBEDDED) or {}).items():
        kept = {name: value for name, value in planned.items() if name not in _RANDOM}
        if isinstance(kept.get("goal"), dict):
            kept["goal"] = in_order(kept["goal"])
        parts[urn]["plan"] = with_clear_secrets(kept, decrypt)
    for step in steps:
        parts[step.urn].setdefault("steps", []).append(_content(step))
    return {urn: digest(part, key) for urn, part in sorted(parts.items())}


def _content(step: Step) -> Mapping[str, Any]:
    return {
        "op": step.op,
        "diffs": sorted(step.diff_keys),
        "replaces": sorted(step.replace_keys),
        "detailed": step.detailed_diff or {},
        "before": _inputs(step.old) if step.is_change else {},
    }


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (state.get("inputs") or {}).items() if not name.startswith("__")}
