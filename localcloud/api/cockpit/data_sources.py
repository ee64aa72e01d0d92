"""Data sources: those created in a project, and Scaleway's own, which contain its products' logs.

Every project has one of Scaleway's own data sources per region. It is derived rather than stored, has a stable id, and
cannot be deleted.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import NAMESPACE_URL, uuid5

from localcloud.api.cloud import REGIONS, Cloud
from localcloud.api.request import PROJECTS
from localcloud.api.store import Resource
from localcloud.api.transitions import is_deleting

SOURCES = "cockpit.data_source"
PATH = "/cockpit/data-sources/"
"""Path prefix of data source URLs, which use the local Scaleway's address because containers can reach it too."""

DEFAULT_RETENTION = {"metrics": 31, "logs": 7, "traces": 7}
"""Retention in days, by type."""


def url(cloud: Cloud, id: str) -> str:
    return f"http://127.0.0.1:{cloud.port}{PATH}{id}"


def scaleway_sources(cloud: Cloud, region: str) -> Iterator[Resource]:
    """Each project's data source for Scaleway product logs."""
    for project in cloud.store.all(PROJECTS):
        if is_deleting(project):
            continue
        id = str(uuid5(NAMESPACE_URL, f"cockpit/{region}/{project['id']}/logs"))
        yield {
            "id": id,
            "project_id": project["id"],
            "name": "Scaleway Logs",
            "url": url(cloud, id),
            "type": "logs",
            "origin": "scaleway",
            "created_at": project["created_at"],
            "updated_at": project["created_at"],
            "synchronized_with_grafana": True,
            "retention_days": DEFAULT_RETENTION["logs"],
            "region": region,
            "current_month_usage": 0,
            "_project": project["id"],
            "_region": region,
        }


def find(cloud: Cloud, id: str) -> Resource | None:
    """Find a data source by id, in any region."""
    source = cloud.store.get(SOURCES, id)
    if source is not None:
        return source
    return next((own for region in REGIONS for own in scaleway_sources(cloud, region) if own["id"] == id), None)
