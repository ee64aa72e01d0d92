"""Finds the right command if a stack was named in the wrong place: ``redeploy api local``, ``logs local api``."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ops.errors import OpsError
from ops.report.text import safe
from ops.stacks import project_dir, stack_names


@dataclass(frozen=True)
class Argument:
    """An argument of a command."""

    name: str
    """As in the help: ``STACK`` or ``APP...``."""
    is_stack: bool
    """Whether it names stacks."""
    words: Sequence[str]
    """The values given for it."""


@dataclass(frozen=True)
class CommandLine:
    """A command with its arguments, without its options."""

    command: str
    """Such as ``secrets set``."""
    arguments: Sequence[Argument]
    surplus: Sequence[str]
    """The arguments that the command does not expect."""
    has_stack_option: bool
    cwd: Path | None

    @property
    def expected(self) -> str:
        """The names of the arguments."""
        return " ".join(each.name for each in self.arguments) or "no arguments"

    @property
    def words(self) -> list[str]:
        """All values given for arguments."""
        return [*(word for each in self.arguments for word in each.words), *self.surplus]

    def correction(self) -> str:
        """A sentence with the right command; empty if no stack is in the wrong place."""
        stack_arguments = [each for each in self.arguments if each.is_stack]
        if len(stack_arguments) + self.has_stack_option != 1 or (stack_arguments and self.surplus):
            return ""
        misplaced = (*self.surplus, *(word for each in self.arguments if not each.is_stack for word in each.words))
        known = self._stacks()
        stack = next((word for word in misplaced if word in known), None)
        if stack is None:
            return ""
        words = [word for word in self.words if word != stack]
        if stack_arguments:
            words = [stack, *words]
        else:
            names = [each.name.partition("|")[0] for each in self.arguments]
            words = [*(words + names[len(words) :])[: len(names)], "--stack", stack]
        line = " ".join(shlex.quote(safe(word)) for word in (*self.command.split(), *words))
        return f" {stack} is a stack. Run: scripts/snu {line}"

    def _stacks(self) -> list[str]:
        try:
            return stack_names(project_dir(self.cwd))
        except OpsError:
            return []
