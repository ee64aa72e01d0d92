"""States as they were written before the components were a package: with the components' former type tokens."""

from __future__ import annotations

import re

from infra.components.component import PACKAGE
from infra.components.provider import COMPONENTS
from ops.state import last_run
from pulumi_state.store import open_store
from tests.lab.lab import Lab

_RENAMED = [component for component in COMPONENTS if component._former_type]
_FORMER = {f"{PACKAGE}:index:{component.__name__}": component._former_type for component in _RENAMED}
_CURRENT = re.compile("|".join(re.escape(token) for token in sorted(_FORMER, key=len, reverse=True)))


def with_former_types(lab: Lab, stack: str) -> int:
    """Rewrite a stack's types and URNs, and return how many there were."""
    state = lab.state_file(stack)
    text, count = _CURRENT.subn(lambda match: _FORMER[match[0]], state.read_text())
    state.write_text(text)
    last_run.forget(open_store(lab.project.backend_url, {}), "snu", stack)  # otherwise, it is an overwritten state
    return count
