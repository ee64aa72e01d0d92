"""Edits of stack files: those that people and commands make, and one that makes tests independent of them.

Each takes the mapping under ``config`` and keeps it valid, whatever values it has.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

_ADDRESS = re.compile(r"(https?://[^/:\s]+):(\d+)")
_LOWEST = (0, 1, 5, 10, 70, 128)
"""Values that are the least that some setting allows."""
_PROBES = ("startupProbe", "livenessProbe")
_SIZES: dict[str, Any] = {"minScale": 1, "maxScale": 1, "concurrency": 50, "timeout": 60}
_CPU_AND_MEMORY = {"admin": (256, 256), "app": (256, 256), "antivirus": (1024, 4096)}
_JOB_SIZES = {"cpu": 2048, "memory": 4096, "storage": 1000, "timeout": 7200}
_DATABASE_SIZES: dict[str, dict[str, Any]] = {
    "serverless": {"minCpu": 0, "maxCpu": 2},
    "instance": {"nodeType": "DB-DEV-S", "volumeSize": 10, "backupFrequency": 24, "backupRetention": 30},
}


def settle(config: dict[str, Any]) -> None:
    """Give fixed values to images, sizes and times, so that no test depends on those that are committed."""
    local = "scaleway:apiUrl" in config
    for name, image in _images(config).items():
        if isinstance(image, dict):
            image["version"] = "local" if local else "initial"
            image["digest"] = (
                f"sha256:{hashlib.sha256(f'snu-local-{name}'.encode()).hexdigest() if local else '0' * 64}"
            )
    for name, app in config.get("snu:apps", {}).items():
        app["cpu"], app["memory"] = _CPU_AND_MEMORY.get(name, (1024, 2048))
        app.update(_SIZES)
        if "port" in app:
            app["port"] = 8089
        if "startupProbe" in app:
            app["startupProbe"].update({"interval": 2, "timeout": 1, "failureThreshold": 50})
        if "livenessProbe" in app:
            app["livenessProbe"].update({"interval": 10, "timeout": 3, "failureThreshold": 3})
    for job in config.get("snu:jobs", {}).values():
        job.update(_JOB_SIZES)
    if "snu:crashAlerts" in config:
        config["snu:crashAlerts"]["intervalMinutes"] = 5
    for environment in config.get("snu:environments", {}).values():
        for database in (environment[key] for key in ("database", "formerDatabase") if key in environment):
            database.update(_DATABASE_SIZES.get(database["kind"], {}))
    if config["snu:blueprint"] == "foundation":
        config.setdefault("snu:observability", {})["logRetention"] = 7


def _images(config: dict[str, Any]) -> dict[str, Any]:
    """Empty for a stack whose images Pulumi builds."""
    images = config.get("snu:images", {})
    return {} if images == "build" else images


def promote(config: dict[str, Any]) -> None:
    """Set another version and digest for every image that is named by digest."""
    for name, image in _images(config).items():
        if isinstance(image, dict):
            image["version"] = f"{image['version']}-next"
            image["digest"] = f"sha256:{hashlib.sha256(f'{name} {image}'.encode()).hexdigest()}"


def roll_back(config: dict[str, Any]) -> None:
    """Promote, and set other variables: a rollback restores those of the release too."""
    promote(config)
    for app in config.get("snu:apps", {}).values():
        variables = app.get("variables", {})
        app["variables"] = {**variables, "RELEASE": f"before-{variables.get('RELEASE', 'this')}"}
        app["documentVariables"] = app.get("documentVariables", [])[1:]
        app["secretVariables"] = app.get("secretVariables", [])[1:]


def resize(config: dict[str, Any]) -> None:
    """Change every size, limit, timeout, interval and retention."""
    for app in config.get("snu:apps", {}).values():
        app["cpu"] = _other(app["cpu"])
        app["memory"] = _other(app["memory"])
        app["minScale"] = 0 if app.get("minScale") else 1
        app["maxScale"] = _other(app.get("maxScale", 1))
        app["concurrency"] = _other(app.get("concurrency", 50))
        app["timeout"] = _other(app.get("timeout", 300))
        for probe in (app[key] for key in _PROBES if key in app):
            probe["interval"] = _other(probe.get("interval", 10))
            probe["timeout"] = _other(probe.get("timeout", 1))
            probe["failureThreshold"] = _other(probe.get("failureThreshold", 3))
    for job in config.get("snu:jobs", {}).values():
        job["cpu"] = _other(job["cpu"])
        job["memory"] = _other(job["memory"])
        job["storage"] = _other(job.get("storage", 1000))
        job["timeout"] = _other(job["timeout"])
    if alerts := config.get("snu:crashAlerts"):
        alerts["intervalMinutes"] = 10 if alerts.get("intervalMinutes", 5) != 10 else 5
    for environment in config.get("snu:environments", {}).values():
        if environment["database"]["kind"] == "serverless":
            environment["database"]["maxCpu"] = _other(environment["database"].get("maxCpu", 1))
    if logs := config.get("snu:observability"):
        logs["logRetention"] = _other(logs.get("logRetention", 7))


def unset_optional_sizes(config: dict[str, Any]) -> None:
    """Remove every size that has a default."""
    for app in config.get("snu:apps", {}).values():
        for key in ("minScale", "maxScale", "concurrency", "timeout"):
            app.pop(key, None)


def move_ports(config: dict[str, Any]) -> None:
    """Move the local Scaleway, and the containers whose port is set, to other ports."""
    _move(config)
    for app in config.get("snu:apps", {}).values():
        if "port" in app:
            app["port"] = 8080 if app["port"] != 8080 else 8089


def _other(value: int) -> int:
    return value + 1 if value in _LOWEST else value - 1


def _move(node: Any) -> None:
    entries: Any = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(entries):
        if isinstance(value, dict | list):
            _move(value)
        elif isinstance(value, str) and _ADDRESS.search(value):
            node[key] = _ADDRESS.sub(lambda address: f"{address[1]}:{int(address[2]) + 1000}", value)
