"""Data sources: those that a project creates, and Scaleway's own, with the logs of its products.

Every project has Scaleway's own data source in each region. It is not stored but derived, with a stable id, and cannot
be deleted.
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
"""Prefix of data sources' URLs, on the local Scaleway's own address, which containers can reach too."""

DEFAULT_RETENTION = {"metrics": 31, "logs": 7, "traces": 7}
"""Days, by type."""


def url(cloud: Cloud, id: str) -> str:
    return f"http://127.0.0.1:{cloud.port}{PATH}{id}"


def scaleway_sources(cloud: Cloud, region: str) -> Iterator[Resource]:
    """Each project's data source with the logs of Scaleway's products."""
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
    """A data source by id, in any region."""
    source = cloud.store.get(SOURCES, id)
    if source is not None:
        return source
    return next((own for region in REGIONS for own in scaleway_sources(cloud, region) if own["id"] == id), None)
