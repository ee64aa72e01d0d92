"""The interface that both engines implement.

They report their work as Pulumi engine events and can therefore share displays and reports. An event is an
``apitype.EngineEvent`` (Pulumi's ``sdk/go/common/apitype/events.go``): a JSON object with ``sequence``, ``timestamp``
and exactly one of ``preludeEvent``, ``stdoutEvent``, ``diagnosticEvent``, ``resourcePreEvent``, ``resOutputsEvent``,
``resOpFailedEvent``, ``summaryEvent`` and ``cancelEvent``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

EngineEvent = dict[str, Any]
OnEvent = Callable[[EngineEvent], None]


class EngineError(Exception):
    """The operation could not be started or did not succeed. The message is shown to the user."""


@dataclass(frozen=True)
class Operation:
    """One run of an engine on a stack."""

    project_dir: Path
    """Folder of Pulumi.yaml."""
    stack: str
    environ: Mapping[str, str] = field(repr=False)
    """Backend, passphrase and keys; also the environment of the engine's processes."""
    on_event: OnEvent = field(default=lambda _event: None)
    on_cancel: Callable[[], None] = field(default=lambda: None)
    """Called once, at the first signal that cancels the operation."""
    on_process: Callable[[int], None] = field(default=lambda _pid: None)
    """Called with the id of each process that may change the state, when it is started."""
    parallel: int = 16
    """Number of concurrent resource operations."""
    refresh: bool = False
    """Refresh every resource before a preview, an update or a destroy (``pulumi up --refresh``)."""
    targets: Collection[str] = ()
    """URNs to which ``preview``, ``up`` and ``refresh`` are limited; empty for all."""
    save_plan: Path | None = None
    """File to which ``preview`` writes Pulumi's update plan; secrets in it are encrypted as in the state."""
    plan: Path | None = None
    """Update plan that constrains ``up``, which stops before any operation that is not in the plan."""
    config_file: Path | None = None
    """File with the stack's configuration; by default ``Pulumi.<stack>.yaml`` in ``project_dir``."""


@dataclass(frozen=True)
class Result:
    """The result of an operation."""

    ok: bool
    changes: Mapping[str, int]
    """Number of resources by operation (``create``, ``same``, …), as in ``summaryEvent.resourceChanges``."""
    document: Mapping[str, Any] | None = None
    """The output of ``pulumi preview --json``, if the engine produces it itself."""


class Engine(Protocol):
    """Runs operations. Methods raise ``EngineError``; failures of individual resources are reported as events.

    After the first SIGINT, SIGTERM or SIGHUP, the engine starts no further operations, waits for those in progress and
    returns with ``ok`` false. A second Ctrl-C (SIGINT) stops it immediately and leaves them in the state as pending.
    """

    name: str
    converts_state: bool
    """Whether compression of the state follows the environment instead of the existing state."""
    refuses_interrupted: bool
    """Whether the engine refuses ``up`` and ``destroy`` while the state has pending operations."""

    def preview(self, operation: Operation) -> Result: ...

    def up(self, operation: Operation) -> Result: ...

    def preview_destroy(self, operation: Operation) -> Result:
        """Preview ``destroy``; fails if a resource is protected."""
        ...

    def destroy(self, operation: Operation) -> Result: ...

    def refresh(self, operation: Operation) -> Result: ...

    def preview_refresh(self, operation: Operation) -> Result:
        """Preview ``refresh``; writes neither the state nor its history."""
        ...
