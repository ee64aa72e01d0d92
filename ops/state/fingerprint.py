"""Whether a stack's state is the same as before: its canonical fingerprint.

Two writes of the same state differ: times, the order of what refers to what, and every secret, which each write
encrypts anew. The fingerprint is over what is left, with secrets in clear, and only digests of it are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ops.canonical_json import Decrypt, digest, in_order, leaves, with_clear_secrets

_MEANINGLESS = frozenset({"created", "modified", "sourcePosition", "stackTrace"})
_PROVIDER_PREFIX = "__"


@dataclass(frozen=True)
class Fingerprint:
    """Digests of a stack's state, by resource and property; nothing of the state can be read in it."""

    resources: Mapping[str, Mapping[str, str]]
    """By resource, and in it by property path: a digest. A resource that waits for its deletion stands beside
    the one that replaces it, as ``<URN> (replaced)``."""
    pending: tuple[str, ...] = ()
    """Operations that an interrupted run has begun."""

    @property
    def digest(self) -> str:
        return digest({"resources": self.resources, "pending": list(self.pending)})

    def differences(self, now: Fingerprint) -> dict[str, str]:
        """By URN what is different ``now``, in words."""
        found: dict[str, str] = {}
        for urn in sorted(self.resources.keys() | now.resources.keys()):
            before, after = self.resources.get(urn), now.resources.get(urn)
            if before is None:
                found[urn] = "is in the state now, and was not"
            elif after is None:
                found[urn] = "was in the state, and is not any more"
            elif before != after:
                changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
                found[urn] = f"is another one in the state: {_listed(changed)}"
        for each in sorted({*self.pending} ^ {*now.pending}):
            operation, _, urn = each.partition(" ")
            when = "was" if each in self.pending else "is now"
            found.setdefault(urn, f"{when} {operation}, by a run that was interrupted")
        return found


def fingerprint(deployment: Mapping[str, Any], decrypt: Decrypt) -> Fingerprint:
    """Of a deployment as a checkpoint holds it; ``decrypt`` gives the content of a secret's ciphertext."""
    resources: dict[str, dict[str, str]] = {}
    for resource in deployment.get("resources") or []:
        name = f"{resource['urn']} (replaced)" if resource.get("delete") else resource["urn"]
        while name in resources:
            name += "'"
        resources[name] = {path: digest(value) for path, value in leaves(_meaning(resource, decrypt))}
    pending = sorted(f"{each['type']} {each['resource']['urn']}" for each in deployment.get("pending_operations") or [])
    return Fingerprint(resources, tuple(pending))


def _meaning(resource: Mapping[str, Any], decrypt: Decrypt) -> dict[str, Any]:
    clear = in_order(with_clear_secrets(dict(resource), decrypt))
    kept = {
        key: value for key, value in clear.items() if key not in _MEANINGLESS and value not in (None, "", [], {}, False)
    }
    for part in ("inputs", "outputs"):
        if part in kept:
            kept[part] = {key: value for key, value in kept[part].items() if not key.startswith(_PROVIDER_PREFIX)}
    return kept


def _listed(paths: list[str], most: int = 5) -> str:
    shown = ", ".join(paths[:most])
    return shown if len(paths) <= most else f"{shown} and {len(paths) - most} more"
