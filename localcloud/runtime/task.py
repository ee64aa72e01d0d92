"""The task that a job run executes, read from the API's store when the run starts."""

from __future__ import annotations

import base64
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

from localcloud.api.cloud import Cloud
from localcloud.api.secret_manager.payloads import find_version, payload
from localcloud.api.serverless_jobs.runs import DEFINITIONS, REFERENCES
from localcloud.api.store import Resource
from localcloud.api.timestamps import parse_duration
from localcloud.runtime.desired import registry_image
from localcloud.runtime.revision import Program

_MEBIBYTE = 1_048_576


class TaskError(Exception):
    """The run cannot start; the message states why."""

    def __init__(self, reason: str, message: str) -> None:
        """``reason``: one of the API's values for a run's ``reason``."""
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, kw_only=True)
class Task(Program):
    files: Mapping[str, bytes] = field(repr=False)
    """Maps paths of secret files mounted in the container to their content."""
    timeout: float
    """Maximum duration of the run, including all attempts, in seconds."""
    retries: int
    """Number of attempts after the first one."""


def task_of(cloud: Cloud, run: Resource) -> Task:
    """The task for a run. Raises TaskError."""
    definition = cloud.store.get(DEFINITIONS, run["job_definition_id"]) or {}
    image = registry_image(cloud, definition.get("image_uri", ""))
    if image is None:
        raise TaskError("image_not_found", "the job's image is not in the local registry")
    environment, files = dict(run["environment_variables"]), {}
    secrets: list[str] = []
    for reference in cloud.store.all(REFERENCES):
        if reference["job_definition_id"] != definition["id"]:
            continue
        value = _secret(cloud, reference)
        text = value.decode(errors="replace")
        secrets.append(text)
        if "file" in reference:
            files[reference["file"]["path"]] = value
        else:
            environment[reference["env_var"]["name"]] = text
    return Task(
        container_id=run["id"],
        name=definition["name"],
        image=image,
        environment=environment,
        secrets=tuple(sorted({value for value in secrets if value})),
        command=tuple(run["startup_command"] or _split(run["command"])),
        args=tuple(run["args"]),
        memory_bytes=run["memory_limit"] * _MEBIBYTE,
        mvcpu=run["cpu_limit"],
        files=files,
        timeout=parse_duration(definition["job_timeout"]),
        retries=(definition["retry_policy"] or {}).get("max_retries", 0),
    )


def _split(command: str) -> list[str]:
    """Split the deprecated field ``command``, a single string in shell syntax."""
    try:
        return shlex.split(command)
    except ValueError as error:
        raise TaskError("invalid_request", "the job's command has unbalanced quotes") from error


def _secret(cloud: Cloud, reference: Resource) -> bytes:
    """The current value of the secret version that a reference names."""
    revision = reference["secret_manager_version"]
    version = find_version(cloud.store, reference["secret_manager_id"], revision)
    if version is None:
        raise TaskError("secret_not_found", f"a secret of the job has no version {revision}")
    if version["status"] != "enabled":
        raise TaskError("secret_disabled", f"version {revision} of a secret of the job is disabled")
    return base64.b64decode(payload(cloud.store, version))
