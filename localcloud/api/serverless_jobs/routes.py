"""``/serverless-jobs/v1alpha2``. Runs are executed by ``localcloud.runtime.job_runner``."""

from __future__ import annotations

from typing import Any

from localcloud.api.errors import already_exists, invalid, plain
from localcloud.api.request import ApiRequest
from localcloud.api.routing import ResponseBody, Routes
from localcloud.api.secret_manager import payloads
from localcloud.api.serverless_jobs.runs import ENDED, new_run, state, stopped
from localcloud.api.serverless_jobs.schedule import ScheduleError, is_due
from localcloud.api.serverless_jobs.schemas import DEFINITION, SECRET, SECRETS, START, definitions, references, runs
from localcloud.api.store import Resource
from localcloud.api.validation import Problems, objects

routes = Routes("/serverless-jobs/v1alpha2/regions/{region}", product="serverless_jobs")


@routes("POST", "/job-definitions", "job_definition")
def create_definition(request: ApiRequest) -> ResponseBody:
    values = DEFINITION.create(request.body)
    project = request.project(values["project_id"])
    for other in definitions.matching(request, _project=project, name=values["name"], _region=request.region):
        raise already_exists("job_definition", other["id"], "a job with this name already exists in the project")
    values |= {"project_id": project, "region": request.region, "cron_schedule": _cron(values["cron_schedule"])}
    return definitions.show(request, definitions.add(request, values, project=project))


@routes("GET", "/job-definitions", "job_definition")
def list_definitions(request: ApiRequest) -> ResponseBody:
    return definitions.list(request)


@routes("GET", "/job-definitions/{id}", "job_definition")
def get_definition(request: ApiRequest) -> ResponseBody:
    return definitions.show(request, definitions.find(request, request.id))


@routes("PATCH", "/job-definitions/{id}", "job_definition")
def update_definition(request: ApiRequest) -> ResponseBody:
    """``cron_schedule`` with both fields null removes the schedule."""
    definition = definitions.find(request, request.id)
    changes = DEFINITION.update(request.body)
    changes.pop("project_id", None)
    if "cron_schedule" in changes:
        changes["cron_schedule"] = _cron(changes["cron_schedule"])
    return definitions.show(request, definitions.change(request, definition, changes))


@routes("DELETE", "/job-definitions/{id}", "job_definition")
def delete_definition(request: ApiRequest) -> ResponseBody:
    definition = definitions.find(request, request.id)
    own_runs = list(runs.matching(request, job_definition_id=definition["id"]))
    if any(state(run, request.now) not in ENDED for run in own_runs):
        raise plain(403, "cannot delete a job definition that has active runs")
    for run in own_runs:
        runs.remove(request, run)
    for reference in list(references.matching(request, job_definition_id=definition["id"])):
        references.remove(request, reference)
    definitions.remove(request, definition)
    return None


@routes("POST", "/job-definitions/{id}/start", "job_run", action="start")
def start(request: ApiRequest) -> ResponseBody:
    definition = definitions.find(request, request.id)
    values = START.create(request.body)
    started = [new_run(request.cloud, definition, request.now, values) for _ in range(values["replicas"])]
    return {"job_runs": [runs.show(request, run) for run in started]}


@routes("GET", "/job-runs", "job_run")
def list_runs(request: ApiRequest) -> ResponseBody:
    return runs.list(request)


@routes("GET", "/job-runs/{id}", "job_run")
def get_run(request: ApiRequest) -> ResponseBody:
    return runs.show(request, runs.find(request, request.id))


@routes("POST", "/job-runs/{id}/stop", "job_run", action="start")
def stop_run(request: ApiRequest) -> ResponseBody:
    run = stopped(runs.find(request, request.id), request.now)
    runs.put(request, run)
    return runs.show(request, run)


@routes("POST", "/secrets", "secret")
def create_secrets(request: ApiRequest) -> ResponseBody:
    values = SECRETS.create(request.body)
    definition = definitions.find(request, values["job_definition_id"])
    problems = Problems()
    items = [
        SECRET.create(item, problems, f"secrets[{index}].")
        for index, item in enumerate(objects(request.body, "secrets"))
    ]
    problems.raise_if_any()
    created = [_reference(request, definition, item) for item in items]
    return {"secrets": [references.show(request, item) for item in created]}


@routes("GET", "/secrets", "secret")
def list_secrets(request: ApiRequest) -> ResponseBody:
    return references.list(request)


@routes("GET", "/secrets/{id}", "secret")
def get_secret(request: ApiRequest) -> ResponseBody:
    return references.show(request, references.find(request, request.id))


@routes("DELETE", "/secrets/{id}", "secret")
def delete_secret(request: ApiRequest) -> ResponseBody:
    references.remove(request, references.find(request, request.id))
    return None


def _reference(request: ApiRequest, definition: Resource, item: dict[str, Any]) -> Resource:
    """Create a reference that passes a secret to a job as a variable or a file."""
    secret = request.store.get(payloads.SECRETS, item["secret_manager_id"])
    if secret is None or secret["_project"] != definition["_project"]:
        raise invalid("secret_manager_id", "must be a secret of the job's project")
    if (item["env_var_name"] is None) == (item["path"] is None):
        raise invalid("env_var_name", "exactly one of env_var_name and path is required")
    target = {"env_var": {"name": item["env_var_name"]}} if item["path"] is None else {"file": {"path": item["path"]}}
    reference = references.add(
        request,
        {
            "secret_manager_id": item["secret_manager_id"],
            "secret_manager_version": item["secret_manager_version"],
            "job_definition_id": definition["id"],
            **target,
        },
        project=definition["_project"],
    )
    reference = {**reference, "secret_id": reference["id"]}
    references.put(request, reference)
    return reference


def _cron(cron_schedule: dict[str, str] | None) -> dict[str, str] | None:
    if not cron_schedule or "schedule" not in cron_schedule:
        return None
    schedule = {"schedule": cron_schedule["schedule"], "timezone": cron_schedule.get("timezone", "UTC")}
    try:
        is_due(schedule, 0)
    except ScheduleError as error:
        raise invalid(f"cron_schedule.{error.part}", str(error)) from error
    return schedule
