"""Job runs and their states.

If a run has a process, its state is ``_state``; otherwise, its state depends only on the elapsed time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from localcloud.api.cloud import Cloud
from localcloud.api.store import Resource
from localcloud.api.timestamps import duration, timestamp
from localcloud.api.transitions import visible

DEFINITIONS = "serverless_jobs.definition"
REFERENCES = "serverless_jobs.secret"
RUNS = "serverless_jobs.run"

ENDED = ("succeeded", "failed", "interrupted")
_COPIED = ("cpu_limit", "memory_limit", "local_storage_capacity", "region")
_CHANGEABLE = ("command", "startup_command", "args")
_UNCHANGED: Mapping[str, Any] = {}


def new_run(cloud: Cloud, definition: Resource, now: float, overrides: Mapping[str, Any] = _UNCHANGED) -> Resource:
    """Store a new run of a job. ``overrides``: values that replace those of the definition."""
    moment = timestamp(now)
    run: Resource = {
        "id": str(uuid4()),
        "job_definition_id": definition["id"],
        **{name: definition[name] for name in _COPIED},
        **{name: definition[name] if overrides.get(name) is None else overrides[name] for name in _CHANGEABLE},
        "environment_variables": {**definition["environment_variables"], **overrides.get("environment_variables", {})},
        "reason": None,
        "error_message": "",
        "exit_code": None,
        "attempts": 1,
        "created_at": moment,
        "updated_at": moment,
        "_project": definition["_project"],
        "_region": definition["_region"],
    }
    if cloud.will_run(definition["image_uri"]):
        run |= {"_state": "queued", "_starts_at": None, "_ends_at": None}
    else:
        starts_at = now + cloud.transitions
        run |= {"_starts_at": starts_at, "_ends_at": starts_at + cloud.transitions, "_outcome": "succeeded"}
    cloud.store.put(RUNS, run["id"], run)
    return run


def state(run: Resource, now: float) -> str:
    if "_state" in run:
        return str(run["_state"])
    started, ended = run["_starts_at"], run["_ends_at"]
    return "queued" if now < started else "running" if now < ended else str(run["_outcome"])


def shown(run: Resource, now: float) -> dict[str, Any]:
    current, started, ended = state(run, now), run["_starts_at"], run["_ends_at"]
    has_started, has_ended = started is not None and now >= started, ended is not None and now >= ended
    until = ended if has_ended else now
    return {
        **visible(run, now),
        "state": current,
        "started_at": timestamp(started) if has_started else None,
        "terminated_at": timestamp(ended) if has_ended else None,
        "run_duration": duration(max(0.0, until - started) if has_started else 0.0),
        "exit_code": 0 if current == "succeeded" else run["exit_code"],
    }


def stopped(run: Resource, now: float) -> Resource:
    """The run after a request to stop it. Its process, if any, has yet to exit."""
    if state(run, now) in ENDED:
        return run
    if "_state" in run:
        return {**run, "_state": "interrupting"}
    changes = {"_starts_at": min(run["_starts_at"], now), "_ends_at": now, "_outcome": "interrupted"}
    return {**run, **changes, "reason": "cancellation"}


def ended(run: Resource, now: float, outcome: str, reason: str | None, message: str, exit_code: int | None) -> Resource:
    """The run in its final state. ``outcome``: one of the states in ``ENDED``."""
    return {
        **run,
        "_state": outcome,
        "_starts_at": now if run["_starts_at"] is None else run["_starts_at"],
        "_ends_at": now,
        "reason": reason,
        "error_message": message,
        "exit_code": exit_code,
        "updated_at": timestamp(now),
    }


def interrupt_leftover_runs(cloud: Cloud) -> None:
    """End runs whose processes stopped when an earlier local Scaleway exited."""
    now = cloud.now()
    for run in list(cloud.store.all(RUNS)):
        if run.get("_state", ENDED[0]) not in ENDED:
            message = "the local Scaleway exited during the run"
            cloud.store.put(RUNS, run["id"], ended(run, now, "interrupted", "technical_error", message, None))
    cloud.store.commit()
