"""Secret versions and their values, without permission checks."""

from __future__ import annotations

from localcloud.api.store import VAULT_PREFIX, Resource, Store

SCHEDULED = "scheduled_for_deletion"
"""Status of a deleted version that can still be recovered."""

SECRETS = "secret_manager.secret"
VERSIONS = "secret_manager.version"
PAYLOADS = f"{VAULT_PREFIX}secret_manager.payload"
"""Store kind that maps ``<secret id>/<revision>`` to the base64-encoded value."""


def versions_of(store: Store, secret_id: str) -> list[Resource]:
    """A secret's versions, oldest first."""
    return [version for version in store.all(VERSIONS) if version["secret_id"] == secret_id]


def find_version(store: Store, secret_id: str, revision: str) -> Resource | None:
    """Find a version of a secret. ``revision``: a number, ``latest`` or ``latest_enabled``."""
    for version in reversed(versions_of(store, secret_id)):
        if (
            (revision == "latest" and version["status"] != SCHEDULED)
            or (revision == "latest_enabled" and version["status"] == "enabled")
            or revision == str(version["revision"])
        ):
            return version
    return None


def payload(store: Store, version: Resource) -> str:
    """The base64-encoded value."""
    return str((store.get(PAYLOADS, version["id"]) or {})["data"])
