"""Projects and their request bodies."""

from __future__ import annotations

from localcloud.api.collection import Collection
from localcloud.api.request import PROJECTS
from localcloud.api.validation import Body, Text

projects = Collection(PROJECTS, "project", "projects", {"name": "name", "project_ids": "id"})

PROJECT = Body(
    name=Text(
        required=True,
        max_length=64,
        pattern=r"[\w .\-]+",
        message="must contain only letters, digits, spaces, hyphens, underscores and periods",
    ),
    description=Text(max_length=200),
)
