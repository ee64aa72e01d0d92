"""Reads `images.yaml`."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from infra.settings.images import IMAGES_FILE, ImageSources
from infra.settings.problems import Problem, SettingsError, problems_of


def load_sources(repository: Path) -> ImageSources:
    """The images of a repository. Raises `SettingsError` with every problem that was found."""
    file = repository / IMAGES_FILE
    try:
        with file.open(encoding="utf-8") as stream:  # which gives errors the file's name
            content = yaml.safe_load(stream)
    except OSError as error:
        allowed = f"a file {IMAGES_FILE} in the repository's root, see docs/how-to/images.md"
        raise SettingsError([Problem(str(file), "file", error.strerror or "no file", allowed)]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError([Problem(IMAGES_FILE, "file", " ".join(str(error).split()), "YAML")]) from None
    try:
        return ImageSources.model_validate(content)
    except ValidationError as error:
        raise SettingsError(problems_of(error, ImageSources, IMAGES_FILE)) from None
