"""Scaleway requests needed for backends: secrets, API key owners and object storage."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from localcloud.api.control_token import control_headers
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway.catalogue import API_KEY, SECRET, SECRET_VERSION
from ops.scaleway.client import Client, ScalewayError
from ops.stacks import Stack

_HEALTH = "/_local/health"
_STORAGE = "/_local/object-storage"
_STORAGE_SECONDS = 60.0
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Secret:
    """A secret in Secret Manager without its content."""

    id: str
    name: str
    project_id: str


@dataclass(frozen=True)
class SecretVersion:
    """A version of a secret without its content."""

    revision: int
    is_enabled: bool
    """Whether its content can be read; false if it is disabled or scheduled for deletion."""
    created: datetime
    description: str


class Account:
    """A stack's Scaleway account, accessed with the user's key. Requests raise ScalewayError."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError if there is no API key."""
        self._stack = stack
        self._client = Client.of(stack, environ, ExitCode.ENVIRONMENT)
        self._profile = self._client.profile
        self.organization_id = self._profile.organization_id
        self.region = self._profile.region

    def close(self) -> None:
        self._client.close()

    # --- object storage ---------------------------------------------------------------------------------

    def storage_key(self, project_id: str = "") -> tuple[str, str]:
        """The user's object storage key for ``project_id``, by default for the key's own project.

        Raises OpsError if there is no access key.
        """
        access_key = self._profile.access_key
        if not access_key:
            raise OpsError(
                f"The state of {self._stack.name} is in object storage, which requires an access key: set "
                "SCW_ACCESS_KEY as well.",
                ExitCode.ENVIRONMENT,
            )
        return f"{access_key}@{project_id}" if project_id else access_key, self._profile.secret_key

    def storage_endpoint(self) -> str:
        """The object storage endpoint. Starts the local Scaleway's object storage; raises OpsError if that fails."""
        if not self._stack.is_local:
            return f"https://s3.{self.region}.scw.cloud"
        deadline = time.monotonic() + _STORAGE_SECONDS
        storage = self._client.post(_STORAGE, headers=control_headers(self._client.get(_HEALTH)))
        while not storage.get("ready"):
            if not storage.get("running") or time.monotonic() > deadline:
                raise OpsError(
                    f"The local Scaleway's object storage did not start at {storage.get('url')}; another program may "
                    "be using its port. See the log: scripts/snu local logs",
                    ExitCode.LOCAL_CLOUD,
                )
            time.sleep(_POLL_SECONDS)
            storage = self._client.get(_STORAGE)
        return str(storage["url"])

    # --- identity ---------------------------------------------------------------------------------------

    def bearer(self) -> str:
        """The key's owner as a bucket policy principal: ``user_id:…`` or ``application_id:…``."""
        key = self._client.get(API_KEY.listing.object_at(id=self._profile.access_key))
        for kind in ("user_id", "application_id"):
            if key.get(kind):
                return f"{kind}:{key[kind]}"
        raise OpsError("Scaleway did not return the owner of the API key.", ExitCode.FAILED)

    # --- secrets ----------------------------------------------------------------------------------------

    def secrets_named(self, name: str, project_id: str = "") -> list[Secret]:
        """The secrets with this name that are visible to the key, in one project or in all projects."""
        query = {"name": name, **({"project_id": project_id} if project_id else {})}
        secrets = self._client.list(SECRET.listing, query)
        # The filter may also match names that contain this one.
        return [Secret(each["id"], name, each["project_id"]) for each in secrets if each["name"] == name]

    def secret_named(self, name: str, subject: str, project_id: str = "") -> Secret | None:
        """The only secret with this name; None if there is none.

        Raises OpsError if there are several: ``subject`` is the start of the message, such as "The logs of ci are".
        """
        secrets = self.secrets_named(name, project_id)
        if len(secrets) > 1:
            projects = ", ".join(each.project_id for each in secrets)
            raise OpsError(
                f"{subject} ambiguous: several projects have a secret named {name} ({projects}). Delete or rename the "
                "incorrect ones.",
                ExitCode.ENVIRONMENT,
            )
        return secrets[0] if secrets else None

    def create_secret(self, name: str, project_id: str, description: str) -> Secret:
        """Create a secret with deletion protection, or return one that was created concurrently."""
        body = {
            "name": name,
            "project_id": project_id,
            "description": description,
            "type": "opaque",
            "protected": not self._stack.is_local,
        }
        try:
            created = self._client.post(SECRET.listing.at(region=self.region), body)
        except ScalewayError:
            if secrets := self.secrets_named(name, project_id):
                return secrets[0]
            raise
        return Secret(created["id"], name, project_id)

    def content(self, secret: Secret) -> bytes | None:
        """The content of the latest enabled version, or None if no version is enabled."""
        try:
            version = self._client.get(f"{self._versions(secret)}/latest_enabled/access")
        except ScalewayError as error:
            if error.is_not_found:
                return None
            raise
        return base64.b64decode(version["data"])

    def versions(self, secret: Secret) -> list[SecretVersion]:
        """All versions, newest first."""
        found = self._client.list(SECRET_VERSION.listing, region=self.region, secretId=secret.id)
        versions = (
            SecretVersion(
                int(each["revision"]),
                each["status"] == "enabled",
                datetime.fromisoformat(each["created_at"]),
                each.get("description") or "",
            )
            for each in found
        )
        return sorted(versions, key=lambda version: version.revision, reverse=True)

    def content_of(self, secret: Secret, revision: int) -> bytes:
        """The content of a version, which must be enabled."""
        return base64.b64decode(self._client.get(f"{self._versions(secret)}/{revision}/access")["data"])

    def write(self, secret: Secret, content: bytes, description: str = "") -> int:
        """Add a version, and return its revision. The request may be executed twice; see ``Client``."""
        body = {"data": base64.b64encode(content).decode(), **({"description": description} if description else {})}
        return int(self._client.post(self._versions(secret), body)["revision"])

    def disable(self, secret: Secret, revision: int) -> None:
        """Disable a version. It is kept and can be enabled again."""
        self._client.post(f"{self._versions(secret)}/{revision}/disable")

    def withdraw(self, secret: Secret) -> None:
        """Disable all versions, leaving the secret without content until a new version is written."""
        for each in self.versions(secret):
            if each.is_enabled:
                self.disable(secret, each.revision)

    def _versions(self, secret: Secret) -> str:
        return SECRET_VERSION.listing.at(region=self.region, secretId=secret.id)
