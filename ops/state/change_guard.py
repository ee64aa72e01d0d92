"""What comes before and after every change of a stack, whichever command makes it."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from ops.errors import OpsError
from ops.exit_codes import ExitCode
from ops.report.factory import say
from ops.stacks import Stack, project_name
from ops.state.backend import BackendKind, backend_of
from ops.state.size import size_of, way_out
from ops.state.tombstone import refuse_moved
from pulumi_state.store import Store


def before_change(stack: Stack, store: Store) -> None:
    """Raises OpsError when the state was moved away, or is too large for where it is kept."""
    project, name = project_name(stack.project_dir), stack.name
    refuse_moved(store, project, name)
    size = size_of(store, project, name)
    if size.too_large:
        raise OpsError(
            f"The state of {name} has {size}; {store.address} takes no more. Nothing was changed. {way_out(name)}",
            ExitCode.ENVIRONMENT,
        )


def after_change(stack: Stack, store: Store, environ: Mapping[str, str]) -> None:
    """Warn of a state that grows too large; give environments what they need of a foundation."""
    size = size_of(store, project_name(stack.project_dir), stack.name)
    if size.near:
        sys.stderr.write(f"warning: the state of {stack.name} has {size}. {way_out(stack.name)}\n")
    if stack.config.get("snu:blueprint") == "foundation" and backend_of(stack).kind is BackendKind.FOUNDATION:
        from ops.state.bootstrap import publish_again

        publish_again(stack, environ, say)
