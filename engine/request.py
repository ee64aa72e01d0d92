"""Parameters and result of an embedded-engine operation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest

RunProgram = Callable[["RunRequest", Callable[[str, str], None]], Coroutine[Any, Any, tuple[bool, str]]]
"""Runs the program as specified by Pulumi's ``RunRequest``.

Each line of output is passed to the second argument, with the severity ``info`` or ``info#err``. Returns whether the
program succeeded, and an error message if the program did not print one.
"""


@dataclass(frozen=True)
class Request:
    """One operation on one stack."""

    project_dir: Path
    stack: str
    backend_url: str
    environ: Mapping[str, str]
    """Environment variables, including the passphrase and a bucket's keys."""
    on_event: Callable[[dict[str, Any]], None] = field(default=lambda _event: None)
    on_cancel: Callable[[], None] = field(default=lambda: None)
    """Called once, when the first signal cancels the operation."""
    parallel: int = 16
    refresh: bool = False
    """Whether to refresh before the operation."""
    targets: Collection[str] = ()
    """URNs of the only resources to refresh or update; empty means all. ``destroy`` ignores them."""
    save_plan: Path | None = None
    """File in which a preview saves its plan."""
    plan: Path | None = None
    """File that contains the plan for an update to follow."""
    config_file: Path | None = None
    """File that contains the stack's configuration; by default ``Pulumi.<stack>.yaml`` in ``project_dir``."""

    @property
    def stack_file(self) -> Path:
        return self.config_file or self.project_dir / f"Pulumi.{self.stack}.yaml"


@dataclass(frozen=True)
class Outcome:
    """The result of an operation."""

    ok: bool
    changes: Mapping[str, int]
    """Number of resources per operation."""
