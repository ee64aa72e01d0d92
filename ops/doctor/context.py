"""The context for the checks: GitHub, and the stacks with their settings and states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ops.errors import OpsError
from ops.github import GitHub
from ops.stacks import Stack, project_name, settings_of
from ops.state.account import Account
from ops.state.backend import BackendKind, backend_of
from ops.state.backend_environment import backend_environment
from ops.state.backend_lookup import find_document
from pulumi_state.store import Store, StoreError, open_store
from pulumi_state.variables import BACKEND_URL

if TYPE_CHECKING:
    from infra.settings import EnvironmentSettings, FoundationSettings

    Settings = EnvironmentSettings | FoundationSettings


class MissingRequirement(NamedTuple):
    """A missing requirement for a release."""

    problem: str
    """A single line without a full stop."""
    fix: str
    """The command or other action that fixes the problem."""


class UncheckedRequirement(NamedTuple):
    """A requirement that could not be checked."""

    subject: str
    reason: str


class Risk(NamedTuple):
    """A setup that works but is less safe than it could be."""

    problem: str
    """A single line without a full stop."""


Finding = MissingRequirement | UncheckedRequirement | Risk


class StackState(NamedTuple):
    """A stack's state backend."""

    store: Store
    environ: Mapping[str, str]
    """The process environment, including the passphrase."""


@dataclass(frozen=True, eq=False)
class DoctorContext:
    """The stacks of a release, read with the keys from a process environment."""

    project_dir: Path
    stacks: tuple[Stack, ...]
    environ: Mapping[str, str]
    github: GitHub | None
    """None if there is no repository or token."""

    _settings: dict[str, Settings | MissingRequirement] = field(default_factory=dict)
    _states: dict[str, StackState | Finding] = field(default_factory=dict)

    def settings(self, stack: Stack) -> Settings | MissingRequirement:
        """The stack's settings, or why they are invalid."""
        if stack.name not in self._settings:
            self._settings[stack.name] = _read_settings(stack)
        return self._settings[stack.name]

    def state(self, stack: Stack) -> StackState | Finding:
        """The stack's state, or why it cannot be reached."""
        if stack.name not in self._states:
            self._states[stack.name] = self._reach(stack)
        return self._states[stack.name]

    def _reach(self, stack: Stack) -> StackState | Finding:
        try:
            backend = backend_of(stack)
            if backend.kind in (BackendKind.FOUNDATION, BackendKind.ENVIRONMENT):
                account = Account(stack, self.environ)
                try:
                    if find_document(account, stack, backend) is None:
                        return MissingRequirement(
                            f"the state of {stack.name} has no backend yet: the secret {backend.secret} is missing",
                            f"scripts/snu bootstrap {backend.foundation}",
                        )
                finally:
                    account.close()
            environ = backend_environment(stack, self.environ)
        except OpsError as error:
            return UncheckedRequirement(f"the state of {stack.name}", first_line(error).removeprefix(f"{stack.name}: "))
        try:
            return StackState(open_store(environ[BACKEND_URL], environ), environ)
        except StoreError as error:
            message = f"the state of {stack.name} cannot be reached: {error}"
            return MissingRequirement(message, "see docs/how-to/state.md")

    @property
    def project(self) -> str:
        """Name of the Pulumi project."""
        return project_name(self.project_dir)


def _read_settings(stack: Stack) -> Settings | MissingRequirement:
    try:
        return settings_of(stack)
    except OpsError as error:
        return MissingRequirement(
            first_line(error), f"scripts/snu preview {stack.name}, which lists every problem in the file"
        )


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
