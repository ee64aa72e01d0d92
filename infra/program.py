"""Chooses a stack's blueprint by its settings, and runs it."""

from pathlib import Path

import pulumi
from pulumi.runtime import config as runtime_config

from gitrepo import GitError
from infra import environment, foundation
from infra.images.errors import ImageSourceError
from infra.settings import EnvironmentSettings, FoundationSettings, SettingsError, load
from infra.settings.advice import advice


def run(project: Path) -> None:
    """Registers the resources of the stack that Pulumi runs; `project` is the folder with the stacks' files.

    Raises `pulumi.RunError` with every problem of the stack's settings, or of what an image is to be built from.
    """
    stack = pulumi.get_stack()
    try:
        settings = load(stack, _configuration(), project)
        if pulumi.runtime.is_dry_run():  # an update follows a preview that has said so
            for doubt in advice(settings, stack, project):
                pulumi.log.warn(doubt)
        match settings:
            case FoundationSettings():
                foundation.build(settings)
            case EnvironmentSettings():
                environment.build(settings, project)
    except (SettingsError, ImageSourceError, GitError) as error:
        raise pulumi.RunError(str(error)) from None


def _configuration() -> dict[str, str]:
    """The stack's whole flat configuration: from Pulumi's language host, or as a test has set it."""
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
