"""Packages that not every installation has: see the dependency groups in pyproject.toml."""

from __future__ import annotations

from importlib.util import find_spec

from ops.errors import OpsError
from ops.exit_codes import ExitCode

_GROUPS = {"build": ("docker", "What builds images"), "local": ("uvicorn", "The local Scaleway")}
"""For each group a module of one of its packages, and what the group is for."""


def require_group(name: str) -> None:
    """Raise OpsError with the command that installs the dependency group if it is not installed."""
    module, purpose = _GROUPS[name]
    if find_spec(module) is None:
        raise OpsError(f"{purpose} is not installed. Run: scripts/bootstrap --{name}", ExitCode.FAILED)
