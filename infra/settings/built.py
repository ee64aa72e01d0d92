"""The images that were built for a stack: version and digest, written by `snu images build`, ignored by git."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra import naming
from infra.settings.checks import images_in_use
from infra.settings.problems import Problem, SettingsError

_HEAD = """\
# Written by `snu images build`: what was built for this stack, in place of the same names in its snu:images.
# Remove this file to run what the stack's own file names.
"""


def built_file(project: Path, stack: str) -> Path:
    """Where the images are written that were built for a stack."""
    return project / naming.built_images(stack)


def read_built(project: Path, stack: str) -> dict[str, Any]:
    """By name, as `snu:images` has them; nothing where none were built. Raises `SettingsError`: it is no such file."""
    file = built_file(project, stack)
    try:
        with file.open(encoding="utf-8") as stream:  # which gives errors the file's name
            content = yaml.safe_load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError([_problem(file, project, " ".join(str(error).split()))]) from None
    if not isinstance(content, dict):
        raise SettingsError([_problem(file, project, "no object")])
    return {str(name): image for name, image in content.items()}


def with_built(config: Mapping[str, Any], project: Path, stack: str) -> dict[str, Any]:
    """A stack's configuration with the images that were built for it in place of those that its file names.

    Foundations run none, and stacks that take their images from another one have none built. Raises `SettingsError`.
    """
    if config.get("snu:blueprint") != "environment" or "snu:promoteFrom" in config:
        return {**config}
    built, written = read_built(project, stack), config.get("snu:images") or {}
    if built and written == "build":
        used = images_in_use({key: config.get(f"snu:{key}") for key in ("apps", "jobs", "crashAlerts")})
        written = dict.fromkeys(used, "build")
    return {**config, "snu:images": {**written, **built}} if built and isinstance(written, dict) else {**config}


def write_built(project: Path, stack: str, images: Mapping[str, Mapping[str, str]]) -> None:
    """Replaces the file at once, or not at all. Raises OSError."""
    file = built_file(project, stack)
    file.parent.mkdir(parents=True, exist_ok=True)
    written = file.with_suffix(".new")
    content = {name: dict(image) for name, image in sorted(images.items())}
    written.write_text(_HEAD + yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    written.replace(file)


def _problem(file: Path, project: Path, found: str) -> Problem:
    return Problem(str(file.relative_to(project)), "file", found, "what `snu images build` writes; or remove the file")
