"""Optional packages, listed in the dependency groups in pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from ops.errors import OpsError
from ops.exit_codes import ExitCode

_GROUPS = {"build": ("docker", "The image builder"), "local": ("uvicorn", "The local Scaleway")}
"""For each group, a module from one of its packages and the group's purpose."""


def require_group(name: str) -> None:
    """Raise OpsError, with the command to run, if the dependency group is not installed."""
    module, purpose = _GROUPS[name]
    if find_spec(module) is None:
        raise OpsError(f"{purpose} is not installed. Run: scripts/bootstrap --{name}", ExitCode.FAILED)
