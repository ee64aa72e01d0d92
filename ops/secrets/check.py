"""Reports keys that a stack's secret document lacks before anything is planned, copied or built."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

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
    """Warn on standard error about keys that apps or jobs need and the document lacks, or if this cannot be checked.

    Does nothing for a foundation. ``store``: the store with the stack's state, if it is open already.
    """
    if warning := _warning(stack, environ, store):
        warn(warning, sys.stderr)


def start_warning(stack: Stack, environ: Mapping[str, str]) -> Callable[[], None]:
    """Look for missing keys in the background; the returned function waits for the result and warns."""
    executor = ThreadPoolExecutor(1)
    found = executor.submit(_warning, stack, environ, None)
    executor.shutdown(wait=False)

    def finish() -> None:
        if warning := found.result():
            warn(warning, sys.stderr)

    return finish


def _warning(stack: Stack, environ: Mapping[str, str], store: Store | None) -> str:
    """Empty if there is nothing to warn about."""
    if stack.config.get("snu:blueprint") != "environment":
        return ""
    try:
        with DocumentStore.opened(stack, environ, store, or_copied=True) as documents:
            found = problems(documents.latest_values(), variables_by_consumer(documents.settings))
            name = documents.name
    except (OpsError, StoreError) as error:
        return (
            f"{stack.name}: could not check whether the secret document has the keys that apps and jobs need.\n{error}"
        )
    if not found:
        return ""
    keys = {each.key for each in found}
    lines = [f"{stack.name}: {name} lacks {counted(len(keys), 'key')} that apps or jobs need:"]
    return "\n".join(lines + invalid_lines(stack.name, found))


def invalid_lines(stack: str, found: list[DocumentProblem]) -> list[str]:
    """One line per key with its consumers, and how to set it."""
    return [*problem_lines(found), f"Set each key with `scripts/snu secrets set {stack} KEY`."]
