"""Protected resources: refused deletions and replacements, and how to unprotect an app or job.

``protect`` is stored in each resource's state. Engines use the stored value even if the program no longer protects the
resource, so a resource must be unprotected in the state before it can be deleted. If the stack's file still requires
protection, the next update protects the resource again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from pulumi_state.urn import name_of, type_of

_REFUSAL = re.compile(
    r'^(?:Preview failed: )?(?P<replace>unable to replace )?resource "(?P<urn>urn:[^"]+)".*\bprotect', re.DOTALL
)
"""The refusal message of both engines (``pkg/resource/deploy/step_generator.go``); a CLI preview stops at the first."""
PREVIEW_FAILED = "preview failed"
"""An additional message from the CLI after a refusal."""
_COMPONENTS = ("snu:index:ContainerApp", "snu:index:ScheduledJob")


@dataclass(frozen=True)
class Refusal:
    """A protected resource that an engine refused to delete or replace."""

    urn: str
    operation: str
    """``delete`` or ``replace``."""

    @classmethod
    def of(cls, message: str) -> Refusal | None:
        """Parse a refusal message; None for any other message."""
        match = _REFUSAL.match(message)
        return cls(match["urn"], "replace" if match["replace"] else "delete") if match else None


def refused_text(refusals: Iterable[Refusal]) -> str:
    """All of an operation's refusals as one message."""
    parts = []
    for operation in ("delete", "replace"):
        if names := sorted({name_of(each.urn) for each in refusals if each.operation == operation}):
            parts.append(f"{operation} {', '.join(names)}")
    return f"this update is blocked by protection: it would {' and '.join(parts)}"


def unprotect_hint(stack: str, file: str, refusals: Iterable[Refusal], parents: Mapping[str, str]) -> str:
    """How to allow the refused operations. ``parents`` maps each resource's URN to its parent's URN."""
    owners = {each.urn if type_of(each.urn) in _COMPONENTS else parents.get(each.urn, each.urn) for each in refusals}
    if all(owner and type_of(owner) in _COMPONENTS for owner in owners):
        return f"To allow this: scripts/snu unprotect {stack} {' '.join(sorted(map(name_of, owners)))}"
    return f"To allow this: set `snu:protect: false` in {file} and run `scripts/snu up {stack}` before this change."


@dataclass(frozen=True)
class UnprotectedState:
    """A state in which some apps and jobs are no longer protected."""

    latest: dict[str, Any]
    names: tuple[str, ...]
    """Names of the previously protected resources."""


def unprotect(latest: Mapping[str, Any], stack: str, names: Iterable[str]) -> UnprotectedState:
    """Unprotect the named apps and jobs and their children. Raises OpsError if a name is unknown."""
    resources: list[dict[str, Any]] = list(latest.get("resources") or [])
    components = {each["urn"]: name_of(each["urn"]) for each in resources if each["type"] in _COMPONENTS}
    for name in names:
        if name not in components.values():
            raise OpsError(unknown_name(name, stack, components.values()), ExitCode.USAGE)
    chosen = {urn for urn, name in components.items() if name in names}
    below = {each["urn"] for each in resources if each["urn"] in chosen or each.get("parent") in chosen}
    unprotected = tuple(name_of(each["urn"]) for each in resources if each["urn"] in below and each.get("protect"))
    changed = [{**each, "protect": False} if each["urn"] in below else each for each in resources]
    return UnprotectedState({**latest, "resources": changed}, unprotected)


def unknown_name(name: str, stack: str, known: Iterable[str]) -> str:
    """The error message for an app or job that a stack does not have."""
    known = sorted(set(known))
    close = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean {close[0]}?" if close else f" Apps and jobs: {', '.join(known) or 'none'}."
    return f"The state of {stack} has no app or job {name}.{hint} Nothing was changed."
