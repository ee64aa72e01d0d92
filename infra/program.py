"""Chooses a stack's blueprint by its settings, and runs it."""

import pulumi
from pulumi.runtime import config as runtime_config

from infra import environment, foundation
from infra.settings import EnvironmentSettings, FoundationSettings, SettingsError, load


def run() -> None:
    """Registers the resources of the stack that Pulumi runs.

    Raises `pulumi.RunError` with every problem of the stack's settings.
    """
    try:
        settings = load(pulumi.get_stack(), _configuration())
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    match settings:
        case FoundationSettings():
            foundation.build(settings)
        case EnvironmentSettings():
            environment.build(settings)


def _configuration() -> dict[str, str]:
    """The stack's whole flat configuration: from Pulumi's language host, or as a test has set it."""
    return {**runtime_config.get_config_env(), **runtime_config.CONFIG.get()}
