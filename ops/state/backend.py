"""A stack's backend, as configured in the stack's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from infra import naming
from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.stacks import Stack


class BackendKind(Enum):
    """A kind of backend."""

    FILE = auto()
    """A folder in this checkout, for the local Scaleway."""
    FOUNDATION = auto()
    """A foundation's bucket, described by a secret in the organization's default project."""
    ENVIRONMENT = auto()
    """An environment's database or bucket, described by a secret in the foundation's project."""
    UNKNOWN = auto()
    """Not configured in the file; the user's environment variables must specify it."""


@dataclass(frozen=True)
class StateBackend:
    """The backend configured in a stack's file."""

    kind: BackendKind
    secret: str = ""
    """Name of the secret that contains the backend document."""
    bucket: str = ""
    """A foundation's bucket."""
    reader: str = ""
    """Name of the secret that contains the read-only document."""
    foundation: str = ""
    """The stack to set up with `snu bootstrap` if something is missing."""


def backend_of(stack: Stack) -> StateBackend:
    """A stack's backend. Raises OpsError if a stack on the real Scaleway keeps its state in a folder."""
    config = stack.config
    configured = _table(config.get("snu:state")).get("backend")
    if configured == "file" or (configured is None and stack.is_local):
        if not stack.is_local:
            raise OpsError(
                f"{stack.file.name}: snu:state.backend is `file`, which is allowed only for stacks on the local "
                "Scaleway; expected `bucket` for a foundation or `foundation` for an environment.",
                ExitCode.SETTINGS,
            )
        return StateBackend(BackendKind.FILE)
    match config.get("snu:blueprint"):
        case "foundation":
            return _foundation(stack)
        case "environment":
            return _environment(stack)
    return StateBackend(BackendKind.UNKNOWN)


def _foundation(stack: Stack) -> StateBackend:
    project = _table(stack.config.get("snu:project")).get("name")
    if not isinstance(project, str):
        return StateBackend(BackendKind.UNKNOWN)
    bucket = _table(stack.config.get("snu:state")).get("bucket") or naming.foundation_state_bucket(project)
    return StateBackend(
        BackendKind.FOUNDATION, naming.foundation_state_secret(project), str(bucket), foundation=stack.name
    )


def _environment(stack: Stack) -> StateBackend:
    environment = _table(stack.config.get("snu:environment"))
    name = environment.get("previewOf") or environment.get("name")
    if not isinstance(name, str):
        return StateBackend(BackendKind.UNKNOWN)
    return StateBackend(
        BackendKind.ENVIRONMENT,
        naming.environment_state_secret(name),
        reader=naming.state_reader_secret(name),
        foundation=str(environment.get("foundation") or ""),
    )


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
