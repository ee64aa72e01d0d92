"""Where a stack's state belongs, by what its file says."""

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
    """Of places."""

    FILE = auto()
    """A folder of this checkout, for the local Scaleway."""
    FOUNDATION = auto()
    """A foundation's own state: a bucket, described by a secret of the organization's default project."""
    ENVIRONMENT = auto()
    """What the foundation has made for the environment, described by a secret of the foundation's project."""
    UNKNOWN = auto()
    """The file does not say enough: the user's environment has to."""


@dataclass(frozen=True)
class StateBackend:
    """Where a stack's state belongs."""

    kind: BackendKind
    secret: str = ""
    """The secret that holds the state document."""
    bucket: str = ""
    """Of a foundation."""
    reader: str = ""
    """The secret with the document of a reader of the state."""
    foundation: str = ""
    """The stack that `snu bootstrap` is run for when something is missing."""


def backend_of(stack: Stack) -> StateBackend:
    """Raises OpsError when a stack on the real Scaleway wants its state in a folder."""
    config = stack.config
    wanted = _table(config.get("snu:state")).get("backend")
    if wanted == "file" or (wanted is None and stack.is_local):
        if not stack.is_local:
            raise OpsError(
                f"{stack.file.name}: snu:state.backend is `file`, which is for the local Scaleway only: on a laptop "
                "nobody else finds the state. Allowed: `bucket` for a foundation, `foundation` for an environment.",
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
