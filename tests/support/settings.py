"""Small configurations of an environment and of a foundation, and what is reported of one that is refused."""

from __future__ import annotations

import copy
from typing import Any

from infra.settings import SettingsError

Stack = dict[str, Any]
DIGEST = "sha256:" + "a" * 64

ENVIRONMENT: Stack = {
    "snu:blueprint": "environment",
    "snu:environment": {"name": "test", "foundation": "foundation-test"},
    "snu:images": {name: {"version": "1", "digest": DIGEST} for name in ("api", "admin")},
    "snu:apps": {
        "api": {"cpu": 1000, "memory": 1024, "host": "api.test.example.org"},
        "admin": {"cpu": 256, "memory": 256, "host": "admin.test.example.org"},
        "tasks": {"cpu": 256, "memory": 256, "image": "api", "variablesFrom": "api"},
    },
}
FOUNDATION: Stack = {
    "scaleway:organizationId": "10ca1000-0000-4000-8000-000000000001",
    "snu:blueprint": "foundation",
    "snu:project": {"name": "test"},
    "snu:environments": {"test": {"database": {"kind": "serverless"}}},
}


def changed(config: Stack, **changes: Any) -> Stack:
    """A copy with values set at dotted paths; `apps__api__cpu=1` is `snu:apps.api.cpu`."""
    config = copy.deepcopy(config)
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = config
        for index, parent in enumerate(parents):
            target = target.setdefault(f"snu:{parent}" if index == 0 else parent, {})
        target[last if parents else f"snu:{last}"] = copy.deepcopy(value)
    return config


def problems(error: SettingsError) -> dict[str, tuple[str, str]]:
    return {problem.key: (problem.found, problem.allowed) for problem in error.errors}
