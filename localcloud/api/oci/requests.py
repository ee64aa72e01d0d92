"""The request passed to handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localcloud.api.access import Principal
from localcloud.api.cloud import Cloud
from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.bodies import HttpRequest, HttpResponse
from localcloud.api.oci.errors import name_unknown
from localcloud.api.oci.repository import Repository
from localcloud.api.oci.uploads import Uploads


@dataclass(frozen=True)
class RegistryContext:
    """The dependencies shared by all requests."""

    cloud: Cloud
    blobs: Blobs
    uploads: Uploads


@dataclass(frozen=True)
class RegistryRequest:
    """An authorized request.

    Handlers change the store only after their last ``await``, so that no other request can interfere.
    """

    context: RegistryContext
    http: HttpRequest
    principal: Principal | None
    repository: Repository
    name: str
    """The repository's name as given in the request."""
    values: dict[str, str]
    """Path parameters."""

    @property
    def now(self) -> float:
        return self.context.cloud.now()

    @property
    def base(self) -> str:
        """The repository's path."""
        return f"/v2/{self.name}"

    def require_repository(self) -> None:
        """Call this after an ``await``. Raises ``NAME_UNKNOWN`` if the namespace has been deleted in the meantime."""
        if not self.repository.exists:
            raise name_unknown(self.name)


Handler = Callable[[RegistryRequest], Awaitable[HttpResponse]]
