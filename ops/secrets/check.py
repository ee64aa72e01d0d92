"""Reports keys that a stack's secret document lacks before anything is planned, copied or built."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from infra.secret_document import DocumentProblem, problems
from infra.settings import variables_by_consumer
from ops.errors import OpsError
from ops.report.factory import warn
from ops.report.text import counted
from ops.secrets.change import problem_lines
from ops.secrets.store import DocumentStore
from ops.stacks import Stack
from pulumi_state.store import Store, StoreError


def warn_of_missing_keys(stack: Stack, environ: Mapping[str, str], store: Store | None = None) -> None:
    """Warn on standard error about keys that apps or jobs take and cannot get, and if that is unknown.

    Does nothing for a foundation. ``store``: the store with the stack's state, if it is open already.
    """
    if stack.config.get("snu:blueprint") != "environment":
        return
    try:
        with DocumentStore.opened(stack, environ, store, or_copied=True) as documents:
            found = problems(documents.latest_values(), variables_by_consumer(documents.settings))
            name = documents.name
    except (OpsError, StoreError) as error:
        warn(f"{stack.name}: unknown whether the secret document has the keys that the apps take.\n{error}", sys.stderr)
        return
    if found:
        keys = {each.key for each in found}
        lines = [f"{stack.name}: {name} lacks {counted(len(keys), 'key')} that apps or jobs take:"]
        lines += invalid_lines(stack.name, found)
        warn("\n".join(lines), sys.stderr)


def invalid_lines(stack: str, found: list[DocumentProblem]) -> list[str]:
    """One line per key with its consumers, and how to set it."""
    return [*problem_lines(found), f"Set each key with `scripts/snu secrets set {stack} KEY`."]
