"""Container Registry, ``/registry/v1``."""

from __future__ import annotations

from engine.provider.fields import Field
from engine.provider.resource import ORGANIZATION, PROJECT, ResourceType


class Namespace(ResourceType):
    """A registry namespace."""

    token = "scaleway:registry/namespace:Namespace"  # noqa: S105 - a type token
    path = "/registry/v1/regions/{region}/namespaces"
    transient = frozenset({"deleting"})
    waits_until_gone = True
    fields = (
        Field("name"),
        Field("description"),
        Field("isPublic"),
        Field("endpoint", sent=False),
        ORGANIZATION,
        PROJECT,
    )


TYPES = (Namespace(),)
