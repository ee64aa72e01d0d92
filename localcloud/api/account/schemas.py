"""Projects, and what requests may say of them."""

from __future__ import annotations

from localcloud.api.collection import Collection
from localcloud.api.request import PROJECTS
from localcloud.api.validation import Body, Text

projects = Collection(PROJECTS, "project", "projects", {"name": "name", "project_ids": "id"})

PROJECT = Body(
    name=Text(required=True, longest=64, pattern=r"[\w .\-]+", meaning="must be letters, digits, space . - _"),
    description=Text(longest=200),
)
