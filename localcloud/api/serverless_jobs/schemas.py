"""Job definitions, secret references and runs, and their request bodies."""

from __future__ import annotations

from typing import Any

from localcloud.api.collection import Collection
from localcloud.api.request import ApiRequest
from localcloud.api.serverless_jobs.runs import DEFINITIONS, REFERENCES, RUNS, shown
from localcloud.api.store import Resource
from localcloud.api.transitions import visible
from localcloud.api.validation import Array, Body, Duration, Integer, Nested, StringMap, Text, Uuid
from scaleway_facts import limits

MAX_REPLICAS = 50

_CRON = Body(
    schedule=Text(default=None, pattern=r"\S+( \S+){4}", message="must be a cron expression with five fields"),
    timezone=Text(default=None),
)
DEFINITION = Body(
    project_id=Uuid(),
    name=Text(
        required=True,
        max_length=255,
        pattern=r"[\w.\-]+",
        message="must contain only letters, digits, hyphens, underscores and periods",
    ),
    description=Text(),
    image_uri=Text(required=True, max_length=1_024),
    cpu_limit=Integer.within(limits.JOB_CPU, required=True),
    memory_limit=Integer.within(limits.JOB_MEMORY, required=True),
    local_storage_capacity=Integer.within(limits.JOB_STORAGE, default=5_120),
    command=Text(),
    startup_command=Array(of=Text()),
    args=Array(of=Text()),
    environment_variables=StringMap(),
    job_timeout=Duration.within(limits.JOB_SECONDS),
    cron_schedule=Nested(body=_CRON),
    retry_policy=Nested(body=Body(max_retries=Integer(maximum=10))),
)
SECRETS = Body(job_definition_id=Uuid(required=True))
SECRET = Body(
    secret_manager_id=Uuid(required=True),
    secret_manager_version=Text(default="latest"),
    env_var_name=Text(default=None, min_length=1),
    path=Text(default=None, pattern=r"/.+", message="must be an absolute path"),
)
START = Body(
    command=Text(default=None),
    startup_command=Array(default=None, of=Text()),
    args=Array(default=None, of=Text()),
    environment_variables=StringMap(),
    replicas=Integer(default=1, minimum=1, maximum=MAX_REPLICAS),
)


def _show_definition(request: ApiRequest, definition: Resource) -> dict[str, Any]:
    """Omit a retry policy with zero retries, which clients would treat as a change."""
    shown_definition = visible(definition, request.now)
    if not (shown_definition["retry_policy"] or {}).get("max_retries"):
        del shown_definition["retry_policy"]
    return shown_definition


definitions = Collection(
    DEFINITIONS,
    "job_definition",
    "job_definitions",
    {"project_id": "project_id", "name": "name"},
    show=_show_definition,
)
references = Collection(
    REFERENCES,
    "secret",
    "secrets",
    {"job_definition_id": "job_definition_id"},
    show=lambda request, item: {
        name: value
        for name, value in visible(item, request.now).items()
        if name not in ("id", "created_at", "updated_at")
    },
)
runs = Collection(
    RUNS,
    "job_run",
    "job_runs",
    {"job_definition_id": "job_definition_id", "project_id": "_project"},
    show=lambda request, run: shown(run, request.now),
)
