"""Reads `images.yaml`."""

from pathlib import Path

import yaml
from pydantic import ValidationError

from infra.settings.images import IMAGES_FILE, ImageSources
from infra.settings.problems import FILE, MISSING, Problem, SettingsError, problems_of


def load_sources(repository: Path) -> ImageSources:
    """Loads a repository's image sources. Raises `SettingsError`, which lists all problems."""
    file = repository / IMAGES_FILE
    try:
        with file.open(encoding="utf-8") as stream:  # YAML errors contain the stream's name
            content = yaml.safe_load(stream)
    except FileNotFoundError:
        remedy = f"create {IMAGES_FILE} in the repository root: see docs/how-to/images.md"
        raise SettingsError([Problem(str(file), FILE, MISSING, "a file", remedy=remedy)]) from None
    except OSError as error:
        problem = Problem(str(file), FILE, f"an unreadable file ({error.strerror})", "a readable file")
        raise SettingsError([problem]) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        found = f"invalid YAML ({' '.join(str(error).split())})"
        raise SettingsError([Problem(IMAGES_FILE, FILE, found, "valid YAML: see docs/how-to/images.md")]) from None
    try:
        return ImageSources.model_validate(content)
    except ValidationError as error:
        raise SettingsError(problems_of(error, ImageSources, IMAGES_FILE)) from None
