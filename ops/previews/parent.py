"""The environment that preview environments are previews of: their store, their rules, and what they stand on."""

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
    """The parent environment, looked at without an engine."""

    template: Template
    environment: StackImages
    environ: Mapping[str, str]

    @classmethod
    def find(cls, project_dir: Path, environ: Mapping[str, str]) -> Parent:
        """The environment that the template names. Raises OpsError where no stack is that."""
        template = Template.read(project_dir)
        for name in stack_names(project_dir):
            if names.is_preview(name):
                continue
            identity = find_stack(project_dir, name).config.get("snu:environment")
            if isinstance(identity, dict) and identity.get("name") == template.parent:
                return cls(template, StackImages.find(project_dir, name, environ, writes=True), environ)
        raise OpsError(
            f"{FILE} makes previews of the environment {template.parent}, and no stack of {project_dir} is that.",
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
        """Raises OpsError where the environment has no previews."""
        rules = self.environment.settings.previews
        if rules is None:
            raise OpsError(
                f"{self.stack.file.name} has no snu:previews: the environment {self.template.parent} has no preview "
                "environments. Nothing was changed.",
                ExitCode.SETTINGS,
            )
        return rules

    @property
    def store(self) -> Store:
        """Where the states of the environment and of its previews are. Raises OpsError when it cannot be reached."""
        return self.environment.store

    @cached_property
    def namespace_id(self) -> str:
        """Of the container namespace that previews share, with its region. Raises OpsError."""
        return str(self._of_foundation("previewNamespaceId", "Give it `snu:previews: true`, and bring it up"))

    @cached_property
    def project_id(self) -> str:
        """The Scaleway project. Raises OpsError."""
        return str(self._of_foundation("projectId", "Bring it up"))

    @cached_property
    def _foundation(self) -> dict[str, Any]:
        return outputs_of(self.store, self.project, self.environment.settings.environment.foundation)

    def _of_foundation(self, output: str, otherwise: str) -> Any:
        found = self._foundation.get(output)
        if not isinstance(found, str):
            raise OpsError(
                f"{self.environment.settings.environment.foundation} has no output {output}, which preview "
                f"environments need. {otherwise} first.",
                ExitCode.FAILED,
            )
        return found
