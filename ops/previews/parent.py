"""The parent environment of previews, with their state store, rules and shared infrastructure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.settings.models import Previews
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.images.stack_images import StackImages
from ops.previews import names
from ops.previews.template import FILE, Template
from ops.stacks import Stack, find_stack, stack_names
from ops.state.checkpoint import outputs_of
from pulumi_state.store import Store


@dataclass(frozen=True)
class Parent:
    """The parent environment, read without an engine."""

    template: Template
    environment: StackImages
    environ: Mapping[str, str]

    @classmethod
    def find(cls, project_dir: Path, environ: Mapping[str, str]) -> Parent:
        """Find the environment named in the template. Raises OpsError if no stack has that environment."""
        template = Template.read(project_dir)
        for name in stack_names(project_dir):
            if names.is_preview(name):
                continue
            identity = find_stack(project_dir, name).config.get("snu:environment")
            if isinstance(identity, dict) and identity.get("name") == template.parent:
                return cls(template, StackImages.find(project_dir, name, environ, writes=True), environ)
        raise OpsError(
            f"{FILE}: previewOf is {template.parent}, but no stack in {project_dir} has that environment name.",
            ExitCode.SETTINGS,
        )

    @property
    def stack(self) -> Stack:
        return self.environment.stack

    @property
    def project_dir(self) -> Path:
        return self.stack.project_dir

    @property
    def project(self) -> str:
        return self.environment.project

    @property
    def rules(self) -> Previews:
        """Raises OpsError if previews are not enabled."""
        rules = self.environment.settings.previews
        if rules is None:
            raise OpsError(
                f"{self.stack.file.name} has no snu:previews, so {self.template.parent} has no preview environments. "
                "Nothing was changed.",
                ExitCode.SETTINGS,
            )
        return rules

    @property
    def store(self) -> Store:
        """The store with the states of the environment and its previews. Raises OpsError if it is unreachable."""
        return self.environment.store

    @cached_property
    def namespace_id(self) -> str:
        """ID, including the region, of the container namespace shared by previews. Raises OpsError."""
        return str(self._output("previewNamespaceId", "Set `snu:previews: true` in its file and run"))

    @cached_property
    def project_id(self) -> str:
        """The Scaleway project ID. Raises OpsError."""
        return str(self._output("projectId", "Run"))

    @cached_property
    def _foundation(self) -> dict[str, Any]:
        return outputs_of(self.store, self.project, self.environment.settings.environment.foundation)

    def _output(self, name: str, remedy: str) -> Any:
        value = self._foundation.get(name)
        if not isinstance(value, str):
            foundation = self.environment.settings.environment.foundation
            raise OpsError(
                f"{foundation} has no output {name}, which preview environments need. {remedy} "
                f"`scripts/snu up {foundation}` first.",
                ExitCode.FAILED,
            )
        return value
