"""What a stack uses, from its settings alone: the inputs that the program makes of them, as far as they are paid for.

A test holds them against the program's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from infra import naming
from infra.settings import (
    BucketBackend,
    EnvironmentSettings,
    FoundationSettings,
    InstanceBackend,
    ServerlessBackend,
)
from infra.settings.limits import BYTES_PER_MEGABYTE
from ops.cost.prices import Prices
from ops.cost.usage import Usage, usage_of

Part = tuple[str, str, Mapping[str, Any]]
"""An app, a job or another component by its name in the program, with the type and inputs of what it makes."""


def usages(settings: EnvironmentSettings | FoundationSettings, prices: Prices) -> dict[str, Usage]:
    """By component, those that cost nothing left out."""
    found: dict[str, Usage] = {}
    parts = _environment(settings) if isinstance(settings, EnvironmentSettings) else _foundation(settings)
    for name, type_, inputs in parts:
        found[name] = found.get(name, Usage()) + usage_of(type_, inputs, prices)
    return found


def _environment(settings: EnvironmentSettings) -> Iterator[Part]:
    for name, app in settings.apps.items():
        yield (
            name,
            "scaleway:containers/container:Container",
            {
                "cpuLimit": app.cpu,
                "memoryLimitBytes": app.memory * BYTES_PER_MEGABYTE,
                "minScale": app.min_scale,
                "maxScale": app.max_scale,
            },
        )
    alerts = settings.crash_alerts
    for name, job in [*settings.jobs.items(), *([(naming.ALERTS_JOB, alerts.job)] if alerts else [])]:
        cron = {"cron": {"schedule": job.schedule.cron}} if job.schedule else {}
        sizes = {"cpuLimit": job.cpu, "memoryLimit": job.memory, "timeout": f"{job.timeout}s"}
        yield name, "scaleway:job/definition:Definition", sizes | cron
    if settings.environment.preview_of:
        yield "secrets", "scaleway:secrets/secret:Secret", {}


def _foundation(settings: FoundationSettings) -> Iterator[Part]:
    for name, environment in settings.environments.items():
        yield f"{name}-registry", "scaleway:registry/namespace:Namespace", {}
        yield f"{name}-secrets", "scaleway:secrets/secret:Secret", {}
        yield f"{name}-alerts", "scaleway:secrets/secret:Secret", {}
        match environment.database if environment.former_database is None else environment.former_database:
            case ServerlessBackend() as backend:
                cpus = {"minCpu": backend.min_cpu, "maxCpu": backend.max_cpu}
                yield f"{name}-state", "scaleway:databases/serverlessDatabase:ServerlessDatabase", cpus
            case InstanceBackend() as backend:
                size = {"nodeType": backend.node_type, "volumeSizeInGb": backend.volume_size}
                yield f"{name}-state", "scaleway:databases/instance:Instance", size
            case BucketBackend():
                pass  # what `snu bootstrap` makes is no resource of the stack
    if settings.zone is not None:
        yield "zone", "scaleway:domain/zone:Zone", {}
