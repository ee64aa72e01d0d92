"""``/serverless-jobs/v1alpha2``. What runs: ``localcloud.runtime.job_runner``."""

from __future__ import annotations

from typing import Any

from localcloud.api.errors import already_exists, invalid, plain
from localcloud.api.request import ApiRequest
from localcloud.api.routing import Answer, Routes
from localcloud.api.secret_manager import payloads
from localcloud.api.serverless_jobs.runs import ENDED, new_run, state, stopped
from localcloud.api.serverless_jobs.schedule import ScheduleError, is_due
from localcloud.api.serverless_jobs.schemas import DEFINITION, SECRET, SECRETS, START, definitions, references, runs
from localcloud.api.store import Resource
from localcloud.api.validation import Problems, objects

routes = Routes("/serverless-jobs/v1alpha2/regions/{region}", product="serverless_jobs")


@routes("POST", "/job-definitions", "job_definition")
def create_definition(call: ApiRequest) -> Answer:
    values = DEFINITION.create(call.body)
    project = call.project(values["project_id"])
    for other in definitions.every(call, _project=project, name=values["name"], _region=call.region):
        raise already_exists("job_definition", other["id"], "a job with this name exists in the project")
    values |= {"project_id": project, "region": call.region, "cron_schedule": _cron(values["cron_schedule"])}
    return definitions.show(call, definitions.add(call, values, project=project))


@routes("GET", "/job-definitions", "job_definition")
def list_definitions(call: ApiRequest) -> Answer:
    return definitions.list(call)


@routes("GET", "/job-definitions/{id}", "job_definition")
def get_definition(call: ApiRequest) -> Answer:
    return definitions.show(call, definitions.find(call, call.id))


@routes("PATCH", "/job-definitions/{id}", "job_definition")
def update_definition(call: ApiRequest) -> Answer:
    """``cron_schedule`` with both parts null takes the schedule away."""
    definition = definitions.find(call, call.id)
    changes = DEFINITION.update(call.body)
    changes.pop("project_id", None)
    if "cron_schedule" in changes:
        changes["cron_schedule"] = _cron(changes["cron_schedule"])
    return definitions.show(call, definitions.change(call, definition, changes))


@routes("DELETE", "/job-definitions/{id}", "job_definition")
def delete_definition(call: ApiRequest) -> Answer:
    definition = definitions.find(call, call.id)
    held = list(runs.every(call, job_definition_id=definition["id"]))
    if any(state(run, call.now) not in ENDED for run in held):
        raise plain(403, "cannot delete a job definition that has active runs")
    for run in held:
        runs.remove(call, run)
    for reference in list(references.every(call, job_definition_id=definition["id"])):
        references.remove(call, reference)
    definitions.remove(call, definition)
    return None


@routes("POST", "/job-definitions/{id}/start", "job_run", action="start")
def start(call: ApiRequest) -> Answer:
    definition = definitions.find(call, call.id)
    wanted = START.create(call.body)
    started = [new_run(call.cloud, definition, call.now, wanted) for _ in range(wanted["replicas"])]
    return {"job_runs": [runs.show(call, run) for run in started]}


@routes("GET", "/job-runs", "job_run")
def list_runs(call: ApiRequest) -> Answer:
    return runs.list(call)


@routes("GET", "/job-runs/{id}", "job_run")
def get_run(call: ApiRequest) -> Answer:
    return runs.show(call, runs.find(call, call.id))


@routes("POST", "/job-runs/{id}/stop", "job_run", action="start")
def stop_run(call: ApiRequest) -> Answer:
    run = stopped(runs.find(call, call.id), call.now)
    runs.put(call, run)
    return runs.show(call, run)


@routes("POST", "/secrets", "secret")
def create_secrets(call: ApiRequest) -> Answer:
    values = SECRETS.create(call.body)
    definition = definitions.find(call, values["job_definition_id"])
    problems = Problems()
    wanted = [
        SECRET.create(item, problems, f"secrets[{index}].") for index, item in enumerate(objects(call.body, "secrets"))
    ]
    problems.raise_if_any()
    kept = [_reference(call, definition, item) for item in wanted]
    return {"secrets": [references.show(call, item) for item in kept]}


@routes("GET", "/secrets", "secret")
def list_secrets(call: ApiRequest) -> Answer:
    return references.list(call)


@routes("GET", "/secrets/{id}", "secret")
def get_secret(call: ApiRequest) -> Answer:
    return references.show(call, references.find(call, call.id))


@routes("DELETE", "/secrets/{id}", "secret")
def delete_secret(call: ApiRequest) -> Answer:
    references.remove(call, references.find(call, call.id))
    return None


def _reference(call: ApiRequest, definition: Resource, item: dict[str, Any]) -> Resource:
    """A secret as the job sees it: in a variable or in a file."""
    secret = call.store.get(payloads.SECRETS, item["secret_manager_id"])
    if secret is None or secret["_project"] != definition["_project"]:
        raise invalid("secret_manager_id", "must be a secret of the job's project")
    if (item["env_var_name"] is None) == (item["path"] is None):
        raise invalid("env_var_name", "exactly one of env_var_name and path is needed")
    place = {"env_var": {"name": item["env_var_name"]}} if item["path"] is None else {"file": {"path": item["path"]}}
    reference = references.add(
        call,
        {
            "secret_manager_id": item["secret_manager_id"],
            "secret_manager_version": item["secret_manager_version"],
            "job_definition_id": definition["id"],
            **place,
        },
        project=definition["_project"],
    )
    reference = {**reference, "secret_id": reference["id"]}
    references.put(call, reference)
    return reference


def _cron(given: dict[str, str] | None) -> dict[str, str] | None:
    if not given or "schedule" not in given:
        return None
    found = {"schedule": given["schedule"], "timezone": given.get("timezone", "UTC")}
    try:
        is_due(found, 0)
    except ScheduleError as error:
        raise invalid(f"cron_schedule.{error.part}", str(error)) from error
    return found
