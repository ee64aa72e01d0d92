"""What the command needs of an engine, whichever one does the work.

Both engines report what they do as Pulumi's own engine events (``apitype.EngineEvent`` in Pulumi's
``sdk/go/common/apitype/events.go``: a JSON object with ``sequence``, ``timestamp`` and exactly one of
``preludeEvent``, ``stdoutEvent``, ``diagnosticEvent``, ``resourcePreEvent``, ``resOutputsEvent``,
``resOpFailedEvent``, ``summaryEvent``, ``cancelEvent``), so that one display and one set of reports serve both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

EngineEvent = dict[str, Any]
OnEvent = Callable[[EngineEvent], None]


class EngineError(Exception):
    """The operation could not be started or did not succeed; the text is for the user, without a traceback."""


@dataclass(frozen=True)
class Operation:
    """One run of an engine on a stack."""

    project_dir: Path
    """Folder of Pulumi.yaml."""
    stack: str
    environ: Mapping[str, str] = field(repr=False)
    """Where the state is, and how it and its secrets are opened; also what the engine's processes get."""
    on_event: OnEvent = field(default=lambda _event: None)
    on_cancel: Callable[[], None] = field(default=lambda: None)
    """Is called once, at the first signal that cancels the operation."""
    on_process: Callable[[int], None] = field(default=lambda _pid: None)
    """Is given the number of each process that may change the state, when it is started."""
    parallel: int = 16
    """Resource operations at the same time."""
    refresh: bool = False
    """Read every resource from the cloud before a preview, an update or a destroy (``pulumi up --refresh``)."""
    targets: Collection[str] = ()
    """URNs that ``refresh`` is limited to; empty for all."""
    save_plan: Path | None = None
    """Where ``preview`` writes the engine's own plan; secrets in it are encrypted as in the state."""
    plan: Path | None = None
    """The plan that ``up`` is held to: it stops before an operation that is not in it."""


@dataclass(frozen=True)
class Result:
    """How an operation ended."""

    ok: bool
    changes: Mapping[str, int]
    """Number of resources by operation (``create``, ``same``, …), as in ``summaryEvent.resourceChanges``."""
    document: Mapping[str, Any] | None = None
    """What ``pulumi preview --json`` printed, where the engine makes that document itself."""


class Engine(Protocol):
    """Every method raises ``EngineError`` for what the user can mend; failures of single resources come as events.

    The first SIGINT, SIGTERM or SIGHUP lets operations under way end and starts no more; the engine then returns
    normally, with ``ok`` false. A second Ctrl-C (SIGINT) ends it at once, and leaves them pending in the state.
    """

    name: str
    converts_state: bool
    """Whether it writes a state in the form that the environment asks for, not in the one that the state has."""
    refuses_interrupted: bool
    """Whether it starts no ``up`` and no ``destroy`` while the state has pending operations."""

    def preview(self, operation: Operation) -> Result: ...

    def up(self, operation: Operation) -> Result: ...

    def preview_destroy(self, operation: Operation) -> Result:
        """What ``destroy`` would do; it fails where a resource is protected."""
        ...

    def destroy(self, operation: Operation) -> Result: ...

    def refresh(self, operation: Operation) -> Result: ...

    def preview_refresh(self, operation: Operation) -> Result:
        """What ``refresh`` would find; nothing is written, neither into the state nor beside it."""
        ...
