"""Selects the engine for a stack."""

from __future__ import annotations

import shutil
from enum import StrEnum
from typing import TYPE_CHECKING

from ops.engines.base import Engine
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings, FoundationSettings

_INSTALL = "Install it (https://www.pulumi.com/docs/install/) and make sure that `pulumi version` works in this shell"


class EngineChoice(StrEnum):
    """The values of ``--engine``."""

    AUTO = "auto"
    PULUMI = "pulumi"
    EMBEDDED = "embedded"


def select_engine(choice: EngineChoice, stack: Stack) -> Engine:
    """The engine for the stack. Raises OpsError if it is missing or does not support the stack.

    ``auto`` selects the Pulumi CLI for a stack on the real Scaleway, and for a local stack if both ``pulumi`` and
    ``pulumi-resource-scaleway`` are on PATH. Otherwise, it selects the embedded engine.
    """
    if choice is EngineChoice.AUTO:
        on_path = shutil.which("pulumi") and shutil.which("pulumi-resource-scaleway")
        choice = EngineChoice.EMBEDDED if stack.is_local and not on_path else EngineChoice.PULUMI
    if choice is EngineChoice.EMBEDDED:
        return _embedded(stack)
    return _cli(stack)


def require_builder(engine: Engine, stack: Stack, settings: EnvironmentSettings | FoundationSettings) -> None:
    """Raises OpsError if Pulumi must build images for the stack but the engine lacks the Docker provider."""
    from infra.settings import EnvironmentSettings

    images = settings.images if isinstance(settings, EnvironmentSettings) else {}
    built = sorted(name for name, image in images.items() if image == "build")
    if built and engine.name == EngineChoice.EMBEDDED:
        raise OpsError(
            f"The embedded engine cannot build images, but snu:images in {stack.file.name} specifies `build` for "
            f"{', '.join(built)}. Build them with `scripts/snu images build {stack.name}`, or use --engine pulumi.",
            ExitCode.ENGINE,
        )


def _embedded(stack: Stack) -> Engine:
    if not stack.is_local:
        raise OpsError(
            f"The embedded engine supports only the local Scaleway; {stack.file.name} targets "
            f"{stack.api_url or 'the real Scaleway (it has no scaleway:apiUrl)'}. Use --engine pulumi.",
            ExitCode.ENGINE,
        )
    from ops.engines.embedded import EmbeddedEngine

    return EmbeddedEngine()


def _cli(stack: Stack) -> Engine:
    if shutil.which("pulumi") is None:
        otherwise = ", or use --engine embedded" if stack.is_local else ""
        raise OpsError(
            f"{stack.name} needs the Pulumi CLI, but `pulumi` is not on PATH. {_INSTALL}{otherwise}.",
            ExitCode.ENGINE,
        )
    from ops.engines.pulumi_cli import PulumiCli

    return PulumiCli()
