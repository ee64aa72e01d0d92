"""Digests of what is planned for each resource: what two previews must agree on."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ops.canonical_json import Decrypt, digest, in_order, with_clear_secrets
from ops.steps import Step

_PULUMIS, _EMBEDDED = "resourcePlans", "resources"
"""Where each engine's own plan has its resources."""
_RANDOM = frozenset({"seed"})
"""What Pulumi draws anew for each plan, for names that it makes up; ours are all given."""


def operation_digests(update_plan: str, steps: Iterable[Step], decrypt: Decrypt, key: bytes) -> dict[str, str]:
    """By URN, of the engine's own plan and of the steps that the preview showed.

    The values of secrets count, and so do the values that are replaced or deleted: a property that somebody has
    changed in the cloud gives another digest. With the key nobody can guess secrets from the digests.
    """
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    document = json.loads(update_plan)
    for urn, planned in (document.get(_PULUMIS) or document.get(_EMBEDDED) or {}).items():
        kept = {name: value for name, value in planned.items() if name not in _RANDOM}
        if isinstance(kept.get("goal"), dict):
            kept["goal"] = in_order(kept["goal"])
        parts[urn]["plan"] = with_clear_secrets(kept, decrypt)
    for step in steps:
        parts[step.urn].setdefault("steps", []).append(_shown(step))
    return {urn: digest(part, key) for urn, part in sorted(parts.items())}


def _shown(step: Step) -> Mapping[str, Any]:
    return {
        "op": step.op,
        "diffs": sorted(step.diff_keys),
        "replaces": sorted(step.replace_keys),
        "detailed": step.detailed_diff or {},
        "before": _inputs(step.old) if step.is_change else {},
    }


def _inputs(state: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (state.get("inputs") or {}).items() if not name.startswith("__")}
