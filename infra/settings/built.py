"""The images built for a stack: a gitignored file with versions and digests, written by `snu images build`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra import naming
from infra.settings.checks import images_in_use
from infra.settings.problems import Problem, SettingsError

_HEAD = """\
# Written by `snu images build`. These images take precedence over the stack file's snu:images.
# Delete this file to run the stack file's images.
"""


def built_file(project: Path, stack: str) -> Path:
    """Path of the file that lists the images built for a stack."""
    return project / naming.built_images(stack)


def read_built(project: Path, stack: str) -> dict[str, Any]:
    """The images built for a stack, in the format of `snu:images`; empty if no images were built.

    Raises `SettingsError` if the file is not valid.
    """
    file = built_file(project, stack)
    try:
        with file.open(encoding="utf-8") as stream:  # YAML errors contain the stream's name
            content = yaml.safe_load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError([_problem(file, project, " ".join(str(error).split()))]) from None
    if not isinstance(content, dict):
        raise SettingsError([_problem(file, project, "a value that is not an object")])
    return {str(name): image for name, image in content.items()}


def with_built(config: Mapping[str, Any], project: Path, stack: str) -> dict[str, Any]:
    """A stack's configuration, with the images built for it in place of those in the stack file.

    Leaves foundations, which run no images, and stacks with `snu:promoteFrom` unchanged. Raises `SettingsError`.
    """
    if config.get("snu:blueprint") != "environment" or "snu:promoteFrom" in config:
        return {**config}
    built, written = read_built(project, stack), config.get("snu:images") or {}
    if built and written == "build":
        used = images_in_use({key: config.get(f"snu:{key}") for key in ("apps", "jobs", "crashAlerts")})
        written = dict.fromkeys(used, "build")
    return {**config, "snu:images": {**written, **built}} if built and isinstance(written, dict) else {**config}


def write_built(project: Path, stack: str, images: Mapping[str, Mapping[str, str]]) -> None:
    """Replaces the file atomically. Raises OSError."""
    file = built_file(project, stack)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".new")
    content = {name: dict(image) for name, image in sorted(images.items())}
    written.write_text(_HEAD + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    written.replace(file)


def _problem(file: Path, project: Path, found: str) -> Problem:
    remedy = "delete it, and run `scripts/snu images build` again if needed"
    return Problem(str(file.relative_to(project)), "file", found, "an object", remedy=remedy)
