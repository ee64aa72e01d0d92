"""Data sources: those that a project makes, and the one that Scaleway keeps its products' own logs in.

Every project has the latter in each region without making it, so it is not kept but derived: its id is the same at
every look, and nobody can delete it.
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
"""Below it each data source is asked, by its id: the local Scaleway's own address, which containers reach too."""

DEFAULT_RETENTION = {"metrics": 31, "logs": 7, "traces": 7}
"""Days, by type."""


def url(cloud: Cloud, id: str) -> str:
    return f"http://127.0.0.1:{cloud.port}{PATH}{id}"


def own_logs(cloud: Cloud, region: str) -> Iterator[Resource]:
    """Each project's data source of the products' logs."""
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
    """The data source of that id, in whatever region it is."""
    kept = cloud.store.get(SOURCES, id)
    if kept is not None:
        return kept
    return next((found for region in REGIONS for found in own_logs(cloud, region) if found["id"] == id), None)
