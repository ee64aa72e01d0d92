"""The images that an environment runs, and their registry."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.settings import EnvironmentSettings, Image
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.registry import Registries
from ops.report.factory import warn
from ops.scaleway.profile import Profile
from ops.stacks import Stack, find_stack, project_name, settings_of, stack_names
from ops.state.backend_environment import backend_environment
from ops.state.checkpoint import latest_in, outputs_in, outputs_of
from ops.state.last_run import Observed, observe
from pulumi_state.store import Store, StoreError, open_store
from pulumi_state.variables import BACKEND_URL


@dataclass(frozen=True)
class StackImages:
    """The images of a stack with the blueprint `environment`, read without an engine."""

    stack: Stack
    settings: EnvironmentSettings
    _environ: Mapping[str, str]
    _writes: bool = False

    @classmethod
    def find(cls, project_dir: Path, name: str, environ: Mapping[str, str], *, writes: bool = False) -> StackImages:
        """``writes``: whether the caller writes to its store. Raises OpsError for an invalid stack or a foundation."""
        return cls.of(find_stack(project_dir, name), environ, writes=writes)

    @classmethod
    def of(cls, stack: Stack, environ: Mapping[str, str], *, writes: bool = False) -> StackImages:
        """Like `find`, but for a stack that has already been loaded."""
        settings = settings_of(stack)
        if not isinstance(settings, EnvironmentSettings):
            raise OpsError(
                f"{stack.name} is a foundation, which runs no images; expected an environment.", ExitCode.USAGE
            )
        return cls(stack, settings, environ, writes)

    @cached_property
    def registry(self) -> str:
        """``<host>/<namespace>``. Raises OpsError if the state cannot be read or the foundation is not deployed."""
        identity = self.settings.environment
        endpoints = outputs_of(self.store, self.project, identity.foundation).get("registryEndpoints") or {}
        endpoint = endpoints.get(identity.preview_of or identity.name)
        if not isinstance(endpoint, str):
            raise OpsError(
                f"{self.stack.name}: {identity.foundation} has no registry for it yet. Run "
                f"`scripts/snu up {identity.foundation}` first.",
                ExitCode.FAILED,
            )
        return endpoint

    @cached_property
    def registries(self) -> Registries:
        """Raises OpsError if there is no API key."""
        return Registries(self.secret_key)

    def digest_of(self, image: str, version: str) -> str | None:
        """The digest of an image's version in the registry; None if it does not exist. Raises OpsError."""
        return self.registries.digest_of(f"{self.registry}/{image}", version)

    @cached_property
    def secret_key(self) -> str:
        """Raises OpsError if there is no API key."""
        return Profile.of(self.stack, self._environ).secret_key

    @cached_property
    def observed(self) -> Observed:
        """The state. Raises StoreError, and OpsError if its store cannot be reached."""
        return observe(self.store, self.project, self.stack.name)

    @cached_property
    def running(self) -> dict[str, Image]:
        """The images that the last update deployed, by name.

        Warns on standard error if the state predates that update. Raises OpsError and StoreError.
        """
        if older := self.observed.overwritten:
            warn(str(older), sys.stderr)
        images = outputs_in(latest_in(self.observed.stored)).get("images") or {}
        return {
            name: Image.model_validate(image)
            for name, image in images.items()
            if isinstance(image, dict) and all(isinstance(value, str) for value in image.values())
        }

    @cached_property
    def project(self) -> str:
        """The name of the Pulumi project."""
        return project_name(self.stack.project_dir)

    @cached_property
    def store(self) -> Store:
        """The store that contains the stack's state. Raises OpsError if it cannot be reached."""
        environ = backend_environment(self.stack, self._environ, reads=not self._writes)
        try:
            return open_store(environ[BACKEND_URL], environ)
        except StoreError as error:
            raise OpsError(str(error), ExitCode.ENVIRONMENT) from None


def environments(project_dir: Path, environ: Mapping[str, str]) -> list[StackImages]:
    """All environments with a stack file. Raises OpsError if one is invalid."""
    stacks = [find_stack(project_dir, name) for name in stack_names(project_dir)]
    return [StackImages.of(stack, environ) for stack in stacks if stack.config.get("snu:blueprint") == "environment"]


def stack_of(project_dir: Path, environment: str, environ: Mapping[str, str]) -> StackImages:
    """The stack of an environment; their names may differ. Raises OpsError."""
    for each in environments(project_dir, environ):
        if each.settings.environment.name == environment:
            return each
    raise OpsError(f"No stack in {project_dir} has the environment name {environment}.", ExitCode.SETTINGS)
