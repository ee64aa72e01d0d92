"""A project's log streams: one per container and job run, with Cockpit's labels.

As in Cockpit, each line is a JSON object that contains the ``message`` written by the process, the instance, and the
stream (stdout or stderr). Sources: Scaleway's documentation, "Query your logs with the Loki API", and the source code
of Scaleway's CLI (``scw container container logs``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localcloud.api.cloud import Cloud
from localcloud.api.containers.schemas import CONTAINERS
from localcloud.api.logs.lines import LogLine
from localcloud.api.serverless_jobs.runs import DEFINITIONS, RUNS
from localcloud.api.store import Resource


@dataclass(frozen=True)
class LogStream:
    container_id: str
    """Id of the container or job run, used to read its lines."""
    labels: dict[str, str]

    def text(self, line: LogLine) -> str:
        instance = f"{self.labels['resource_name']}-{line.instance}"
        envelope = {"resource_instance": instance, "message": line.text, "stream": line.stream}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def streams_of(cloud: Cloud, source: Resource) -> Iterator[LogStream]:
    """The streams of a data source. A project's own data sources are empty because they do not accept pushed logs."""
    if source["origin"] != "scaleway":
        return
    for container in _within(source, cloud.store.all(CONTAINERS)):
        # As on the platform, use the endpoint's name instead of the container's.
        name = container["public_endpoint"].removeprefix("https://").partition(".")[0]
        yield LogStream(container["id"], _labels(source, "serverless_container", container["id"], name))
    for run in _within(source, cloud.store.all(RUNS)):
        name = (cloud.store.get(DEFINITIONS, run["job_definition_id"]) or {"name": ""})["name"]
        labels = _labels(source, "serverless_job", run["id"], name)
        yield LogStream(run["id"], {**labels, "job_definition_name": name})


def _within(source: Resource, resources: Iterable[Resource]) -> Iterator[Resource]:
    owner = (source["project_id"], source["region"])
    return (resource for resource in resources if (resource["_project"], resource["_region"]) == owner)


def _labels(source: Resource, resource_type: str, id: str, name: str) -> dict[str, str]:
    return {
        "project_id": source["project_id"],
        "region": source["region"],
        "resource_id": id,
        "resource_name": name,
        "resource_type": resource_type,
    }
