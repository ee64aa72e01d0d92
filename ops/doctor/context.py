"""The context for the checks: GitHub, and the stacks with their settings and states."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ops.errors import OpsError
from ops.github import GitHub
from ops.iam_access import IamCache
from ops.scaleway.client import ScalewayError
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
    """A working setup that is less secure than it could be."""

    problem: str
    """A single line without a full stop."""


class Note(NamedTuple):
    """A fact worth showing, such as the version of an installed program."""

    text: str


_REQUEST = re.compile(r" (for|to) [A-Z]+ /\S+(?= \(|:|$)")

Finding = MissingRequirement | UncheckedRequirement | Risk | Note


class Status(StrEnum):
    """The result of a check."""

    GOOD = "good"
    WRONG = "wrong"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Check:
    """A check of one subject."""

    subject: str
    page: str
    """The documentation page that explains it, with its section."""
    find: Callable[[DoctorContext], Iterator[Finding]]

    def run(self, context: DoctorContext) -> CheckResult:
        """Changes nothing. An error that the check itself does not handle makes its result unknown."""
        findings: list[Finding] = []
        try:
            findings += self.find(context)
        except (OpsError, StoreError) as error:
            findings.append(UncheckedRequirement(self.subject, first_line(error)))
        return CheckResult(self, tuple(dict.fromkeys(findings)))


@dataclass(frozen=True)
class CheckResult:
    """A check with its findings."""

    check: Check
    findings: tuple[Finding, ...]

    @property
    def status(self) -> Status:
        """Wrong if anything is known to be wrong, even if other parts are unknown."""
        if any(isinstance(each, MissingRequirement) for each in self.findings):
            return Status.WRONG
        unknown = any(isinstance(each, UncheckedRequirement) for each in self.findings)
        return Status.UNKNOWN if unknown else Status.GOOD


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

    iam: IamCache = field(default_factory=IamCache)
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
    def in_workflow(self) -> bool:
        """Whether the checks run in a workflow, with the workflow's token."""
        return self.environ.get("GITHUB_ACTIONS") == "true"

    @property
    def is_local(self) -> bool:
        """Whether all stacks are local, so that no workflow deploys them."""
        return bool(self.stacks) and all(stack.is_local for stack in self.stacks)

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
    """An error's first line, without the request that failed, so that the same cause has the same text."""
    line = str(error).partition("\n")[0].removesuffix(" Nothing else was written.").rstrip(".")
    return _REQUEST.sub("", line) if isinstance(error, ScalewayError) else line
