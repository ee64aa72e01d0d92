"""The live objects of preview environments, found by name and independently of their states."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ops.jobs import JobRun, Jobs
from ops.previews import names
from ops.scaleway.catalogue import (
    CONTAINER,
    CONTAINER_DOMAIN,
    JOB_DEFINITION,
    RECORD,
    RECORDS_OF_PROGRAM,
    SECRET,
    ResourceKind,
)
from ops.scaleway.client import Client, Object, ScalewayError

if TYPE_CHECKING:
    from ops.previews.parent import Parent

_POLL_SECONDS = 2.0
_LOCAL_POLL_SECONDS = 0.1
_DELETING = "deleting"
_DELETING_SECONDS = 180.0
_STOPPING_SECONDS = 60.0
_MOST_RUNS = 100
"""Maximum number of a job's newest runs that may still be in progress."""
_SETTLE_SECONDS = 15.0
"""Time for which listings may still include deleted objects."""


@dataclass(frozen=True)
class CloudObject:
    """A live object of a preview environment."""

    kind: ResourceKind
    name: str
    id: str
    preview: str
    status: str = ""
    error_message: str = ""

    def __str__(self) -> str:
        return f"{self.kind.noun} {self.name}"


@dataclass(frozen=True)
class CloudObjects:
    """The live objects of all preview environments."""

    objects: tuple[CloudObject, ...]
    """Objects in removal order."""
    unknown: tuple[str, ...]
    """Names of containers in the shared preview namespace that do not belong to any preview environment."""

    def of(self, *previews: str) -> list[CloudObject]:
        return [each for each in self.objects if each.preview in previews]


class Cloud:
    """Lists and removes the objects of preview environments on Scaleway."""

    def __init__(self, parent: Parent) -> None:
        """Raises OpsError if there is no API key or the foundation is not deployed."""
        stack = parent.stack
        self._client = Client.of(stack, parent.environ)
        self._template = parent.template
        self._project_id = parent.project_id
        self._region, _, self._namespace_id = parent.namespace_id.rpartition("/")
        self._poll_seconds = _LOCAL_POLL_SECONDS if stack.is_local else _POLL_SECONDS
        self._settle_seconds = 0.0 if stack.is_local else _SETTLE_SECONDS

    def list_objects(self) -> CloudObjects:
        """The objects of all preview environments. Raises ScalewayError."""
        containers = [
            CloudObject(
                CONTAINER,
                each["name"],
                each["id"],
                names.of_workload(each["name"]) or "",
                str(each.get("status") or ""),
                str(each.get("error_message") or ""),
            )
            for each in self._listed(CONTAINER, namespace_id=self._namespace_id)
        ]
        owners = {each.id: each.preview for each in containers}
        objects = [*self._domains(owners), *containers, *self._jobs(), *self._zone_records(), *self._secrets()]
        unknown = tuple(each.name for each in containers if not each.preview)
        return CloudObjects(tuple(each for each in objects if each.preview), unknown)

    def wait_until_gone(self, previews: list[str], progress: Callable[[str], None]) -> list[CloudObject]:
        """Poll until these environments are gone or no deletion is in progress. Returns the remaining objects."""
        begun = time.monotonic()
        while left := self.list_objects().of(*previews):
            waited = time.monotonic() - begun
            if waited >= (
                _DELETING_SECONDS if any(each.status == _DELETING for each in left) else self._settle_seconds
            ):
                break
            progress(f"Waiting for {', '.join(map(str, left))} to be deleted")
            time.sleep(self._poll_seconds)
        return left

    def stop_runs(self, preview: str) -> None:
        """Stop the runs of an environment's jobs, and wait until they have ended, because Scaleway does not delete
        jobs with active runs. Raises ScalewayError.
        """
        jobs = Jobs(self._client, preview, {})
        deadline = time.monotonic() + _STOPPING_SECONDS
        for run in self._active_runs(jobs, preview):
            jobs.stop(run.id)
        while self._active_runs(jobs, preview) and time.monotonic() < deadline:
            time.sleep(self._poll_seconds)

    def _active_runs(self, jobs: Jobs, preview: str) -> list[JobRun]:
        own = [each for each in self._jobs() if each.preview == preview]
        return [run for job in own for run in islice(jobs.runs({"id": job.id}), _MOST_RUNS) if not run.has_ended]

    def remove(self, target: CloudObject) -> None:
        """Delete an object; succeeds even if it is already gone. Raises ScalewayError."""
        if target.kind is not RECORD:
            self._client.delete(target.kind.listing.object_at(region=self._region, id=target.id))
            return
        path = RECORD.listing.at(dnsZone=self._template.zone or "")
        try:
            self._client.patch(path, {"changes": [{"delete": {"id": target.id}}]})
        except ScalewayError as error:
            if not error.is_not_found:
                raise

    def _listed(self, kind: ResourceKind, **query: str) -> Iterator[Object]:
        return self._client.list(kind.listing, query, region=self._region, dnsZone=self._template.zone or "")

    def _domains(self, owners: Mapping[str, str]) -> Iterator[CloudObject]:
        for each in self._listed(CONTAINER_DOMAIN, project_id=self._project_id):
            host = each["hostname"]
            preview = owners.get(each["container_id"]) or self._template.preview_of_host(host) or ""
            yield CloudObject(CONTAINER_DOMAIN, host, each["id"], preview, str(each.get("status") or ""))

    def _jobs(self) -> Iterator[CloudObject]:
        for each in self._listed(JOB_DEFINITION, project_id=self._project_id):
            yield CloudObject(JOB_DEFINITION, each["name"], each["id"], names.of_workload(each["name"]) or "")

    def _zone_records(self) -> Iterator[CloudObject]:
        zone = self._template.zone
        if zone is None:
            return
        for each in self._listed(RECORD, **RECORDS_OF_PROGRAM):
            host = f"{each['name']}.{zone}"
            yield CloudObject(RECORD, host, each["id"], self._template.preview_of_host(host) or "")

    def _secrets(self) -> Iterator[CloudObject]:
        for each in self._listed(SECRET, project_id=self._project_id):
            yield CloudObject(SECRET, each["name"], each["id"], names.of_secret(each["name"]) or "")
