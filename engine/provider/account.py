"""Projects, ``/account/v3``."""

from __future__ import annotations

from engine.provider.client import Client
from engine.provider.fields import Field
from engine.provider.resource import CREATED_AT, UPDATED_AT, Object, ResourceType
from pulumi_state.values import PropertyMap


class Project(ResourceType):
    token = "scaleway:account/project:Project"  # noqa: S105 - a type token
    path = "/account/v3/projects"
    fields = (
        Field("name"),
        Field("description"),
        Field("organizationId", computed=True),
        CREATED_AT,
        UPDATED_AT,
    )

    def body(self, client: Client, news: PropertyMap) -> Object:
        return {"organization_id": client.organization_id, **super().body(client, news)}


TYPES = (Project(),)
