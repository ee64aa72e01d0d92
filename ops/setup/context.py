"""The actions of a setup, and their context."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ops.doctor.context import DoctorContext
from ops.github import GitHub
from ops.iam_access import foundation_of
from ops.stacks import Stack, find_stack


@dataclass(frozen=True)
class Action:
    """An idempotent action that fixes a problem."""

    text: str
    """Its description, in the imperative."""
    perform: Callable[[], None]
    """Raises OpsError."""


@dataclass(frozen=True)
class SetupContext:
    """The stacks to set up, with the options of the command."""

    project_dir: Path
    names: tuple[str, ...]
    environ: Mapping[str, str]
    github: GitHub | None
    out: Path | None
    """Directory for private keys."""
    reviewers: tuple[str, ...]
    """Users, and teams as ``ORGANIZATION/TEAM``, who approve deployments to production."""
    bootstrap: Callable[[str], None]
    """Bootstraps a foundation. Raises OpsError."""
    make_plan_keys: Callable[[str], None]
    """Generates a stack's plan keys in ``out``. Raises OpsError."""

    def subject(self) -> DoctorContext:
        """The context of the checks, which reads everything again."""
        return DoctorContext(self.project_dir, self.stacks, self.environ, self.github)

    @property
    def stacks(self) -> tuple[Stack, ...]:
        return tuple(find_stack(self.project_dir, name) for name in self.names)

    @property
    def foundations(self) -> tuple[Stack, ...]:
        """Raises OpsError if a foundation has no file."""
        return _foundations(self.stacks)

    @property
    def sources(self) -> tuple[Stack, ...]:
        """The foundations, and those of the stacks that images are promoted from, whose keys promotions need."""
        sources = (stack.config.get("snu:promoteFrom") for stack in self.stacks)
        return _foundations((*self.stacks, *(find_stack(self.project_dir, name) for name in sources if name)))


def _foundations(stacks: Iterable[Stack]) -> tuple[Stack, ...]:
    by_name = {each.name: each for each in map(foundation_of, stacks)}
    return tuple(by_name.values())
