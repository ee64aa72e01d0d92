"""The parameters and the result of an operation of the embedded engine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest

RunProgram = Callable[["RunRequest", Callable[[str, str], None]], Coroutine[Any, Any, tuple[bool, str]]]
"""Runs the program as specified by Pulumi's ``RunRequest``.

Passes each line that it prints to the second argument, with the severity ``info`` or ``info#err``. Returns whether it
succeeded, and an error message if the program has not printed one itself.
"""


@dataclass(frozen=True)
class Request:
    """One operation on one stack."""

    project_dir: Path
    stack: str
    backend_url: str
    environ: Mapping[str, str]
    """Environment variables, which contain the passphrase and a bucket's keys."""
    on_event: Callable[[dict[str, Any]], None] = field(default=lambda _event: None)
    on_cancel: Callable[[], None] = field(default=lambda: None)
    """Called once, on the first signal, which cancels the operation."""
    parallel: int = 16
    refresh: bool = False
    """Whether to refresh first."""
    targets: Collection[str] = ()
    """URNs of the resources to refresh; empty for all."""
    save_plan: Path | None = None
    """File to which a preview saves its plan."""
    plan: Path | None = None
    """File with the plan that an update must follow."""
    config_file: Path | None = None
    """File with the stack's configuration; by default ``Pulumi.<stack>.yaml`` in ``project_dir``."""

    @property
    def stack_file(self) -> Path:
        return self.config_file or self.project_dir / f"Pulumi.{self.stack}.yaml"


@dataclass(frozen=True)
class Outcome:
    """The result of an operation."""

    ok: bool
    changes: Mapping[str, int]
    """Number of resources by operation."""
