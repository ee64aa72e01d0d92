"""What the handlers share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from localcloud.api.access import Principal
from localcloud.api.cloud import Cloud
from localcloud.api.oci.blobs import Blobs
from localcloud.api.oci.bodies import Reply, Request
from localcloud.api.oci.errors import name_unknown
from localcloud.api.oci.repository import Repository
from localcloud.api.oci.uploads import Uploads


@dataclass(frozen=True)
class Site:
    cloud: Cloud
    blobs: Blobs
    uploads: Uploads


@dataclass(frozen=True)
class RegistryRequest:
    """One request that may do what it asks for.

    A handler changes the store only after its last ``await``, so that no other request comes between.
    """

    site: Site
    request: Request
    principal: Principal | None
    repository: Repository
    name: str
    """The repository's, as the client wrote it."""
    values: dict[str, str]
    """Variables of the path."""

    @property
    def now(self) -> float:
        return self.site.cloud.now()

    @property
    def base(self) -> str:
        """Path of the repository."""
        return f"/v2/{self.name}"

    def require_repository(self) -> None:
        """To be asked after an ``await``: the namespace may be gone meanwhile. Raises ``NAME_UNKNOWN``."""
        if not self.repository.exists:
            raise name_unknown(self.name)


Handler = Callable[[RegistryRequest], Awaitable[Reply]]
