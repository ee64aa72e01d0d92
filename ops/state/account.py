"""Scaleway as far as state needs it: secrets, who a key belongs to, where object storage is."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass

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
    """A secret of Secret Manager, without what it holds."""

    id: str
    name: str
    project_id: str


class Account:
    """The Scaleway of a stack, asked with the user's key. Requests raise ScalewayError."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError when there is no API key."""
        self._stack = stack
        self._client = Client.of(stack, environ, ExitCode.ENVIRONMENT)
        self._profile = self._client.profile
        self.organization_id = self._profile.organization_id
        self.region = self._profile.region

    def close(self) -> None:
        self._client.close()

    # --- object storage ---------------------------------------------------------------------------------

    def storage_key(self, project_id: str = "") -> tuple[str, str]:
        """The user's own key for object storage, for a project other than the key's own where one is given.

        Raises OpsError when its first half is not known.
        """
        access_key = self._profile.access_key
        if not access_key:
            raise OpsError(
                f"The state of {self._stack.name} is in object storage, which wants both halves of a key: set "
                "SCW_ACCESS_KEY too.",
                ExitCode.ENVIRONMENT,
            )
        return f"{access_key}@{project_id}" if project_id else access_key, self._profile.secret_key

    def storage_endpoint(self) -> str:
        """Starts the local Scaleway's object storage if need be. Raises OpsError when that does not start."""
        if not self._stack.is_local:
            return f"https://s3.{self.region}.scw.cloud"
        deadline = time.monotonic() + _STORAGE_SECONDS
        storage = self._client.post(_STORAGE, headers=control_headers(self._client.get(_HEALTH)))
        while not storage.get("ready"):
            if not storage.get("running") or time.monotonic() > deadline:
                raise OpsError(
                    f"The object storage of the local Scaleway does not start at {storage.get('url')}: is its port in "
                    "use by another program? Its log says more: scripts/snu local logs",
                    ExitCode.LOCAL_CLOUD,
                )
            time.sleep(_POLL_SECONDS)
            storage = self._client.get(_STORAGE)
        return str(storage["url"])

    # --- who --------------------------------------------------------------------------------------------

    def bearer(self) -> str:
        """Whom the key belongs to, as bucket policies write it: ``user_id:…`` or ``application_id:…``."""
        found = self._client.get(API_KEY.listing.object_at(id=self._profile.access_key))
        for kind in ("user_id", "application_id"):
            if found.get(kind):
                return f"{kind}:{found[kind]}"
        raise OpsError("Scaleway does not say whom the key belongs to.", ExitCode.FAILED)

    # --- secrets ----------------------------------------------------------------------------------------

    def secrets_named(self, name: str, project_id: str = "") -> list[Secret]:
        """Those that the key may see, of one project or of all."""
        query = {"name": name, **({"project_id": project_id} if project_id else {})}
        found = self._client.list(SECRET.listing, query)
        # Filters of lists may match more than the whole name.
        return [Secret(each["id"], name, each["project_id"]) for each in found if each["name"] == name]

    def make_secret(self, name: str, project_id: str, description: str) -> Secret:
        """Make a secret, or find the one that somebody else has made meanwhile. It is protected from deletion."""
        body = {
            "name": name,
            "project_id": project_id,
            "description": description,
            "type": "opaque",
            "protected": not self._stack.is_local,
        }
        try:
            made = self._client.post(SECRET.listing.at(region=self.region), body)
        except ScalewayError:
            if found := self.secrets_named(name, project_id):
                return found[0]
            raise
        return Secret(made["id"], name, project_id)

    def content(self, secret: Secret) -> bytes | None:
        """The newest version that may be used; None where there is none."""
        try:
            found = self._client.get(f"{self._versions(secret)}/latest_enabled/access")
        except ScalewayError as refused:
            if refused.is_not_found:
                return None
            raise
        return base64.b64decode(found["data"])

    def write(self, secret: Secret, content: bytes) -> None:
        """A new version."""
        data = base64.b64encode(content).decode()
        self._client.post(self._versions(secret), {"data": data})

    def withdraw(self, secret: Secret) -> None:
        """Disable every version, so that it has no content until the next is written."""
        for each in self._client.list(SECRET_VERSION.listing, region=self.region, secretId=secret.id):
            if each["status"] == "enabled":
                self._client.post(f"{self._versions(secret)}/{each['revision']}/disable")

    def _versions(self, secret: Secret) -> str:
        return SECRET_VERSION.listing.at(region=self.region, secretId=secret.id)
