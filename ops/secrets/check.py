"""Reports keys that a stack's secret document lacks before anything is planned, copied or built."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from infra.secret_document import DocumentProblem, problems
from infra.settings import variables_by_consumer
from ops.errors import OpsError
from ops.report.factory import warn
from ops.report.text import counted
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
        lines += problem_lines(stack.name, found)
        warn("\n".join(lines), sys.stderr)


def problem_lines(stack: str, found: list[DocumentProblem]) -> list[str]:
    """One line per key with its consumers, and how to set it."""
    consumers: dict[tuple[str, str], list[str]] = {}
    for each in found:
        consumers.setdefault((each.key, each.problem), []).append(each.consumer)
    lines = [f"  {key}: {problem} (used by {', '.join(users)})" for (key, problem), users in consumers.items()]
    return [*lines, f"Set each key with `scripts/snu secrets set {stack} KEY`."]
