"""Canonical fingerprints of states, which show whether a stack's state has changed.

Two writes of the same state differ in their timestamps, the order of references, and the ciphertexts of secrets. The
fingerprint covers everything else, including decrypted secrets; only digests are kept.
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
    """Digests of a stack's state by resource and property, which reveal nothing about the state."""

    resources: Mapping[str, Mapping[str, str]]
    """Digests by URN and property path. A replaced resource that is pending deletion is ``<URN> (replaced)``."""
    pending: tuple[str, ...] = ()
    """Operations left pending by an interrupted run."""

    @property
    def digest(self) -> str:
        return digest({"resources": self.resources, "pending": list(self.pending)})

    def differences(self, now: Fingerprint) -> dict[str, str]:
        """Descriptions of the differences in ``now``, by URN."""
        differences: dict[str, str] = {}
        for urn in sorted(self.resources.keys() | now.resources.keys()):
            before, after = self.resources.get(urn), now.resources.get(urn)
            if before is None:
                differences[urn] = "was added to the state"
            elif after is None:
                differences[urn] = "was removed from the state"
            elif before != after:
                changed = [path for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)]
                differences[urn] = f"changed in the state: {_listed(changed)}"
        for each in sorted({*self.pending} ^ {*now.pending}):
            operation, _, urn = each.partition(" ")
            verb = "was" if each in self.pending else "is"
            differences.setdefault(urn, f"{verb} pending ({operation}) after an interrupted run")
        return differences


def fingerprint(deployment: Mapping[str, Any], decrypt: Decrypt) -> Fingerprint:
    """The fingerprint of a checkpoint's deployment; ``decrypt`` returns a ciphertext's content."""
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
