"""The streams of a project's logs: one for each container and each run of a job, with the labels of Cockpit.

A line is a JSON object, as Cockpit's lines are: ``message`` is what the process wrote, beside the instance and the
stream (stdout, stderr) that wrote it. Sources: Scaleway's documentation, "Query your logs with the Loki API", and the
code of Scaleway's command line (``scw container container logs``).
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
    """What its lines are read by; of a job it is the run's."""
    labels: dict[str, str]

    def text(self, line: LogLine) -> str:
        instance = f"{self.labels['resource_name']}-{line.instance}"
        envelope = {"resource_instance": instance, "message": line.text, "stream": line.stream}
        return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def streams_of(cloud: Cloud, source: Resource) -> Iterator[LogStream]:
    """What a data source holds. One that the project made holds what is pushed to it, and here nothing can be."""
    if source["origin"] != "scaleway":
        return
    for container in _within(source, cloud.store.all(CONTAINERS)):
        # As on the platform, where it is not the container's own name but that of its endpoint.
        name = container["public_endpoint"].removeprefix("https://").partition(".")[0]
        yield LogStream(container["id"], _labels(source, "serverless_container", container["id"], name))
    for run in _within(source, cloud.store.all(RUNS)):
        name = (cloud.store.get(DEFINITIONS, run["job_definition_id"]) or {"name": ""})["name"]
        labels = _labels(source, "serverless_job", run["id"], name)
        yield LogStream(run["id"], {**labels, "job_definition_name": name})


def _within(source: Resource, resources: Iterable[Resource]) -> Iterator[Resource]:
    place = (source["project_id"], source["region"])
    return (resource for resource in resources if (resource["_project"], resource["_region"]) == place)


def _labels(source: Resource, type: str, id: str, name: str) -> dict[str, str]:
    return {
        "project_id": source["project_id"],
        "region": source["region"],
        "resource_id": id,
        "resource_name": name,
        "resource_type": type,
    }
