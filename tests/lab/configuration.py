"""Configurations of environments for tests and benchmarks, cut down from the project's own stack files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.settings.checks import images_in_use

_PREFIX = "snu:"


def keep_apps(config: dict[str, Any], apps: Mapping[str, Any]) -> None:
    """Make these the only apps of an environment's configuration, and keep of its images those that they run.

    Jobs, alerts and whatever else runs an image are removed. The program itself says which settings run images, so
    that a new one needs no change here.
    """
    for key in [key for key, value in config.items() if _runs_images(key, value)]:
        del config[key]
    config["snu:apps"] = dict(apps)
    used, images = images_in_use({"apps": apps}), config["snu:images"]
    if isinstance(images, dict):
        config["snu:images"] = {name: image for name, image in images.items() if name in used}


def _runs_images(key: str, value: Any) -> bool:
    return key.startswith(_PREFIX) and bool(images_in_use({key.removeprefix(_PREFIX): value}))
