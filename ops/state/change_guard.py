"""Checks before every change to a stack, and follow-up work after it, regardless of the command."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.factory import print_step
from ops.stacks import Stack, project_name
from ops.state.backend import BackendKind, backend_of
from ops.state.size import size_of, size_remedy
from ops.state.tombstone import refuse_moved
from pulumi_state.store import Store


def before_change(stack: Stack, store: Store) -> None:
    """Raises OpsError if the state was moved to another backend or is too large for its backend."""
    project, name = project_name(stack.project_dir), stack.name
    refuse_moved(store, project, name)
    size = size_of(store, project, name)
    if size.too_large:
        raise OpsError(
            f"The state of {name} is too large for {store.address}: {size}. Nothing was changed. {size_remedy(name)}",
            ExitCode.ENVIRONMENT,
        )


def after_change(stack: Stack, store: Store, environ: Mapping[str, str]) -> None:
    """Warn if the state is close to its size limit, and publish a foundation's outputs to its environments."""
    size = size_of(store, project_name(stack.project_dir), stack.name)
    if size.near:
        sys.stderr.write(f"warning: the state of {stack.name} uses {size}. {size_remedy(stack.name)}\n")
    if stack.config.get("snu:blueprint") == "foundation" and backend_of(stack).kind is BackendKind.FOUNDATION:
        from ops.state.bootstrap import publish_again

        publish_again(stack, environ, print_step)
