"""Scaleway as far as state needs it: secrets, who a key belongs to, where object storage is."""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.scaleway import Object, connect, message
from ops.stacks import Stack, provider_setting, secret_key_of

_RETRY_SECONDS = (0.5, 2.0)
_STORAGE_SECONDS = 60.0
_POLL_SECONDS = 0.1


class RefusedError(OpsError):
    """Scaleway refused; ``status`` is HTTP's, 0 for no answer."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, ExitCode.ENVIRONMENT)
        self.status = status


@dataclass(frozen=True)
class Secret:
    """A secret of Secret Manager, without what it holds."""

    id: str
    name: str
    project_id: str


class Account:
    """The Scaleway of a stack, asked with the user's key."""

    def __init__(self, stack: Stack, environ: Mapping[str, str]) -> None:
        """Raises OpsError when no key is known."""
        self._stack = stack
        self.secret_key = secret_key_of(stack, environ)
        self.access_key = provider_setting(stack, environ, "accessKey", "SCW_ACCESS_KEY")
        self.organization_id = provider_setting(stack, environ, "organizationId", "SCW_DEFAULT_ORGANIZATION_ID")
        self.region = provider_setting(stack, environ, "region", "SCW_DEFAULT_REGION") or "fr-par"
        if not self.secret_key:
            raise OpsError(
                f"How the state of {stack.name} is reached stands in Scaleway's Secret Manager, and there is no key "
                "to ask with: set SCW_ACCESS_KEY and SCW_SECRET_KEY.",
                ExitCode.ENVIRONMENT,
            )
        self._secrets = f"/secret-manager/v1beta1/regions/{self.region}"
        self._client = connect(stack, environ, self.secret_key)

    def close(self) -> None:
        self._client.close()

    # --- object storage ---------------------------------------------------------------------------------

    def storage_key(self, project_id: str = "") -> tuple[str, str]:
        """The user's own key for object storage, for a project other than the key's own where one is given.

        Raises OpsError when its first half is not known.
        """
        if not self.access_key:
            raise OpsError(
                f"The state of {self._stack.name} is in object storage, which wants both halves of a key: set "
                "SCW_ACCESS_KEY too.",
                ExitCode.ENVIRONMENT,
            )
        return f"{self.access_key}@{project_id}" if project_id else self.access_key, self.secret_key

    def storage_endpoint(self) -> str:
        """Starts the local Scaleway's object storage if need be. Raises OpsError when that does not start."""
        if not self._stack.is_local:
            return f"https://s3.{self.region}.scw.cloud"
        deadline = time.monotonic() + _STORAGE_SECONDS
        storage = self._ask("POST", "/_local/object-storage")
        while not storage.get("ready"):
            if not storage.get("running") or time.monotonic() > deadline:
                raise OpsError(
                    f"The object storage of the local Scaleway does not start at {storage.get('url')}: is its port in "
                    "use by another program? Its log says more: scripts/snu local logs",
                    ExitCode.LOCAL_CLOUD,
                )
            time.sleep(_POLL_SECONDS)
            storage = self._ask("GET", "/_local/object-storage")
        return str(storage["url"])

    # --- who --------------------------------------------------------------------------------------------

    def bearer(self) -> str:
        """Whom the key belongs to, as bucket policies write it: ``user_id:…`` or ``application_id:…``."""
        found = self._ask("GET", f"/iam/v1alpha1/api-keys/{self.access_key}")
        for kind in ("user_id", "application_id"):
            if found.get(kind):
                return f"{kind}:{found[kind]}"
        raise OpsError("Scaleway does not say whom the key belongs to.", ExitCode.FAILED)

    # --- secrets ----------------------------------------------------------------------------------------

    def secrets_named(self, name: str, project_id: str = "") -> list[Secret]:
        """Those that the key may see, of one project or of all."""
        query = {"name": name, **({"project_id": project_id} if project_id else {})}
        found = self._ask("GET", f"{self._secrets}/secrets", query=query).get("secrets") or []
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
            made = self._ask("POST", f"{self._secrets}/secrets", body)
        except RefusedError:
            if found := self.secrets_named(name, project_id):
                return found[0]
            raise
        return Secret(made["id"], name, project_id)

    def content(self, secret: Secret) -> bytes | None:
        """The newest version that may be used; None where there is none."""
        try:
            found = self._ask("GET", f"{self._secrets}/secrets/{secret.id}/versions/latest_enabled/access")
        except RefusedError as refused:
            if refused.status == 404:
                return None
            raise
        return base64.b64decode(found["data"])

    def write(self, secret: Secret, content: bytes) -> None:
        """A new version."""
        data = base64.b64encode(content).decode()
        self._ask("POST", f"{self._secrets}/secrets/{secret.id}/versions", {"data": data})

    def _ask(
        self, method: str, path: str, body: Object | None = None, query: Mapping[str, str] | None = None
    ) -> Object:
        import httpx

        said, status = "", 0
        for seconds in (0.0, *_RETRY_SECONDS):
            time.sleep(seconds)
            try:
                response = self._client.request(method, path, json=body, params=query)
            except httpx.TransportError as error:
                said, status = f"no answer ({type(error).__name__})", 0
                continue
            if response.is_success:
                answer: Object = response.json() if response.content else {}
                return answer
            status = response.status_code
            said = f"{status}, {message(response)}"
            if status != httpx.codes.TOO_MANY_REQUESTS and status < 500:
                break
        what = path.partition("/versions")[0]
        raise RefusedError(f"Scaleway was asked {method} {what} and said: {said}", status)
