"""Runs the blueprint that a stack's settings select."""

from pathlib import Path

import pulumi
from pulumi.runtime import config as runtime_config

from gitrepo import GitError
from infra import environment, foundation
from infra.backend import BackendError, check_backend
from infra.images.errors import ImageSourceError
from infra.settings import EnvironmentSettings, FoundationSettings, SettingsError, load
from infra.settings.advice import advice


def run(project: Path) -> None:
    """Registers the current stack's resources; `project` is the folder with the stack files.

    Raises `pulumi.RunError`, which lists all problems in the stack's settings or in an image's sources, or if the state
    of a stack on the real Scaleway would be stored in a folder.
    """
    stack = pulumi.get_stack()
    configuration = _configuration()
    try:
        check_backend(stack, configuration.get("scaleway:apiUrl"), project)
        settings = load(stack, configuration, project)
        if pulumi.runtime.is_dry_run():  # an update would only repeat the warnings of its preview
            for warning in advice(settings, stack, project):
                pulumi.log.warn(warning)
        match settings:
            case FoundationSettings():
                foundation.build(settings)
            case EnvironmentSettings():
                environment.build(settings, project)
    except (BackendError, SettingsError, ImageSourceError, GitError) as error:
        raise pulumi.RunError(str(error)) from None


def _configuration() -> dict[str, str]:
    """The stack's flat configuration, from Pulumi's language host or set by a test."""
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
