"""What an operation of the engine is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pulumi.runtime.proto.language_pb2 import RunRequest

RunProgram = Callable[["RunRequest", Callable[[str, str], None]], Coroutine[Any, Any, tuple[bool, str]]]
"""Runs the program as Pulumi's ``RunRequest`` says.

Gives ``info`` or ``info#err`` and each line that it prints to the second argument, and returns whether it succeeded,
and what is wrong if it has not told that itself.
"""


@dataclass(frozen=True)
class Request:
    """One operation on one stack."""

    project_dir: Path
    stack: str
    backend_url: str
    environ: Mapping[str, str]
    """Where the passphrase, and the keys of a bucket, are looked up."""
    on_event: Callable[[dict[str, Any]], None] = field(default=lambda _event: None)
    on_cancel: Callable[[], None] = field(default=lambda: None)
    """Is called once, at the first signal that cancels the operation."""
    parallel: int = 16
    refresh: bool = False
    """Read every resource from the cloud first."""
    targets: Collection[str] = ()
    """URNs that a refresh is limited to; empty for all."""
    save_plan: Path | None = None
    """Where a preview writes what it plans."""
    plan: Path | None = None
    """What an update is held to."""


@dataclass(frozen=True)
class Outcome:
    ok: bool
    changes: Mapping[str, int]
    """Number of resources by what was done with them."""
