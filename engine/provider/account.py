"""Projects, ``/account/v3``."""

from __future__ import annotations

from engine.provider.fields import Field
from engine.provider.resource import CREATED_AT, UPDATED_AT, ResourceType


class Project(ResourceType):
    """A project."""

    token = "scaleway:account/project:Project"  # noqa: S105 - a type token
    path = "/account/v3/projects"
    fields = (
        Field("name"),
        Field("description"),
        Field("organizationId", computed=True),
        CREATED_AT,
        UPDATED_AT,
    )


TYPES = (Project(),)
